package store

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// dataSet makes the documents of the workloads: about 292 bytes of JSON each, the
// same for the same seed.
func dataSet(n int, seed uint64) []ejson.Doc {
	r := rand.New(rand.NewPCG(seed, 1))
	docs := make([]ejson.Doc, n)
	for i := range docs {
		docs[i] = dataDoc(r, i)
	}
	return docs
}

func dataID(r *rand.Rand) string {
	var id [idLength]byte
	for i := range id {
		id[i] = idLetters[r.IntN(len(idLetters))]
	}
	return string(id[:])
}

func dataDoc(r *rand.Rand, i int) ejson.Doc {
	text := make([]byte, 60+r.IntN(61))
	for k := range text {
		text[k] = "abcdefghijklmnopqrstuvwxyz      "[r.IntN(32)]
	}
	tags := make([]any, 1+r.IntN(4))
	for k := range tags {
		tags[k] = fmt.Sprintf("tag%02d", r.IntN(50))
	}
	return ejson.Make(
		ejson.Field{Name: "_id", Value: dataID(r)},
		ejson.Field{Name: "author", Value: fmt.Sprintf("author%04d", r.IntN(1000))},
		ejson.Field{Name: "room", Value: fmt.Sprintf("room%02d", r.IntN(100))},
		ejson.Field{Name: "text", Value: string(text)},
		ejson.Field{Name: "ts", Value: time.UnixMilli(1_700_000_000_000 + int64(r.IntN(1_000_000_000)))},
		ejson.Field{Name: "score", Value: r.Float64() * 100},
		ejson.Field{Name: "tags", Value: ejson.MakeArray(tags...)},
		ejson.Field{Name: "n", Value: i},
		ejson.Field{Name: "nested", Value: ejson.Make(
			ejson.Field{Name: "a", Value: ejson.Make(ejson.Field{Name: "b", Value: r.IntN(1000)})},
			ejson.Field{Name: "likes", Value: r.IntN(1000)},
		)},
		ejson.Field{Name: "flag", Value: r.IntN(2) == 0},
	)
}
