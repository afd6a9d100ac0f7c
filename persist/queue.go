package persist

import (
	"slices"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

const (
	// segmentDue is how many changes are written without waiting for Delay: a
	// sync costs as much as writing several hundred documents.
	segmentDue = 1000

	// A segment takes no more commits beyond these, so that one transaction is
	// neither long nor large; a single commit may be larger.
	segmentChanges = 4096
	segmentBytes   = 2 << 20

	// queueLimit is how many changes that merging may save wait before all are
	// merged into the latest version of each document. It is a second or so of
	// work for a disk that keeps up: only one that fails comes to it.
	queueLimit = 1 << 18
)

// change is the latest state of a slot; a zero doc says that it is gone.
type change struct {
	slot uint64
	doc  ejson.Doc
}

// group holds the changes of a segment to one collection, in the order of Seq.
type group struct {
	collection string
	changes    []change
	top        uint64 // highest slot
	sorted     bool   // slots ascend strictly
}

// segment is a run of commits that is written as one transaction.
type segment struct {
	last   store.Seq
	since  time.Time // when the first of them came
	groups []*group
	byName map[string]*group
	n      int
	spent  int // of them, as in queue
	bytes  int
}

func newSegment() *segment { return &segment{byName: map[string]*group{}} }

func (s *segment) full() bool { return s.n >= segmentChanges || s.bytes >= segmentBytes }

// group returns the group of that collection, which is made if need be.
func (s *segment) group(collection string) *group {
	g := s.byName[collection]
	if g == nil {
		g = &group{collection: collection, sorted: true}
		s.groups = append(s.groups, g)
		s.byName[collection] = g
	}
	return g
}

// add notes a change that comes after all others.
func (s *segment) add(g *group, slot uint64, doc ejson.Doc) {
	g.add(slot, doc)
	s.n++
	s.bytes += len(doc.Raw())
}

// take adds what another segment has, which comes after it.
func (s *segment) take(next *segment) {
	s.last = next.last
	for _, g := range next.groups {
		to := s.group(g.collection)
		to.changes = slices.Grow(to.changes, len(g.changes))
		for _, c := range g.changes {
			s.add(to, c.slot, c.doc)
		}
	}
}

func (g *group) add(slot uint64, doc ejson.Doc) {
	if len(g.changes) > 0 && slot <= g.changes[len(g.changes)-1].slot {
		g.sorted = false
	}
	g.top = max(g.top, slot)
	g.changes = append(g.changes, change{slot, doc})
}

// settle sorts the changes by slot and keeps the last of each.
func (g *group) settle() {
	if g.sorted {
		return
	}
	g.sorted = true
	slices.SortStableFunc(g.changes, func(a, b change) int {
		switch {
		case a.slot < b.slot:
			return -1
		case a.slot > b.slot:
			return 1
		}
		return 0
	})
	n := 0
	for i, c := range g.changes {
		if i+1 < len(g.changes) && g.changes[i+1].slot == c.slot {
			continue
		}
		g.changes[n] = c
		n++
	}
	clear(g.changes[n:])
	g.changes = g.changes[:n]
}

// queue is what waits for the disk.
//
// Invariant: n-spent is at most the number of documents in the store, or in the
// file if that has more; and spent <= limit after add, which is at most that
// number again and queueLimit. So a long row of inserts is not merged, which
// would save nothing and make one huge transaction of it; updates are.
type queue struct {
	segments []*segment // oldest first
	n        int        // changes in them
	spent    int        // of them, updates once and removals twice
	limit    int
	last     store.Seq         // of the last commit that was added
	written  map[string]uint64 // highest slot by collection that may be in the file
	spare    *segment
}

// add takes a commit and reports whether the writer may have to be woken.
func (q *queue) add(c *store.Commit) (wake bool) {
	var s *segment
	if len(q.segments) > 0 {
		s = q.segments[len(q.segments)-1]
	}
	if s == nil || s.full() {
		s = q.open()
		wake = true
	}
	due := s.n >= segmentDue
	spent := 0
	var g *group
	for i := range c.Changes {
		ch := &c.Changes[i]
		if g == nil || g.collection != ch.Collection {
			g = s.group(ch.Collection)
		}
		g.add(ch.Slot, ch.After)
		s.bytes += len(ch.After.Raw())
		switch {
		case ch.After.IsZero():
			spent += 2
		case !ch.Before.IsZero():
			spent++
		}
	}
	s.n, s.spent = s.n+len(c.Changes), s.spent+spent
	q.n, q.spent = q.n+len(c.Changes), q.spent+spent
	s.last, q.last = c.Seq, c.Seq
	if q.spent > q.limit {
		q.merge()
	}
	return wake || (!due && s.n >= segmentDue)
}

// open begins a segment.
func (q *queue) open() *segment {
	s := q.spare
	if s == nil {
		s = newSegment()
	}
	q.spare = nil
	s.since = time.Now()
	q.segments = append(q.segments, s)
	return s
}

// merge makes one segment of all. A document that came and went, and that the
// file cannot hold, is forgotten.
func (q *queue) merge() {
	all := q.segments[0]
	for _, s := range q.segments[1:] {
		all.take(s)
	}
	all.n, all.spent, all.bytes = 0, 0, 0
	for _, g := range all.groups {
		g.settle()
		written := q.written[g.collection]
		g.changes = slices.DeleteFunc(g.changes, func(c change) bool {
			return c.doc.IsZero() && c.slot > written
		})
		g.changes = slices.Clip(g.changes)
		all.n += len(g.changes)
		for _, c := range g.changes {
			all.bytes += len(c.doc.Raw())
		}
	}
	clear(q.segments[1:])
	q.segments = q.segments[:1]
	q.n, q.spent = all.n, 0
	q.limit = max(all.n, queueLimit)
}

// take removes the oldest segment, to be written. From here on the file may
// hold what is in it.
func (q *queue) take() *segment {
	s := q.segments[0]
	q.segments = slices.Delete(q.segments, 0, 1)
	q.n -= s.n
	q.spent -= s.spent
	for _, g := range s.groups {
		q.written[g.collection] = max(q.written[g.collection], g.top)
	}
	return s
}

// putBack returns a segment that could not be written.
func (q *queue) putBack(s *segment) {
	q.segments = slices.Insert(q.segments, 0, s)
	s.n = 0
	for _, g := range s.groups {
		s.n += len(g.changes)
	}
	q.n += s.n
	q.spent += s.spent
}

// recycle keeps the memory of a segment that has been written, for the next.
func (q *queue) recycle(s *segment) {
	if q.spare != nil || s.n > 4*segmentChanges || len(s.groups) > 64 {
		return
	}
	for _, g := range s.groups {
		clear(g.changes)
		g.changes, g.top, g.sorted = g.changes[:0], 0, true
	}
	s.n, s.spent, s.bytes = 0, 0, 0
	q.spare = s
}
