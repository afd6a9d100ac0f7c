package bench

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
)

// What holds the hot path of a workload:
//
//	W1       TestGuardLoad, TestGuardMemory
//	W2 – W5  TestGuardReads, TestGuardExamined
//	W6       TestGuardCommits, TestGuardObservers
//	W7       TestGuardWindow
//	W8, W10  TestGuardFile
//	W9       TestGuardIngest
//	W12      TestGuardFirstSync
//	W13      TestGuardResync
//	W14      TestGuardDeliveries
//	W15      TestDayStaysSmall
//
// What is compared, copied and published in a store, for W11 too, is held there, and
// what a change takes in an observer in package observe.

// guarded is the number of documents of the guards.
const guarded = 5_000

// limit fails if what was counted is more than allowed. What is allowed lies between
// what was measured when the line was written and twice that: it is there to be hit by
// what doubles, not by what wavers.
func limit(t *testing.T, what string, got, allowed float64) {
	t.Helper()
	t.Logf("%s: %.2f (at most %.2f)", what, got, allowed)
	if got > allowed {
		t.Errorf("%s: %.2f, wants at most %.2f", what, got, allowed)
	}
}

// allocations counts those of fn on average. Under the race detector there are others,
// so nothing is counted; fn runs all the same.
func allocations(t *testing.T, what string, allowed float64, fn func()) {
	t.Helper()
	if raceDetector {
		fn()
		t.Logf("%s: allocations are not counted under the race detector", what)
		return
	}
	limit(t, what+", allocations", testing.AllocsPerRun(200, fn), allowed)
}

// TestGuardReads holds what reads allocate, and how many documents they look at.
func TestGuardReads(t *testing.T) {
	s := loaded(t, guarded)
	c := s.Collection(coll)
	id := docs(guarded)[guarded/2].ID()
	allocations(t, "FindID", 0, func() {
		if _, err := c.FindID(id); err != nil {
			t.Fatal(err)
		}
	})
	var sel any = id
	allocations(t, "FindOne by id", 0, func() {
		if _, err := c.FindOne(sel); err != nil {
			t.Fatal(err)
		}
	})
	for _, q := range []struct {
		name    string
		q       store.Query[ejson.Doc]
		allocs  float64
		indexed bool // looks at what it returns, and one more to see that there is none
	}{
		{"W3", authors(c)[0], 1, true},
		{"W4", scan(c), 1, false},
		{"W5", newest(c)[0], 1, true},
	} {
		found := each(t, q.q)
		allocations(t, q.name, q.allocs, func() { each(t, q.q) })
		ran, err := q.q.ExplainRun()
		if err != nil {
			t.Fatal(err)
		}
		want := guarded
		if q.indexed {
			want = found + 1
		}
		if ran.Returned != found || ran.Examined > want {
			t.Errorf("%s: %d examined for %d of %d, wants at most %d (%v)", q.name, ran.Examined, ran.Returned, found, want, ran.Plan)
		}
	}
}

// TestGuardExamined holds that what an indexed query looks at follows its result and
// not the collection.
func TestGuardExamined(t *testing.T) {
	for _, n := range []int{1_000, 10_000} {
		q := newest(loaded(t, n).Collection(coll))[0].Limit(5)
		ran, err := q.ExplainRun()
		if err != nil {
			t.Fatal(err)
		}
		if ran.Examined > 6 || ran.Returned != 5 {
			t.Errorf("of %d documents %d examined, %d returned, wants 6 at most, and 5 (%v)", n, ran.Examined, ran.Returned, ran.Plan)
		}
	}
}

