package observe

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestNothingKept: neither hub nor handle holds on to documents that it has dealt
// with, and a hub that nobody uses is not told of commits.
func TestNothingKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := fixture(t, 10)
		h, err := Start(c.Find(nil), func(docBatch) {})
		if err != nil {
			t.Fatal(err)
		}
		hub := h.hub
		for i := range 20 {
			putDoc(t, s, thing(1, 100+i))
		}
		synctest.Wait()
		hub.mu.Lock()
		for _, e := range hub.batch[:cap(hub.batch)] {
			if e.changes != nil {
				t.Errorf("the hub keeps commit %d", e.seq)
			}
		}
		for _, p := range h.mail.queue[:cap(h.mail.queue)] {
			if p != nil {
				t.Errorf("the handle keeps batch %d", p.seq)
			}
		}
		hub.mu.Unlock()
		h.Stop()
		synctest.Wait()
		noted := hub.in.noted()
		if putDoc(t, s, thing(1, 1)); hub.in.noted() != noted {
			t.Error("a hub that nobody uses is told of a commit")
		}
	})
}

// TestOtherCollections: of a commit that changes several collections, an observer
// hears what it did to its own.
func TestOtherCollections(t *testing.T) {
	s, c := fixture(t, 5)
	var got []docEvent
	h, err := Start(c.Find(nil).Sort("n"), func(b docBatch) {
		if !b.First {
			got = append(got, b.Events...)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	both := func(i int) store.Seq {
		return put(t, s, func(tx *store.Tx) error {
			if err := tx.Put("before", thing(i, i)); err != nil {
				return err
			}
			if err := tx.Put("c", thing(1, i)); err != nil {
				return err
			}
			return tx.Put("later", thing(i, i))
		})
	}
	both(100)
	wait(t, h, both(101))
	if len(got) != 3 || slices.ContainsFunc(got, func(e docEvent) bool { return e.ID != ejson.StringID("d1") }) {
		t.Errorf("events %v", got) // a change and a move, a change
	}
}

// TestHiddenChanges: a change that the projection hides is no batch, unless batches
// wait already: then it is part of what they may be merged to.
func TestHiddenChanges(t *testing.T) {
	s, c := fixture(t, 0)
	for i, n := range []int{0, 10, 100, 200} {
		putDoc(t, s, thing(i, n))
	}
	q := c.Find(nil).Sort("n").Fields("room")
	spec, err := q.Spec()
	if err != nil {
		t.Fatal(err)
	}
	hd, in := begin(spec, true)
	defer hd.quit()
	var list []ejson.Doc
	for b := range in.batches(Options{}) {
		list = apply(t, list, b.Events)
	}
	hd.hub.reach(putDoc(t, s, thing(1, 15)))
	if hd.pushed != 0 {
		t.Error("a batch of what is hidden")
	}
	putDoc(t, s, thing(1, 20).With("room", "other"))
	putDoc(t, s, thing(1, 50).With("room", "other")) // hidden, in its place
	hd.hub.reach(putDoc(t, s, thing(3, 30)))         // to a place between
	hd.pause()                                       // merges what waits
	hd.resume()
	b, _, got := hd.poll()
	if list = apply(t, list, b.Events); got != delivery {
		t.Error("nothing to deliver")
	}
	if want, err := q.All(); err != nil || !slices.EqualFunc(list, want, ejson.Doc.Same) {
		t.Errorf("observed %v, fetched %v (%v)", list, want, err)
	}
}
