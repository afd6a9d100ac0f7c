package observe

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestComeAndGo: ten thousand observations of all kinds, some with changes on
// their way, leave nothing behind: no goroutine, no result, no place in a router.
// One observation stays, so that the hub lives as long as the test.
func TestComeAndGo(t *testing.T) {
	s, c := fixture(t, 200)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	stays, err := Start(c.Find("d7"), func(docBatch) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Stop()
	hub := stays.hub
	kinds := []func(i int) store.Query[ejson.Doc]{
		func(i int) store.Query[ejson.Doc] { return c.Find(object{"room": fmt.Sprint("r", i)}) },
		func(i int) store.Query[ejson.Doc] { return c.Find(object{"n": object{"$gt": i}}) },
		func(i int) store.Query[ejson.Doc] {
			return c.Find(object{"n": object{"$ne": i}}).Sort("n").Limit(1 + i%9)
		},
		func(i int) store.Query[ejson.Doc] { return c.Find(object{"room": fmt.Sprint("r", i%5)}).Sort("-room") },
		func(i int) store.Query[ejson.Doc] {
			return c.Find(object{"$or": []any{object{"_id": fmt.Sprint("d", i)}, object{"n": i}}})
		},
		func(i int) store.Query[ejson.Doc] { return c.Find(nil).Fields("n").Limit(i % 30) },
	}
	round := func() {
		for i := range 100 {
			var hs []*Handle
			for k := range 50 {
				h, err := Start(kinds[k%len(kinds)](i), func(docBatch) {})
				if err != nil {
					t.Fatal(err)
				}
				hs = append(hs, h)
			}
			seq := putDoc(t, s, thing(i, i%70))
			if i%3 == 0 {
				wait(t, hs[i%len(hs)], seq)
			}
			for _, h := range hs {
				h.Stop()
			}
		}
		wait(t, stays, s.Snapshot().Seq())
	}
	measure := func() (heap uint64, goroutines int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	round() // whatever is made once is made
	heap, goroutines := measure()
	round()
	// 5,000 results of any kind would be 2 MiB and more; a goroutine that has just
	// said that it is done may still be there.
	if h, g := measure(); h > heap+1<<20 || g > goroutines+10 {
		t.Errorf("%d bytes and %d goroutines, %d and %d before", h, g, heap, goroutines)
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if len(hub.all) != 1 || len(hub.results) != 1 || len(hub.loading) != 0 ||
		len(hub.routes.fields)+len(hub.routes.asked.seats) != 0 || len(hub.routes.byID) != 1 {
		t.Errorf("the hub still has %d results, %v", len(hub.all), hub.routes)
	}
}

// TestBlockedDelaysNobody: while one callback waits for ever, everything else goes
// on: writes, observations of the same query and of others, starts and stops,
// pauses, explanations.
func TestBlockedDelaysNobody(t *testing.T) {
	s, c := fixture(t, 60)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	queries := []store.Query[ejson.Doc]{c.Find(nil), c.Find(nil).Sort("n").Limit(5), c.Find(nil).Sort("room")}
	gate, inside := make(chan struct{}), make(chan struct{}, len(queries))
	var blocked []*Handle
	for _, q := range queries {
		var once sync.Once
		h, err := Start(q, func(b docBatch) {
			if !b.First {
				once.Do(func() { inside <- struct{}{} })
				<-gate
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		blocked = append(blocked, h)
	}
	putDoc(t, s, thing(0, -1))
	for range queries {
		<-inside
	}
	m := &moments{last: map[store.Seq]*store.Snapshot{}}
	for i := range 20 {
		var ws []*watcher
		for _, q := range queries {
			ws = append(ws, watch(t, q, m, false))
		}
		var resume func()
		if i%4 == 0 {
			resume = Pause(s)
		}
		for k := range 40 {
			put(t, s, func(tx *store.Tx) error {
				tx.Delete("c", ejson.StringID(fmt.Sprint("d", (7*k+i)%60)))
				return tx.Put("c", thing((11*k+i)%60, k*i%37))
			})
		}
		if resume != nil {
			resume()
		}
		now := s.Snapshot()
		for _, w := range ws {
			w.settle(now.Seq(), now, false)
			w.h.Stop()
		}
		if n := len(Handles(s)); n != len(queries) {
			t.Fatalf("%d observations", n)
		}
		for _, h := range blocked {
			if in := h.Explain(); in.Batches != 0 || in.Waiting > 2*60+maxDeltas {
				t.Fatalf("%v", in)
			}
		}
	}
	close(gate)
	for _, h := range blocked {
		if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
			t.Error(err)
		}
		h.Stop()
	}
}
