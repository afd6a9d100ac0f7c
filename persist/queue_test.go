package persist

import (
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

type place struct {
	collection string
	slot       uint64
}

// While the disk stands still the queue holds the latest of each document and
// no more, whatever has come and gone; and taking it out again at any point gives
// the state of a commit.
func TestQueueIsBounded(t *testing.T) {
	seed := randomSeed(t)
	r := rand.New(rand.NewPCG(seed, 3))
	tw := newTwin(seed)
	q := queue{limit: 50, written: map[string]uint64{}}
	disk := map[place]ejson.Doc{}
	merged := 0
	for range 1200 {
		c := tw.next()
		q.add(c)
		if len(q.segments) == 1 && q.spent == 0 {
			merged++
			q.limit = max(50, q.n) // queueLimit is too high for a test
		}
		docs := 0
		for _, c := range tw.colls {
			docs += len(c.docs)
		}
		if most := 3*max(docs, len(disk)) + 500; q.n > most {
			t.Fatalf("%d changes wait, for %d documents in the store and %d in the file", q.n, docs, len(disk))
		}
		if r.IntN(100) != 0 {
			continue
		}
		s := q.take()
		if r.IntN(4) == 0 { // it could not be written
			q.putBack(s)
			s = q.take()
		}
		for _, g := range s.groups {
			g.settle()
			for i, c := range g.changes {
				if i > 0 && g.changes[i-1].slot >= c.slot {
					t.Fatalf("slot %d after %d", c.slot, g.changes[i-1].slot)
				}
				if c.doc.IsZero() {
					delete(disk, place{g.collection, c.slot})
				} else {
					disk[place{g.collection, c.slot}] = c.doc
				}
			}
		}
		want := 0
		for _, c := range tw.at(s.last).colls {
			want += len(c.docs)
			for slot, doc := range c.docs {
				if got := disk[place{c.name, slot}]; got != doc {
					t.Fatalf("commit %d: slot %d of %q is %v, want %v", s.last, slot, c.name, got, doc)
				}
			}
		}
		if len(disk) != want {
			t.Fatalf("commit %d: %d documents, want %d", s.last, len(disk), want)
		}
		q.recycle(s)
	}
	if merged == 0 {
		t.Error("nothing was merged")
	}
}

// Inserts are not merged: each waiting segment stays one transaction.
func TestQueueLeavesInserts(t *testing.T) {
	q := queue{limit: 100, written: map[string]uint64{}}
	doc := makeDoc(rand.New(rand.NewPCG(1, 1)), 1)
	for i := range 5 * segmentChanges {
		q.add(&store.Commit{Seq: store.Seq(i + 1), Changes: []store.Change{{Collection: "c", Slot: uint64(i), After: doc}}})
	}
	if len(q.segments) != 5 {
		t.Errorf("%d segments", len(q.segments))
	}
}
