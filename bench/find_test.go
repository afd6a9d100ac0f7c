package bench

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// BenchmarkW2 looks ids up: drawn from all documents, so that most of what is touched
// comes from main memory, and from 4,096 of them ("hot"). FindID is given an ejson.ID,
// FindOne a selector as people write it. "gomap" is the yardstick: a bare map that
// nobody may write to.
func BenchmarkW2(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s := loaded(b, n)
		c := s.Collection(coll)
		ids := drawn(2, n)
		for _, set := range []struct {
			name string
			mask int
		}{{"all", draws - 1}, {"hot", 1<<12 - 1}} {
			b.Run(set.name+"/FindID", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := c.FindID(ids[i&set.mask]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(set.name+"/FindOne", func(b *testing.B) {
				selectors := make([]any, draws)
				for i, id := range ids {
					selectors[i] = id
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := c.FindOne(selectors[i&set.mask]); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(set.name+"/gomap", func(b *testing.B) {
				m := make(map[ejson.ID]ejson.Doc, n)
				for _, d := range docs(n) {
					m[d.ID()] = d
				}
				for i := 0; b.Loop(); i++ {
					if _, ok := m[ids[i&set.mask]]; !ok {
						b.Fatal("not there")
					}
				}
			})
		}
	})
}

// asked is how many different queries of W3 and W5 take turns.
const asked = 64

// authors returns queries for the documents of an author, prepared, as a program
// keeps them that asks more than once.
func authors(c store.Collection[ejson.Doc]) []store.Query[ejson.Doc] {
	r := NewRand(3)
	qs := make([]store.Query[ejson.Doc], asked)
	for i := range qs {
		qs[i] = c.Find(selector(map[string]any{"author": Author(r.Intn(Authors))}))
	}
	return qs
}

// newest returns queries for the 20 newest documents of a room.
func newest(c store.Collection[ejson.Doc]) []store.Query[ejson.Doc] {
	r := NewRand(5)
	qs := make([]store.Query[ejson.Doc], asked)
	for i := range qs {
		qs[i] = c.Find(selector(map[string]any{"room": Room(r.Intn(Rooms))})).Sort("-ts").Limit(20)
	}
	return qs
}

// each runs a query and returns the number of documents. They are not decoded, and
// neither are those of a caller who reads fields of a Doc.
func each(tb testing.TB, q store.Query[ejson.Doc]) int {
	found := 0
	for _, err := range q.Each() {
		if err != nil {
			tb.Fatal(err)
		}
		found++
	}
	return found
}

// BenchmarkW3 asks for the documents of an author, by the index: one author again
// and again, and 64 in turn.
func BenchmarkW3(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		b.Run("one", func(b *testing.B) { ask(b, authors(c)[:1]) })
		b.Run("turns", func(b *testing.B) { ask(b, authors(c)) })
	})
}

// BenchmarkW5 asks for the 20 newest of a room, by the index on both: one room again
// and again, and 64 in turn. "selector" writes the query anew each time, as one does
// whose room is a parameter.
func BenchmarkW5(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		b.Run("one", func(b *testing.B) { ask(b, newest(c)[:1]) })
		b.Run("turns", func(b *testing.B) { ask(b, newest(c)) })
		b.Run("selector", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				each(b, c.Find(map[string]any{"room": "room7"}).Sort("-ts").Limit(20))
			}
		})
	})
}

// ask runs queries in turn.
func ask(b *testing.B, qs []store.Query[ejson.Doc]) {
	b.ReportAllocs()
	found, i := 0, 0
	for b.Loop() {
		found += each(b, qs[i%len(qs)])
		i++
	}
	b.ReportMetric(float64(found)/float64(i), "docs/op")
}

// scan is the query of W4.
func scan(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
	return c.Find(selector(map[string]any{
		"nested.a.b": map[string]any{"$gt": 500},
		"tags":       map[string]any{"$in": []any{Tag(3), Tag(17), Tag(40)}},
		"flag":       true,
	}))
}

// BenchmarkW4 scans all documents with the general matcher.
func BenchmarkW4(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		q := scan(loaded(b, n).Collection(coll))
		b.ReportAllocs()
		found := 0
		for b.Loop() {
			found = each(b, q)
		}
		b.ReportMetric(float64(found), "docs/op")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/doc")
	})
}
