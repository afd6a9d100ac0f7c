package observe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// write is one change of a document, made beforehand.
type write struct {
	doc ejson.Doc // to put; zero: remove
	id  ejson.ID
}

// scripted draws n writes that insert, update and remove documents in turn, of which
// there are about as many as pool, and after them n writes that undo them: it can
// be run again and again. No document is made while it runs.
func scripted(r *rand.Rand, pool []ejson.Doc, n int, fresh func() ejson.Doc, touch func(ejson.Doc) ejson.Doc) []write {
	pool = append([]ejson.Doc(nil), pool...)
	there := make([]write, 0, 2*n)
	back := make([]write, 0, n)
	for k := range n {
		i := r.IntN(len(pool))
		old := pool[i]
		switch k % 3 {
		case 0:
			d := fresh()
			pool = append(pool, d)
			there, back = append(there, write{d, d.ID()}), append(back, write{id: d.ID()})
		case 1:
			pool[i] = touch(old)
			there, back = append(there, write{pool[i], old.ID()}), append(back, write{old, old.ID()})
		case 2:
			pool[i] = pool[len(pool)-1]
			pool = pool[:len(pool)-1]
			there, back = append(there, write{id: old.ID()}), append(back, write{old, old.ID()})
		}
	}
	for k := n - 1; k >= 0; k-- {
		there = append(there, back[k])
	}
	return there
}

// replayed runs writes, so many in each commit, b.N in all, and returns the last commit.
func replayed(b *testing.B, s *store.Store, writes []write, batch int) (seq store.Seq) {
	next := 0
	for done := 0; done < b.N; done += batch {
		var err error
		seq, err = s.Update(func(tx *store.Tx) error {
			for range min(batch, b.N-done) {
				w := &writes[next]
				if next++; next == len(writes) {
					next = 0
				}
				if w.doc.IsZero() {
					tx.Delete("messages", w.id)
				} else if err := tx.Put("messages", w.doc); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return seq
}

// BenchmarkW7 watches the newest 50 of a room while random documents come, change
// and go; in-room, all of that room. The documents have been made beforehand.
// watched=false is the store alone: what the observer costs is the difference.
func BenchmarkW7(b *testing.B) {
	for _, n := range benchSizes {
		for _, inRoom := range []bool{false, true} {
			s, docs := corpus(b, n)
			r := rand.New(rand.NewPCG(2, 2))
			made := n
			fresh := func() ejson.Doc {
				d := message(r, made)
				if made++; inRoom {
					d = d.WithValue("room", ejson.StringValue("room7"))
				}
				return d
			}
			pool := docs
			if inRoom {
				pool = make([]ejson.Doc, 1000)
				put(b, s, func(tx *store.Tx) error {
					for i := range pool {
						pool[i] = fresh()
						if err := tx.Put("messages", pool[i]); err != nil {
							return err
						}
					}
					return nil
				})
			}
			writes := scripted(r, pool, 30_000, fresh, func(d ejson.Doc) ejson.Doc {
				return d.WithValue("ts", ejson.NumberValue(1.7e12+float64(r.IntN(1<<30))))
			})
			for _, batch := range []int{1, 1000} {
				for _, watched := range []bool{false, true} {
					b.Run(fmt.Sprintf("inroom=%v/N=%d/batch=%d/watched=%v", inRoom, n, batch, watched), func(b *testing.B) {
						events := 0
						var h *Handle
						if watched {
							var err error
							q := s.Collection("messages").Find(object{"room": "room7"}).Sort("-ts").Limit(50)
							if h, err = Start(q, func(got docBatch) { events += len(got.Events) }); err != nil {
								b.Fatal(err)
							}
							defer h.Stop()
						}
						b.ReportAllocs()
						b.ResetTimer()
						report := reportCPU(b)
						seq := replayed(b, s, writes, batch)
						if h != nil {
							if err := h.Wait(context.Background(), seq); err != nil {
								b.Fatal(err)
							}
						}
						b.StopTimer()
						report()
						b.ReportMetric(float64(events)/float64(b.N), "events/op")
						// The script is left in its midst: as it began, for the next.
						put(b, s, func(tx *store.Tx) error {
							for i := b.N % len(writes); i > 0 && i < len(writes); i++ {
								if w := &writes[i]; w.doc.IsZero() {
									tx.Delete("messages", w.id)
								} else if err := tx.Put("messages", w.doc); err != nil {
									return err
								}
							}
							return nil
						})
					})
				}
			}
		}
	}
}
