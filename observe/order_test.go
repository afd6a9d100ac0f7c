package observe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestSeqNeverGoesBack: while several write, and the windows among the observations
// are read again by index, by walk and by scan, no observation sees a Seq that is
// not above the last, be it quick, slow, paused, started late or an iterator.
func TestSeqNeverGoesBack(t *testing.T) {
	const docs, writers, commits = 400, 3, 500
	s, c := fixture(t, docs)
	for _, keys := range [][]string{{"n"}, {"room", "n"}} {
		if err := c.Index(keys...); err != nil {
			t.Fatal(err)
		}
	}
	queries := []store.Query[ejson.Doc]{
		c.Find(nil),
		c.Find(object{"room": "r1"}),
		c.Find(object{"n": object{"$gt": 100}}),
		c.Find(nil).Sort("n").Limit(5),
		c.Find(object{"room": object{"$ne": "r1"}}).Sort("-n").Limit(5),
		c.Find(object{"room": "r2"}).Sort("n").Skip(2).Limit(3),
		c.Find(nil).Sort("room").Limit(10), // no index has the order of ties
	}
	type last struct {
		seq   store.Seq
		begun bool
	}
	check := func(l *last, b docBatch) {
		if l.begun && b.Seq <= l.seq || b.First == l.begun {
			t.Errorf("a batch of %d after one of %d (begun=%v, first=%v)", b.Seq, l.seq, l.begun, b.First)
		}
		l.seq, l.begun = b.Seq, true
	}
	gate := make(chan struct{})
	start := func(q store.Query[ejson.Doc], slow bool) *Handle {
		var l last
		h, err := Start(q, func(b docBatch) {
			if slow && !b.First {
				<-gate
			}
			check(&l, b)
		})
		if err != nil {
			t.Error(err)
		}
		return h
	}
	var hs []*Handle
	var loops, busy sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, q := range queries {
		hs = append(hs, start(q, false), start(q, true), start(q, false))
		loops.Go(func() {
			var l last
			for b, err := range Batches(ctx, q) {
				if err != nil {
					t.Error(err)
				}
				check(&l, b)
			}
		})
	}
	for w := range writers {
		busy.Go(func() {
			r := rand.New(rand.NewPCG(9, uint64(w)))
			for i := range commits {
				_, err := s.Update(func(tx *store.Tx) error {
					for range 1 + r.IntN(4) {
						if i/100%2 == 0 { // from the ends, where the windows are
							k := r.IntN(40)
							tx.Delete("c", ejson.StringID(fmt.Sprint("d", (docs-k)*r.IntN(2)+k)))
						}
						if err := tx.Put("c", thing(r.IntN(docs), r.IntN(docs))); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				switch r.IntN(50) {
				case 0:
					resume := Pause(s)
					defer resume()
				case 1:
					h := start(queries[r.IntN(len(queries))], false)
					defer h.Stop()
				case 2:
					if c.DropIndex("n") == nil {
						if err := c.Index("n"); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	busy.Wait()
	close(gate)
	for _, h := range hs {
		wait(t, h, s.Snapshot().Seq())
		h.Stop()
	}
	cancel()
	loops.Wait()
}

// TestChanges: Meteor's observeChanges, with places and without.
func TestChanges(t *testing.T) {
	s, c := fixture(t, 5)
	var plain, placed []string
	tell := func(to *[]string, format string, args ...any) { *to = append(*to, fmt.Sprintf(format, args...)) }
	h1, err := Changes(c.Find(object{"room": "r0"}), ChangeCallbacks{
		Added:   func(id ejson.ID, fields ejson.Doc) { tell(&plain, "+%v %v", id, fields) },
		Changed: func(id ejson.ID, set ejson.Doc, unset []string) { tell(&plain, "%v %v %v", id, set, unset) },
		Removed: func(id ejson.ID) { tell(&plain, "-%v", id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h1.Stop()
	h2, err := Changes(c.Find(object{"room": "r0"}).Sort("n"), ChangeCallbacks{
		AddedBefore: func(id ejson.ID, fields ejson.Doc, before ejson.ID) {
			tell(&placed, "+%v %v before %v", id, fields.Field("n").Number(), before)
		},
		Changed:     func(id ejson.ID, set ejson.Doc, unset []string) { tell(&placed, "%v %v %v", id, set, unset) },
		MovedBefore: func(id, before ejson.ID) { tell(&placed, "%v before %v", id, before) },
		Removed:     func(id ejson.ID) { tell(&placed, "-%v", id) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Stop()
	// Without the initial result, nothing until something happens.
	quiet := 0
	h3, err := Changes(c.Find(nil), ChangeCallbacks{
		Added:       func(ejson.ID, ejson.Doc) { quiet++ },
		Changed:     func(ejson.ID, ejson.Doc, []string) { quiet += 100 },
		SkipInitial: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h3.Stop()
	if quiet != 0 {
		t.Errorf("told %d of the initial result", quiet)
	}
	putDoc(t, s, thing(0, 7).Without("room").With("room", "r0").With("new", 1))
	putDoc(t, s, thing(0, 7))
	seq := script(t, s)
	for _, h := range []*Handle{h1, h2, h3} {
		wait(t, h, seq)
	}
	want := `+d0 {"n":0,"room":"r0"}; +d3 {"n":3,"room":"r0"}; d0 {"n":7,"new":1} []; d0 {} [new]; d3 {"n":30} []; +d9 {"n":-1,"room":"r0"}; -d0`
	if got := strings.Join(plain, "; "); got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
	want = `+d0 0 before ; +d3 3 before ; d0 {"n":7,"new":1} []; d0 before ; d0 {} [new]; d3 {"n":30} []; d3 before ; +d9 -1 before d0; -d0`
	if got := strings.Join(placed, "; "); got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
	if quiet != 301 {
		t.Errorf("told %d", quiet)
	}
}

// TestHandlesByCost: those with the most state come first, of equal ones those
// that were busy longest; the figures of each are its own.
func TestHandlesByCost(t *testing.T) {
	s, c := fixture(t, 100)
	begin := func(q store.Query[ejson.Doc]) *Handle {
		h, err := Start(q, func(docBatch) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Stop)
		return h
	}
	begin(c.Find("d3"))
	busy := begin(c.Find("d4"))
	begin(c.Find(object{"room": "r0"}).Sort("n").Limit(10))
	begin(c.Find(nil).Sort("-n"))
	resume := Pause(s)
	putDoc(t, s, thing(4, 5))
	seq := putDoc(t, s, thing(4, 6))
	resume()
	wait(t, busy, seq)
	wait(t, busy, putDoc(t, s, thing(4, 7)))
	var order []string
	for _, in := range Handles(s) {
		order = append(order, in.Query)
		wantBytes := 0
		if in.Ordered {
			wantBytes = 32 * in.Docs
		}
		if in.Bytes < wantBytes || in.Ordered == (in.Bytes == 0) || in.Shared != 1 || in.Paused || in.Waiting != 0 && !in.Ordered {
			t.Errorf("%v", in)
		}
	}
	want := []string{"c.find({}).sort(-n)", `c.find({"room":"r0"}).sort(n).limit(10)`, `c.find({"_id":"d4"})`, `c.find({"_id":"d3"})`}
	if !slices.Equal(order, want) {
		t.Errorf("order %q", order)
	}
	if in := busy.Explain(); in.Changes != 3 || in.Batches != 2 || in.Merged != 1 || in.Busy <= 0 {
		t.Errorf("%v", in)
	}
	if in := Handles(store.New(store.Options{})); len(in) != 0 {
		t.Errorf("a store that nobody observes: %v", in)
	}
}
