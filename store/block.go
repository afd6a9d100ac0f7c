package store

import (
	"cmp"
	"strings"
	"unsafe"
)

// A block holds at most blockMax entries. A commit of its own copies one (about
// 1 KiB), and there are four pointers for the garbage collector in a block where a
// tree of single entries has one in each entry.
const (
	blockMax  = 64
	blockData = 1 << 14 // bytes of keys after which a block is split, too
)

// entry is a key and the slot of a document that has it. Keys compare as bytes.
type entry struct {
	key  string
	slot uint64
}

// block is a run of the entries of an index in ascending order of (key, slot). What
// its keys begin with alike is kept once; the rest lies in one piece of memory, so
// that a search stays within few cache lines. A document in an index of equal keys
// costs 12 bytes, and one in an index of distinct dates about 20.
//
// A block with the writer's stamp is changed in place, any other is copied first.
type block struct {
	stamp  uint64
	keys   int      // distinct keys
	prefix string   // of every key
	data   []byte   // the rest of each key, one after another
	ends   []uint32 // ends[i] is where the rest of key i ends
	slots  []uint64
}

func (b *block) len() int { return len(b.slots) }

// rest returns key i without the prefix: a view, good until the block changes.
func (b *block) rest(i int) string {
	from := uint32(0)
	if i > 0 {
		from = b.ends[i-1]
	}
	return view(b.data[from:b.ends[i]])
}

// entry returns entry i with memory of its own.
func (b *block) entry(i int) entry {
	return entry{b.whole(b.rest(i)), b.slots[i]}
}

// whole returns a rest behind the prefix, with memory of its own, which + would
// not give it where the prefix is empty.
func (b *block) whole(rest string) string {
	return string(append(append(make([]byte, 0, len(b.prefix)+len(rest)), b.prefix...), rest...))
}

// same reports whether entries i and j have the same key.
func (b *block) same(i, j int) bool { return b.rest(i) == b.rest(j) }

// search returns the place of the first entry that is not below (key, slot).
func (b *block) search(key []byte, slot uint64) (i int, found bool) {
	rest, side := b.split(view(key))
	if side != 0 {
		return b.end(side), false
	}
	lo, hi := 0, len(b.slots)
	for lo < hi {
		h := int(uint(lo+hi) >> 1)
		n := strings.Compare(b.rest(h), rest)
		if n == 0 {
			n = cmp.Compare(b.slots[h], slot)
			if n == 0 {
				return h, true
			}
		}
		if n < 0 {
			lo = h + 1
		} else {
			hi = h
		}
	}
	return lo, false
}

// reach returns the number of entries whose key is below bound.
func (b *block) reach(bound string) int {
	rest, side := b.split(bound)
	if side != 0 {
		return b.end(side)
	}
	lo, hi := 0, len(b.slots)
	for lo < hi {
		h := int(uint(lo+hi) >> 1)
		if b.rest(h) < rest {
			lo = h + 1
		} else {
			hi = h
		}
	}
	return lo
}

// split takes the prefix off a key or bound. side is -1 where it is below every
// key with the prefix, and +1 where it is above.
func (b *block) split(key string) (rest string, side int) {
	n := min(len(key), len(b.prefix))
	if side = strings.Compare(key[:n], b.prefix[:n]); side != 0 {
		return "", side
	}
	return key[n:], 0 // shorter than the prefix: the empty rest is below all
}

func (b *block) end(side int) int {
	if side < 0 {
		return 0
	}
	return len(b.slots)
}

// repeats reports whether the key at place i is that of a neighbour, so that its
// coming or going leaves the number of distinct keys as it is.
func (b *block) repeats(i int) bool {
	return i > 0 && b.same(i-1, i) || i+1 < len(b.slots) && b.same(i, i+1)
}

// insert puts an entry at place i, which search has found.
func (b *block) insert(i int, key []byte, slot uint64) {
	if len(b.slots) == 0 {
		b.prefix = string(key)
	}
	if n := common(b.prefix, view(key)); n < len(b.prefix) {
		b.shorten(n)
	}
	rest := key[len(b.prefix):]
	from := 0
	if i > 0 {
		from = int(b.ends[i-1])
	}
	b.data = widen(b.data, from, len(rest))
	copy(b.data[from:], rest)
	b.ends = widen(b.ends, i, 1)
	b.ends[i] = uint32(from)
	for j := i; j < len(b.ends); j++ {
		b.ends[j] += uint32(len(rest))
	}
	b.slots = widen(b.slots, i, 1)
	b.slots[i] = slot
	if !b.repeats(i) {
		b.keys++
	}
}

