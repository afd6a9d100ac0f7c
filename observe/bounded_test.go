package observe

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestNeverEmpty: what is never quite emptied, because as much comes as goes, does
// not grow for that: neither the commits that wait for a hub, nor the batches that
// wait for a handle.
func TestNeverEmpty(t *testing.T) {
	var in intake
	var m mailbox
	r := &result{}
	d := thing(1, 1)
	news := func(seq store.Seq) *news {
		r.diff.reset()
		r.diff.fold(delta{id: d.ID(), new: item{doc: d}})
		return &news{seq: seq, deltas: r.diff.list, res: r}
	}
	var batch []entry
	in.add(entry{seq: 1})
	m.add(news(1), false)
	for seq := store.Seq(2); seq < 10_000; seq++ {
		in.add(entry{seq: seq, changes: []store.Change{{ID: d.ID(), After: d}}})
		m.add(news(seq), false)
		batch = in.take(batch[:0], 1)
		if p := m.pop(); len(batch) != 1 || batch[0].seq != seq-1 || p == nil || p.seq != seq-1 {
			t.Fatalf("at %d: %v and %v", seq, batch, p)
		}
		if m.late || cap(in.entries) > 16 || cap(m.queue) > 4*maxQueued {
			t.Fatalf("at %d: places for %d commits, and for %d batches", seq, cap(in.entries), cap(m.queue))
		}
	}
}

// TestPack: a parcel of one event has what it needs in itself; the events of a
// result whose difference goes on to be used stay as they are.
func TestPack(t *testing.T) {
	r := &result{}
	old, now := thing(1, 1), thing(1, 2)
	r.diff.fold(delta{id: old.ID(), old: item{doc: old}, new: item{doc: now}})
	n := news{seq: 7, deltas: r.diff.list, res: r}
	p := n.pack()
	if n.pack() != p {
		t.Error("a second parcel")
	}
	r.diff.reset()
	r.diff.fold(delta{id: ejson.StringID("other"), new: item{doc: old}})
	if len(p.events) != 1 || len(p.deltas) != 1 || p.deltas[0].new.doc != now || p.events[0].New != now ||
		p.events[0].Kind != Changed || !p.events[0].Set.Equal(ejson.Make(ejson.Field{Name: "n", Value: 2})) {
		t.Errorf("parcel %v", p)
	}
}
