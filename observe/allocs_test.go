package observe

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestAllocations holds what the package comment says of the memory that a change
// takes, from the commit to the callback's arguments.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	const docs = 400
	score := func(d ejson.Doc, v int) ejson.Doc { return d.With("score", v) }
	for _, k := range []struct {
		name    string
		query   func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc]
		handles int
		change  func(d ejson.Doc, v int) ejson.Doc
		want    float64
	}{
		{"concerns nobody", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "elsewhere"})
		}, 1, score, 0},
		{"without an order", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r0"})
		}, 1, score, 2},
		{"shared by a hundred", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r0"})
		}, 100, score, 2},
		{"hidden by the projection", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r0"}).Fields("n")
		}, 1, score, 3}, // the document as it was and as it is, and what turns out to be no news
		{"in its place in a window", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r0"}).Sort("n").Limit(50)
		}, 1, score, 2},
		{"to another place in a window", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r0"}).Sort("n").Limit(50)
		}, 1, func(d ejson.Doc, v int) ejson.Doc { return d.With("n", 3+v*20) }, 4},
		{"behind a window", func(c store.Collection[ejson.Doc]) store.Query[ejson.Doc] {
			return c.Find(object{"room": "r1"}).Sort("-n").Limit(50)
		}, 1, score, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			s, c := fixture(t, docs)
			if err := c.Index("room", "n"); err != nil {
				t.Fatal(err)
			}
			spec, err := k.query(c).Spec()
			if err != nil {
				t.Fatal(err)
			}
			hs := make([]*Handle, k.handles)
			for i := range hs {
				hs[i], _ = begin(spec, hasOrder(spec))
				defer hs[i].quit()
			}
			was := thing(3, 3)
			if k.name == "behind a window" {
				was = thing(1, 1)
			}
			slot := uint64(0)
			for n, d := range s.Snapshot().Each("c") {
				if d.ID() == was.ID() {
					slot = n
				}
			}
			other := k.change(was, 1)
			change := func(before, after ejson.Doc) entry {
				return entry{changes: []store.Change{{Collection: "c", ID: was.ID(), Slot: slot, Before: before, After: after}}}
			}
			two := []entry{change(was, other), change(other, was)}
			h := hs[0].hub
			events, turn := 0, 0
			got := testing.AllocsPerRun(200, func() {
				h.mu.Lock()
				e := two[turn%2]
				turn++
				e.seq = h.seq + 1
				h.applyLocked(e)
				h.mu.Unlock()
				for _, hd := range hs {
					for b, number, got := hd.poll(); got == delivery; b, number, got = hd.poll() {
						events += len(b.Events)
						hd.finish(number, 1)
					}
				}
			})
			t.Logf("%v allocations, %d events in %d changes", got, events, turn)
			if got > k.want {
				t.Errorf("%v allocations a change, not %v", got, k.want)
			}
		})
	}
}
