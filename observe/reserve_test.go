package observe

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// windows are queries with a limit; TestWindowReadAgain gives most an index.
func windows(c store.Collection[ejson.Doc]) []store.Query[ejson.Doc] {
	return []store.Query[ejson.Doc]{
		c.Find(nil).Sort("n").Limit(5),
		c.Find(nil).Sort("-n").Skip(3).Limit(4),
		c.Find(object{"room": "r1"}).Sort("-n").Limit(6),
		c.Find(object{"room": object{"$ne": "r1"}}).Sort("n").Limit(7), // filtered
		c.Find(object{"n": object{"$gte": 50}}).Sort("n").Limit(3),
		c.Find(nil).Skip(2).Limit(9), // the order of insertion needs no index
		c.Find(object{"room": "r2"}).Limit(4),
		c.Find(nil).Sort("room", "-n").Limit(8),
		c.Find(nil).Sort("_id").Limit(3), // no index has it
	}
}

// TestWindowReadAgain drains and fills collections behind windows, with commits
// that the hub meets at once and such that wait while the store goes on, and with
// indexes that come and go: what is pushed is what is fetched.
func TestWindowReadAgain(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	s, c := fixture(t, 0)
	indexes := [][]string{{"n"}, {"room", "-n"}, {"room"}}
	for _, keys := range indexes {
		if err := c.Index(keys...); err != nil {
			t.Fatal(err)
		}
	}
	m := &moments{last: map[store.Seq]*store.Snapshot{}}
	var ws []*watcher
	for i, q := range windows(c) {
		ws = append(ws, watch(t, q, m, false))
		if i%2 == 0 {
			ws = append(ws, watch(t, q, m, i%4 == 0)) // some of them slow
		}
	}
	slow := func(w *watcher) bool { return cap(w.gate)-len(w.gate) > 0 && !isClosed(w.gate) }
	h := ws[0].h.hub
	const docs = 600
	refills := uint64(0)
	commit := func(fill bool) {
		put(t, s, func(tx *store.Tx) error {
			for range 1 + r.IntN(12) {
				i := r.IntN(docs)
				if fill || r.IntN(8) == 0 {
					if err := tx.Put("c", thing(i, r.IntN(1000))); err != nil {
						return err
					}
					continue
				}
				// Mostly from where the windows are.
				q := windows(c)[r.IntN(len(windows(c)))]
				if d, err := q.Skip(r.IntN(3)).One(); err == nil {
					tx.Delete("c", d.ID())
				}
			}
			return nil
		})
		m.note(s.Snapshot())
	}
	for round := range 400 {
		fill := round%80 < 40
		if round%40 == 39 {
			keys := indexes[round/40%len(indexes)]
			if err := c.DropIndex(keys...); err != nil {
				if err = c.Index(keys...); err != nil {
					t.Fatal(err)
				}
			}
		}
		held := r.IntN(3) == 0
		if held {
			h.mu.Lock() // the hub's goroutine is stuck
		}
		for range 1 + r.IntN(5) {
			commit(fill)
		}
		if held {
			h.mu.Unlock()
		}
		now := s.Snapshot()
		for _, w := range ws {
			if !slow(w) {
				w.settle(now.Seq(), now, false)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	now := s.Snapshot()
	for _, w := range ws {
		w.settle(now.Seq(), now, slow(w))
		refills += w.h.Explain().Refills
		if slow(w) {
			close(w.gate)
		}
		w.h.Stop()
	}
	if refills == 0 {
		t.Error("no window was read again")
	}
	t.Logf("windows were read again %d times", refills)
}

func isClosed(c chan struct{}) bool {
	select {
	case _, open := <-c:
		return !open
	default:
		return false
	}
}

// TestWindowKeepsLittle: where an index gives the order, a window of a large
// result keeps little more than what it shows, at its start and ever after.
func TestWindowKeepsLittle(t *testing.T) {
	const docs = 3000
	s, c := fixture(t, docs)
	for _, keys := range [][]string{{"n"}, {"room", "n"}} {
		if err := c.Index(keys...); err != nil {
			t.Fatal(err)
		}
	}
	var hs []*Handle
	for _, q := range []store.Query[ejson.Doc]{
		c.Find(nil).Sort("n").Limit(20),
		c.Find(object{"room": "r1"}).Sort("-n").Skip(10).Limit(10),
		c.Find(nil).Limit(20),
		c.Find(object{"n": object{"$lt": 2500}}).Sort("-n").Limit(20),
	} {
		h, err := Start(q, func(docBatch) {})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
		if in := h.Explain(); in.Docs != 40 || !in.Partial {
			t.Errorf("%v", in)
		}
		hs = append(hs, h)
	}
	r := rand.New(rand.NewPCG(6, 6))
	check := func(seq store.Seq) {
		t.Helper()
		for _, h := range hs {
			wait(t, h, seq)
			if in := h.Explain(); in.Docs > 60 {
				t.Fatalf("%v", in)
			}
		}
	}
	for range 2000 { // all over the place
		check(putDoc(t, s, thing(r.IntN(2*docs), r.IntN(docs))))
	}
	var seq store.Seq
	for i := range 2 * docs { // from the first to the last
		seq = put(t, s, func(tx *store.Tx) error {
			tx.Delete("c", ejson.StringID(fmt.Sprint("d", i)))
			return nil
		})
		if i%20 == 0 {
			check(seq)
		}
	}
	check(seq)
	for _, h := range hs {
		in := h.Explain()
		// Each reading follows upon 20 removals at least.
		if in.Docs != 0 || in.Refills < 2 || in.Refills > 2*docs/20 {
			t.Errorf("%v, read again %d times", in, in.Refills)
		}
	}
}

// TestWindowGrowsIntoIndex: an observation that starts in an empty collection, or
// before there is an index, comes to keep little when it can.
func TestWindowGrowsIntoIndex(t *testing.T) {
	for _, k := range []struct {
		early bool
		sort  string
	}{{true, "-n"}, {false, "-n"}, {true, "n"}, {false, "n"}} {
		early := k.early
		s, c := fixture(t, 0)
		index := func() {
			if err := c.Index("n"); err != nil {
				t.Fatal(err)
			}
		}
		if early {
			index()
		}
		h, err := Start(c.Find(nil).Sort(k.sort).Limit(10), func(docBatch) {})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
		var seq store.Seq
		most := 0
		for i := range 1000 {
			if i == 500 && !early {
				index()
			}
			seq = putDoc(t, s, thing(i, i))
			wait(t, h, seq)
			most = max(most, h.Explain().Docs)
		}
		if in := h.Explain(); !in.Partial || in.Docs > 10+2*16 || early && most > 100 {
			t.Errorf("%v: %v; %d at most", k, in, most)
		}
	}
}

// TestWindowWithoutItsIndex: when the index is gone, the rows are read by a scan,
// and then the tree is whole.
func TestWindowWithoutItsIndex(t *testing.T) {
	s, c := fixture(t, 500)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	w := watch(t, c.Find(nil).Sort("n").Limit(10), &moments{last: map[store.Seq]*store.Snapshot{}}, false)
	defer w.h.Stop()
	if err := c.DropIndex("n"); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		seq := put(t, s, func(tx *store.Tx) error {
			tx.Delete("c", ejson.StringID(fmt.Sprint("d", i)))
			return nil
		})
		w.settle(seq, s.Snapshot(), false)
	}
	if in := w.h.Explain(); in.Partial || in.Docs != 460 || in.Refills != 1 {
		t.Errorf("%v, read again %d times", in, in.Refills)
	}
}

// TestWindowAheadOfHub: a window that has been read again from a later snapshot
// leaves the commits up to it alone, also when what waits for the hub is merged
// right after.
func TestWindowAheadOfHub(t *testing.T) {
	s, c := fixture(t, 200)
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	w := watch(t, c.Find(nil).Sort("n").Limit(5), &moments{last: map[store.Seq]*store.Snapshot{}}, false)
	defer w.h.Stop()
	h := w.h.hub
	h.mu.Lock() // the hub's goroutine is stuck
	put(t, s, func(tx *store.Tx) error {
		for i := range 100 {
			tx.Delete("c", ejson.StringID(fmt.Sprint("d", i)))
		}
		return nil
	})
	for i := range 100 { // the hub does not know of these when it reads again
		putDoc(t, s, thing(100+i, 50-i%7))
	}
	h.applyLocked(h.in.take(nil, 1)[0])
	if ahead := w.h.res.since; ahead != s.Snapshot().Seq() || h.seq >= ahead {
		t.Errorf("the window is at %d and the hub at %d of %d", ahead, h.seq, s.Snapshot().Seq())
	}
	// One that begins now is told of that moment, not of the hub's.
	guest := &Handle{hub: h, spec: w.h.spec}
	if in := h.shareLocked(guest, w.h.res); in.seq != w.h.res.since || guest.since != in.seq {
		t.Errorf("a handle begins at %d, since %d, with a result of %d", in.seq, guest.since, w.h.res.since)
	}
	for i := range mergeFrom {
		putDoc(t, s, thing(100+i%100, 1000+i))
	}
	h.leaveLocked(guest) // before the hub goes on, which would tell it of things
	h.mu.Unlock()
	now := s.Snapshot()
	w.settle(now.Seq(), now, false)
}
