package store

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// degree is the least number of leaves in a node of the tree: a commit copies a
// node a level, of twice as many.
const degree = 16

// index is a version of an ordered index: a tree of leaves, each with the entries
// up to its top. The last has no top, so that the leaves cover all keys there are.
//
// The tree is copied with Store.view held, for a copy writes to what it copies, and
// a published tree is only read. A tree of our own of the same blocks was measured
// beside it (100,000 documents, two indexes, BenchmarkBulkLoad/IndexedBatches,
// IndexedEquality and SortLimit) and was not worth having: 2,095 ns of processor
// time a document against 2,085, 75 bytes against 76, queries within a tenth either
// way. What counts is that a search stays in few items: with pointers to blocks as
// items loading took a third longer, for each comparison followed two.
type index struct {
	*definition
	fields []ejson.Name // top-level fields that the keys depend on
	tree   *btree.BTreeG[leaf]
	size   int // entries
	keys   int // sum of the leaves' distinct keys
	multi  int // documents with several keys
}

// leaf is an item of the tree.
type leaf struct {
	top  string // the greatest entry that the block may have is (top, slot)
	slot uint64 // noTop for the last leaf
	*block
}

const noTop = 1<<64 - 1

// below is the order of leaves.
func below(a, b leaf) bool {
	if a.slot == noTop || b.slot == noTop {
		return a.slot != noTop
	}
	if n := strings.Compare(a.top, b.top); n != 0 {
		return n < 0
	}
	return a.slot < b.slot
}

func newIndex(d *definition) *index {
	x := &index{definition: d}
	for _, p := range d.key.Paths() {
		x.fields = append(x.fields, ejson.NameOf(p))
	}
	x.tree = btree.NewBTreeGOptions(below, btree.Options{Degree: degree, NoLocks: true})
	x.tree.Set(leaf{slot: noTop, block: &block{}})
	return x
}

// info describes the index to the planner. A key that goes on in the next leaf
// was counted in both; taking one off for each border errs by a leaf's part.
func (x *index) info() query.Index {
	return query.Index{
		Name: x.name, Key: x.key, Size: x.size, Multikey: x.multi > 0,
		Distinct: max(x.keys-x.tree.Len()+1, min(x.size, 1)),
	}
}

// publish returns a version that no longer changes, if the stamp does now. The
// caller holds Store.view.
func (x *index) publish() *index {
	p := *x
	p.tree = x.tree.Copy()
	return &p
}

// scratch is memory that the writer uses from one change to the next.
type scratch struct {
	before, after []byte
	olds, news    [][]byte
	builder       builder
}

// touches reports whether the index must look at a change from before to after.
func (x *index) touches(before, after ejson.Doc) bool {
	if before.IsZero() || after.IsZero() {
		return true
	}
	for _, f := range x.fields {
		if !before.Lookup(f).Equal(after.Lookup(f)) {
			return true
		}
	}
	return false
}

// change takes the entries of before out and puts those of after in. Either may
// be the zero Doc. A change that does not touch the index does nothing.
func (x *index) change(slot uint64, before, after ejson.Doc, stamp uint64, w *scratch) {
	if !x.whole {
		// What the index has no entries for is not there.
		if !before.IsZero() && !x.key.Has(before) {
			before = ejson.Doc{}
		}
		if !after.IsZero() && !x.key.Has(after) {
			after = ejson.Doc{}
		}
	}
	oldOne, newOne := true, true
	w.before, w.after = w.before[:0], w.after[:0]
	if !before.IsZero() {
		w.before, oldOne = x.key.AppendOne(w.before, before)
	}
	if !after.IsZero() {
		w.after, newOne = x.key.AppendOne(w.after, after)
	}
	if !oldOne || !newOne {
		x.changeMany(slot, before, after, stamp, w)
		return
	}
	switch {
	case before.IsZero() && after.IsZero():
	case before.IsZero():
		x.insert(w.after, slot, stamp)
	case after.IsZero():
		x.remove(w.before, slot, stamp)
	case !bytes.Equal(w.before, w.after):
		x.remove(w.before, slot, stamp)
		x.insert(w.after, slot, stamp)
	}
}

