package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// drop removes documents from, from+1, … to-1 in one commit.
func drop(tb testing.TB, s *store.Store, from, to int) store.Seq {
	return put(tb, s, func(tx *store.Tx) error {
		for i := from; i < to; i++ {
			tx.Delete("c", ejson.StringID(fmt.Sprint("d", i)))
		}
		return nil
	})
}

// nextLocked lets the hub work in one commit; the test has its mutex.
func (h *hub) nextLocked(tb testing.TB) {
	tb.Helper()
	batch := h.in.take(nil, 1)
	if len(batch) != 1 {
		tb.Fatal("no commit waits")
	}
	h.applyLocked(batch[0])
}

// TestReadAgainAside: a window that has to be read by a scan, or by a walk of which
// nobody knows the length, is read without the hub's mutex. What the hub works in
// meanwhile reaches other observations at once, and this one when it has been read.
func TestReadAgainAside(t *testing.T) {
	for _, kind := range []string{"scan", "walk"} {
		t.Run(kind, func(t *testing.T) {
			s, c := fixture(t, 300)
			if err := c.Index("n"); err != nil {
				t.Fatal(err)
			}
			q := c.Find(nil).Sort("n").Limit(5)
			if kind == "walk" {
				q = c.Find(object{"room": object{"$ne": "none"}}).Sort("n").Limit(5)
			}
			m := &moments{last: map[store.Seq]*store.Snapshot{}}
			w, slow := watch(t, q, m, false), watch(t, q, m, true)
			defer w.h.Stop()
			told := make(chan store.Seq, 100)
			other, err := Start(c.Find("d299"), func(b docBatch) { told <- b.Seq })
			if err != nil {
				t.Fatal(err)
			}
			defer other.Stop()
			<-told
			if kind == "scan" {
				if err := c.DropIndex("n"); err != nil {
					t.Fatal(err)
				}
			}
			w.settle(putDoc(t, s, thing(290, -20)), s.Snapshot(), false)
			h, r := w.h.hub, w.h.res
			if slow.h.res != r || !r.partial {
				t.Fatal("not what is to be tested")
			}

			h.mu.Lock()
			drop(t, s, 0, 60)
			// These are in what is read, and the hub comes to them later.
			putDoc(t, s, thing(290, -30))
			putDoc(t, s, thing(290, -20))
			h.nextLocked(t)
			if r.loaded || len(h.loading) != 1 || len(r.diff.list) == 0 || w.h.pushed != 1 {
				t.Errorf("loaded=%v, %d loading", r.loaded, len(h.loading))
			}
			h.nextLocked(t)
			h.nextLocked(t)
			drop(t, s, 60, 120) // what is read for it, if not all, does not last
			h.nextLocked(t)
			seq := putDoc(t, s, thing(299, -5))
			h.nextLocked(t)
			if got := <-told; got != seq { // the mutex is still ours
				t.Errorf("the other observation is at %d, not %d", got, seq)
			}
			if r.loaded || w.h.pushed+slow.h.pushed != 2 {
				t.Error("it has been read again")
			}
			h.mu.Unlock()

			w.settle(seq, s.Snapshot(), false)
			w.mu.Lock()
			if w.seq != seq || w.batches != 3 {
				t.Errorf("%d batches, the last of %d, not %d", w.batches, w.seq, seq)
			}
			w.mu.Unlock()
			late := watch(t, q, m, false)
			defer late.h.Stop()
			late.settle(seq, s.Snapshot(), false)
			slow.settle(seq, s.Snapshot(), true)
			close(slow.gate)
			defer slow.h.Stop()
			in := w.h.Explain()
			if whole := kind == "scan"; in.Partial == whole || whole && in.Docs != 180 || in.Refills < 1 || in.Refills > 3 {
				t.Errorf("%v", in)
			}
		})
	}
}

// TestReadAgainAhead: a result that was read from a later moment than the hub's
// tells that moment.
func TestReadAgainAhead(t *testing.T) {
	s, c := fixture(t, 300)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	q := c.Find(object{"room": object{"$ne": "none"}}).Sort("n").Limit(5)
	w := watch(t, q, &moments{last: map[store.Seq]*store.Snapshot{}}, false)
	defer w.h.Stop()
	h, r := w.h.hub, w.h.res
	h.mu.Lock()
	drop(t, s, 0, 60)
	seq := putDoc(t, s, thing(299, -5))
	h.nextLocked(t)
	loading := r.loading
	rest := h.in.take(nil, 1) // the hub will not come to it for a while
	h.mu.Unlock()
	<-loading
	wait(t, w.h, seq)
	w.mu.Lock()
	if w.seq != seq {
		t.Errorf("a batch of %d, not %d", w.seq, seq)
	}
	w.mu.Unlock()
	h.mu.Lock()
	if len(rest) != 1 || h.seq >= seq {
		t.Errorf("the hub is at %d", h.seq)
	}
	h.applyLocked(rest[0])
	h.mu.Unlock()
	w.settle(seq, s.Snapshot(), false)
}

