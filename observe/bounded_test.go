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

// TestNeverQuiteEmpty: nor does a mailbox that is now nearly full, now nearly empty.
func TestNeverQuiteEmpty(t *testing.T) {
	var m mailbox
	r := &result{}
	d := thing(1, 1)
	r.diff.fold(delta{id: d.ID(), new: item{doc: d}})
	for seq := store.Seq(0); seq < 100*maxQueued; {
		for m.len() < maxQueued {
			seq++
			m.add(&news{seq: seq, deltas: r.diff.list, res: r}, false)
		}
		for m.len() > 2 {
			m.pop()
		}
		if m.late || cap(m.queue) > 4*maxQueued {
			t.Fatalf("at %d: late=%v, places for %d batches", seq, m.late, cap(m.queue))
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

// TestTakePortion: a portion is of so many changes and commits, and at least one.
func TestTakePortion(t *testing.T) {
	var in intake
	for seq := range store.Seq(6) {
		in.add(entry{seq: seq, changes: make([]store.Change, 10)})
	}
	if got := in.take(nil, 25); len(got) != 3 || in.changes != 30 {
		t.Errorf("%d commits, %d changes are left", len(got), in.changes)
	}
	if got := in.take(nil, 1); len(got) != 1 || got[0].seq != 3 {
		t.Errorf("commits %v", got)
	}
	if got := in.take(nil, 1000); len(got) != 2 || !in.empty() || len(in.take(nil, 1000)) != 0 {
		t.Errorf("%d commits", len(got))
	}
}

// TestMailboxBounds: batches wait one by one up to so many, or so many changes in
// them; a single one may be larger. Beyond, they are one difference.
func TestMailboxBounds(t *testing.T) {
	r := &result{}
	made := 0
	news := func(seq store.Seq, deltas int) *news {
		r.diff.reset()
		for range deltas {
			made++
			d := thing(made, 1)
			r.diff.fold(delta{id: d.ID(), new: item{doc: d}})
		}
		return &news{seq: seq, deltas: r.diff.list, res: r}
	}
	for _, k := range []struct {
		sizes []int
		late  bool
	}{
		{[]int{5000}, false},
		{[]int{5000, 1}, true},
		{[]int{maxDeltas - 1, 1}, false},
		{[]int{maxDeltas - 1, 2}, true},
		{[]int{1, maxDeltas}, true},
	} {
		var m mailbox
		want := 0
		for i, n := range k.sizes {
			m.add(news(store.Seq(i+1), n), false)
			want += n
		}
		if m.late != k.late || m.size() != want || m.late == (m.len() > 0) {
			t.Errorf("%v: late=%v, %d batches, %d changes", k.sizes, m.late, m.len(), m.size())
		}
	}
	var m mailbox
	for i := range maxQueued {
		m.add(news(store.Seq(i+1), 1), false)
	}
	if m.late || m.len() != maxQueued {
		t.Errorf("late=%v, %d batches", m.late, m.len())
	}
	m.add(news(100, 1), false)
	if seq, deltas := m.takeMerged(); seq != 100 || len(deltas) != maxQueued+1 || m.late || m.len() != 0 {
		t.Errorf("%d changes up to %d", len(deltas), seq)
	}
}