// TestGuardCommits holds what a change allocates as a commit of its own, and what its
// delivery to an observer adds.
func TestGuardCommits(t *testing.T) {
	s := loaded(t, guarded)
	inc, id := likes(t), docs(guarded)[7].ID()
	change := func() store.Seq {
		seq, err := s.Update(func(tx *store.Tx) error {
			_, err := tx.UpdateID(coll, id, inc)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	allocations(t, "$inc, a commit", 9, func() { change() })
	ids := drawn(6, guarded)[:1000]
	allocations(t, "$inc of 1,000, a commit", 2000, func() {
		if _, err := s.Update(func(tx *store.Tx) error {
			tx.Prefetch(coll, ids)
			for _, id := range ids {
				if _, err := tx.UpdateID(coll, id, inc); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})

	// Others watch, whom the change does not concern: they must cost nothing.
	for i := range 200 {
		h, err := observe.Start(s.Collection(coll).Find(selector(map[string]any{"n": 1000 + i})), func(observe.Batch[ejson.Doc]) {
			if i < 0 {
				panic("never")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
	}
	allocations(t, "$inc beside 200 observers", 9, func() { change() })

	events := 0
	h, err := observe.Start(s.Collection(coll).Find(selector(map[string]any{"n": 7})), func(b observe.Batch[ejson.Doc]) { events += len(b.Events) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	events = 0
	runs := 0
	allocations(t, "$inc, delivered", 17, func() {
		runs++
		if err := h.Wait(context.Background(), change()); err != nil {
			t.Fatal(err)
		}
	})
	if events != runs {
		t.Errorf("%d events of %d changes, each waited for", events, runs)
	}
}

// TestGuardObservers holds what it allocates to start an observer and to stop it, beside
// few others and beside many.
func TestGuardObservers(t *testing.T) {
	s := loaded(t, guarded)
	c := s.Collection(coll)
	others := 0
	for _, k := range []int{10, 1000} {
		for ; others < k; others++ {
			h, err := observe.Start(c.Find(selector(map[string]any{"n": others})).Limit(1), func(observe.Batch[ejson.Doc]) {})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Stop()
		}
		for _, q := range []struct {
			name   string
			q      store.Query[ejson.Doc]
			allocs float64
		}{{"an author's documents", authors(c)[0], 50}, {"a window", newest(c)[0], 100}} {
			allocations(t, fmt.Sprintf("%s, started and stopped beside %d", q.name, k), q.allocs, func() {
				h, err := observe.Start(q.q, func(observe.Batch[ejson.Doc]) {})
				if err != nil {
					t.Fatal(err)
				}
				h.Stop()
			})
		}
	}
}

// TestGuardWindow holds what W7 allocates where each change changes the window, and
// that the differences are exact: applied to the first result they give the last.
func TestGuardWindow(t *testing.T) {
	s := loaded(t, guarded)
	c := NewChurn(guarded, InWindow)
	put(t, s, c.Start())
	q := s.Collection(coll).Find(selector(map[string]any{"room": Room(ChurnRoom)})).Sort("-ts").Limit(50)
	var shown []ejson.Doc
	h, err := observe.Start(q, func(b observe.Batch[ejson.Doc]) { shown = applied(shown, b.Events) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	i := 0
	allocations(t, "W7 in the window, delivered", 20, func() {
		op := c.Op(i)
		i++
		seq, err := s.Update(func(tx *store.Tx) error {
			if op.Kind == Remove {
				tx.Delete(coll, op.Doc.ID())
				return nil
			}
			return tx.Put(coll, op.Doc)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Wait(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
	})
	want, err := q.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(shown) != len(want) {
		t.Fatalf("%d documents shown, %d in the result", len(shown), len(want))
	}
	for i := range want {
		if !shown[i].Equal(want[i]) {
			t.Errorf("at %d: %v is shown, %v is the result", i, shown[i], want[i])
		}
	}
}

// applied returns a list after events, in order.
func applied(list []ejson.Doc, events []observe.Event[ejson.Doc]) []ejson.Doc {
	for _, e := range events {
		if e.From >= 0 {
			list = append(list[:e.From], list[e.From+1:]...)
		}
		if e.To >= 0 {
			list = append(list[:e.To], append([]ejson.Doc{e.New}, list[e.To:]...)...)
		}
	}
	return list
}

// mallocs counts the allocations of fn, for each of n things, those of goroutines that run
// beside it included.
func mallocs(t *testing.T, what string, n int, allowed float64, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if raceDetector {
		return
	}
	limit(t, what+", allocations of each", float64(after.Mallocs-before.Mallocs)/float64(n), allowed)
}

// TestGuardLoad holds what a document allocates that is inserted with a thousand others
// into a store with both indexes.
func TestGuardLoad(t *testing.T) {
	s := indexed(t, store.Options{})
	list := docs(guarded)
	mallocs(t, "load", guarded, 1.5, func() { put(t, s, list) })
}

// TestGuardIngest holds what an added message allocates on its way into a store with
// both indexes.
func TestGuardIngest(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not counted under the race detector")
	}
	list, _ := Frames(coll, docs(guarded))
	i := 0
	limit(t, "Decode, allocations a message", testing.AllocsPerRun(1000, func() {
		if _, err := ddp.Decode(list[i%len(list)]); err != nil {
			t.Fatal(err)
		}
		i++
	}), 5)
	limit(t, "ingest, allocations a message", testing.AllocsPerRun(5, func() {
		ingest(t, indexed(t, store.Options{}), list)
	})/guarded, 5)
}

// TestGuardMemory holds the bytes that a document takes, both indexes included.
func TestGuardMemory(t *testing.T) {
	const n = 20_000
	before := heap()
	s := indexed(t, store.Options{})
	put(t, s, Docs(1, n))
	bytes := float64(heap()) - float64(before)
	if s.Snapshot().Len(coll) != n {
		t.Fatal("documents are missing")
	}
	limit(t, "bytes a document", bytes/n, 600)
}

// TestGuardFile holds the bytes that are written for a document, pages and all, when it
// is new and when it changes, and what it allocates to read it again.
func TestGuardFile(t *testing.T) {
	path := t.TempDir() + "/guard.db"
	db, s := opened(t, path)
	flushed(t, db, s, docs(guarded))
	inserted := db.Stats().Bytes
	newer := make([]ejson.Doc, guarded)
	for i, d := range docs(guarded) {
		newer[i] = d.WithValue("score", ejson.NumberValue(-1))
	}
	flushed(t, db, s, newer)
	updated := db.Stats().Bytes - inserted
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	limit(t, "bytes written for a new document", float64(inserted)/guarded, 500)
	limit(t, "bytes written for a changed document", float64(updated)/guarded, 600)
	mallocs(t, "open and load", guarded, 3, func() { db, s = opened(t, path) })
	if got := s.Snapshot().Len(coll); got != guarded {
		t.Errorf("%d documents", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestGuardFirstSync holds what a document allocates on its way from a server's store
// into a replica's, on both ends together.
func TestGuardFirstSync(t *testing.T) {
	srv := publish(t, loaded(t, guarded), -1)
	defer srv.stop()
	mallocs(t, "first sync", guarded, 10, func() {
		if err := synced(t, srv.url, guarded).Close(); err != nil {
			t.Fatal(err)
		}
	})
}
