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

// An observer that lags is told of several changes as one. So that each is told by
// itself, as by others, a benchmark waits after so many commits for the observer that
// the last one concerns: then no hub has more to work in, and no observer as many
// batches to be told as would be merged.
const pace = 32

// BenchmarkW6 increments one field of documents drawn at random, each its own
// commit, and a thousand in one ("batch", of which a document that it changes twice is
// told once). Every event is delivered before the clock stops.
func BenchmarkW6(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s := loaded(b, n)
		ids := drawn(6, n)
		room, author := make([]int, draws), make([]int, draws)
		for i, id := range ids {
			d, _ := s.Snapshot().Get(coll, id)
			room[i], author[i] = number(d, "room"), number(d, "author")
		}
		for _, size := range []int{1, 1000} {
			name := map[int]string{1: "commit", 1000: "batch"}[size]
			b.Run("a/"+name, func(b *testing.B) { increment(b, s, ids, size, nil) })
			b.Run("b/"+name, func(b *testing.B) { increment(b, s, ids, size, watch(b, s, 100, room, byRoom)) })
			b.Run("c/"+name, func(b *testing.B) { increment(b, s, ids, size, watch(b, s, 1000, author, byAuthor)) })
		}
	})
}

// BenchmarkW6Observers increments documents each of which is watched by exactly one
// of k observers: the cost of a change beside 10 to 10,000 of them. "unwatched" makes
// the same changes and nobody watches: k documents change in turn, so with k the
// store, too, has more memory to go through.
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
			ids, concerned := make([]ejson.ID, draws), make([]int, draws)
			for i := range ids {
				concerned[i] = r.Intn(k)
				ids[i] = docs(n)[concerned[i]*(n/k)].ID()
			}
			b.Run("unwatched", func(b *testing.B) { increment(b, s, ids, 1, nil) })
			b.Run("told", func(b *testing.B) {
				increment(b, s, ids, 1, watch(b, s, k, concerned, func(i int) ejson.Doc {
					return selector(map[string]any{"n": i * (n / k)})
				}))
			})
		})
	}
}

func byRoom(i int) ejson.Doc   { return selector(map[string]any{"room": Room(i)}) }
func byAuthor(i int) ejson.Doc { return selector(map[string]any{"author": Author(i)}) }

// number returns the number at the end of an author's name, or a room's.
func number(d ejson.Doc, field string) (n int) {
	fmt.Sscanf(d.Field(field).Str(), field+"%d", &n)
	return n
}

// watchers are observers, how many events each was told, and which of them each
// change of a stream concerns.
type watchers struct {
	handles   []*observe.Handle
	events    []int
	concerned []int
}

// watch starts k observers.
func watch(b *testing.B, s *store.Store, k int, concerned []int, sel func(int) ejson.Doc) *watchers {
	w := &watchers{make([]*observe.Handle, k), make([]int, k), concerned}
	for i := range k {
		h, err := observe.Start(s.Collection(coll).Find(sel(i)), func(batch observe.Batch[ejson.Doc]) { w.events[i] += len(batch.Events) })
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(h.Stop)
		w.handles[i] = h
	}
	clear(w.events) // what they began with
	return w
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
// waits for those who watch, if w is not nil.
func increment(b *testing.B, s *store.Store, ids []ejson.ID, size int, w *watchers) {
	inc := likes(b)
	next, left := 0, 0
	step := func(tx *store.Tx) error {
		if at := next % draws; left > 1 {
			tx.Prefetch(coll, ids[at:min(at+left, draws)])
		}
		for range left {
			if _, err := tx.UpdateID(coll, ids[next%draws], inc); err != nil {
				return err
			}
			next++
		}
		return nil
	}
	wait := func(h *observe.Handle, seq store.Seq) {
		if err := h.Wait(context.Background(), seq); err != nil {
			b.Fatal(err)
		}
	}
	var last store.Seq
	b.ReportAllocs()
	b.ResetTimer()
	for commits := 1; next < b.N; commits++ {
		left = min(size, b.N-next)
		seq, err := s.Update(step)
		if err != nil {
			b.Fatal(err)
		}
		if last = seq; w != nil && (size > 1 || commits%pace == 0) {
			wait(w.handles[w.concerned[(next-1)%draws]], seq)
		}
	}
	if w == nil {
		return
	}
	told := 0
	for i, h := range w.handles {
		wait(h, last)
		told += w.events[i]
	}
	b.ReportMetric(float64(told)/float64(b.N), "events/op")
}

// BenchmarkW7 keeps the 50 newest of a room while documents are inserted, updated
// and removed in turn, each its own commit, with every difference delivered before
// the clock stops. The documents are made beforehand (see Churn). "unwatched" is the
// store alone; "in-window/waited" waits after each commit until its difference has
// been delivered: the latency of a change.
func BenchmarkW7(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s := loaded(b, n)
		for _, where := range []Where{Anywhere, InRoom, InWindow} {
			c := NewChurn(n, where)
			put(b, s, c.Start())
			b.Run(where.String(), func(b *testing.B) { churn(b, s, c, pace) })
			switch where {
			case InRoom:
				b.Run("in-room/unwatched", func(b *testing.B) { churn(b, s, c, 0) })
			case InWindow:
				b.Run("in-window/waited", func(b *testing.B) { churn(b, s, c, 1) })
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
// next run finds the store as this one did. After so many commits it waits for the
// observer; there is none if that is 0.
func churn(b *testing.B, s *store.Store, c *Churn, pace int) {
	events := 0
	wait := func(store.Seq) {}
	if pace > 0 {
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
		i++
		if last = seq; pace > 0 && i%pace == 0 {
			wait(seq)
		}
	}
	wait(last)
	b.StopTimer()
	if pace > 0 {
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
			watch(b, s, k, nil, func(i int) ejson.Doc { return selector(map[string]any{"n": i}) })
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
