package store

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// Snapshot is the whole store at one Seq. It is immutable, may be used by any
// number of goroutines, and never expires; who keeps one keeps the documents that
// were in the store then.
type Snapshot struct {
	store    *Store
	seq      Seq
	moment   uint64         // commits and index changes before it
	asked    atomic.Bool    // somebody was given it by Store.Snapshot
	numbers  map[string]int // of collections, in versions; shared
	versions []*version
}

// version is one collection at one moment. The writer's is changed in place, a
// snapshot's never.
type version struct {
	name    string
	pages   pages
	ids     *ids
	lost    *lost
	next    uint64 // the slot of the next insert
	indexes []*index
	plans   uint64 // another number where a plan made before may be wrong
}

// Seq returns the number of the last commit in the snapshot.
func (s *Snapshot) Seq() Seq { return s.seq }

// Collections returns the names of the collections that have documents or
// indexes, in ascending order, less those that are [Reserved].
func (s *Snapshot) Collections() []string {
	var names []string
	for _, v := range s.versions {
		if (v.pages.n > 0 || len(v.indexes) > 0) && !Reserved(v.name) {
			names = append(names, v.name)
		}
	}
	slices.Sort(names)
	return names
}

// Len returns the number of documents in a collection, 0 for one that is not
// there.
func (s *Snapshot) Len(collection string) int {
	if v := s.version(collection); v != nil {
		return v.pages.n
	}
	return 0
}

// Get returns the document of that id. It allocates nothing.
func (s *Snapshot) Get(collection string, id ejson.ID) (ejson.Doc, bool) {
	v := s.version(collection)
	if v == nil {
		return ejson.Doc{}, false
	}
	_, d, ok := v.find(hashID(id), id)
	return d, ok
}

// Slot returns the document at a slot, as a [Change] or [Spec.Run] names it.
func (s *Snapshot) Slot(collection string, slot uint64) (ejson.Doc, bool) {
	v := s.version(collection)
	if v == nil {
		return ejson.Doc{}, false
	}
	d := v.pages.get(slot)
	return d, !d.IsZero()
}

// Each yields the documents of a collection with their slots, in the order of
// insertion.
func (s *Snapshot) Each(collection string) iter.Seq2[uint64, ejson.Doc] {
	return func(yield func(uint64, ejson.Doc) bool) {
		if v := s.version(collection); v != nil {
			v.pages.each(yield)
		}
	}
}

// version returns the collection of that name, or nil.
func (s *Snapshot) version(name string) *version {
	if i, ok := s.numbers[name]; ok {
		return s.versions[i]
	}
	return nil
}

// Snapshot returns the store as it is now: every commit whose Update has returned
// is in it. It costs nothing where nothing was committed since the last call, or
// the writer foresaw it; otherwise it makes a snapshot, in a time that depends on the
// number of collections and indexes and not on that of documents. It never waits for
// a transaction's function; see the package comment for what it can wait for.
func (s *Store) Snapshot() *Snapshot {
	// In this order: a snapshot that the writer makes is there before its moment is.
	moment := s.moment.Load()
	snap := s.current.Load()
	if snap.moment < moment {
		s.view.Lock()
		snap = s.publishLocked(s.moment.Load())
		s.view.Unlock()
	}
	if !snap.asked.Load() {
		snap.asked.Store(true)
	}
	return snap
}

// publishLocked makes the working versions immutable, as those of a moment: from
// here on the writer copies what it changes.
func (s *Store) publishLocked(moment uint64) *Snapshot {
	old := s.current.Load()
	if old.moment >= moment {
		return old
	}
	snap := &Snapshot{store: s, seq: s.seq, moment: moment, numbers: s.numbers}
	snap.versions = append(make([]*version, 0, len(s.tables)), old.versions...)
	for len(snap.versions) < len(s.tables) {
		snap.versions = append(snap.versions, nil)
	}
	for _, t := range s.dirty {
		snap.versions[t.number] = t.publish()
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	s.stamp++
	s.shared = true
	s.current.Store(snap)
	return snap
}

// advanceLocked moves on to the moment after a commit. If the last snapshot was
// asked for, so will this one be: the writer makes it, before anybody misses it, and
// readers who ask all the time take no lock and keep no writer waiting. Of commits
// that nobody reads between, only the first makes one.
func (s *Store) advanceLocked() {
	moment := s.moment.Load() + 1
	if s.current.Load().asked.Load() {
		s.publishLocked(moment)
	}
	s.moment.Store(moment)
}
