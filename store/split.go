package store

// cut returns the entries [i, j) as a new block.
func (b *block) cut(i, j int, stamp uint64) *block {
	c := &block{stamp: stamp}
	if i == j {
		return c
	}
	var firstKey, lastKey [64]byte
	first, last := b.appendKey(firstKey[:0], i), b.appendKey(lastKey[:0], j-1)
	n := common(view(first), view(last)) // keys in between share it too
	if n == len(b.prefix) && b.tails == nil {
		c.prefix = b.prefix
		copy(c.heads[:], b.heads[i:j])
		copy(c.slots[:], b.slots[i:j])
		copy(c.sizes[:], b.sizes[i:j])
		c.n = int32(j - i)
		for k := range c.len() {
			if k == 0 || !c.same(k-1, k) {
				c.keys++
			}
		}
		return c
	}
	c.prefix = string(first[:n])
	c.take(b, i, j)
	return c
}

// take pushes entries [i, j) of another block.
func (b *block) take(from *block, i, j int) {
	var memory [64]byte
	key := memory[:0]
	for ; i < j; i++ {
		key = from.appendKey(key[:0], i)
		b.push(key, from.slots[i])
	}
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
	var lowKey, highKey [64]byte
	low, high := b.appendKey(lowKey[:0], i-1), b.appendKey(highKey[:0], i)
	if n := common(view(low), view(high)) + 1; n < len(high) {
		return entry{string(high[:n]), 0}
	}
	return entry{string(low), b.slots[i-1]}
}

// fits reports whether two blocks may become one.
func (b *block) fits(c *block) bool {
	if b.n == 0 || c.n == 0 {
		return true
	}
	return b.len()+c.len() <= blockMax*3/4 && b.size()+c.size() <= blockData/2
}

// join returns the block and the one above it as one.
func (b *block) join(c *block, stamp uint64) *block {
	if b.n == 0 || c.n == 0 {
		if b.n == 0 {
			b = c
		}
		return b.clone(stamp, 0)
	}
	j := &block{stamp: stamp, prefix: b.prefix[:common(b.prefix, c.prefix)]}
	j.take(b, 0, b.len())
	j.take(c, 0, c.len())
	return j
}

// shorten gives back to every key what the prefix has beyond n bytes.
func (b *block) shorten(n int) {
	old := *b
	*b = block{stamp: old.stamp, prefix: old.prefix[:n]}
	b.take(&old, 0, old.len())
}
