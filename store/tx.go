package store

import (
	"iter"

	"github.com/replicad/replicad/ddp/ejson"
)

// Tx is a write transaction. It reads its own writes. It is not safe for use by
// several goroutines, and is void when the function that was given it returns: a
// later use panics.
//
// What it wrote is gathered beside the store until it is committed. Memory grows
// with the number of documents written.
type Tx struct {
	s     *Store
	owner any
	parts []*overlay           // one for each collection that was named, in that order
	few   [spareParts]*overlay // memory of parts
	named map[string]*overlay  // the same by name; nil while they are few
	err   error                // why it will not be committed, whatever its function says

	table   *table // will have indexes, instead of those it has; nil: none will
	indexes []*index
}

// fewParts is for how many collections a loop over their names is good.
const fewParts = 16

// part returns what the transaction did to a collection.
func (tx *Tx) part(collection string) *overlay {
	if tx.s == nil {
		panic(errVoid)
	}
	// The one named last is the likeliest.
	if tx.named != nil {
		if o := tx.named[collection]; o != nil {
			return o
		}
	} else {
		for i := len(tx.parts) - 1; i >= 0; i-- {
			if o := tx.parts[i]; o.name == collection {
				return o
			}
		}
	}
	var o *overlay
	if last := len(tx.s.spares) - 1; last >= 0 {
		o, tx.s.spares = tx.s.spares[last], tx.s.spares[:last]
	} else {
		o = &overlay{}
	}
	o.name = collection
	if Reserved(collection) && tx.owner != indexer {
		o.denied = ErrReserved
	}
	if i, ok := tx.s.numbers[collection]; ok {
		o.table = tx.s.tables[i]
		if o.table.owner != nil && o.table.owner != tx.owner && !Reserved(collection) {
			o.denied = replicated(collection)
		}
	}
	tx.parts = append(tx.parts, o)
	switch n := len(tx.parts); {
	case n > fewParts:
		tx.named[collection] = o
	case n == fewParts:
		tx.named = make(map[string]*overlay, 2*fewParts)
		for _, o := range tx.parts {
			tx.named[o.name] = o
		}
	}
	return o
}

// Get returns a document as the transaction sees it.
func (tx *Tx) Get(collection string, id ejson.ID) (ejson.Doc, bool) {
	d := tx.part(collection).get(hashID(id), id)
	return d, !d.IsZero()
}

// Prefetch tells which documents the transaction will read or write next. It changes
// nothing but the time that this takes: memory is waited for once for many documents
// and not for each. It is worth it for dozens of ids that lie anywhere in a large
// collection; of more than 1,024 it takes the first.
func (tx *Tx) Prefetch(collection string, ids []ejson.ID) {
	if o := tx.part(collection); o.table != nil {
		o.table.prefetch(ids[:min(len(ids), prefetched)])
	}
}

// Len returns the number of documents that a collection has in the transaction.
func (tx *Tx) Len(collection string) int {
	o := tx.part(collection)
	n := 0
	if o.table != nil {
		n = o.table.pages.n
	}
	for i := range o.writes {
		if !o.writes[i].before.IsZero() {
			n--
		}
		if !o.writes[i].after.IsZero() {
			n++
		}
	}
	return n
}

var idName = ejson.NameOf("_id")

// Insert adds a document and returns its id. A document without _id, or whose _id
// is null or an empty string, is given a new one. The error is ErrDuplicateID,
// ErrNoID or ErrReplicated.
func (tx *Tx) Insert(collection string, doc ejson.Doc) (ejson.ID, error) {
	return tx.insert(tx.part(collection), doc, tx.s.stringID)
}

