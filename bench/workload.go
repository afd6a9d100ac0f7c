package bench

import (
	"strconv"

	"github.com/replicad/replicad/ddp/ejson"
)

// The shape of the data set.
const (
	Authors = 1000
	Rooms   = 100
	Tags    = 50
	Start   = 1_700_000_000_000 // ts of the first document, in ms
)

// Rand is a generator of 32 bits (mulberry32) that is a few lines in any
// language, so that peers can make the same data. It is not safe for use by
// several goroutines.
type Rand struct{ state uint32 }

// NewRand returns the generator of a seed.
func NewRand(seed uint32) *Rand { return &Rand{state: seed} }

// Next returns the next 32 bits.
func (r *Rand) Next() uint32 {
	r.state += 0x6D2B79F5
	z := r.state
	z = (z ^ z>>15) * (z | 1)
	z ^= z + (z^z>>7)*(z|61)
	return z ^ z>>14
}

// Intn returns a number from 0 to below n.
func (r *Rand) Intn(n int) int { return int(uint64(r.Next()) * uint64(n) >> 32) }

const idAlphabet = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"

// ID draws an id of 17 characters.
func (r *Rand) ID() string {
	var b [17]byte
	for i := range b {
		b[i] = idAlphabet[r.Intn(len(idAlphabet))]
	}
	return string(b[:])
}

// text draws 60 to 120 lower-case letters and blanks.
func (r *Rand) text() string {
	b := make([]byte, 60+r.Intn(61))
	for i := range b {
		if c := r.Intn(32); c < 26 {
			b[i] = byte('a' + c)
		} else {
			b[i] = ' '
		}
	}
	return string(b)
}

// Author names an author.
func Author(i int) string { return "author" + strconv.Itoa(i) }

// Room names a room.
func Room(i int) string { return "room" + strconv.Itoa(i) }

// Tag names a tag.
func Tag(i int) string { return "tag" + strconv.Itoa(i) }

// Doc draws document number n: about 290 bytes of JSON.
func Doc(r *Rand, n int) ejson.Doc {
	var b ejson.Builder
	b.Add("_id", ejson.StringValue(r.ID()))
	b.Add("author", ejson.StringValue(Author(r.Intn(Authors))))
	b.Add("room", ejson.StringValue(Room(r.Intn(Rooms))))
	b.Add("text", ejson.StringValue(r.text()))
	b.Add("ts", ejson.DateValue(Start+int64(r.Intn(1_000_000_000))))
	b.Add("score", ejson.NumberValue(float64(r.Intn(1_000_000))/1000))
	tags := make([]ejson.Value, 1+r.Intn(4))
	for i := range tags {
		tags[i] = ejson.StringValue(Tag(r.Intn(Tags)))
	}
	b.Add("tags", ejson.ArrayOf(tags...).Value())
	b.Add("n", ejson.NumberValue(float64(n)))
	var a, nested ejson.Builder
	a.Add("b", ejson.NumberValue(float64(r.Intn(1000))))
	nested.Add("a", a.Doc().Value())
	nested.Add("likes", ejson.NumberValue(float64(r.Intn(10_000))))
	b.Add("nested", nested.Doc().Value())
	b.Add("flag", ejson.BoolValue(r.Intn(2) == 1))
	return b.Doc()
}

// Docs draws the first n documents of a seed.
func Docs(seed uint32, n int) []ejson.Doc {
	r := NewRand(seed)
	docs := make([]ejson.Doc, n)
	for i := range docs {
		docs[i] = Doc(r, i)
	}
	return docs
}
