package store

import (
	"math/bits"
	"runtime"

	"github.com/replicad/replicad/ddp/ejson"
)

// A page has the documents of 32 slots, a shelf 64 pages, a node 64 shelves or
// nodes. A commit of its own copies one of each: about 1.7 KiB in a collection of
// up to 131,072 documents.
const (
	pageBits  = 5
	shelfBits = 6
	nodeBits  = 6
	pageLen   = 1 << pageBits
	shelfLen  = 1 << shelfBits
	nodeLen   = 1 << nodeBits
	leafBits  = pageBits + shelfBits // of a slot within its shelf
)

// pages maps slots to documents: a radix tree on the bits of the slot. Pages,
// shelves and nodes that have become empty are dropped, so that the tree is as
// large as the documents in it want, however many slots were ever given: a billion
// inserts and removals later it is two levels deeper.
//
// A pages value is a version. What bears the writer's stamp has not been published
// and is changed in place; all else is copied first. The zero value is empty.
type pages struct {
	root  *node
	shift uint // of the slot, at the root
	n     int  // documents
}

// node is an inner node: of shelves where its shift is leafBits, else of nodes.
type node struct {
	stamp   uint64
	n       int // those that are there
	shelves *[nodeLen]*shelf
	kids    *[nodeLen]*node
}

// shelf holds pages, and for them what would make each a little larger than the
// allocator has a size for.
type shelf struct {
	stamp uint64
	own   uint64         // pages that are the writer's, if the shelf is
	there uint64         // pages that are not nil
	used  [shelfLen]byte // documents in each
	pages [shelfLen]*[pageLen]ejson.Doc
}

// get returns the document at slot, or the zero Doc.
func (p *pages) get(slot uint64) ejson.Doc {
	s := p.shelf(slot)
	if s == nil {
		return ejson.Doc{}
	}
	page := s.pages[slot>>pageBits%shelfLen]
	if page == nil {
		return ejson.Doc{}
	}
	return page[slot%pageLen]
}

// shelf returns the shelf of a slot, or nil.
func (p *pages) shelf(slot uint64) *shelf {
	n := p.root
	if n == nil || slot>>p.shift >= nodeLen {
		return nil
	}
	for shift := p.shift; shift > leafBits; {
		if n = n.kids[slot>>shift%nodeLen]; n == nil {
			return nil
		}
		shift -= nodeBits
	}
	return n.shelves[slot>>leafBits%nodeLen]
}

// read reads the documents at some slots, at most pageLen. Nothing is done with them
// meanwhile, so that the processor waits for the memory of all of them at once.
func (p *pages) read(slots []uint64, docs *[pageLen]ejson.Doc) {
	var s *shelf
	at := uint64(1<<64 - 1)
	for i, slot := range slots {
		if slot>>leafBits != at {
			at = slot >> leafBits
			s = p.shelf(slot)
		}
		docs[i%pageLen] = ejson.Doc{}
		if s != nil {
			if page := s.pages[slot>>pageBits%shelfLen]; page != nil {
				docs[i%pageLen] = page[slot%pageLen]
			}
		}
	}
}

// set puts doc, which is not zero, at slot, whether or not something is there.
func (p *pages) set(slot uint64, doc ejson.Doc, stamp uint64) {
	if p.root == nil {
		p.shift = leafBits
		for slot>>p.shift >= nodeLen {
			p.shift += nodeBits
		}
		p.root = newNode(p.shift, stamp)
	}
	for slot>>p.shift >= nodeLen {
		// Slots have outgrown the root: it becomes the first child of a new one.
		p.shift += nodeBits
		up := newNode(p.shift, stamp)
		up.kids[0], up.n = p.root, 1
		p.root = up
	}
	at, shift := &p.root, p.shift
	for ; shift > leafBits; shift -= nodeBits {
		n := ownNode(at, stamp)
		at = &n.kids[slot>>shift%nodeLen]
		if *at == nil {
			*at = newNode(shift-nodeBits, stamp)
			n.n++
		}
	}
	n := ownNode(at, stamp)
	shelfAt := &n.shelves[slot>>leafBits%nodeLen]
	if *shelfAt == nil {
		*shelfAt = &shelf{stamp: stamp}
		n.n++
	}
	s := ownShelf(shelfAt, stamp)
	i := slot >> pageBits % shelfLen
	place := &s.ownPage(i)[slot%pageLen]
	if place.IsZero() {
		s.used[i]++
		p.n++
	}
	*place = doc
}

// remove takes away the document at slot, and all that this leaves empty.
func (p *pages) remove(slot uint64, stamp uint64) {
	if p.get(slot).IsZero() {
		return
	}
	if p.n--; p.n == 0 {
		p.root = nil
		return
	}
	removeFrom(&p.root, slot, p.shift, stamp)
}

