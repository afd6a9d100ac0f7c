package store

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table is a collection as the writer has it.
type table struct {
	version          // the working one; changed with Store.view held
	number  int      // place in Store.tables, for good
	dirty   bool     // changed since it was published
	frozen  []*index // what was published of indexes, nil where that has changed since
	unique  bool     // one of the indexes is
	owner   any      // who may write to it; nil: everybody
	stale   bool     // the indexes will be built anew when all changes are applied
}

// bulk is the least number of changes for which indexes are built anew.
const bulk = 1024

// parallel is the least number of changes for which indexes are changed side by
// side: a hundred microseconds of work, for which a goroutine costs one or two.
const parallel = 256

// publish returns the working version as it is, for good.
func (t *table) publish() *version {
	v := t.version
	v.indexes = make([]*index, len(t.indexes))
	for i, x := range t.indexes {
		if t.frozen[i] == nil {
			t.frozen[i] = x.publish()
		}
		v.indexes[i] = t.frozen[i]
	}
	t.dirty = false
	return &v
}

// begin makes ready for a number of changes, of which some are inserts.
func (t *table) begin(changes, inserts int) {
	t.reserveIDs(inserts)
	// To sort all keys once costs a third of finding the place of each.
	t.stale = len(t.indexes) > 0 && changes >= bulk && changes >= t.pages.n
}

// end follows reindex.
func (t *table) end() {
	if !t.stale {
		return
	}
	t.stale = false
	t.indexes, t.frozen = buildIndexes(t.defined(nil), &t.pages), make([]*index, len(t.indexes))
	t.plans = nextPlans()
}

// apply makes a change to pages and ids. hash is that of the id.
func (t *table) apply(c *Change, hash uint64, s *Store) {
	switch {
	case c.Before.IsZero():
		t.addID(hash, c.Slot)
		t.pages.set(c.Slot, c.After, s.stamp)
		t.next = c.Slot + 1
	case c.After.IsZero():
		t.pages.remove(c.Slot, s.stamp)
	default:
		t.pages.set(c.Slot, c.After, s.stamp)
	}
}

// reindex makes changes to the indexes, all of them to one index before the next: each
// is larger than what the processor has at hand. It follows all changes of apply.
func (t *table) reindex(changes []Change, s *Store) {
	if t.stale {
		return
	}
	for len(s.scratch) < len(t.indexes) {
		s.scratch = append(s.scratch, builder{})
	}
	for i, x := range t.indexes {
		s.scratch[i].reset(x)
	}
	if len(changes) >= parallel && len(t.indexes) > 1 {
		t.sideBySide(changes, s)
	} else {
		for i, x := range t.indexes {
			x.apply(changes, s.stamp, &s.scratch[i])
		}
	}
	for i, x := range t.indexes {
		b := &s.scratch[i]
		if b.changed || b.multi != x.multi {
			t.frozen[i] = nil
		}
		if (b.multi > 0) != (x.multi > 0) {
			t.plans = nextPlans()
		}
	}
}

// sideBySide makes changes to all indexes at the same time.
func (t *table) sideBySide(changes []Change, s *Store) {
	var wg sync.WaitGroup
	for i, x := range t.indexes[1:] {
		wg.Go(func() { x.apply(changes, s.stamp, &s.scratch[i+1]) })
	}
	t.indexes[0].apply(changes, s.stamp, &s.scratch[0])
	wg.Wait()
}

// mark notes that a table must be published again.
func (s *Store) mark(t *table) {
	if !t.dirty {
		t.dirty = true
		s.dirty = append(s.dirty, t)
	}
}

// table returns the collection of that name, made if need be. The caller holds
// the writer's lock.
func (s *Store) table(name string) *table {
	if i, ok := s.numbers[name]; ok {
		return s.tables[i]
	}
	s.view.Lock()
	defer s.view.Unlock()
	t := &table{number: len(s.tables)}
	t.name, t.lost, t.plans = name, &lost{}, nextPlans()
	if s.shared {
		s.numbers, s.shared = maps.Clone(s.numbers), false
	}
	s.numbers[name] = t.number
	s.tables = append(s.tables, t)
	s.mark(t)
	s.moment.Add(1)
	return t
}

// plansMade counts for all stores, so that a query that is asked of a snapshot of
// another store does not take its plan for a good one.
var plansMade atomic.Uint64

// nextPlans returns a number that no version had.
func nextPlans() uint64 { return plansMade.Add(1) }
