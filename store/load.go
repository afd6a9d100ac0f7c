package store

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// Load fills an empty store with what a file held, and lets Seq go on from there.
// The slots of a collection must increase; they need not be without gaps. Nobody
// is told, and nothing is journaled. The indexes whose definitions are among the
// records are made again, and nothing is held against what the records say: also a
// unique index takes what there is. Indexes may be added before or after, too; one
// added before comes before one of that name from the records. Any
// error, of records or of what they hold, leaves the store empty. It returns
// ErrLoaded if anything was loaded or committed before.
//
// It is fastest where the definitions of a collection's indexes come before its
// documents, or were there before: then keys are taken from each document while it
// is at hand.
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
	g := gathered{s: s, byName: map[string]*loading{}}
	for r, err := range records {
		if err != nil {
			return fmt.Errorf("store: load: %w", err)
		}
		if err := g.add(r); err != nil {
			return err
		}
	}
	if err := g.finish(); err != nil {
		return err
	}
	for _, l := range g.all {
		t := s.table(l.name)
		s.view.Lock()
		t.pages, t.ids, t.lost, t.next = l.pages, l.ids, l.lost, l.next
		s.setIndexes(t, l.made)
		s.view.Unlock()
	}
	s.opened = true
	s.view.Lock()
	defer s.view.Unlock()
	s.seq = seq
	s.loaded = seq > 0 || len(g.all) > 0
	s.moment.Add(1)
	return nil
}

// gathered is what is being loaded.
type gathered struct {
	s       *Store
	byName  map[string]*loading
	all     []*loading
	last    *loading // of the last record; nil before the first
	waiting []Record // of last, not yet added to it

	defs    map[string][]*definition // as far as they were read
	indexed []string                 // names in defs
	read    int                      // documents that defs was made of
}

// loading is a collection that is being loaded.
type loading struct {
	version
	hashes  []uint64 // of the ids, in the order of slots
	fillers []*filler
	made    []*index
}

// loadedAtOnce is for how many documents the processor fetches their memory, and
// then their places in the table of ids, at the same time. A load of 100,000 takes a
// sixth less for it.
const loadedAtOnce = 64

func (g *gathered) add(r Record) error {
	if l := g.last; l == nil || l.name != r.Collection || len(g.waiting) == loadedAtOnce {
		if err := g.flush(); err != nil {
			return err
		}
		if l == nil || l.name != r.Collection {
			if l != nil && Reserved(l.name) {
				g.define()
			}
			g.last = g.collection(r.Collection)
		}
	}
	g.waiting = append(g.waiting, r)
	return nil
}

// collection returns what is loaded of a collection.
func (g *gathered) collection(name string) *loading {
	l := g.byName[name]
	if l == nil {
		l = &loading{version: version{name: name, lost: &lost{}}}
		for _, d := range g.defined(name) {
			l.fillers = append(l.fillers, newFiller(d))
		}
		g.byName[name] = l
		g.all = append(g.all, l)
	}
	return l
}

// define reads the definitions of indexes that have been loaded.
func (g *gathered) define() {
	if l := g.byName[indexCollection]; l != nil && l.pages.n != g.read {
		g.defs, g.indexed = g.s.definitions(&l.version)
		g.read = l.pages.n
	}
}

// defined returns the indexes that a collection has, as far as is known.
func (g *gathered) defined(name string) []*definition {
	t := &table{}
	if i, ok := g.s.numbers[name]; ok {
		t = g.s.tables[i]
	}
	return t.defined(g.defs[name])
}

// flush adds what waits to its collection.
func (g *gathered) flush() error {
	fetchRecords(g.waiting)
	for i := range g.waiting {
		r := &g.waiting[i]
		if err := g.last.add(r); err != nil {
			return failed(r.Collection, r.Slot, err)
		}
	}
	g.waiting = g.waiting[:0]
	return nil
}

func failed(collection string, slot uint64, err error) error {
	return fmt.Errorf("store: load %q, slot %d: %w", collection, slot, err)
}

// add adds a document. Its id is checked by enterIDs.
func (l *loading) add(r *Record) error {
	id := r.Doc.ID()
	if id.IsZero() {
		return ErrNoID
	}
	if r.Slot < l.next || r.Slot >= maxSlot {
		return fmt.Errorf("slot out of order: wants at least %d", l.next)
	}
	if len(l.hashes) == cap(l.hashes) {
		l.hashes = slices.Grow(l.hashes, len(l.hashes)+1)
	}
	l.hashes = append(l.hashes, hashID(id))
	l.pages.set(r.Slot, r.Doc, 0)
	l.next = r.Slot + 1
	for _, f := range l.fillers {
		f.add(r.Slot, r.Doc)
	}
	return nil
}

// finish makes the tables of ids and the indexes.
func (g *gathered) finish() error {
	if err := g.flush(); err != nil {
		return err
	}
	g.define()
	for _, name := range g.indexed {
		g.collection(name)
	}
	for _, l := range g.all {
		if err := l.finish(g.defined(l.name)); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the table of ids and the indexes, on as many processors as there are.
func (l *loading) finish(defs []*definition) error {
	var wg sync.WaitGroup
	for _, d := range defs {
		var f *filler
		if i := slices.IndexFunc(l.fillers, func(f *filler) bool { return f.x.definition == d }); i >= 0 {
			f = l.fillers[i]
		} else { // it was not known in time
			f = newFiller(d)
			f.late = &l.pages
		}
		l.made = append(l.made, f.x)
		if l.pages.n < bulk {
			f.fill()
		} else {
			wg.Go(f.fill)
		}
	}
	err := l.enterIDs()
	wg.Wait()
	l.fillers = nil
	return err
}

// enterIDs makes the table of ids, of the size that they need.
func (l *loading) enterIDs() error {
	if len(l.hashes) == 0 {
		return nil
	}
	buckets := len(l.hashes)*2/bucketLen + 1
	l.ids = &ids{buckets: make([]bucket, buckets), first: buckets}
	hashes := l.hashes
	var err error
	enter := func(slots []uint64) bool {
		l.ids.fetch(hashes[:len(slots)])
		for i, slot := range slots {
			if l.ids.marks(hashes[i]) {
				d := l.pages.get(slot)
				if _, _, dup := l.find(hashes[i], d.ID()); dup {
					err = failed(l.name, slot, duplicateID(l.name, d.ID()))
					return false
				}
			}
			l.addID(hashes[i], slot)
		}
		hashes = hashes[len(slots):]
		return true
	}
	slots := make([]uint64, 0, loadedAtOnce)
	l.pages.each(func(slot uint64, _ ejson.Doc) bool {
		slots = append(slots, slot)
		if len(slots) < loadedAtOnce {
			return true
		}
		ok := enter(slots)
		slots = slots[:0]
		return ok
	})
	if err == nil {
		enter(slots)
	}
	l.hashes = nil
	return err
}

// marks reports whether an id with the mark of this hash is in the table.
func (t *ids) marks(hash uint64) bool {
	for i := t.start(hash); ; {
		for _, e := range t.buckets[i] {
			if e == 0 {
				return false
			}
			if marked(e, mark(hash)) {
				return true
			}
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// fetchRecords touches the ends of documents that are about to be read: another
// processor may have them.
func fetchRecords(records []Record) {
	var sum byte
	for i := range records {
		if raw := records[i].Doc.Raw(); len(raw) > 0 {
			sum += raw[0] + raw[len(raw)-1]
		}
	}
	runtime.KeepAlive(sum)
}
