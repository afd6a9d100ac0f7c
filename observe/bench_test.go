package observe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// corpus is a store with n documents of the usual kind: 1,000 authors, 100 rooms.
func corpus(b *testing.B, n int) (*store.Store, []ejson.Doc) {
	r := rand.New(rand.NewPCG(1, 1))
	s := store.New(store.Options{})
	docs := make([]ejson.Doc, n)
	for i := range docs {
		docs[i] = message(r, i)
	}
	put(b, s, func(tx *store.Tx) error {
		for _, d := range docs {
			if err := tx.Put("messages", d); err != nil {
				return err
			}
		}
		return nil
	})
	c := s.Collection("messages")
	if err := errors.Join(c.Index("author"), c.Index("room", "ts"), c.Index("n")); err != nil {
		b.Fatal(err)
	}
	return s, docs
}

func message(r *rand.Rand, i int) ejson.Doc {
	return ejson.Make(
		ejson.Field{Name: "_id", Value: fmt.Sprintf("m%016d", i)},
		ejson.Field{Name: "author", Value: fmt.Sprint("author", r.IntN(1000))},
		ejson.Field{Name: "room", Value: fmt.Sprint("room", r.IntN(100))},
		ejson.Field{Name: "text", Value: strings.Repeat("x", 60+r.IntN(60))},
		ejson.Field{Name: "ts", Value: 1.7e12 + float64(r.IntN(1<<30))},
		ejson.Field{Name: "score", Value: r.Float64()},
		ejson.Field{Name: "tags", Value: ejson.MakeArray(fmt.Sprint("tag", r.IntN(50)), fmt.Sprint("tag", r.IntN(50)))},
		ejson.Field{Name: "n", Value: i},
		ejson.Field{Name: "flag", Value: r.IntN(2) == 0},
	)
}

var benchSizes = []int{100_000}

// BenchmarkW6 changes random documents while observers watch: the time is that of
// a change, every event delivered.
func BenchmarkW6(b *testing.B) {
	for _, n := range benchSizes {
		s, docs := corpus(b, n)
		for _, kind := range []struct {
			name, field string
			observers   int
		}{{"a", "", 0}, {"b", "room", 100}, {"c", "author", 1000}, {"d", "ask", 100}} {
			for _, batch := range []int{1, 1000} {
				b.Run(fmt.Sprintf("%s/N=%d/batch=%d", kind.name, n, batch), func(b *testing.B) {
					var hs []*Handle
					for i := range kind.observers {
						sel := object{kind.field: fmt.Sprint(kind.field, i)}
						if kind.field == "ask" {
							sel = object{"n": object{"$gte": i * n / 100, "$lt": (i + 1) * n / 100}}
						}
						h, err := Start(s.Collection("messages").Find(sel), func(docBatch) {})
						if err != nil {
							b.Fatal(err)
						}
						hs = append(hs, h)
					}
					r := rand.New(rand.NewPCG(2, 2))
					b.ReportAllocs()
					b.ResetTimer()
					report := reportCPU(b)
					var seq store.Seq
					for done := 0; done < b.N; done += batch {
						seq = put(b, s, func(tx *store.Tx) error {
							for range min(batch, b.N-done) {
								d := docs[r.IntN(n)]
								d, _ = tx.Get("messages", d.ID())
								if err := tx.Put("messages", d.WithValue("score", ejson.NumberValue(r.Float64()))); err != nil {
									return err
								}
							}
							return nil
						})
					}
					for _, h := range hs {
						if err := h.Wait(context.Background(), seq); err != nil {
							b.Fatal(err)
						}
					}
					b.StopTimer()
					report()
					for _, h := range hs {
						h.Stop()
					}
				})
			}
		}
	}
}