// remove takes away entry i.
func (b *block) remove(i int) {
	if !b.repeats(i) {
		b.keys--
	}
	from, to := uint32(0), b.ends[i]
	if i > 0 {
		from = b.ends[i-1]
	}
	b.data = append(b.data[:from], b.data[to:]...)
	b.ends = append(b.ends[:i], b.ends[i+1:]...)
	for j := i; j < len(b.ends); j++ {
		b.ends[j] -= to - from
	}
	b.slots = append(b.slots[:i], b.slots[i+1:]...)
}

// full reports whether the block must be split before it takes another key.
func (b *block) full(key []byte) bool {
	return len(b.slots) >= blockMax || len(b.slots) > 1 && len(b.data)+len(key) > blockData
}

// clone returns a copy that the writer may change, with room for one more key.
func (b *block) clone(stamp uint64, room int) *block {
	c := *b
	c.stamp = stamp
	c.data = append(make([]byte, 0, len(b.data)+room), b.data...)
	c.ends = append(make([]uint32, 0, len(b.ends)+1), b.ends...)
	c.slots = append(make([]uint64, 0, len(b.slots)+1), b.slots...)
	return &c
}

// cut returns the entries [i, j) as a new block with the memory that they need.
func (b *block) cut(i, j int, stamp uint64) *block {
	c := &block{stamp: stamp}
	if i == j {
		return c
	}
	first, final := b.rest(i), b.rest(j-1)
	n := common(first, final) // keys in between share it too
	c.prefix = b.prefix + first[:n]
	size := 0
	for k := i; k < j; k++ {
		size += len(b.rest(k)) - n
	}
	c.data = make([]byte, 0, size)
	c.ends = make([]uint32, 0, j-i)
	c.slots = append(make([]uint64, 0, j-i), b.slots[i:j]...)
	for k := i; k < j; k++ {
		c.data = append(c.data, b.rest(k)[n:]...)
		c.ends = append(c.ends, uint32(len(c.data)))
		if k == i || !b.same(k-1, k) {
			c.keys++
		}
	}
	return c
}

// halve makes two blocks of one when the next entry falls at place i, and returns
// what comes between them. Entries that come in order leave full blocks behind;
// others, halves.
func (b *block) halve(i int, stamp uint64) (low *block, border entry, high *block) {
	n := b.len() / 2
	switch i {
	case 0:
		n = 1
	case b.len():
		n = b.len() - 1
	}
	return b.cut(0, n, stamp), b.border(n), b.cut(n, b.len(), stamp)
}

// border returns an entry that is not below entry i-1, and below entry i; a short
// one, for it is kept in the tree.
func (b *block) border(i int) entry {
	low, high := b.rest(i-1), b.rest(i)
	if n := common(low, high) + 1; n < len(high) {
		return entry{b.whole(high[:n]), 0}
	}
	return b.entry(i - 1)
}

// fits reports whether two blocks may become one.
func (b *block) fits(c *block) bool {
	if b.len() == 0 || c.len() == 0 {
		return true
	}
	return b.len()+c.len() <= blockMax*3/4 && len(b.data)+len(c.data) <= blockData/2
}

// join returns the block and the one above it as one.
func (b *block) join(c *block, stamp uint64) *block {
	j := b.clone(stamp, len(c.data))
	for i := range c.slots {
		j.insert(j.len(), append([]byte(c.prefix), c.rest(i)...), c.slots[i])
	}
	return j
}

// shorten gives back to every key what the prefix has beyond n bytes.
func (b *block) shorten(n int) {
	more := b.prefix[n:]
	data := make([]byte, 0, len(b.data)+(len(b.slots)+1)*len(more))
	for i := range b.slots {
		rest := b.rest(i)
		data = append(append(data, more...), rest...)
	}
	for i := range b.ends {
		b.ends[i] += uint32((i + 1) * len(more))
	}
	b.prefix, b.data = b.prefix[:n], data
}

// common returns how many bytes a and b begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
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