// insert is Insert with ids of the caller's kind.
func (tx *Tx) insert(o *overlay, doc ejson.Doc, newID func() ejson.ID) (ejson.ID, error) {
	if o.denied != nil {
		return ejson.ID{}, o.denied
	}
	var id ejson.ID
	switch v := doc.Lookup(idName); {
	case v.IsMissing(), v.Kind() == ejson.Null, v.Kind() == ejson.String && v.Str() == "":
		id = newID()
		doc = doc.WithID(id)
	default:
		var err error
		if id, err = ejson.IDOf(v); err != nil {
			return ejson.ID{}, noID(o.name)
		}
	}
	w := o.look(hashID(id), id)
	if !w.after.IsZero() {
		return ejson.ID{}, duplicateID(o.name, id)
	}
	o.set(w, doc)
	return id, nil
}

// Put inserts or replaces a document, which must have an _id. The error is ErrNoID
// or ErrReplicated.
func (tx *Tx) Put(collection string, doc ejson.Doc) error {
	o := tx.part(collection)
	if o.denied != nil {
		return o.denied
	}
	id := doc.ID()
	if id.IsZero() {
		return noID(collection)
	}
	o.set(o.look(hashID(id), id), doc)
	return nil
}

// Delete removes a document and reports whether it was there. In a collection that
// is owned by another it removes nothing, and Update will return ErrReplicated
// whatever its function returns.
func (tx *Tx) Delete(collection string, id ejson.ID) bool {
	o := tx.part(collection)
	if tx.refused(o) {
		return false
	}
	w := o.look(hashID(id), id)
	o.set(w, ejson.Doc{})
	return !w.after.IsZero()
}

// Clear removes every document of a collection and returns how many there were. It
// is refused as Delete is.
func (tx *Tx) Clear(collection string) (n int) {
	o := tx.part(collection)
	if tx.refused(o) {
		return 0
	}
	for i := range o.writes {
		if w := &o.writes[i]; !w.after.IsZero() {
			w.after = ejson.Doc{}
			n++
		}
	}
	if o.table == nil {
		return n
	}
	written := len(o.writes)
	o.table.pages.each(func(slot uint64, d ejson.Doc) bool {
		if !o.touched(d, written) {
			id := d.ID()
			o.add(write{id: id, hash: hashID(id), slot: slot, before: d})
			n++
		}
		return true
	})
	return n
}

// Each yields the documents of a collection as they are when the loop begins, in
// the order of insertion. The loop's body may write; the loop does not see it.
func (tx *Tx) Each(collection string) iter.Seq[ejson.Doc] {
	return func(yield func(ejson.Doc) bool) {
		o := tx.part(collection)
		written, n := o.written(nil), len(o.writes)
		if o.table != nil {
			done := o.table.pages.each(func(slot uint64, d ejson.Doc) bool {
				for len(written) > 0 && written[0].slot <= slot {
					if !yield(written[0].doc) {
						return false
					}
					written = written[1:]
				}
				return o.touched(d, n) || yield(d)
			})
			if !done {
				return
			}
		}
		for _, w := range written {
			if !yield(w.doc) {
				return
			}
		}
	}
}

// refused makes the transaction fail where it must not write to a collection.
func (tx *Tx) refused(o *overlay) bool {
	if o.denied != nil && tx.err == nil {
		tx.err = o.denied
	}
	return o.denied != nil
}

// changes returns the commit that the transaction amounts to, nil if it changed
// nothing.
func (tx *Tx) changes() *Commit {
	n := 0
	for _, o := range tx.parts {
		n += len(o.writes)
	}
	if n == 0 {
		return nil
	}
	changes := make([]Change, 0, n)
	for _, o := range tx.parts {
		changes = o.appendChanges(changes)
	}
	if len(changes) == 0 {
		return nil
	}
	return &Commit{Seq: tx.s.seq + 1, Changes: changes, store: tx.s}
}

// end makes the transaction void, and keeps memory of it for the next.
func (tx *Tx) end() {
	for i := min(len(tx.parts), spareParts) - 1; i >= 0; i-- {
		if o := tx.parts[i]; cap(o.writes) <= spareWrites && len(tx.s.spares) < spareParts {
			o.reset()
			tx.s.spares = append(tx.s.spares, o)
		}
	}
	*tx = Tx{}
}
