package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// BenchmarkW6 increments one field of documents drawn at random, each its own
// commit, and a thousand in one ("batch"). Every event is delivered before the
// clock stops.
func BenchmarkW6(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		b.Run("a/batch", func(b *testing.B) { increment(b, loaded(b, n), n, 1000) })
		b.Run("a/commit", func(b *testing.B) { increment(b, loaded(b, n), n, 1) })
		for _, size := range []int{1, 1000} {
			name := map[int]string{1: "commit", 1000: "batch"}[size]
			b.Run("b/"+name, func(b *testing.B) {
				s := loaded(b, n)
				increment(b, s, n, size, watchers(b, s, "room", Room, 100)...)
			})
			b.Run("c/"+name, func(b *testing.B) {
				s := loaded(b, n)
				increment(b, s, n, size, watchers(b, s, "author", Author, 1000)...)
			})
		}
	})
}

// watchers observes k values of a field, one each.
func watchers(b *testing.B, s *store.Store, field string, name func(int) string, k int) []*observe.Handle {
	handles := make([]*observe.Handle, k)
	for i := range handles {
		h, err := observe.Start(s.Collection(coll).Find(selector(map[string]any{field: name(i)})), func(observe.Batch[ejson.Doc]) {})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(h.Stop)
		handles[i] = h
	}
	return handles
}

// increment adds one to nested.likes of random documents, size a commit, and
// waits for what watches.
func increment(b *testing.B, s *store.Store, n, size int, handles ...*observe.Handle) {
	r := NewRand(6)
	list := docs(n)
	var last store.Seq
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"nested.likes": 1}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += size {
		seq, err := s.Update(func(tx *store.Tx) error {
			for range min(size, b.N-done) {
				if _, err := tx.UpdateID(coll, list[r.Intn(n)].ID(), inc); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		last = seq
	}
	for _, h := range handles {
		if err := h.Wait(context.Background(), last); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkW7 keeps the 50 newest of a room while documents are inserted, updated
// and removed in turn, each its own commit: anywhere, and all in the room.
func BenchmarkW7(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		for _, in := range []string{"anywhere", "in-room"} {
			b.Run(in, func(b *testing.B) {
				s := loaded(b, n)
				events := 0
				q := s.Collection(coll).Find(selector(map[string]any{"room": Room(7)})).Sort("-ts").Limit(50)
				h, err := observe.Start(q, func(batch observe.Batch[ejson.Doc]) { events += len(batch.Events) })
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(h.Stop)
				r := NewRand(7)
				fresh := func(i int) ejson.Doc {
					d := Doc(r, n+i)
					if in == "in-room" {
						d = d.With("room", Room(7))
					}
					return d
				}
				var mine []ejson.Doc
				for i := range 1000 {
					mine = append(mine, fresh(-i))
				}
				put(b, s, mine)
				b.ReportAllocs()
				var last store.Seq
				i := 0
				for b.Loop() {
					at := r.Intn(len(mine))
					last, err = s.Update(func(tx *store.Tx) error {
						switch i++; i % 3 {
						case 0:
							mine = append(mine, fresh(i))
							return tx.Put(coll, mine[len(mine)-1])
						case 1:
							mine[at] = mine[at].With("ts", ejson.DateValue(Start+int64(r.Intn(1_000_000_000))))
							return tx.Put(coll, mine[at])
						default:
							tx.Delete(coll, mine[at].ID())
							mine[at] = mine[len(mine)-1]
							mine = mine[:len(mine)-1]
							return nil
						}
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				if err := h.Wait(context.Background(), last); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(events)/float64(i), "events/op")
			})
		}
	})
}

// BenchmarkObservers starts and stops one observer beside others: what it costs
// must not grow with them.
func BenchmarkObservers(b *testing.B) {
	for _, k := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("others=%d", k), func(b *testing.B) {
			s := loaded(b, 10_000)
			watchers(b, s, "author", Author, k)
			q := s.Collection(coll).Find(selector(map[string]any{"room": Room(7)})).Sort("-ts").Limit(20)
			b.ReportAllocs()
			for b.Loop() {
				h, err := observe.Start(q, func(observe.Batch[ejson.Doc]) {})
				if err != nil {
					b.Fatal(err)
				}
				h.Stop()
			}
		})
	}
}
