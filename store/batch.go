package store

import (
	"runtime"

	"github.com/tidwall/btree"

	"github.com/replicad/replicad/ddp/ejson"
)

// manyChanges are so many that it pays to sort what they do to an index first.
const manyChanges = 32

// group is the entries of a builder, refs[from:to], that belong to one leaf.
type group struct {
	leaf
	from, to int
}

// ahead is how many blocks or documents are touched before the first of them is
// used: the processor then waits for the memory of all of them at once.
const ahead = 16

// changeMany makes many changes to an index, those that touch it. The entries are
// sorted, so that leaves are met one after another and a search of the tree is seldom
// whole: an entry costs a third of what it does by itself.
func (x *index) changeMany(changes []Change, stamp uint64, b *builder) {
	for from := 0; from < len(changes); from += ahead {
		some := changes[from:min(from+ahead, len(changes))]
		fetchChanges(some)
		for k := range some {
			if c := &some[k]; x.touches(c.Before, c.After) {
				b.change(c.Slot, c.Before, c.After)
			}
		}
	}
	b.order()
	x.locate(b)
	var small []leaf
	for i := range b.groups {
		if i%ahead == 0 {
			fetchBlocks(b.groups[i:min(i+ahead, len(b.groups))])
		}
		if l, is := x.changeLeaf(b, &b.groups[i], stamp); is {
			small = append(small, l)
		}
	}
	for _, l := range small {
		if l = x.home(l.top, l.slot); l.len() <= blockMax/4 {
			x.merge(l, stamp)
		}
	}
	b.clear()
}

// locate finds the leaf of each entry.
func (x *index) locate(b *builder) {
	// Where leaves are few for so many entries, the next is a step or two away.
	steps := 4
	if x.tree.Len() > 4*len(b.refs) {
		steps = 0
	}
	var hint btree.PathHint
	it := x.tree.Iter()
	defer it.Release()
	b.groups = b.groups[:0]
	for k := 0; k < len(b.refs); {
		at := b.leafAt(k)
		near := false
		for n := 0; k > 0 && n < steps && !near && it.Next(); n++ {
			near = !below(it.Item(), at)
		}
		if !near {
			it.SeekHint(at, &hint)
		}
		g := group{leaf: it.Item(), from: k}
		for k++; k < len(b.refs) && (g.slot == noTop || !below(g.leaf, b.leafAt(k))); {
			k++
		}
		g.to = k
		b.groups = append(b.groups, g)
	}
}

// leafAt returns entry k in the order of refs as one to look for in the tree.
func (b *builder) leafAt(k int) leaf {
	e := b.at(b.refs[k])
	return leaf{top: view(e.key), slot: e.slot}
}

// changeLeaf puts the entries of a group in or takes them out. It returns the leaf
// of the last one, and whether one has become small; none is merged, for that would
// change the leaves of other groups.
func (x *index) changeLeaf(b *builder, g *group, stamp uint64) (l leaf, small bool) {
	l = g.leaf
	divided := false
	for _, r := range b.refs[g.from:g.to] {
		e := b.at(r)
		if divided && below(l, leaf{top: view(e.key), slot: e.slot}) {
			l = x.home(view(e.key), e.slot)
		}
		var is bool
		if e.out {
			l, is = x.removeAt(l, e.key, e.slot, stamp)
			small = small || is
		} else {
			l, is = x.insertAt(l, e.key, e.slot, stamp)
			divided = divided || is
		}
	}
	return l, small
}

// fetchChanges is fetch for the documents of changes.
func fetchChanges(changes []Change) {
	var docs [2 * ahead]ejson.Doc
	for k := range changes {
		docs[2*k], docs[2*k+1] = changes[k].Before, changes[k].After
	}
	fetch(docs[:2*len(changes)])
}

// fetchBlocks touches the heads and slots of blocks that are about to be changed.
func fetchBlocks(groups []group) {
	const line = 64 / 8
	var sum uint64
	for i := range groups {
		b := groups[i].block
		for k := 0; k < blockMax; k += line {
			sum += b.heads[k] + b.slots[k]
		}
	}
	runtime.KeepAlive(sum)
}
