package store

import (
	"math/bits"

	"github.com/replicad/replicad/ddp/ejson"
)

// Pages hold 64 documents. A commit of its own copies the page that it changes
// and one node a level above: at 64 that is 1 KiB and as much again, at 256 it
// would be four times that for one level less.
const (
	pageBits = 6
	pageSize = 1 << pageBits
	pageMask = pageSize - 1
)

// pages maps slots to documents. It is a radix tree on the bits of the slot whose
// nodes keep only what is there, so that neither holes nor the number of slots
// ever given cost memory: after a billion inserts and deletes the tree is a level
// or two deeper, and as large as the documents that remain.
//
// A pages value is a version. Nodes that bear the writer's stamp have not been
// published and are changed in place; all others are copied first. The zero
// value is empty.
type pages struct {
	root  *node
	shift uint // of the slot, at the root; 0: the root is a page
	n     int  // documents
}

// node is an inner node or, at shift 0, a page. Bit i of mask says whether child
// or document i is there; they are kept without gaps.
type node struct {
	stamp uint64
	mask  uint64
	kids  []*node     // nil in a page
	docs  []ejson.Doc // nil in an inner node
}

// at returns the place of bit i among those set.
func (n *node) at(i uint64) int {
	return bits.OnesCount64(n.mask & (1<<i - 1))
}

// get returns the document at slot, or the zero Doc.
func (p *pages) get(slot uint64) ejson.Doc {
	n := p.root
	if n == nil || slot>>p.shift >= pageSize {
		return ejson.Doc{}
	}
	for shift := p.shift; shift > 0; shift -= pageBits {
		i := slot >> shift & pageMask
		if n.mask>>i&1 == 0 {
			return ejson.Doc{}
		}
		n = n.kids[n.at(i)]
	}
	i := slot & pageMask
	if n.mask>>i&1 == 0 {
		return ejson.Doc{}
	}
	return n.docs[n.at(i)]
}

// set puts doc at slot, whether or not something is there.
func (p *pages) set(slot uint64, doc ejson.Doc, stamp uint64) {
	if p.root == nil {
		p.root = &node{stamp: stamp}
		p.shift = uint(max(0, bits.Len64(slot)-1)) / pageBits * pageBits
	}
	for slot>>p.shift >= pageSize {
		// The root is full as far as its bits go: it becomes child 0 of a new one.
		p.root = &node{stamp: stamp, mask: 1, kids: []*node{p.root}}
		p.shift += pageBits
	}
	at := &p.root
	for shift := p.shift; shift > 0; shift -= pageBits {
		n := own(at, stamp)
		i := slot >> shift & pageMask
		k := n.at(i)
		if n.mask>>i&1 == 0 {
			n.mask |= 1 << i
			n.kids = insertAt(n.kids, k, &node{stamp: stamp})
		}
		at = &n.kids[k]
	}
	n := own(at, stamp)
	i := slot & pageMask
	k := n.at(i)
	if n.mask>>i&1 == 0 {
		n.mask |= 1 << i
		n.docs = insertAt(n.docs, k, doc)
		p.n++
		return
	}
	n.docs[k] = doc
}

// remove takes away the document at slot, and every node that it leaves empty.
func (p *pages) remove(slot uint64, stamp uint64) {
	if p.get(slot).IsZero() {
		return
	}
	p.n--
	if p.n == 0 {
		p.root, p.shift = nil, 0
		return
	}
	removeFrom(&p.root, slot, p.shift, stamp)
}

func removeFrom(at **node, slot uint64, shift uint, stamp uint64) {
	n := own(at, stamp)
	i := slot >> shift & pageMask
	k := n.at(i)
	if shift == 0 {
		n.mask &^= 1 << i
		n.docs = removeAt(n.docs, k)
		return
	}
	removeFrom(&n.kids[k], slot, shift-pageBits, stamp)
	if n.kids[k].mask == 0 {
		n.mask &^= 1 << i
		n.kids = removeAt(n.kids, k)
	}
}

// own returns the node at a place of the writer's tree, copied if it has been
// published.
func own(at **node, stamp uint64) *node {
	n := *at
	if n.stamp == stamp {
		return n
	}
	c := &node{stamp: stamp, mask: n.mask}
	// Exact copies: a page that is changed by a commit of its own is seldom the
	// one that grows.
	if n.kids != nil {
		c.kids = append(make([]*node, 0, len(n.kids)), n.kids...)
	} else {
		c.docs = append(make([]ejson.Doc, 0, len(n.docs)), n.docs...)
	}
	*at = c
	return c
}

// insertAt grows by doubling, and never beyond what one node can hold.
func insertAt[E any](s []E, k int, e E) []E {
	if len(s) == cap(s) {
		s = append(make([]E, 0, min(max(4, 2*len(s)), pageSize)), s...)
	}
	s = s[:len(s)+1]
	copy(s[k+1:], s[k:])
	s[k] = e
	return s
}

// removeAt gives memory back where three quarters of it have become unused.
func removeAt[E any](s []E, k int) []E {
	copy(s[k:], s[k+1:])
	var none E
	s[len(s)-1] = none
	s = s[:len(s)-1]
	if len(s) <= cap(s)/4 {
		s = append(make([]E, 0, 2*len(s)), s...)
	}
	return s
}

// each calls yield for the documents from slot from on, in the order of slots,
// until it returns false; it reports whether it got to the end.
func (p *pages) each(from uint64, yield func(slot uint64, d ejson.Doc) bool) bool {
	if p.root == nil || from>>p.shift >= pageSize {
		return true
	}
	return p.root.each(0, from, p.shift, yield)
}

// each walks a node whose first slot is base.
func (n *node) each(base, from uint64, shift uint, yield func(uint64, ejson.Doc) bool) bool {
	mask, k := n.mask, 0
	if from > base {
		i := (from - base) >> shift
		k = n.at(i)
		mask &^= 1<<i - 1
	}
	if shift == 0 {
		for ; mask != 0; mask &= mask - 1 {
			if !yield(base+uint64(bits.TrailingZeros64(mask)), n.docs[k]) {
				return false
			}
			k++
		}
		return true
	}
	for ; mask != 0; mask &= mask - 1 {
		first := base + uint64(bits.TrailingZeros64(mask))<<shift
		if !n.kids[k].each(first, from, shift-pageBits, yield) {
			return false
		}
		k++
	}
	return true
}
