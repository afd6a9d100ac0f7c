package store

import (
	"bytes"
	"fmt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// DuplicateKeyError is why a unique index refuses a commit, or cannot be made. It
// is an ErrDuplicateKey.
type DuplicateKeyError struct {
	Collection string
	Index      string   // its name
	Key        string   // what the two have alike: room = "x", ts = null
	ID         ejson.ID // the document that is refused
	Other      ejson.ID // the one that has the key; zero: ID has too many keys to tell
}

func (e *DuplicateKeyError) Error() string {
	if e.Other.IsZero() {
		return fmt.Sprintf("store: document %v has too many keys for the unique index %q of %q", e.ID, e.Index, e.Collection)
	}
	return fmt.Sprintf("%v: document %v has %s, as %v has, in the unique index %q of %q",
		ErrDuplicateKey, e.ID, e.Key, e.Other, e.Index, e.Collection)
}

// Unwrap returns ErrDuplicateKey.
func (e *DuplicateKeyError) Unwrap() error { return ErrDuplicateKey }

// checkUnique returns the error of a commit that would put two documents under one
// key of a unique index. Nothing has been applied yet. Collections that are claimed
// are not checked.
func (tx *Tx) checkUnique(c *Commit) error {
	for _, o := range tx.parts {
		t := o.table
		if o.changed == 0 || t == nil || !t.unique || t.owner != nil {
			continue
		}
		if err := tx.s.checkPart(o, len(c.Changes)); err != nil {
			return err
		}
	}
	return nil
}

// checkPart holds the lock of readers as apply does: for few changes only.
func (s *Store) checkPart(o *overlay, changes int) error {
	v := &o.table.version
	if changes >= bigCommit {
		v = s.Snapshot().versions[o.table.number]
	} else {
		s.view.Lock()
		defer s.view.Unlock()
	}
	for _, x := range v.indexes {
		if x.key.Options().Unique {
			u := uniqueness{x: x, v: v, o: o}
			if err := u.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// uniqueness checks the writes to one collection for one index.
type uniqueness struct {
	x     *index
	v     *version       // the collection before the writes
	o     *overlay       // the writes
	taken map[string]int // keys that a write brings in, and its place; nil for one write
	keys  keyring
	was   keyring
}

// keyring has the keys of one document.
type keyring struct {
	list  [][]byte
	chunk []byte // memory for single keys
}

// read reads the keys of a document. They stay good when others are read.
func (k *keyring) read(key *query.IndexKey, d ejson.Doc) {
	if cap(k.chunk)-len(k.chunk) < 256 {
		k.chunk = make([]byte, 0, 4<<10)
	}
	from := len(k.chunk)
	var one bool
	if k.chunk, one = key.AppendOne(k.chunk, d); one {
		k.list = append(k.list[:0], k.chunk[from:len(k.chunk):len(k.chunk)])
		return
	}
	k.list, _ = key.Append(k.list[:0], d)
}

// has reports whether one of the keys is this.
func (k *keyring) has(key []byte) bool {
	for _, own := range k.list {
		if bytes.Equal(own, key) {
			return true
		}
	}
	return false
}

func (u *uniqueness) check() error {
	if u.o.changed > 1 {
		u.taken = make(map[string]int, u.o.changed)
	}
	for i := range u.o.writes {
		w := &u.o.writes[i]
		if !w.differs || w.after.IsZero() || !u.x.touches(w.before, w.after) {
			continue
		}
		u.keys.read(u.x.key, w.after)
		u.was = keyring{list: u.was.list[:0], chunk: u.was.chunk[:0]}
		if !w.before.IsZero() {
			u.was.read(u.x.key, w.before)
		}
		for _, key := range u.keys.list {
			if u.x.key.IsOverflow(key) {
				return u.refuse(w, ejson.ID{})
			}
			// A key that the document had is none that it takes from another.
			if u.was.has(key) {
				continue
			}
			if other := u.holder(w, key); !other.IsZero() {
				return u.refuse(w, other)
			}
			if u.taken == nil {
				continue
			}
			if k, ok := u.taken[view(key)]; ok {
				return u.refuse(w, u.o.writes[k].id)
			}
			u.taken[view(key)] = i // the keyring leaves it as it is
		}
	}
	return nil
}

// holder returns the id of a document that has the key, and keeps it through the
// writes; zero where there is none but that of w.
func (u *uniqueness) holder(w *write, key []byte) (id ejson.ID) {
	u.x.having(key, func(slot uint64) bool {
		if !w.before.IsZero() && slot == w.slot {
			return true
		}
		d := u.v.pages.get(slot)
		has := d.ID()
		if o := u.o.find(hashID(has), has); o == nil || u.keeps(o.after, key) {
			id = has
		}
		return id.IsZero()
	})
	return id
}

// keeps reports whether a document, zero if there is none, has the key.
func (u *uniqueness) keeps(d ejson.Doc, key []byte) bool {
	if d.IsZero() {
		return false
	}
	var k keyring
	k.read(u.x.key, d)
	return k.has(key)
}

func (u *uniqueness) refuse(w *write, other ejson.ID) error {
	return &DuplicateKeyError{u.o.name, u.x.name, u.x.key.Text(w.after), w.id.Clone(), other.Clone()}
}

// having yields the slots of the entries of one key until yield returns false.
func (x *index) having(key []byte, yield func(slot uint64) bool) {
	x.tree.Ascend(leaf{top: view(key)}, func(l leaf) bool {
		i, _ := l.search(key, 0)
		for ; i < l.len(); i++ {
			if !l.is(i, view(key)) || !yield(l.slots[i]) {
				return false
			}
		}
		return true
	})
}

// checkUnique returns the error of a new index in which two documents have one key.
func (x *index) checkUnique(t *table) (err error) {
	var last *block
	var at int
	x.walk("", "", func(b *block, i, j int) bool {
		for ; i < j; i++ {
			d := t.pages.get(b.slots[i])
			bad := &DuplicateKeyError{Collection: t.name, Index: x.name, ID: d.ID()}
			if x.key.IsOverflow([]byte(b.entry(i).key)) {
				err = bad
				return false
			}
			if last != nil && sameKey(last, at, b, i) {
				bad.Key, bad.Other = x.key.Text(d), t.pages.get(last.slots[at]).ID()
				err = bad
				return false
			}
			last, at = b, i
		}
		return true
	})
	return err
}
