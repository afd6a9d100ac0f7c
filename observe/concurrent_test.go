package observe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestStartsAmongWrites starts and stops observations, equal ones among them,
// while others write as fast as they can: no commit may be lost or told twice
// between the initial result and the batches that follow.
func TestStartsAmongWrites(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s, c := fixture(t, 60)
	if err := errors.Join(c.Index("n"), c.Index("room", "n")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var writers, starters sync.WaitGroup
	for i := range 2 {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		writers.Go(func() {
			for ctx.Err() == nil {
				put(t, s, func(tx *store.Tx) error {
					for range 1 + r.IntN(5) {
						i := r.IntN(80)
						if r.IntN(4) == 0 {
							tx.Delete("c", ejson.StringID(fmt.Sprint("d", i)))
						} else if err := tx.Put("c", thing(i, r.IntN(40))); err != nil {
							return err
						}
					}
					return nil
				})
				runtime.Gosched()
			}
		})
	}
	queries := []store.Query[ejson.Doc]{
		c.Find(nil).Sort("n"),
		c.Find(nil).Sort("n").Limit(3),
		c.Find(object{"room": "r1"}).Sort("-n").Skip(2).Limit(5),
		c.Find(object{"n": object{"$lt": 20}}).Limit(4),
		c.Find(object{"room": "r2"}),
		c.Find(nil),
	}
	for i := range 4 {
		r := rand.New(rand.NewPCG(seed, uint64(100+i)))
		starters.Go(func() {
			for range 60 {
				m := &moments{last: map[store.Seq]*store.Snapshot{}}
				w := watch(t, queries[r.IntN(len(queries))], m, false)
				for range r.IntN(3) {
					wait(t, w.h, s.Snapshot().Seq())
				}
				if r.IntN(4) == 0 { // the state at one moment, in the midst of it
					m.note(s.Snapshot())
					wait(t, w.h, s.Snapshot().Seq())
				}
				w.h.Stop()
				w.mu.Lock()
				if now := s.Snapshot(); now.Seq() == w.seq {
					w.equalLocked(now)
				}
				w.mu.Unlock()
			}
		})
	}
	// And one observation of each that sees it all.
	var all []*watcher
	for _, q := range queries {
		all = append(all, watch(t, q, &moments{last: map[store.Seq]*store.Snapshot{}}, false))
	}
	starters.Wait()
	cancel()
	writers.Wait()
	now := s.Snapshot()
	for _, w := range all {
		w.settle(now.Seq(), now, false)
		w.h.Stop()
	}
}

// TestBacklog holds up the hub while much is committed and an observation is
// started: what waits is merged, and nothing is lost.
func TestBacklog(t *testing.T) {
	s, c := fixture(t, 100)
	m := &moments{last: map[store.Seq]*store.Snapshot{}}
	ws := []*watcher{
		watch(t, c.Find(nil).Sort("n"), m, false),
		watch(t, c.Find(object{"room": "r1"}), m, false),
		watch(t, c.Find(nil).Skip(3).Limit(10), m, false),
	}
	h := ws[0].h.hub
	r := rand.New(rand.NewPCG(7, 7))
	for range 3 {
		h.mu.Lock() // the hub's goroutine is stuck
		most := 0
		for i := range 3 * mergeFrom {
			put(t, s, func(tx *store.Tx) error {
				if i%5 == 0 {
					tx.Delete("c", ejson.StringID(fmt.Sprint("d", r.IntN(120))))
					return nil
				}
				return tx.Put("c", thing(r.IntN(120), r.IntN(1000)))
			})
			h.in.mu.Lock()
			most = max(most, h.in.intake.changes)
			h.in.mu.Unlock()
		}
		h.mu.Unlock()
		if most > mergeFrom+1 {
			t.Errorf("%d changes waited", most)
		}
		now := s.Snapshot()
		for _, w := range ws {
			w.settle(now.Seq(), now, false)
		}
	}
	for _, w := range ws {
		w.h.Stop()
	}
}

// TestIntakeForgets: documents that come and go leave nothing behind, and a merge
// that gained nothing is not tried again at once.
func TestIntakeForgets(t *testing.T) {
	var in intake
	d := thing(1, 1)
	seq := store.Seq(0)
	add := func(c store.Change) {
		seq++
		in.add(entry{seq, []store.Change{c}})
		in.merge("c", 0)
	}
	for slot := range uint64(10 * mergeFrom) {
		add(store.Change{Collection: "c", Slot: slot, After: d})
		add(store.Change{Collection: "c", Slot: slot, Before: d})
		if in.changes > mergeFrom {
			t.Fatalf("%d changes wait, and no document is there", in.changes)
		}
	}
	merges := 0
	for slot := range uint64(4 * mergeFrom) {
		before := len(in.entries)
		if add(store.Change{Collection: "c", Slot: slot, After: d}); len(in.entries) < before {
			merges++
		}
	}
	if merges == 0 || merges > 4 {
		t.Errorf("%d merges of %d changes", merges, 4*mergeFrom)
	}
}

// TestIntakeMerge: merged entries lead to the same state, and those up to keep
// stay as they are.
func TestIntakeMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var in intake
	state := map[uint64]ejson.Doc{} // by slot
	slots := uint64(0)
	keep := store.Seq(1000)
	for seq := store.Seq(1); seq <= 20_000; seq++ {
		var c store.Change
		c.Collection = "c"
		slot := slots - uint64(r.IntN(30))
		d, ok := state[slot]
		switch {
		case !ok:
			slots++
			slot = slots
			fallthrough
		default:
			c.Slot, c.Before, c.After = slot, d, thing(int(slot%7), int(seq))
			state[slot] = c.After
		case ok && r.IntN(3) == 0:
			c.Slot, c.Before = slot, d
			delete(state, slot)
		}
		in.add(entry{seq, []store.Change{c, {Collection: "other", Slot: slot}}})
		in.merge("c", keep)
	}
	if in.changes > 2*mergeFrom+4*len(state) {
		t.Errorf("%d changes wait for %d documents", in.changes, len(state))
	}
	var seqs []store.Seq
	got := map[uint64]ejson.Doc{}
	for _, e := range in.take(nil, math.MaxInt) {
		seqs = append(seqs, e.seq)
		for _, c := range e.changes {
			if c.Collection != "c" {
				continue
			}
			if got[c.Slot] != c.Before {
				t.Fatalf("entry %d: slot %d was %v, not %v", e.seq, c.Slot, got[c.Slot], c.Before)
			}
			if got[c.Slot] = c.After; c.After.IsZero() {
				delete(got, c.Slot)
			}
		}
	}
	if !slices.IsSorted(seqs) || seqs[len(seqs)-1] != 20_000 || !slices.Contains(seqs, keep) || seqs[0] != 1 {
		t.Errorf("entries of %v", seqs)
	}
	for slot, d := range state {
		if got[slot] != d {
			t.Fatalf("slot %d: %v, want %v", slot, got[slot], d)
		}
	}
	if len(got) != len(state) || in.changes != 0 {
		t.Errorf("%d documents, want %d; %d changes left", len(got), len(state), in.changes)
	}
}
