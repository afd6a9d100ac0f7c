package store

import (
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
// beside it (100,000 documents, two indexes) and was not worth having: bulk loads and
// queries were within a tenth either way. What counts is that a search stays in few
// items: with pointers to blocks as items loading took a third longer, for each
// comparison followed two. The first 16 bytes of a top in its item, in turn, bought a
// twentieth of a change, and leaves of 32 entries nothing.
type index struct {
	*definition
	fields []*ejson.Place // top-level fields that the keys depend on
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
		x.fields = append(x.fields, ejson.PlaceOf(p))
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

// touches reports whether the index must look at a change from before to after.
func (x *index) touches(before, after ejson.Doc) bool {
	if before.IsZero() || after.IsZero() {
		return true
	}
	for _, f := range x.fields {
		if !f.In(before).Equal(f.In(after)) {
			return true
		}
	}
	return false
}

// apply makes changes to the index, those that touch it.
func (x *index) apply(changes []Change, stamp uint64, b *builder) {
	if len(changes) >= manyChanges {
		x.changeMany(changes, stamp, b)
		return
	}
	for k := range changes {
		x.change(&changes[k], stamp, b)
	}
}

// change makes one change to the index, if it touches it.
func (x *index) change(c *Change, stamp uint64, b *builder) {
	if !x.touches(c.Before, c.After) {
		return
	}
	b.change(c.Slot, c.Before, c.After)
	for i := range b.entries {
		if e := &b.entries[i]; e.out {
			x.remove(e.key, e.slot, stamp)
		} else {
			x.insert(e.key, e.slot, stamp)
		}
	}
	b.clear()
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

// insertAt adds an entry whose leaf is known, and returns the leaf as it is then.
// Where it was split, that is one of the halves.
func (x *index) insertAt(l leaf, key []byte, slot, stamp uint64) (now leaf, split bool) {
	i, found := l.search(key, slot)
	if found {
		return l, false
	}
	if split = l.full(key); split {
		x.split(l, i, stamp)
		l = x.home(view(key), slot)
		i, _ = l.search(key, slot)
	}
	l.block = x.own(l, stamp, len(key))
	x.size++
	x.keys -= int(l.keys)
	l.insert(i, key, slot)
	x.keys += int(l.keys)
	return l, split
}

// remove takes an entry out, if it is there.
func (x *index) remove(key []byte, slot, stamp uint64) {
	if l, small := x.removeAt(x.home(view(key), slot), key, slot, stamp); small {
		x.merge(l, stamp)
	}
}

// removeAt takes an entry out of its leaf, if it is there, and returns the leaf as
// it is then, and whether it is time to see if it can be merged with another: not at
// every removal, but when 16, 8, 4, 2, 1 and 0 are left.
func (x *index) removeAt(l leaf, key []byte, slot, stamp uint64) (now leaf, small bool) {
	i, found := l.search(key, slot)
	if !found {
		return l, false
	}
	l.block = x.own(l, stamp, 0)
	x.size--
	x.keys -= int(l.keys)
	l.remove(i)
	x.keys += int(l.keys)
	n := l.len()
	return l, n <= blockMax/4 && n&(n-1) == 0
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
	x.keys += int(low.keys + high.keys - l.keys)
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
	x.keys += int(joined.keys - low.keys - high.keys)
	x.tree.Delete(low)
	x.tree.Set(leaf{high.top, high.slot, joined})
}