// removeFrom removes the document at slot, which is there, and sets its place in
// the tree to nil if the node is empty then.
func removeFrom(at **node, slot uint64, shift uint, stamp uint64) {
	n := ownNode(at, stamp)
	if shift > leafBits {
		kid := &n.kids[slot>>shift%nodeLen]
		removeFrom(kid, slot, shift-nodeBits, stamp)
		if *kid == nil {
			n.n--
		}
	} else {
		shelfAt := &n.shelves[slot>>leafBits%nodeLen]
		s := ownShelf(shelfAt, stamp)
		i := slot >> pageBits % shelfLen
		if s.used[i]--; s.used[i] > 0 {
			s.ownPage(i)[slot%pageLen] = ejson.Doc{}
			return
		}
		s.pages[i] = nil
		if s.there &^= 1 << i; s.there > 0 {
			return
		}
		*shelfAt = nil
		n.n--
	}
	if n.n == 0 {
		*at = nil
	}
}

func newNode(shift uint, stamp uint64) *node {
	if shift == leafBits {
		return &node{stamp: stamp, shelves: new([nodeLen]*shelf)}
	}
	return &node{stamp: stamp, kids: new([nodeLen]*node)}
}

// ownNode returns the node at a place of the writer's tree, copied if it has been
// published.
func ownNode(at **node, stamp uint64) *node {
	n := *at
	if n.stamp == stamp {
		return n
	}
	c := &node{stamp: stamp, n: n.n}
	if n.shelves != nil {
		shelves := *n.shelves
		c.shelves = &shelves
	} else {
		kids := *n.kids
		c.kids = &kids
	}
	*at = c
	return c
}

// ownShelf is ownNode for shelves.
func ownShelf(at **shelf, stamp uint64) *shelf {
	s := *at
	if s.stamp == stamp {
		return s
	}
	c := *s
	c.stamp, c.own = stamp, 0
	*at = &c
	return &c
}

// ownPage returns page i of the writer's shelf as one to write to.
func (s *shelf) ownPage(i uint64) *[pageLen]ejson.Doc {
	if s.own>>i&1 != 0 && s.pages[i] != nil {
		return s.pages[i]
	}
	page := new([pageLen]ejson.Doc)
	if old := s.pages[i]; old != nil {
		*page = *old
	}
	s.own |= 1 << i
	s.there |= 1 << i
	s.pages[i] = page
	return page
}

// each calls yield for the documents in the order of slots, until it returns
// false; it reports whether it got to the end.
func (p *pages) each(yield func(slot uint64, d ejson.Doc) bool) bool {
	return p.eachPage(func(first uint64, page []ejson.Doc) bool {
		for k := range page {
			if d := page[k]; !d.IsZero() && !yield(first+uint64(k), d) {
				return false
			}
		}
		return true
	})
}

// eachPage is each for pages and their first slots. Places without a document are
// zero.
func (p *pages) eachPage(yield func(first uint64, page []ejson.Doc) bool) bool {
	return p.root == nil || p.root.eachPage(0, p.shift, yield)
}

// eachPage walks a node whose first slot is base.
func (n *node) eachPage(base uint64, shift uint, yield func(uint64, []ejson.Doc) bool) bool {
	for i := range uint64(nodeLen) {
		first := base + i<<shift
		if shift > leafBits {
			if kid := n.kids[i]; kid != nil && !kid.eachPage(first, shift-nodeBits, yield) {
				return false
			}
		} else if s := n.shelves[i]; s != nil && !s.eachPage(first, yield) {
			return false
		}
	}
	return true
}

func (s *shelf) eachPage(base uint64, yield func(uint64, []ejson.Doc) bool) bool {
	for there := s.there; there != 0; there &= there - 1 {
		i := bits.TrailingZeros64(there)
		if !yield(base+uint64(i)<<pageBits, s.pages[i][:]) {
			return false
		}
	}
	return true
}

// fetchIDs is fetch for documents of which only the _id will be read. It is the
// first field of most.
func fetchIDs(docs []ejson.Doc) {
	var sum byte
	for i := range docs {
		if raw := docs[i].Raw(); len(raw) > 0 {
			sum += raw[0] + raw[len(raw)-1]
		}
	}
	runtime.KeepAlive(sum)
}

// fetch touches documents that are about to be read. The processor waits for the
// memory of all of them at once, where it would else wait for one after another:
// in a scan that is most of the time. A document is found by the table at its end;
// more lines than these cost more than they save.
func fetch(docs []ejson.Doc) {
	const line = 64
	var sum byte
	for i := range docs {
		raw := docs[i].Raw()
		if last := len(raw) - 1; last > 2*line {
			sum += raw[last] + raw[last-line] + raw[last-2*line]
		} else if last >= 0 {
			sum += raw[last] + raw[0]
		}
	}
	runtime.KeepAlive(sum)
}
