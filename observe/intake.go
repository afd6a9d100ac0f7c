package observe

import (
	"sync"

	"github.com/replicad/replicad/store"
)

// entry is a commit, or several in one, as a hub takes it.
type entry struct {
	seq     store.Seq // of the last commit in it
	changes []store.Change
}

// intake holds commits until they are worked on, in their order. What waits is
// bounded: when it grows large, commits are merged so that no document has more
// than one change for each time that it was inserted and is still there.
type intake struct {
	entries []entry
	head    int // entries before it have been taken
	changes int // in entries from head on
	merged  int // changes right after the last merge: it is worth it at twice that
}

// Below 4,096 waiting changes a merge would save little memory, and a hub that
// keeps up never merges. A limit of four times that is no faster, for then the
// documents have left the cache.
const mergeFrom = 4096

func (in *intake) empty() bool { return in.head == len(in.entries) }

func (in *intake) add(e entry) {
	if in.head > len(in.entries)/2 {
		// More has been taken than waits: its place is used again.
		n := copy(in.entries, in.entries[in.head:])
		clear(in.entries[n:])
		in.entries, in.head = in.entries[:n], 0
	}
	in.entries = append(in.entries, e)
	in.changes += len(e.changes)
}

// take moves entries from the intake to the end of to, until they have so many
// changes or commits.
func (in *intake) take(to []entry, most int) []entry {
	for n := 0; n < most && !in.empty(); n++ {
		e := &in.entries[in.head]
		n += len(e.changes)
		in.changes -= len(e.changes)
		to = append(to, *e)
		*e = entry{}
		in.head++
	}
	if in.empty() {
		in.entries, in.head, in.changes, in.merged = in.entries[:0], 0, 0, 0
	}
	return to
}

// merge makes one entry of all that follow commit keep, if it is time to.
func (in *intake) merge(collection string, keep store.Seq) {
	if len(in.entries)-in.head < 2 || in.changes < mergeFrom || in.changes < 2*in.merged {
		return
	}
	from := in.head
	for from < len(in.entries) && in.entries[from].seq <= keep {
		from++
	}
	if len(in.entries)-from < 2 {
		return
	}
	bySlot := make(map[uint64]int, in.changes)
	var all []store.Change
	for _, e := range in.entries[from:] {
		for _, c := range e.changes {
			if c.Collection != collection {
				continue
			}
			// A document that was removed and inserted again has another slot. Its
			// removal was met first, and so stays before its insertion.
			if i, ok := bySlot[c.Slot]; ok {
				all[i].After = c.After
			} else {
				bySlot[c.Slot] = len(all)
				all = append(all, c)
			}
		}
	}
	kept := all[:0]
	for _, c := range all {
		if c.Before != c.After { // came and went, or changed and changed back
			kept = append(kept, c)
		}
	}
	clear(all[len(kept):])
	one := entry{seq: in.entries[len(in.entries)-1].seq, changes: kept}
	clear(in.entries[from:])
	in.entries = append(in.entries[:from], one)
	in.changes = len(kept)
	for _, e := range in.entries[in.head:from] {
		in.changes += len(e.changes)
	}
	in.merged = in.changes
}

// inbox is the intake of a hub: the store writes into it under its lock, so
// nothing here waits for long. Only who has the hub's mutex takes from it.
type inbox struct {
	wake chan struct{} // one place

	mu     sync.Mutex // guards the rest; a leaf, but for what a snapshot takes
	intake intake
	last   store.Seq // the last commit that was noted
	keep   store.Seq // an observer began here: what follows is not merged with it
}

// note takes a commit from the store.
func (ib *inbox) note(collection string, c *store.Commit) {
	ib.mu.Lock()
	first := ib.intake.empty()
	ib.intake.add(entry{c.Seq, c.Changes})
	ib.last = c.Seq
	ib.intake.merge(collection, ib.keep)
	ib.mu.Unlock()
	if first { // of the others the hub will hear when it takes this one
		signal(ib.wake)
	}
}

func (ib *inbox) take(to []entry, most int) []entry {
	ib.mu.Lock()
	defer ib.mu.Unlock()
	return ib.intake.take(to, most)
}

func (ib *inbox) noted() store.Seq {
	ib.mu.Lock()
	defer ib.mu.Unlock()
	return ib.last
}

// moment returns the store's snapshot. With the hub's mutex held it has every
// commit that was taken. No commit up to it will be merged with a later one.
func (ib *inbox) moment(s *store.Store) *store.Snapshot {
	ib.mu.Lock()
	defer ib.mu.Unlock()
	snap := s.Snapshot()
	ib.keep = max(ib.keep, snap.Seq())
	return snap
}

// signal wakes the one that listens, now or when it next does. It never waits.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