// changeMany is change for documents with several keys.
func (x *index) changeMany(slot uint64, before, after ejson.Doc, stamp uint64, w *scratch) {
	w.olds, w.news = w.olds[:0], w.news[:0]
	if !before.IsZero() {
		var multi bool
		if w.olds, multi = x.key.Append(w.olds, before); multi {
			x.multi--
		}
	}
	if !after.IsZero() {
		var multi bool
		if w.news, multi = x.key.Append(w.news, after); multi {
			x.multi++
		}
	}
	slices.SortFunc(w.olds, bytes.Compare)
	slices.SortFunc(w.news, bytes.Compare)
	i, j := 0, 0
	for i < len(w.olds) || j < len(w.news) {
		n := 0
		switch {
		case i == len(w.olds):
			n = 1
		case j == len(w.news):
			n = -1
		default:
			n = bytes.Compare(w.olds[i], w.news[j])
		}
		if n < 0 {
			x.remove(w.olds[i], slot, stamp)
		} else if n > 0 {
			x.insert(w.news[j], slot, stamp)
		}
		if n <= 0 {
			i++
		}
		if n >= 0 {
			j++
		}
	}
	clear(w.olds)
	clear(w.news)
}

// home returns the leaf where an entry is or would be.
func (x *index) home(key string, slot uint64) (home leaf) {
	x.tree.Ascend(leaf{top: key, slot: slot}, func(l leaf) bool {
		home = l
		return false
	})
	return home
}

// insert adds an entry.
func (x *index) insert(key []byte, slot, stamp uint64) {
	x.insertAt(x.home(view(key), slot), key, slot, stamp)
}

// insertAt adds an entry whose leaf is known, and returns the leaf where it is now.
func (x *index) insertAt(l leaf, key []byte, slot, stamp uint64) leaf {
	i, found := l.search(key, slot)
	if found {
		return l
	}
	if l.full(key) {
		x.split(l, i, stamp)
		l = x.home(view(key), slot)
		i, _ = l.search(key, slot)
	}
	l.block = x.own(l, stamp, len(key))
	x.size++
	x.keys -= l.keys
	l.insert(i, key, slot)
	x.keys += l.keys
	return l
}

// remove takes an entry out, if it is there.
func (x *index) remove(key []byte, slot, stamp uint64) {
	l := x.home(view(key), slot)
	i, found := l.search(key, slot)
	if !found {
		return
	}
	l.block = x.own(l, stamp, 0)
	x.size--
	x.keys -= l.keys
	l.remove(i)
	x.keys += l.keys
	// Not at every removal: 16, 8, 4, 2, 1 and 0.
	if n := l.len(); n <= blockMax/4 && n&(n-1) == 0 {
		x.merge(l, stamp)
	}
}

// own returns the block of a leaf as one that the writer may change.
func (x *index) own(l leaf, stamp uint64, room int) *block {
	if l.stamp != stamp {
		l.block = l.clone(stamp, room)
		x.tree.Set(l)
	}
	return l.block
}

// split makes two leaves of one, when the next entry falls at place i.
func (x *index) split(l leaf, i int, stamp uint64) {
	low, border, high := l.halve(i, stamp)
	x.keys += low.keys + high.keys - l.keys
	x.tree.Set(leaf{border.key, border.slot, low})
	x.tree.Set(leaf{l.top, l.slot, high})
}

// merge joins a leaf that has become small with the one below or above it, if
// there is room for both.
func (x *index) merge(l leaf, stamp uint64) {
	var low, high leaf
	x.tree.Descend(l, func(o leaf) bool {
		low = o
		return o.block == l.block
	})
	x.tree.Ascend(l, func(o leaf) bool {
		high = o
		return o.block == l.block
	})
	switch {
	case low.block != l.block && low.fits(l.block):
		high = l
	case high.block != l.block && l.fits(high.block):
		low = l
	default:
		return
	}
	joined := low.join(high.block, stamp)
	x.keys += joined.keys - low.keys - high.keys
	x.tree.Delete(low)
	x.tree.Set(leaf{high.top, high.slot, joined})
}