// TestBacklogWhileReadAgain: what is committed while a result is being read again
// is bounded; of it, what the new state holds already is not worked in again.
func TestBacklogWhileReadAgain(t *testing.T) {
	s, c := fixture(t, 300)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	q := c.Find(object{"room": object{"$ne": "none"}}).Sort("n").Limit(5)
	w := watch(t, q, &moments{last: map[store.Seq]*store.Snapshot{}}, false)
	defer w.h.Stop()
	h, r := w.h.hub, w.h.res
	h.mu.Lock()
	drop(t, s, 0, 60)
	putDoc(t, s, thing(60, -7)) // the state that is read has these three
	putDoc(t, s, thing(60, -6))
	putDoc(t, s, thing(60, -5))
	h.nextLocked(t)
	if r.loaded {
		t.Error("not what is to be tested")
	}
	loading := r.loading
	for range 3 {
		h.nextLocked(t)
	}
	var seq store.Seq
	most := 0
	for i := range 3 * mergeFrom {
		seq = putDoc(t, s, thing(299, i%9))
		h.nextLocked(t)
		most = max(most, r.backlog.changes)
	}
	if most > mergeFrom {
		t.Errorf("%d changes of two documents wait", most)
	}
	h.mu.Unlock()
	<-loading
	wait(t, w.h, seq)
	w.settle(seq, s.Snapshot(), false)
}

// TestLateWhileReadAgain: the difference that a slow handle is given has the places
// of a result that its events led to; it gets none while its result is being read
// again, and hears when it has been.
func TestLateWhileReadAgain(t *testing.T) {
	s, c := fixture(t, 300)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	q := c.Find(object{"room": object{"$ne": "none"}}).Sort("n").Limit(5)
	spec, err := q.Spec()
	if err != nil {
		t.Fatal(err)
	}
	hd, in := begin(spec, true)
	defer hd.quit()
	var list []ejson.Doc
	for d := range in.docs {
		list = append(list, d)
	}
	h := hd.hub
	h.mu.Lock()
	for i := range maxQueued + 10 { // it falls behind
		putDoc(t, s, thing(2, i%2))
		h.nextLocked(t)
	}
	drop(t, s, 0, 60)
	h.nextLocked(t)
	if !hd.mail.late || hd.res.loaded {
		t.Error("not what is to be tested")
	}
	put(t, s, func(tx *store.Tx) error { // all is as it was: there will be no news
		for i := range 60 {
			n := i
			if i == 2 {
				n = (maxQueued + 9) % 2
			}
			if err := tx.Put("c", thing(i, n)); err != nil {
				return err
			}
		}
		return nil
	})
	h.nextLocked(t)
	hd.mu.Lock()
	if b, _, got := hd.pollLocked(); got != nothing {
		t.Errorf("batch %v of a result that is being read", b)
	}
	hd.mu.Unlock()
	for len(hd.wake) > 0 {
		<-hd.wake
	}
	h.mu.Unlock()
	<-hd.wake
	b, _, got := hd.poll()
	list = apply(t, list, b.Events)
	if want, err := q.All(); got != delivery || err != nil || !slices.EqualFunc(list, want, ejson.Doc.Same) {
		t.Errorf("observed %v, fetched %v (%v)", list, want, err)
	}
}

// TestStartWhileReadAgain: who starts an equal query while the result is being read
// waits for that, with no lock held, and then has the same result.
func TestStartWhileReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := fixture(t, 30)
		q := c.Find(nil).Sort("n")
		first := mustStart(t, q)
		h, r := first.hub, first.res
		h.mu.Lock()
		r.loaded, r.loading = false, make(chan struct{})
		h.mu.Unlock()
		var second *Handle
		go func() { second = mustStart(t, q) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := first.Wait(ctx, s.Snapshot().Seq()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		synctest.Wait()
		h.mu.Lock()
		if second != nil || len(r.handles) != 1 {
			t.Error("it has begun")
		}
		r.loaded = true
		close(r.loading)
		h.mu.Unlock()
		synctest.Wait()
		if second == nil || second.res != r || len(r.handles) != 2 {
			t.Error("it has not begun, or not with this result")
		}
	})
}

// mustStart starts an observation that the test's end stops.
func mustStart(t *testing.T, q store.Query[ejson.Doc]) *Handle {
	t.Helper()
	h, err := Start(q, func(docBatch) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	return h
}

// TestStopWhileReadAgain: an observation may stop while its result is read again;
// nothing of it is left, a Wait ends, and one that starts then has its own result.
func TestStopWhileReadAgain(t *testing.T) {
	s, c := fixture(t, 300)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	stays := mustStart(t, c.Find("d299"))
	q := c.Find(nil).Sort("n").Limit(5)
	first, err := Start(q, func(docBatch) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DropIndex("n"); err != nil {
		t.Fatal(err)
	}
	h, r := first.hub, first.res
	h.mu.Lock()
	seq := drop(t, s, 0, 60)
	h.nextLocked(t)
	loading := r.loading
	waited := make(chan error, 1)
	go func() { waited <- first.Wait(t.Context(), seq) }()
	h.mu.Unlock()
	first.Stop()
	<-loading // it has been loaded, or is not wanted
	if err := <-waited; err != nil && err != ErrStopped {
		t.Error(err)
	}
	w := watch(t, q, &moments{last: map[store.Seq]*store.Snapshot{}}, false)
	w.settle(seq, s.Snapshot(), false)
	w.h.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) != 1 || len(h.loading) != 0 || h.all[0] != stays.res {
		t.Errorf("%d results, %d of them loading", len(h.all), len(h.loading))
	}
}
