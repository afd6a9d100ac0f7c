package observe

import (
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// item is one document at its place in an order.
type item struct {
	key string // compares as the place does; unique in its tree
	doc ejson.Doc
}

// tree is an ordered set of items that knows how many lie before each: a B+tree
// whose inner nodes count what is below them. Everything costs O(log n). The
// zero tree is empty and usable.
//
// Invariants: no node but the root holds fewer than minFill entries; seps[i] is
// not above any key below kids[i], and above all keys below kids[i-1]; heads are
// those of the keys of items, or of seps.
type tree struct {
	root *node
}

// A leaf of 64 items is 2 KiB, which one memmove shifts in the time of two key
// comparisons; larger leaves make inserting dearer, smaller ones searching.
const (
	maxFill = 64
	minFill = maxFill / 4
)

// node is a leaf where kids is nil.
type node struct {
	size  int      // items below
	heads []uint64 // in one place, so that a search fetches few of the keys
	items []item
	seps  []string
	kids  []*node
	sizes []int // of the kids, here so that counting touches one node a level
}

// bulk returns the tree of items that are in ascending order of their keys.
func bulk(items []item) tree {
	if len(items) == 0 {
		return tree{}
	}
	// Full nodes would split at the first insertion: leave a quarter free.
	const fill = maxFill * 3 / 4
	var level []*node
	var lows []string
	for part := range slices.Chunk(items, fill) {
		room := maxFill
		if len(part) == len(items) { // most windows are small
			room = min(len(part)+len(part)/2, maxFill)
		}
		n := &node{size: len(part), items: make([]item, len(part), room), heads: make([]uint64, 0, room)}
		copy(n.items, part)
		for i := range part {
			n.heads = append(n.heads, headOf(part[i].key))
		}
		level, lows = append(level, n), append(lows, part[0].key)
	}
	for len(level) > 1 {
		var up []*node
		var upLows []string
		for i := 0; i < len(level); i += fill {
			j := min(i+fill, len(level))
			n := &node{
				kids: append(make([]*node, 0, maxFill), level[i:j]...),
				seps: append(make([]string, 0, maxFill), lows[i:j]...),
			}
			n.heads = headsOf(n.seps)
			n.count()
			up, upLows = append(up, n), append(upLows, lows[i])
		}
		level, lows = up, upLows
	}
	t := tree{root: level[0]}
	t.root.mendEdge()
	return t
}

func (t *tree) len() int {
	if t.root == nil {
		return 0
	}
	return t.root.size
}

// rank returns the number of keys before key.
func (t *tree) rank(key string) int {
	n, r := t.root, 0
	for n != nil {
		if n.kids == nil {
			i, _ := n.find(key)
			return r + i
		}
		i := n.child(key)
		r += n.before(i)
		n = n.kids[i]
	}
	return r
}

// at returns the item of that rank, which must be below len.
func (t *tree) at(rank int) item {
	n := t.root
	for n.kids != nil {
		i := 0
		for rank >= n.sizes[i] {
			rank -= n.sizes[i]
			i++
		}
		n = n.kids[i]
	}
	return n.items[rank]
}

// each calls fn for the items from one rank up to another, in order.
func (t *tree) each(from, to int, fn func(item)) {
	if t.root != nil && from < to {
		t.root.each(from, min(to, t.root.size), fn)
	}
}

func (n *node) each(from, to int, fn func(item)) {
	if n.kids == nil {
		for _, it := range n.items[max(from, 0):min(to, len(n.items))] {
			fn(it)
		}
		return
	}
	for i, kid := range n.kids {
		if to <= 0 {
			return
		}
		if from < n.sizes[i] {
			kid.each(from, to, fn)
		}
		from, to = from-n.sizes[i], to-n.sizes[i]
	}
}

// replace gives the item of that key another document. It returns its rank and
// the item as it was; where there is none, the rank is -1.
func (t *tree) replace(key string, doc ejson.Doc) (rank int, old item) {
	n := t.root
	if n == nil {
		return -1, item{}
	}
	for n.kids != nil {
		i := n.child(key)
		rank += n.before(i)
		n = n.kids[i]
	}
	i, ok := n.find(key)
	if !ok {
		return -1, item{}
	}
	old, n.items[i].doc = n.items[i], doc
	return rank + i, old
}

// put inserts it, or replaces the item of that key, and returns its rank.
func (t *tree) put(it item) (rank int) {
	if t.root == nil {
		t.root = &node{items: make([]item, 0, 4)}
	}
	rank, _ = t.root.put(it, headOf(it.key))
	if t.root.fill() > maxFill-1 {
		left := t.root
		right, sep := left.split()
		t.root = &node{
			size: left.size + right.size,
			kids: append(make([]*node, 0, maxFill), left, right),
			seps: append(make([]string, 0, maxFill), left.low(), sep),
		}
		t.root.heads = headsOf(t.root.seps)
		t.root.count()
	}
	return rank
}

func (n *node) put(it item, head uint64) (rank int, grown bool) {
	if n.kids == nil {
		i, ok := n.find(it.key)
		if ok {
			n.items[i] = it
			return i, false
		}
		n.items = slices.Insert(n.items, i, it)
		n.heads = slices.Insert(n.heads, i, head)
		n.size++
		return i, true
	}
	i := n.child(it.key)
	rank, grown = n.kids[i].put(it, head)
	rank += n.before(i)
	if !grown {
		return rank, false
	}
	n.size++
	n.sizes[i]++
	if it.key < n.seps[i] {
		n.seps[i], n.heads[i] = it.key, head
	}
	if n.kids[i].fill() > maxFill-1 {
		right, sep := n.kids[i].split()
		n.kids = slices.Insert(n.kids, i+1, right)
		n.seps = slices.Insert(n.seps, i+1, sep)
		n.heads = slices.Insert(n.heads, i+1, headOf(sep))
		n.sizes[i] = n.kids[i].size
		n.sizes = slices.Insert(n.sizes, i+1, right.size)
	}
	return rank, true
}

// cut removes the item of that key and returns its former rank and the item; ok is false where there is no such item.
func (t *tree) cut(key string) (rank int, old item, ok bool) {
	if t.root == nil {
		return 0, item{}, false
	}
	rank, old, ok = t.root.cut(key)
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	if t.root.size == 0 {
		t.root = nil
	}
	return rank, old, ok
}

func (n *node) cut(key string) (rank int, old item, ok bool) {
	if n.kids == nil {
		i, ok := n.find(key)
		if !ok {
			return i, item{}, false
		}
		old = n.items[i]
		n.items = slices.Delete(n.items, i, i+1)
		n.heads = slices.Delete(n.heads, i, i+1)
		n.size--
		return i, old, true
	}
	i := n.child(key)
	rank, old, ok = n.kids[i].cut(key)
	if !ok {
		return 0, old, false
	}
	rank += n.before(i)
	n.size--
	n.sizes[i]--
	if n.kids[i].fill() < minFill {
		n.mend(i)
	}
	return rank, old, true
}

// fill is the number of entries in the node itself.
func (n *node) fill() int {
	if n.kids == nil {
		return len(n.items)
	}
	return len(n.kids)
}

// low is a key not above any below n, which is not empty.
func (n *node) low() string {
	if n.kids == nil {
		return n.items[0].key
	}
	return n.seps[0]
}

func (n *node) count() {
	if n.kids == nil {
		n.size = len(n.items)
		return
	}
	if n.sizes == nil {
		n.sizes = make([]int, 0, maxFill)
	}
	n.size, n.sizes = 0, n.sizes[:0]
	for _, kid := range n.kids {
		n.size += kid.size
		n.sizes = append(n.sizes, kid.size)
	}
}

// before returns how many items are below the kids before number i.
func (n *node) before(i int) (sum int) {
	for _, size := range n.sizes[:i] {
		sum += size
	}
	return sum
}

// headOf returns the first eight bytes of a key as a number that compares as they do.
func headOf(key string) (head uint64) {
	if len(key) >= 8 {
		return uint64(key[7]) | uint64(key[6])<<8 | uint64(key[5])<<16 | uint64(key[4])<<24 |
			uint64(key[3])<<32 | uint64(key[2])<<40 | uint64(key[1])<<48 | uint64(key[0])<<56
	}
	for i := range len(key) {
		head |= uint64(key[i]) << (56 - 8*i)
	}
	return head
}

func headsOf(keys []string) []uint64 {
	heads := make([]uint64, 0, maxFill)
	for _, key := range keys {
		heads = append(heads, headOf(key))
	}
	return heads
}

// find returns the place of key in a leaf, and whether it is there.
func (n *node) find(key string) (int, bool) {
	head := headOf(key)
	lo, hi := 0, len(n.items)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if h := n.heads[m]; h < head || h == head && n.items[m].key < key {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < len(n.items) && n.items[lo].key == key
}

// child returns the index of the child that key belongs to.
func (n *node) child(key string) int {
	// The first separator decides nothing: what is below it goes there too.
	head := headOf(key)
	lo, hi := 1, len(n.seps)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if h := n.heads[m]; h < head || h == head && n.seps[m] <= key {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}
