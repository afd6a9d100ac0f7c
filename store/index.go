package store

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// blockDegree is the least number of blocks in a node of the tree. Below 16 the
// tree grows a level at 100,000 documents, above it copies more for a commit.
const blockDegree = 16

// index is a version of an ordered index: a tree of blocks, ordered by the top
// entry that each may hold. The blocks cover all keys; the last has no top.
//
// Invariant: readers never change a published version, and never copy its tree,
// which would write to it.
type index struct {
	name   string
	key    *query.IndexKey
	fields []ejson.Name // top-level fields that the keys depend on
	tree   *btree.BTreeG[*block]
	size   int // entries
	blocks int
	keys   int // sum of the blocks' distinct keys
	multi  int // documents with several keys
}

func newIndex(key *query.IndexKey) *index {
	x := &index{name: key.Name(), key: key}
	for _, p := range key.Paths() {
		x.fields = append(x.fields, ejson.NameOf(p))
	}
	x.tree = btree.NewBTreeGOptions((*block).below, btree.Options{Degree: blockDegree, NoLocks: true})
	x.put(&block{last: true})
	return x
}

// info describes the index to the planner. A key that goes on in the next block
// was counted in both; taking one off for each border errs by a block's part.
func (x *index) info() query.Index {
	return query.Index{
		Name: x.name, Key: x.key, Size: x.size, Multikey: x.multi > 0,
		Distinct: max(x.keys-x.blocks+1, min(x.size, 1)),
	}
}

// publish returns a version that no longer changes. Only the writer calls it.
func (x *index) publish() *index {
	p := *x
	p.tree = x.tree.Copy()
	return &p
}

// scratch is memory that the writer uses from one change to the next.
type scratch struct {
	before, after []byte
	olds, news    [][]byte
	pivot         block
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
	case before.IsZero():
		x.insert(w.after, slot, stamp, w)
	case after.IsZero():
		x.remove(w.before, slot, stamp, w)
	case !bytes.Equal(w.before, w.after):
		x.remove(w.before, slot, stamp, w)
		x.insert(w.after, slot, stamp, w)
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
			x.remove(w.olds[i], slot, stamp, w)
		} else if n > 0 {
			x.insert(w.news[j], slot, stamp, w)
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

func (x *index) insert(key []byte, slot, stamp uint64, w *scratch) {
	b := x.home(key, slot, w)
	i, found := b.search(key, slot)
	if found {
		return
	}
	if b.full(key) {
		x.split(b, i, stamp)
		b = x.home(key, slot, w)
		i, _ = b.search(key, slot)
	}
	b = x.own(b, stamp, len(key))
	x.size++
	x.keys -= b.keys
	b.insert(i, key, slot)
	x.keys += b.keys
}

func (x *index) remove(key []byte, slot, stamp uint64, w *scratch) {
	b := x.home(key, slot, w)
	i, found := b.search(key, slot)
	if !found {
		return
	}
	b = x.own(b, stamp, 0)
	x.size--
	x.keys -= b.keys
	b.remove(i)
	x.keys += b.keys
	if n := b.len(); n <= blockMax/4 && n&(n-1) == 0 { // 16, 8, 4, 2, 1 and 0
		x.merge(b, stamp)
	}
}

// home returns the block where an entry is or would be.
func (x *index) home(key []byte, slot uint64, w *scratch) *block {
	w.pivot.top = entry{view(key), slot}
	var home *block
	x.tree.Ascend(&w.pivot, func(b *block) bool {
		home = b
		return false
	})
	w.pivot.top.key = ""
	return home
}

// own returns the block as one that the writer may change.
func (x *index) own(b *block, stamp uint64, room int) *block {
	if b.stamp == stamp {
		return b
	}
	b = b.clone(stamp, room)
	x.tree.Set(b)
	return b
}

// put adds a block that covers new ground, or covers that of one just removed.
func (x *index) put(b *block) {
	x.tree.Set(b)
	x.blocks++
	x.keys += b.keys
}

func (x *index) take(b *block) {
	x.tree.Delete(b)
	x.blocks--
	x.keys -= b.keys
}

// split makes two blocks of one that is full, when the next entry falls at place
// i. Entries that come in order leave full blocks behind; others, halves.
func (x *index) split(b *block, i int, stamp uint64) {
	n := b.len() / 2
	switch i {
	case 0:
		n = 1
	case b.len():
		n = b.len() - 1
	}
	low, high := b.cut(0, n, stamp), b.cut(n, b.len(), stamp)
	low.top, low.last = b.entry(n-1), false
	x.take(b)
	x.put(low)
	x.put(high)
}

// merge joins a block that has become small with the one below or above it, if
// there is room for both.
func (x *index) merge(b *block, stamp uint64) {
	var below, above *block
	x.tree.Descend(b, func(c *block) bool {
		below = c
		return c == b
	})
	x.tree.Ascend(b, func(c *block) bool {
		above = c
		return c == b
	})
	if below != b && below.fits(b) {
		x.replace(below, b, stamp)
	} else if above != b && b.fits(above) {
		x.replace(b, above, stamp)
	}
}

// fits reports whether two blocks may become one.
func (b *block) fits(c *block) bool {
	if b.len() == 0 || c.len() == 0 {
		return true
	}
	return b.len()+c.len() <= blockMax*3/4 && len(b.data)+len(c.data) <= blockData/2
}

// replace puts one block in the place of two neighbours.
func (x *index) replace(low, high *block, stamp uint64) {
	joined := low.join(high, stamp)
	x.take(low)
	x.take(high)
	x.put(joined)
}

// view returns bytes as a string without copying them, for a comparison.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
