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
		s := loaded(b, n)
		ids := drawn(6, n)
		for _, size := range []int{1, 1000} {
			name := map[int]string{1: "commit", 1000: "batch"}[size]
			b.Run("a/"+name, func(b *testing.B) { increment(b, s, ids, size) })
			b.Run("b/"+name, func(b *testing.B) { increment(b, s, ids, size, watchers(b, s, 100, byRoom)...) })
			b.Run("c/"+name, func(b *testing.B) { increment(b, s, ids, size, watchers(b, s, 1000, byAuthor)...) })
		}
	})
}

// BenchmarkW6Observers increments documents each of which is watched by exactly one
// of k observers: the cost of a change beside 10 to 10,000 of them.
func BenchmarkW6Observers(b *testing.B) {
	const n = 100_000
	s := loaded(b, n)
	// By it 10,000 observers find their first results, which is not timed, at once.
	if err := s.Collection(coll).Index("n"); err != nil {
		b.Fatal(err)
	}
	for _, k := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("K=%d", k), func(b *testing.B) {
			r := NewRand(61)
			ids := make([]ejson.ID, draws)
			for i := range ids {
				ids[i] = docs(n)[r.Intn(k)*(n/k)].ID()
			}
			increment(b, s, ids, 1, watchers(b, s, k, func(i int) ejson.Doc {
				return selector(map[string]any{"n": i * (n / k)})
			})...)
		})
	}
}

func byRoom(i int) ejson.Doc   { return selector(map[string]any{"room": Room(i)}) }
func byAuthor(i int) ejson.Doc { return selector(map[string]any{"author": Author(i)}) }

// watchers starts k observers.
func watchers(b *testing.B, s *store.Store, k int, sel func(int) ejson.Doc) []*observe.Handle {
	handles := make([]*observe.Handle, k)
	for i := range handles {
		h, err := observe.Start(s.Collection(coll).Find(sel(i)), func(observe.Batch[ejson.Doc]) {})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(h.Stop)
		handles[i] = h
	}
	return handles
}

// likes is the modifier of W6.
func likes(tb testing.TB) *query.Modifier {
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"nested.likes": 1}})
	if err != nil {
		tb.Fatal(err)
	}
	return inc
}

// increment adds one to nested.likes of the documents of ids, size a commit, and
// waits for what watches.
func increment(b *testing.B, s *store.Store, ids []ejson.ID, size int, handles ...*observe.Handle) {
	inc := likes(b)
	next, left := 0, 0
	step := func(tx *store.Tx) error {
		for range left {
			if _, err := tx.UpdateID(coll, ids[next%draws], inc); err != nil {
				return err
			}
			next++
		}
		return nil
	}
	var last store.Seq
	b.ReportAllocs()
	b.ResetTimer()
	for next < b.N {
		left = min(size, b.N-next)
		seq, err := s.Update(step)
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
// and removed in turn, each its own commit, with every difference delivered before
// the clock stops. The documents are made beforehand (see Churn). "unwatched" is the
// store alone; "in-window/waited" waits after each commit until its difference has
// been delivered: the latency of a change, with no two of them merged.
func BenchmarkW7(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s := loaded(b, n)
		for _, where := range []Where{Anywhere, InRoom, InWindow} {
			c := NewChurn(n, where)
			put(b, s, c.Start())
			b.Run(where.String(), func(b *testing.B) { churn(b, s, c, true, false) })
			switch where {
			case InRoom:
				b.Run("in-room/unwatched", func(b *testing.B) { churn(b, s, c, false, false) })
			case InWindow:
				b.Run("in-window/waited", func(b *testing.B) { churn(b, s, c, true, true) })
			}
			if _, err := s.Update(func(tx *store.Tx) error {
				for _, d := range c.Start() {
					tx.Delete(coll, d.ID())
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// churn runs b.N changes of a stream, and then the rest of its cycle, so that the
// next run finds the store as this one did.
func churn(b *testing.B, s *store.Store, c *Churn, watched, waited bool) {
	events := 0
	wait := func(store.Seq) {}
	if watched {
		q := s.Collection(coll).Find(selector(map[string]any{"room": Room(ChurnRoom)})).Sort("-ts").Limit(50)
		h, err := observe.Start(q, func(batch observe.Batch[ejson.Doc]) { events += len(batch.Events) })
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(h.Stop)
		events = 0
		wait = func(seq store.Seq) {
			if err := h.Wait(context.Background(), seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	ids := make([]ejson.ID, c.Len())
	for i := range ids {
		ids[i] = c.Op(i).Doc.ID()
	}
	i := 0
	step := func(tx *store.Tx) error {
		op := c.Op(i)
		if op.Kind == Remove {
			tx.Delete(coll, ids[i%len(ids)])
			return nil
		}
		return tx.Put(coll, op.Doc)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var last store.Seq
	for i < b.N {
		seq, err := s.Update(step)
		if err != nil {
			b.Fatal(err)
		}
		if last = seq; waited {
			wait(seq)
		}
		i++
	}
	wait(last)
	b.StopTimer()
	if watched {
		b.ReportMetric(float64(events)/float64(b.N), "events/op")
	}
	for ; i%c.Len() != 0; i++ {
		if _, err := s.Update(step); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkObservers starts and stops one observer beside others: what it costs
// must not grow with them.
func BenchmarkObservers(b *testing.B) {
	for _, k := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("K=%d", k), func(b *testing.B) {
			s := loaded(b, 10_000)
			watchers(b, s, k, func(i int) ejson.Doc { return selector(map[string]any{"n": i}) })
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
