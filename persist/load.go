package persist

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Records yields every document that the file holds, collection by collection,
// in the order of slots. Called before the first Append it is the state at Seq,
// whole: give it to Store.Load. It reads the base as it goes, and has of the log
// the latest version of each document in memory.
//
// An error ends it; what came before must then be thrown away, for some faults
// show only at the end. The documents of a block share its memory, 8 KiB.
//
// The file cannot grow while an iteration is under way, so its body must not
// Flush, and should not dawdle.
func (db *DB) Records() iter.Seq2[store.Record, error] {
	return records(db.path, db.bolt, &db.w.ahead.mu)
}

// batchSize is how many records are handed over at once. Several batches may be
// on their way: the file is read on one core while the other puts documents into a
// store. Who has less to do verifies them.
const (
	batchSize = 256
	batches   = 4
)

// found is a document as it is in the file.
type found struct {
	collection string
	slot       uint64
	raw        string
}

// batch is some documents on their way.
type batch struct {
	found []found
	docs  []ejson.Doc // of found; those that are verified
	raw   ejson.RawReader
}

// verify makes documents of what was found.
func (b *batch) verify() error {
	for i := len(b.docs); i < len(b.found); i++ {
		f := &b.found[i]
		doc, err := b.raw.FromRaw(f.raw)
		if err != nil {
			return damaged("document in slot %d of %q: %v", f.slot, f.collection, err)
		}
		b.docs = append(b.docs, doc)
	}
	return nil
}

func (b *batch) clear() {
	clear(b.found)
	clear(b.docs)
	b.found, b.docs = b.found[:0], b.docs[:0]
}

func newBatch() *batch {
	return &batch{found: make([]found, 0, batchSize), docs: make([]ejson.Doc, 0, batchSize)}
}

// records reads a file. While begin is held nothing must go ahead in it.
func records(path string, bolt *bbolt.DB, begin sync.Locker) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var tx *bbolt.Tx
		var c contents
		err := guard(func() (err error) {
			begin.Lock()
			defer begin.Unlock()
			if tx, err = bolt.Begin(false); err == nil {
				c, err = open(tx)
			}
			return err
		})
		switch {
		case err == nil:
			err = hand(tx, c, func(r store.Record) bool { return yield(r, nil) })
		case tx != nil:
			err = errors.Join(err, guard(tx.Rollback))
		}
		if err != nil && err != errStopped { // by now the DB can be closed
			yield(store.Record{}, within("read", path, err))
		}
	}
}

// hand loads in a goroutine of its own, which has ended when hand returns, and
// so has tx.
func hand(tx *bbolt.Tx, c contents, yield func(store.Record) bool) error {
	ready := make(chan *batch, batches)
	used := make(chan *batch, batches+2) // never full: there are no more batches
	stop := make(chan struct{})
	var err error // valid when ready is closed
	go func() {
		defer close(ready)
		defer guard(tx.Rollback)
		b := newBatch()
		send := func() error {
			if len(ready) > 0 { // the other side has enough to do
				if err := b.verify(); err != nil {
					return err
				}
			}
			select {
			case ready <- b:
			case <-stop:
				return errStopped
			}
			select {
			case b = <-used:
			default:
				b = newBatch()
			}
			return nil
		}
		err = c.load(tx, func(f found) error {
			b.found = append(b.found, f)
			if len(b.found) < batchSize {
				return nil
			}
			return send()
		})
		if err == nil && len(b.found) > 0 {
			err = send()
		}
	}()
	defer func() { // also if yield panics
		close(stop)
		for range ready {
		}
	}()
	for b := range ready {
		if err := b.verify(); err != nil {
			return err
		}
		for i, doc := range b.docs {
			if !yield(store.Record{Collection: b.found[i].collection, Slot: b.found[i].slot, Doc: doc}) {
				return errStopped
			}
		}
		b.clear()
		used <- b
	}
	return err
}

var errStopped = damage("stopped by the reader")

// contents is what a file says of itself, and what went ahead in it.
type contents struct {
	st    *state   // with what is ahead laid over it
	ahead *segment // nil: nothing
}

func open(tx *bbolt.Tx) (c contents, err error) {
	if c.st, err = loadState(tx); err != nil {
		return c, err
	}
	if c.ahead, _, err = readAhead(tx, c.st); err != nil {
		return c, err
	}
	c.st.lay(c.ahead)
	return c, nil
}

// lay makes the state what it would be if a transaction had taken up what is ahead.
func (s *state) lay(ahead *segment) {
	if ahead == nil {
		return
	}
	s.seq = ahead.last
	for _, g := range ahead.groups {
		c := s.collection(g.collection)
		c.top = max(c.top, g.top)
	}
}

// load calls yield with each document of the file, until it returns an error.
func (c contents) load(tx *bbolt.Tx, yield func(found) error) error {
	var overlay [][]entry
	err := guard(func() (err error) {
		overlay, err = readLog(tx, c)
		return err
	})
	if err != nil {
		return err
	}
	for i, c := range c.st.collections {
		if err := loadCollection(tx, c, overlay[i], yield); err != nil {
			return err
		}
		overlay[i] = nil
	}
	return nil
}

