package store

import (
	"bytes"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// builder gathers entries that go into an index, or out of it.
type builder struct {
	x       *index
	chunk   []byte // of keys: entries keep what lies before it
	entries []built
	olds    [][]byte
	news    [][]byte
	refs    []uint64 // to entries; see order
	spare   []uint64 // for sort
	groups  []group

	multi   int  // x.multi at reset
	changed bool // there were entries since
}

type built struct {
	key  []byte
	slot uint64
	out  bool // is to be taken out, not put in
}

// one returns the only key of a document. It stays good when others are read.
func (b *builder) one(d ejson.Doc) (key []byte, ok bool) {
	if cap(b.chunk)-len(b.chunk) < 256 {
		b.chunk = make([]byte, 0, 64<<10)
	}
	from := len(b.chunk)
	b.chunk, ok = b.x.key.AppendOne(b.chunk, d)
	return b.chunk[from:len(b.chunk):len(b.chunk)], ok
}

// change gathers the entries that before has and after has not, to be taken out,
// and those that after has and before has not. Either may be the zero Doc.
func (b *builder) change(slot uint64, before, after ejson.Doc) {
	if !b.x.whole {
		// What the index has no entries for is not there.
		if !before.IsZero() && !b.x.key.Has(before) {
			before = ejson.Doc{}
		}
		if !after.IsZero() && !b.x.key.Has(after) {
			after = ejson.Doc{}
		}
	}
	var old, now []byte
	oldOne, nowOne := true, true
	if !before.IsZero() {
		old, oldOne = b.one(before)
	}
	if !after.IsZero() {
		now, nowOne = b.one(after)
	}
	if !oldOne || !nowOne {
		b.changeMany(slot, before, after)
		return
	}
	if !before.IsZero() && !after.IsZero() && bytes.Equal(old, now) {
		return
	}
	if !before.IsZero() {
		b.entries = append(b.entries, built{old, slot, true})
	}
	if !after.IsZero() {
		b.entries = append(b.entries, built{now, slot, false})
	}
}

// changeMany is change for documents with several keys.
func (b *builder) changeMany(slot uint64, before, after ejson.Doc) {
	b.olds, b.news = b.olds[:0], b.news[:0]
	if !before.IsZero() {
		var multi bool
		if b.olds, multi = b.x.key.Append(b.olds, before); multi {
			b.x.multi--
		}
	}
	if !after.IsZero() {
		var multi bool
		if b.news, multi = b.x.key.Append(b.news, after); multi {
			b.x.multi++
		}
	}
	slices.SortFunc(b.olds, bytes.Compare)
	slices.SortFunc(b.news, bytes.Compare)
	i, j := 0, 0
	for i < len(b.olds) || j < len(b.news) {
		n := 0
		switch {
		case i == len(b.olds):
			n = 1
		case j == len(b.news):
			n = -1
		default:
			n = bytes.Compare(b.olds[i], b.news[j])
		}
		if n < 0 {
			b.entries = append(b.entries, built{b.olds[i], slot, true})
		} else if n > 0 {
			b.entries = append(b.entries, built{b.news[j], slot, false})
		}
		if n <= 0 {
			i++
		}
		if n >= 0 {
			j++
		}
	}
}

// reset makes an empty builder ready for an index.
func (b *builder) reset(x *index) { b.x, b.multi, b.changed = x, x.multi, false }

// clear empties the builder and keeps its memory, if it is not much.
func (b *builder) clear() {
	b.changed = b.changed || len(b.entries) > 0
	if cap(b.entries) > 2*spareWrites {
		*b = builder{x: b.x, multi: b.multi, changed: b.changed}
		return
	}
	clear(b.entries)
	clear(b.olds)
	clear(b.news)
	clear(b.groups)
	b.chunk, b.entries, b.olds, b.news, b.groups = b.chunk[:0], b.entries[:0], b.olds[:0], b.news[:0], b.groups[:0]
}

func (b *builder) at(ref uint64) *built { return &b.entries[uint32(ref)] }
