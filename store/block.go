package store

import (
	"cmp"
	"encoding/binary"
	"strings"
	"unsafe"
)

// A block holds at most blockMax entries. A commit of its own copies one (1,152
// bytes, a size that the allocator has), and there are two pointers for the garbage
// collector in a block where a tree of single entries has one in each entry.
const (
	blockMax  = 64
	blockData = 1 << 14 // bytes of tails after which a block is split, too
	headLen   = 8       // bytes of a key in its head
)

// entry is a key and the slot of a document that has it. Keys compare as bytes.
type entry struct {
	key  string
	slot uint64
}

// block is a run of the entries of an index in ascending order of (key, slot). What
// its keys begin with alike is kept once. Of the rest the first eight bytes are a
// number, the head: a search compares numbers that lie side by side, and looks at
// what a key has beyond, its tail, only where heads are equal. Few keys have a tail.
//
// A block with the writer's stamp is changed in place, any other is copied first.
type block struct {
	prefix string // of every key
	tails  *tails // nil where no key has one
	stamp  uint64
	n      int32 // entries
	keys   int32 // distinct keys
	heads  [blockMax]uint64
	slots  [blockMax]uint64
	sizes  [blockMax]uint8 // bytes of the head that are the key's; the others are zero
}

// tails are what keys have behind prefix and head, one after another.
type tails struct {
	data []byte
	ends [blockMax]uint32 // ends[i] is where tail i ends
}

// rest is a key without the prefix of a block, as search compares it.
type rest struct {
	head uint64
	size uint8
	tail string // empty unless size is headLen
}

func restOf(s string) rest {
	if len(s) >= headLen {
		b := unsafe.Slice(unsafe.StringData(s), len(s))
		return rest{binary.BigEndian.Uint64(b), headLen, s[headLen:]}
	}
	var head uint64
	for i := range len(s) {
		head |= uint64(s[i]) << (56 - 8*i)
	}
	return rest{head: head, size: uint8(len(s))}
}

func (b *block) len() int { return int(b.n) }

// tail returns what key i has beyond its head: a view, good until the block changes.
func (b *block) tail(i int) string {
	if b.tails == nil {
		return ""
	}
	return view(b.tails.data[b.tails.start(i):b.tails.ends[i]])
}

func (t *tails) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

// compare orders key i and a rest.
func (b *block) compare(i int, r rest) int {
	if b.heads[i] != r.head {
		return cmp.Compare(b.heads[i], r.head)
	}
	if b.sizes[i] != r.size {
		return cmp.Compare(b.sizes[i], r.size) // the one is the other and zeros
	}
	return strings.Compare(b.tail(i), r.tail)
}

// appendRest appends key i without the prefix.
func (b *block) appendRest(dst []byte, i int) []byte {
	var head [headLen]byte
	binary.BigEndian.PutUint64(head[:], b.heads[i])
	return append(append(dst, head[:b.sizes[i]]...), b.tail(i)...)
}

// appendKey appends key i.
func (b *block) appendKey(dst []byte, i int) []byte {
	return b.appendRest(append(dst, b.prefix...), i)
}

// entry returns entry i with memory of its own.
func (b *block) entry(i int) entry {
	return entry{string(b.appendKey(nil, i)), b.slots[i]}
}

// same reports whether entries i and j have the same key.
func (b *block) same(i, j int) bool {
	// The compiler puts this much where it is called: a tenth of a query for 20 documents.
	return b.heads[i] == b.heads[j] && b.sameRest(i, j)
}

func (b *block) sameRest(i, j int) bool {
	return b.sizes[i] == b.sizes[j] && b.tail(i) == b.tail(j)
}

// is reports whether entry i has a key.
func (b *block) is(i int, key string) bool {
	r, side := b.split(key)
	return side == 0 && b.compare(i, r) == 0 && len(key) >= len(b.prefix)
}

// firstHead returns the place of the first entry whose head is not below head. The
// processor need not guess how a comparison ends: it moves, or not, without a jump.
func (b *block) firstHead(head uint64) int {
	if b.n == 0 {
		return 0
	}
	at, n := 0, int(b.n)
	for n > 1 {
		half := n >> 1
		if b.heads[(at+half-1)%blockMax] < head {
			at += half
		}
		n -= half
	}
	if b.heads[at%blockMax] < head {
		at++
	}
	return at
}

// search returns the place of the first entry that is not below (key, slot).
func (b *block) search(key []byte, slot uint64) (i int, found bool) {
	r, side := b.split(view(key))
	if side != 0 {
		return b.end(side), false
	}
	hi := b.len()
	if r.head != 1<<64-1 {
		hi = b.firstHead(r.head + 1)
	}
	if hi == 0 {
		return 0, false
	}
	// Mostly the last entry with this head says it all: it is the only one, or that of
	// the newest document that has the key.
	switch n := b.order(hi-1, r, slot); {
	case n < 0:
		return hi, false
	case n == 0:
		return hi - 1, true
	}
	lo := b.firstHead(r.head)
	for lo < hi {
		h := int(uint(lo+hi) >> 1)
		switch n := b.order(h, r, slot); {
		case n == 0:
			return h, true
		case n < 0:
			lo = h + 1
		default:
			hi = h
		}
	}
	return lo, false
}