// readLog returns by collection the latest entry of each slot in the log, and in what
// is ahead of it.
func readLog(tx *bbolt.Tx, c contents) ([][]entry, error) {
	st := c.st
	overlay := make([][]entry, len(st.collections))
	for i := range st.gens {
		gen := &st.gens[i]
		var found sums
		err := eachValue(tx, logName(gen.number), &found, func(name, k, v []byte) error {
			id, r, err := openLog(name, k, v)
			if err != nil {
				return err
			}
			if int(id) > len(overlay) {
				return damaged("log %d has collection %d of %d", gen.number, id, len(overlay))
			}
			for r.more() {
				slot, raw, gone, err := r.next()
				if err != nil {
					return err
				}
				overlay[id-1] = append(overlay[id-1], entry{slot, string(raw), gone})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if found != gen.sums {
			return nil, damaged("log %d has %v, its head says %v", gen.number, found, gen.sums)
		}
	}
	if c.ahead != nil {
		for _, g := range c.ahead.groups {
			id := st.byName[g.collection].id
			for _, ch := range g.changes {
				overlay[id-1] = append(overlay[id-1], entry{ch.slot, strings.Clone(ch.doc.Raw()), ch.doc.IsZero()})
			}
		}
	}
	for i, entries := range overlay {
		overlay[i] = latest(entries)
		if n := len(overlay[i]); n > 0 && overlay[i][n-1].slot > st.collections[i].top {
			return nil, damaged("the log has slot %d of %q, whose highest is %d",
				overlay[i][n-1].slot, st.collections[i].name, st.collections[i].top)
		}
	}
	return overlay, nil
}

// entry is what the log says of a slot.
type entry struct {
	slot uint64
	raw  string
	gone bool
}

// latest sorts entries by slot and keeps the last of each.
func latest(entries []entry) []entry {
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.slot < b.slot:
			return -1
		case a.slot > b.slot:
			return 1
		}
		return 0
	})
	n := 0
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1].slot == e.slot {
			continue
		}
		entries[n] = e
		n++
	}
	clear(entries[n:])
	return entries[:n]
}

// eachValue calls fn for every value of a bucket, which need not exist.
func eachValue(tx *bbolt.Tx, name []byte, found *sums, fn func(name, k, v []byte) error) error {
	b := tx.Bucket(name)
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := fn(name, k, v); err != nil {
			return err
		}
		found.add(v)
	}
	return nil
}

// loadCollection merges the base of a collection with what the log says of it.
func loadCollection(tx *bbolt.Tx, c *collection, overlay []entry, yield func(found) error) error {
	emit := func(slot uint64, raw string) error {
		return yield(found{collection: c.name, slot: slot, raw: raw})
	}
	// below emits what the overlay has below a slot.
	below := func(slot uint64) error {
		for len(overlay) > 0 && overlay[0].slot < slot {
			e := overlay[0]
			overlay = overlay[1:]
			if e.gone {
				continue
			}
			if err := emit(e.slot, e.raw); err != nil {
				return err
			}
		}
		return nil
	}
	s := scan{tx: tx, c: c, name: baseName(c.id)}
	last, some := uint64(0), false
	for {
		r, ok, err := s.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		for r.more() {
			slot, raw, gone, err := r.next()
			if err != nil {
				return err
			}
			if gone || slot > c.top || (some && slot <= last) {
				return damaged("slot %d of %q after slot %d", slot, c.name, last)
			}
			last, some = slot, true
			if err := below(slot); err != nil {
				return err
			}
			if len(overlay) > 0 && overlay[0].slot == slot {
				continue // the log has it newer
			}
			if err := emit(slot, raw); err != nil {
				return err
			}
		}
	}
	for _, e := range overlay {
		if !e.gone {
			if err := emit(e.slot, e.raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads the chunks of a base into memory of their own.
type scan struct {
	tx     *bbolt.Tx
	c      *collection
	name   []byte
	cursor *bbolt.Cursor
	found  sums
}

// next returns the next chunk. ok is false after the last.
func (s *scan) next() (r reader[string], ok bool, err error) {
	err = guard(func() error {
		var k, v []byte
		if s.cursor != nil {
			k, v = s.cursor.Next()
		} else if b := s.tx.Bucket(s.name); b != nil {
			s.cursor = b.Cursor()
			k, v = s.cursor.First()
		}
		if k == nil {
			if s.found != s.c.base {
				return damaged("the base of %q has %v, its head says %v", s.c.name, s.found, s.c.base)
			}
			return nil
		}
		chunk, err := openBase(s.name, k, v)
		if err != nil {
			return err
		}
		s.found.add(v)
		r.b, r.slot, ok = string(chunk.b), chunk.slot, true
		return nil
	})
	return r, ok, err
}