// BenchmarkStart starts 1,000 observers over an index, and stops them.
func BenchmarkStart(b *testing.B) {
	s, _ := corpus(b, 100_000)
	c := s.Collection("messages")
	for name, query := range map[string]func(i int) store.Query[ejson.Doc]{
		"unordered": func(i int) store.Query[ejson.Doc] { return c.Find(object{"author": fmt.Sprint("author", i)}) },
		"windows": func(i int) store.Query[ejson.Doc] {
			return c.Find(object{"room": fmt.Sprint("room", i%100)}).Sort("-ts").Limit(50 + i/100)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				var hs []*Handle
				for i := range 1000 {
					h, err := Start(query(i), func(docBatch) {})
					if err != nil {
						b.Fatal(err)
					}
					hs = append(hs, h)
				}
				for _, h := range hs {
					h.Stop()
				}
			}
		})
	}
}

// BenchmarkHub is the work of hub and handle for one change, on one goroutine and
// without the store: found, placed, put in the mailbox, and taken out as events.
func BenchmarkHub(b *testing.B) {
	const n = 20_000
	s, docs := corpus(b, n)
	c := s.Collection("messages")
	var snap = s.Snapshot()
	slots := map[ejson.ID]uint64{}
	for slot, d := range snap.Each("messages") {
		slots[d.ID()] = slot
	}
	for _, kind := range []struct {
		name  string
		q     func(i int) store.Query[ejson.Doc]
		count int
		field string
	}{
		{"room=100", func(i int) store.Query[ejson.Doc] { return c.Find(object{"room": fmt.Sprint("room", i)}) }, 100, "score"},
		{"author=1000", func(i int) store.Query[ejson.Doc] { return c.Find(object{"author": fmt.Sprint("author", i)}) }, 1000, "score"},
		{"n=10000", func(i int) store.Query[ejson.Doc] { return c.Find(object{"n": 2 * i}) }, 10_000, "score"},
		{"range=100", func(i int) store.Query[ejson.Doc] {
			return c.Find(object{"n": object{"$gte": i * n / 100, "$lt": (i + 1) * n / 100}})
		}, 100, "score"},
		{"sorted", func(i int) store.Query[ejson.Doc] { return c.Find(nil).Sort("-ts").Limit(50) }, 1, "ts"},
		{"sorted-index", func(i int) store.Query[ejson.Doc] { return c.Find(nil).Sort("-n").Limit(50) }, 1, "n"},
		{"sorted-room", func(i int) store.Query[ejson.Doc] {
			return c.Find(object{"room": fmt.Sprint("room", i)}).Sort("-ts").Limit(50)
		}, 100, "ts"},
	} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/batch=%d", kind.name, batch), func(b *testing.B) {
				var hs []*Handle
				for i := range kind.count {
					spec, err := compile(kind.q(i))
					if err != nil {
						b.Fatal(err)
					}
					h, _ := begin(spec, hasOrder(spec))
					hs = append(hs, h)
				}
				h := hs[0].hub
				r := rand.New(rand.NewPCG(3, 3))
				now := append([]ejson.Doc(nil), docs...)
				entries := make([]entry, 0, 20_000/batch)
				for range cap(entries) {
					var e entry
					for range batch {
						i := r.IntN(n)
						old := now[i]
						now[i] = old.WithValue(kind.field, ejson.NumberValue(1.7e12+float64(r.IntN(1<<30))))
						e.changes = append(e.changes, store.Change{Collection: "messages", ID: old.ID(), Slot: slots[old.ID()], Before: old, After: now[i]})
					}
					entries = append(entries, e)
				}
				events := 0
				b.ReportAllocs()
				b.ResetTimer()
				k := 0
				for done := 0; done < b.N; done += batch {
					e := entries[k%len(entries)]
					k++
					e.seq = h.seq + 1
					h.mu.Lock()
					h.applyLocked(e)
					h.mu.Unlock()
					if k%32 != 0 {
						continue
					}
					for _, hd := range hs {
						if len(hd.wake) == 0 {
							continue
						}
						<-hd.wake
						for b, number, got := hd.poll(); got == delivery; b, number, got = hd.poll() {
							events += len(b.Events)
							hd.finish(number, 1)
						}
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(events)/float64(b.N), "events/op")
				for _, hd := range hs {
					hd.quit()
				}
			})
		}
	}
}