// order orders entry i and (r, slot).
func (b *block) order(i int, r rest, slot uint64) int {
	if n := b.compare(i, r); n != 0 {
		return n
	}
	return cmp.Compare(b.slots[i], slot)
}

// reach returns the number of entries whose key is below bound.
func (b *block) reach(bound string) int {
	r, side := b.split(bound)
	if side != 0 {
		return b.end(side)
	}
	lo := b.firstHead(r.head)
	hi := b.len()
	if lo < hi && r.head != 1<<64-1 {
		hi = lo + 1
		if b.heads[lo] == r.head {
			hi = b.firstHead(r.head + 1)
		}
	}
	for lo < hi {
		h := int(uint(lo+hi) >> 1)
		if b.compare(h, r) < 0 {
			lo = h + 1
		} else {
			hi = h
		}
	}
	return lo
}

// split takes the prefix off a key or bound. side is -1 where it is below every
// key with the prefix, and +1 where it is above.
func (b *block) split(key string) (r rest, side int) {
	n := min(len(key), len(b.prefix))
	if key[:n] != b.prefix[:n] {
		return rest{}, strings.Compare(key[:n], b.prefix[:n])
	}
	return restOf(key[n:]), 0 // shorter than the prefix: the empty rest is below all
}

func (b *block) end(side int) int {
	if side < 0 {
		return 0
	}
	return b.len()
}

// repeats reports whether the key at place i is that of a neighbour, so that its
// coming or going leaves the number of distinct keys as it is.
func (b *block) repeats(i int) bool {
	return i > 0 && b.same(i-1, i) || i+1 < b.len() && b.same(i, i+1)
}

// insert puts an entry at place i, which search has found.
func (b *block) insert(i int, key []byte, slot uint64) {
	if b.n == 0 {
		b.prefix = string(key)
	}
	if n := common(b.prefix, view(key)); n < len(b.prefix) {
		b.shorten(n)
	}
	n := b.len()
	r := restOf(view(key[len(b.prefix):]))
	copy(b.heads[i+1:n+1], b.heads[i:n])
	copy(b.slots[i+1:n+1], b.slots[i:n])
	copy(b.sizes[i+1:n+1], b.sizes[i:n])
	b.heads[i], b.slots[i], b.sizes[i] = r.head, slot, r.size
	if b.tails == nil && r.tail != "" {
		b.tails = &tails{} // all are empty so far
	}
	if b.tails != nil {
		b.tails.insert(i, n, r.tail)
	}
	b.n++
	if !b.repeats(i) {
		b.keys++
	}
}

// insert puts a tail at place i of n.
func (t *tails) insert(i, n int, tail string) {
	from := t.start(i)
	t.data = widen(t.data, int(from), len(tail))
	copy(t.data[from:], tail)
	copy(t.ends[i+1:n+1], t.ends[i:n])
	t.ends[i] = from
	for j := i; j <= n; j++ {
		t.ends[j] += uint32(len(tail))
	}
}

// remove takes away entry i.
func (b *block) remove(i int) {
	if !b.repeats(i) {
		b.keys--
	}
	n := b.len()
	if t := b.tails; t != nil {
		from, to := t.start(i), t.ends[i]
		t.data = append(t.data[:from], t.data[to:]...)
		copy(t.ends[i:], t.ends[i+1:n])
		for j := i; j < n-1; j++ {
			t.ends[j] -= to - from
		}
	}
	copy(b.heads[i:], b.heads[i+1:n])
	copy(b.slots[i:], b.slots[i+1:n])
	copy(b.sizes[i:], b.sizes[i+1:n])
	b.n--
}

// size returns the bytes of all tails.
func (b *block) size() int {
	if b.tails == nil {
		return 0
	}
	return len(b.tails.data)
}

// full reports whether the block must be split before it takes another key.
func (b *block) full(key []byte) bool {
	return b.n >= blockMax || b.n > 1 && b.size()+len(key) > blockData
}

// clone returns a copy that the writer may change, with room for one more key.
func (b *block) clone(stamp uint64, room int) *block {
	c := *b
	c.stamp = stamp
	if b.tails != nil {
		c.tails = &tails{append(make([]byte, 0, len(b.tails.data)+room), b.tails.data...), b.tails.ends}
	}
	return &c
}

// push appends an entry to a block that is being made. Its key begins with the
// prefix and is not below the last.
func (b *block) push(key []byte, slot uint64) {
	b.add(restOf(view(key[len(b.prefix):])), slot)
}

// common returns how many bytes a and b begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	if a[:n] == b[:n] {
		return n // by far the most frequent
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	return i
}

// widen makes room for n elements at place i. It grows by a quarter: doubling
// would leave a quarter of an index empty.
func widen[E any](s []E, i, n int) []E {
	if len(s)+n > cap(s) {
		grown := make([]E, len(s), len(s)+max(n, len(s)/4+8))
		copy(grown, s)
		s = grown
	}
	s = s[:len(s)+n]
	copy(s[i+n:], s[i:])
	return s
}

// view returns bytes as a string without copying them, to look at for a moment.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
