package store

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

const benchDocs = 100_000

var benchSet []ejson.Doc

// benchStore returns a store with the data set and the two indexes of W1.
func benchStore(tb testing.TB) (*Store, Collection[ejson.Doc], []ejson.Doc) {
	tb.Helper()
	if benchSet == nil {
		benchSet = dataSet(benchDocs, 1)
	}
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(tb, c)
	if _, err := c.InsertMany(benchSet); err != nil {
		tb.Fatal(err)
	}
	return s, c, benchSet
}

func withIndexes(tb testing.TB, c Collection[ejson.Doc]) {
	tb.Helper()
	if err := c.Index("author"); err != nil {
		tb.Fatal(err)
	}
	if err := c.Index("room", "ts"); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkFindOneByID looks up ids in random order: All of them, so that most of
// what is touched comes from main memory, or Hot, a thousand of them again and
// again. GoMap is the yardstick: a map that nobody may write to, and whose keys
// are all that is touched.
func BenchmarkFindOneByID(b *testing.B) {
	_, c, docs := benchStore(b)
	m := make(map[string]ejson.Doc, len(docs))
	for _, d := range docs {
		m[strings.Clone(d.Field("_id").Str())] = d
	}
	for _, set := range []struct {
		name string
		n    int
	}{{"All", len(docs)}, {"Hot", 1000}} {
		// Keys in memory of their own, in the order of use, as callers have them.
		r := rand.New(rand.NewPCG(1, 2))
		keys := make([]string, set.n)
		boxed := make([]any, set.n)
		ids := make([]ejson.ID, set.n)
		for i, k := range r.Perm(len(docs))[:set.n] {
			keys[i] = strings.Clone(docs[k].Field("_id").Str())
			boxed[i], ids[i] = keys[i], ejson.StringID(keys[i])
		}
		b.Run(set.name+"/FindOne", func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				if _, err := c.FindOne(boxed[i%set.n]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(set.name+"/FindID", func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				if _, err := c.FindID(ids[i%set.n]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(set.name+"/GoMap", func(b *testing.B) {
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				if d, ok := m[keys[i%set.n]]; !ok || d.IsZero() {
					b.Fatal("missing")
				}
			}
		})
		b.Run(set.name+"/BesideWriter", func(b *testing.B) {
			stop, done := make(chan bool), make(chan bool)
			go func() {
				defer close(done)
				inc, _ := query.CompileModifier(map[string]any{"$inc": map[string]any{"score": 1}})
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						c.UpdateOne(ids[i*31%len(ids)], inc)
					}
				}
			}()
			b.ReportAllocs()
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				if _, err := c.FindID(ids[i%set.n]); err != nil {
					b.Fatal(err)
				}
			}
			close(stop)
			<-done
		})
	}
}

func BenchmarkIndexedEquality(b *testing.B) {
	_, c, _ := benchStore(b)
	q := c.Find(map[string]any{"author": "author0500"})
	docs, err := q.All()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("All", func(b *testing.B) {
		b.ReportAllocs()
		defer reportCPU(b)()
		for b.Loop() {
			if docs, err = q.All(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(docs)), "docs")
	})
	b.Run("Each", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		defer reportCPU(b)()
		for b.Loop() {
			for d := range q.Each() {
				n += d.Len()
			}
		}
	})
	b.Run("Fresh", func(b *testing.B) {
		b.ReportAllocs()
		defer reportCPU(b)()
		for b.Loop() {
			if docs, err = c.Find(map[string]any{"author": "author0500"}).All(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	_, c, docs := benchStore(b)
	q := c.Find(map[string]any{
		"nested.a.b": map[string]any{"$gt": 500},
		"tags":       map[string]any{"$in": []any{"tag01", "tag02", "tag03"}},
		"flag":       true,
	})
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		if _, err := q.Count(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(docs)), "ns/doc")
}

func BenchmarkSortLimit(b *testing.B) {
	_, c, _ := benchStore(b)
	for _, bb := range []struct {
		name string
		q    Query[ejson.Doc]
	}{
		{"Indexed", c.Find(map[string]any{"room": "room50"}).Sort("-ts").Limit(20)},
		{"Heap", c.Find(map[string]any{"room": "room50"}).Sort("-score").Limit(20)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if docs, err := bb.q.All(); err != nil || len(docs) != 20 {
					b.Fatal(len(docs), err)
				}
			}
		})
	}
}

func BenchmarkInc(b *testing.B) {
	s, c, docs := benchStore(b)
	ids := make([]ejson.ID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID().Clone() // as a caller has it
	}
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"score": 1}})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"Batch", "BatchPrefetched"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			var batch [1000]ejson.ID
			for i := 0; b.Loop(); {
				for k := range batch {
					batch[k] = ids[i*7919%len(ids)]
					i++
				}
				s.Update(func(tx *Tx) error {
					if name != "Batch" {
						tx.Prefetch("messages", batch[:])
					}
					for _, id := range batch {
						if _, err := tx.UpdateID("messages", id, inc); err != nil {
							b.Fatal(err)
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/doc")
		})
	}
	b.Run("BatchUncompiled", func(b *testing.B) {
		mod := map[string]any{"$inc": map[string]any{"score": 1}}
		defer reportCPU(b)()
		for i := 0; b.Loop(); {
			s.Update(func(tx *Tx) error {
				for range 1000 {
					if _, err := tx.Update("messages", ids[i*7919%len(ids)], mod); err != nil {
						b.Fatal(err)
					}
					i++
				}
				return nil
			})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/doc")
	})
	b.Run("Commit", func(b *testing.B) {
		b.ReportAllocs()
		defer reportCPU(b)()
		for i := 0; b.Loop(); i++ {
			if _, err := c.UpdateOne(ids[i*7919%len(ids)], inc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("CommitAndRead", func(b *testing.B) {
		b.ReportAllocs()
		defer reportCPU(b)()
		for i := 0; b.Loop(); i++ {
			if _, err := c.UpdateOne(ids[i*7919%len(ids)], inc); err != nil {
				b.Fatal(err)
			}
			s.Snapshot()
		}
	})
}

// BenchmarkMaintain changes a field a thousand times a commit, with no index on it
// and with some: what is above None is an entry taken out and one put in.
func BenchmarkMaintain(b *testing.B) {
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"score": 1}})
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		o    []IndexOptions
	}{
		{"None", nil},
		{"Plain", []IndexOptions{{Keys: []string{"score"}}}},
		{"Compound", []IndexOptions{{Keys: []string{"room", "score"}}}},
		{"Unique", []IndexOptions{{Keys: []string{"score", "n"}, Unique: true}}},
		{"Partial", []IndexOptions{{Keys: []string{"score"}, Partial: map[string]any{"flag": true}}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s, c, docs := benchStore(b)
			for _, o := range bb.o {
				if err := c.EnsureIndex(o); err != nil {
					b.Fatal(err)
				}
			}
			ids := make([]ejson.ID, len(docs))
			for i, d := range docs {
				ids[i] = d.ID().Clone()
			}
			b.ReportAllocs()
			defer reportCPU(b)()
			for i := 0; b.Loop(); {
				if _, err := s.Update(func(tx *Tx) error {
					for range 1000 {
						if _, err := tx.UpdateID("messages", ids[i*7919%len(ids)], inc); err != nil {
							return err
						}
						i++
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCount counts and lists values where an index says it all.
func BenchmarkCount(b *testing.B) {
	_, c, _ := benchStore(b)
	for _, bb := range []struct {
		name string
		sel  any
	}{
		{"Covered", map[string]any{"author": "author0500"}},
		{"CoveredRange", map[string]any{"author": map[string]any{"$gte": "author0500"}}},
		{"Union", map[string]any{"$or": []any{map[string]any{"author": "author0500"}, map[string]any{"room": "room50"}}}},
	} {
		q := c.Find(bb.sel)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			n := 0
			for b.Loop() {
				var err error
				if n, err = q.Count(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "docs")
		})
	}
	for _, path := range []string{"author", "tags"} {
		b.Run("Distinct/"+path, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				if _, err := c.Find(nil).Distinct(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
