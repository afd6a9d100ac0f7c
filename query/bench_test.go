package query_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// benchDocs makes documents of about 290 bytes of JSON from a seed.
func benchDocs(n int) []ejson.Doc {
	r := rand.New(rand.NewPCG(1, 2))
	letters := "abcdefghijklmnopqrstuvwxyz"
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	docs := make([]ejson.Doc, n)
	for i := range docs {
		tags := make([]any, 1+r.IntN(4))
		for k := range tags {
			tags[k] = fmt.Sprintf("tag%02d", r.IntN(50))
		}
		d, err := ejson.Parse(fmt.Appendf(nil, `{"_id":%q,"author":"author%03d","room":"room%02d","text":%q,"ts":{"$date":%d},"score":%g}`,
			word(17), r.IntN(1000), r.IntN(100), word(60+r.IntN(60)), 1_600_000_000_000+r.Int64N(1e11), r.Float64()*100))
		if err != nil {
			panic(err)
		}
		nested := ejson.Make(ejson.Field{Name: "a", Value: ejson.Make(ejson.Field{Name: "b", Value: r.IntN(1000)})}, ejson.Field{Name: "likes", Value: r.IntN(100)})
		docs[i] = d.With("tags", tags).With("n", i).With("nested", nested).With("flag", r.IntN(2) == 0)
	}
	return docs
}

// failer is a test, a benchmark or a property.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func mustCompile(tb failer, sel any) *query.Matcher {
	tb.Helper()
	m, err := query.Compile(sel)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func benchMatch(b *testing.B, sel string) {
	docs := benchDocs(10_000)
	m := mustCompile(b, []byte(sel))
	b.ReportAllocs()
	n := 0
	for i := 0; b.Loop(); i++ {
		if m.Match(docs[i%len(docs)]) {
			n++
		}
	}
	b.ReportMetric(float64(n)/float64(b.N), "matched/op")
}

// BenchmarkMatchW4 is one document of the unindexed scan.
func BenchmarkMatchW4(b *testing.B) {
	benchMatch(b, `{"nested.a.b":{"$gt":500},"tags":{"$in":["tag03","tag17","tag40"]},"flag":true}`)
}

// BenchmarkSelectW4 is the same, 32 documents at once.
func BenchmarkSelectW4(b *testing.B) {
	docs := benchDocs(10_000)
	m := mustCompile(b, []byte(`{"nested.a.b":{"$gt":500},"tags":{"$in":["tag03","tag17","tag40"]},"flag":true}`))
	b.ReportAllocs()
	n := 0
	for i := 0; b.Loop(); i = (i + 32) % 9984 {
		n += bits.OnesCount64(m.Select(docs[i : i+32]))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/doc")
	b.ReportMetric(float64(n)/float64(b.N)/32, "matched/doc")
}

func BenchmarkMatch(b *testing.B) {
	for _, sel := range []string{
		`{"flag":true}`, `{"author":"author500"}`, `{"nested.a.b":{"$gt":500}}`, `{"nested.a.b":{"$gt":200,"$lt":300}}`,
		`{"tags":"tag03"}`, `{"tags":{"$in":["tag03","tag17","tag40"]}}`, `{"text":{"$regex":"^abc"}}`, `{"text":{"$regex":"q.z"}}`,
		`{"$or":[{"room":"room01"},{"author":"author001"}]}`, `{"tags":{"$elemMatch":{"$gt":"tag10","$lt":"tag12"}}}`,
	} {
		b.Run(sel, func(b *testing.B) { benchMatch(b, sel) })
	}
}

func BenchmarkSort(b *testing.B) {
	docs := benchDocs(10_000)
	s, err := query.CompileSort("room", "-ts")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Compare", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Compare(docs[i%len(docs)], docs[(i*7+1)%len(docs)])
		}
	})
	b.Run("AppendKey", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for i := 0; b.Loop(); i++ {
			buf = s.AppendKey(buf[:0], docs[i%len(docs)])
		}
	})
}

func BenchmarkIndexKey(b *testing.B) {
	docs := benchDocs(10_000)
	k, err := query.CompileIndex("room", "-ts")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for i := 0; b.Loop(); i++ {
		buf, _ = k.AppendOne(buf[:0], docs[i%len(docs)])
	}
}

func BenchmarkModifier(b *testing.B) {
	docs := benchDocs(10_000)
	for _, mod := range []string{
		`{"$inc":{"n":1}}`, `{"$set":{"text":"something else"}}`, `{"$set":{"room":"x","flag":null},"$inc":{"n":1}}`, `{"$inc":{"nested.a.b":1}}`, `{"$push":{"tags":"x"}}`,
	} {
		m, err := query.CompileModifier([]byte(mod))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(mod, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := m.Apply(docs[i%len(docs)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompileAndChoose(b *testing.B) {
	k, err := query.CompileIndex("room", "ts")
	if err != nil {
		b.Fatal(err)
	}
	have := []query.Index{{Name: k.Name(), Key: k, Size: 100_000, Distinct: 100_000}}
	sel := ejson.Make(ejson.Field{Name: "room", Value: "x"})
	b.ReportAllocs()
	for b.Loop() {
		m, err := query.Compile(sel)
		if err != nil {
			b.Fatal(err)
		}
		s, err := query.CompileSort("-ts")
		if err != nil {
			b.Fatal(err)
		}
		query.Choose(m, s, 20, have)
	}
}

// BenchmarkChoose is the planner alone.
func BenchmarkChoose(b *testing.B) {
	compile := func(o query.IndexOptions, keys ...string) *query.IndexKey {
		k, err := query.CompileIndexWith(keys, o)
		if err != nil {
			b.Fatal(err)
		}
		return k
	}
	have := []query.Index{
		{Name: "room,ts", Key: compile(query.IndexOptions{}, "room", "ts"), Size: 100_000, Distinct: 100_000},
		{Name: "author", Key: compile(query.IndexOptions{}, "author"), Size: 100_000, Distinct: 1000},
		{Name: "mail", Key: compile(query.IndexOptions{Sparse: true}, "mail"), Size: 1000, Distinct: 1000},
		{Name: "score", Key: compile(query.IndexOptions{Partial: mustCompile(b, []byte(`{"flag":true}`))}, "score"), Size: 9000, Distinct: 1000},
	}
	s, err := query.CompileSort("-ts")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		sel     string
		indexes int
	}{
		{`{"_id":"a"}`, 0}, {`{"room":"x"}`, 1}, {`{"room":"x"}`, 4}, {`{"score":{"$gt":5},"flag":true}`, 4},
		{`{"author":{"$in":["a","b","c"]}}`, 4}, {`{"$or":[{"room":"x"},{"author":"y"}]}`, 4},
	} {
		m := mustCompile(b, []byte(c.sel))
		b.Run(fmt.Sprintf("%s of %d", c.sel, c.indexes), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := query.ChooseWith(m, s, 20, have[:c.indexes], query.Options{Docs: 100_000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
