package bench

import (
	"context"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
)

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
		{"W3", authors(c)[0], 7, true},
		{"W4", scan(c), 7, false},
		{"W5", newest(c)[0], 9, true},
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
	allocations(t, "$inc, a commit", 11, func() { change() })

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
	allocations(t, "$inc beside 200 observers", 11, func() { change() })

	events := 0
	h, err := observe.Start(s.Collection(coll).Find(selector(map[string]any{"n": 7})), func(b observe.Batch[ejson.Doc]) { events += len(b.Events) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	events = 0
	runs := 0
	allocations(t, "$inc, delivered", 22, func() {
		runs++
		if err := h.Wait(context.Background(), change()); err != nil {
			t.Fatal(err)
		}
	})
	if events != runs {
		t.Errorf("%d events of %d changes, each waited for", events, runs)
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
	allocations(t, "W7 in the window, delivered", 24, func() {
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
	limit(t, "bytes a document", bytes/n, 700)
}

// TestGuardFile holds the bytes that are written for a document, pages and all.
func TestGuardFile(t *testing.T) {
	db, s := opened(t, t.TempDir()+"/guard.db")
	flushed(t, db, s, docs(guarded))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	limit(t, "bytes written a document", float64(db.Stats().Bytes)/guarded, 600)
}
