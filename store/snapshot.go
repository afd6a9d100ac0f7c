package store

import (
	"iter"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// Snapshot is the whole store at one Seq. It is immutable, may be used by any
// number of goroutines, and never expires; who keeps one keeps the documents that
// were in the store then.
type Snapshot struct {
	store    *Store
	seq      Seq
	moment   uint64         // commits and index changes before it
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
// is in it. It costs nothing where nothing was committed since the last call, and
// otherwise makes a snapshot, in a time that depends on the number of collections
// and indexes and not on that of documents. It never waits for a transaction's
// function; see the package comment for what it can wait for.
func (s *Store) Snapshot() *Snapshot {
	if snap := s.current.Load(); snap.moment == s.moment.Load() {
		return snap
	}
	s.view.Lock()
	defer s.view.Unlock()
	return s.publishLocked()
}

// publishLocked makes the working versions immutable: from here on the writer
// copies what it changes.
func (s *Store) publishLocked() *Snapshot {
	now := s.moment.Load()
	old := s.current.Load()
	if old.moment == now {
		return old
	}
	snap := &Snapshot{store: s, seq: s.seq, moment: now, numbers: s.numbers}
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
