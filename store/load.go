package store

import (
	"fmt"
	"iter"
)

// Load fills an empty store with what a file held, and lets Seq go on from there.
// The slots of a collection must increase; they need not be without gaps. Nobody
// is told, and nothing is journaled. The indexes whose definitions are among the
// records are made again, and nothing is held against what the records say: also a
// unique index takes what there is. Indexes may be added before or after, too; one
// added before comes before one of that name from the records. Any
// error, of records or of what they hold, leaves the store empty. It returns
// ErrLoaded if anything was loaded or committed before.
func (s *Store) Load(seq Seq, records iter.Seq2[Record, error]) error {
	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.loaded {
		return ErrLoaded
	}
	// The documents are gathered in versions of their own, so that an error leaves
	// nothing to clean up and readers see all or nothing.
	gathered := map[string]*version{}
	var names []string
	var last *version
	waiting := make([]Record, 0, loadedAtOnce)
	for r, err := range records {
		if err != nil {
			return fmt.Errorf("store: load: %w", err)
		}
		v := last
		if v == nil || v.name != r.Collection || len(waiting) == loadedAtOnce {
			if err := v.load(waiting); err != nil {
				return err
			}
			waiting = waiting[:0]
		}
		if v == nil || v.name != r.Collection {
			if v = gathered[r.Collection]; v == nil {
				v = &version{name: r.Collection, lost: &lost{}}
				gathered[r.Collection] = v
				names = append(names, r.Collection)
			}
			last = v
		}
		waiting = append(waiting, r)
	}
	if err := last.load(waiting); err != nil {
		return err
	}
	defs, indexed := s.definitions(gathered[indexCollection])
	for _, name := range indexed {
		if gathered[name] == nil {
			gathered[name] = &version{name: name, lost: &lost{}}
			names = append(names, name)
		}
	}
	for _, name := range names {
		s.install(s.table(name), gathered[name], defs[name])
	}
	s.opened = true
	s.view.Lock()
	defer s.view.Unlock()
	s.seq = seq
	s.loaded = seq > 0 || len(names) > 0
	s.moment.Add(1)
	return nil
}

// loadedAtOnce is for how many documents the processor fetches their places in the
// table of ids at the same time. A load of 100,000 takes a sixth less for it.
const loadedAtOnce = 64

// load adds records. It leaves ids to be checked.
func (v *version) load(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	v.reserveIDs(len(records))
	var hashes [loadedAtOnce]uint64
	for i := range records {
		hashes[i] = hashID(records[i].Doc.ID())
	}
	v.ids.fetch(hashes[:len(records)])
	for i := range records {
		if err := v.loadOne(&records[i], hashes[i]); err != nil {
			return fmt.Errorf("store: load %q, slot %d: %w", v.name, records[i].Slot, err)
		}
	}
	return nil
}

func (v *version) loadOne(r *Record, hash uint64) error {
	id := r.Doc.ID()
	if id.IsZero() {
		return ErrNoID
	}
	if r.Slot < v.next || r.Slot >= maxSlot {
		return fmt.Errorf("slot out of order: wants at least %d", v.next)
	}
	if _, _, dup := v.find(hash, id); dup {
		return duplicateID(r.Collection, id)
	}
	v.addID(hash, r.Slot)
	v.pages.set(r.Slot, r.Doc, 0)
	v.next = r.Slot + 1
	return nil
}

// install makes a loaded version the working one of a table, with the indexes that
// the table has and those that were loaded.
func (s *Store) install(t *table, v *version, loaded []*definition) {
	built := buildIndexes(t.defined(loaded), &v.pages)
	s.view.Lock()
	defer s.view.Unlock()
	t.pages, t.ids, t.lost, t.next = v.pages, v.ids, v.lost, v.next
	s.setIndexes(t, built)
}
