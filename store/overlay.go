package store

import (
	"math/bits"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// write is what a transaction knows of one document that it wrote.
type write struct {
	id      ejson.ID
	hash    uint64
	number  int32     // its place in writes
	differs bool      // by appendChanges: the document is not as it was
	slot    uint64    // meaningful where before is not zero
	before  ejson.Doc // as the store has it; zero: it has none
	after   ejson.Doc // as the transaction left it; zero: removed
}

// overlay is what a transaction wrote to one collection, in the order of first
// write.
type overlay struct {
	name    string
	table   *table // nil: the collection is not there yet
	denied  error  // why the transaction must not write here; nil: it may
	writes  []write
	places  []uint64 // open addressing: half the hash and 1 + place in writes; nil for few writes
	idle    []uint64 // memory for places, all zero
	changed int      // by changes: the documents that are not as they were
	inserts int      // by changes: those of them that are new
}

const (
	fewWrites   = 8    // how many are searched one by one
	spareWrites = 2048 // room for so many is kept for the next transaction
	spareParts  = 4    // and for so many collections: a call of a replica writes to three
)

// find returns the write to a document, or nil.
func (o *overlay) find(hash uint64, id ejson.ID) *write {
	if o.places == nil {
		for i := range o.writes {
			if w := &o.writes[i]; w.hash == hash && w.id == id {
				return w
			}
		}
		return nil
	}
	for i := int(hash) & (len(o.places) - 1); o.places[i] != 0; i = (i + 1) & (len(o.places) - 1) {
		if p := o.places[i]; (p^hash)>>32 == 0 {
			if w := &o.writes[uint32(p)-1]; w.hash == hash && w.id == id {
				return w
			}
		}
	}
	return nil
}

// add appends a write to a document that has none. Pointers that find returned
// before are void.
func (o *overlay) add(w write) {
	w.number = int32(len(o.writes))
	o.writes = append(o.writes, w)
	switch n := len(o.writes); {
	case n <= fewWrites && o.places == nil:
	case 2*n > len(o.places):
		o.widen(2 * n)
	default:
		o.enter(n - 1)
	}
}

// expect makes room for n more writes.
func (o *overlay) expect(n int) {
	o.writes = slices.Grow(o.writes, n)
	if n += len(o.writes); n > fewWrites && 2*n > len(o.places) {
		o.widen(2 * n)
	}
}

// widen makes the table of places anew, at least n of them.
func (o *overlay) widen(n int) {
	if o.places == nil && len(o.idle) >= n {
		o.places, o.idle = o.idle, nil
	} else {
		o.places = make([]uint64, max(64, 1<<bits.Len(uint(n))))
	}
	for i := range o.writes {
		o.enter(i)
	}
}

// reset empties the overlay for another transaction and keeps its memory.
func (o *overlay) reset() {
	clear(o.writes)
	if o.places != nil {
		clear(o.places)
		o.idle = o.places
	}
	*o = overlay{writes: o.writes[:0], idle: o.idle}
}

func (o *overlay) enter(k int) {
	i := int(o.writes[k].hash) & (len(o.places) - 1)
	for o.places[i] != 0 {
		i = (i + 1) & (len(o.places) - 1)
	}
	o.places[i] = o.writes[k].hash>>32<<32 | uint64(k+1)
}

// get returns a document as the transaction sees it.
func (o *overlay) get(hash uint64, id ejson.ID) ejson.Doc { return o.look(hash, id).after }

// look returns what a write to a document would start from: the write that there
// is, or one that is not in the overlay yet and has changed nothing.
func (o *overlay) look(hash uint64, id ejson.ID) write {
	if len(o.writes) > 0 {
		if w := o.find(hash, id); w != nil {
			return *w
		}
	}
	w := write{id: id, hash: hash, number: -1}
	if o.table != nil {
		w.slot, w.before, _ = o.table.find(hash, id)
		w.after = w.before
	}
	return w
}

// set writes a document, zero to remove it, where look returned w, and nothing
// was written since.
func (o *overlay) set(w write, after ejson.Doc) {
	switch {
	case w.number < 0:
		if w.before.IsZero() && after.IsZero() {
			return
		}
		w.after = after
		o.add(w)
	case w.before.IsZero() && w.after.IsZero() && !after.IsZero():
		// What the transaction inserted and removed, and now inserts again, gets a new
		// place in the order. The old write stays as one of nothing, which nobody finds.
		o.writes[w.number].id = ejson.ID{}
		w.after = after
		o.add(w)
	default:
		o.writes[w.number].after = after
	}
}

// located is a document and its place. Those that the transaction inserted come
// after all others.
type located struct {
	slot uint64
	doc  ejson.Doc
}

// fresh is added to the number of a write to place documents without a slot.
const fresh = 1 << 63

// written returns the documents that the transaction wrote, as it left them, in
// the order of places; where may choose some of them.
func (o *overlay) written(where func(ejson.Doc) bool) []located {
	var found []located
	for i := range o.writes {
		w := &o.writes[i]
		if w.after.IsZero() || where != nil && !where(w.after) {
			continue
		}
		slot := w.slot
		if w.before.IsZero() {
			slot = fresh + uint64(i)
		}
		found = append(found, located{slot, w.after})
	}
	bySlot(found)
	return found
}

// touched reports whether one of the first n writes was to the document with d's
// id.
func (o *overlay) touched(d ejson.Doc, n int) bool {
	if n == 0 {
		return false
	}
	id := d.ID()
	w := o.find(hashID(id), id)
	return w != nil && int(w.number) < n
}

// appendChanges appends a Change for each document that is not as it was.
func (o *overlay) appendChanges(changes []Change) []Change {
	next := uint64(0)
	if o.table != nil {
		next = o.table.next
	}
	o.changed, o.inserts = 0, 0
	for i := range o.writes {
		w := &o.writes[i]
		if w.differs = w.before != w.after && !w.id.IsZero(); !w.differs {
			continue
		}
		slot := w.slot
		if w.before.IsZero() {
			slot = next
			next++
			o.inserts++
		}
		o.changed++
		changes = append(changes, Change{o.name, w.id, slot, w.before, w.after})
	}
	return changes
}
