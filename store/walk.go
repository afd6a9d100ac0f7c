package store

import "slices"

// walk calls yield with the entries whose keys are in [low, high), leaf by leaf
// and in ascending order, until it returns false: the entries [i, j) of b, at
// least one. An empty high is no upper end. walk reports whether it got to the
// end.
func (x *index) walk(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	return x.root.walk(low, high, yield)
}

// walkBack is walk in descending order; within [i, j) it is for yield to go
// backwards.
func (x *index) walkBack(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	return x.root.walkBack(low, high, yield)
}

// within returns the entries of a leaf, or the kids of an inner block, that may
// be in [low, high).
func (b *block) within(low, high string) (i, j int) {
	if low != "" {
		i = b.reach(low)
	}
	j = b.len()
	if high != "" {
		j = b.reach(high)
	}
	if b.kids != nil {
		j++
	}
	return i, j
}

func (b *block) walk(low, high string, yield func(b *block, i, j int) bool) bool {
	i, j := b.within(low, high)
	if b.kids == nil {
		return i >= j || yield(b, i, j)
	}
	for k := i; k < j; k++ {
		l, h := "", "" // kids in between are in the range as a whole
		if k == i {
			l = low
		}
		if k == j-1 {
			h = high
		}
		if !b.kids[k].walk(l, h, yield) {
			return false
		}
	}
	return true
}

func (b *block) walkBack(low, high string, yield func(b *block, i, j int) bool) bool {
	i, j := b.within(low, high)
	if b.kids == nil {
		return i >= j || yield(b, i, j)
	}
	for k := j - 1; k >= i; k-- {
		l, h := "", ""
		if k == i {
			l = low
		}
		if k == j-1 {
			h = high
		}
		if !b.kids[k].walkBack(l, h, yield) {
			return false
		}
	}
	return true
}

// oneKey reports whether all entries in [low, high) have the same key, and so are
// in the order of slots.
func (x *index) oneKey(low, high string) bool {
	same := true
	x.walk(low, high, func(b *block, i, _ int) bool {
		return x.walkBack(low, high, func(c *block, _, j int) bool {
			same = sameKey(b, i, c, j-1)
			return false
		})
	})
	return same
}

// sameKey reports whether entry i of b and entry j of c have the same key.
func sameKey(b *block, i int, c *block, j int) bool {
	if b == c {
		return b.same(i, j)
	}
	p, q := b.rest(i), c.rest(j)
	if len(b.prefix)+len(p) != len(c.prefix)+len(q) {
		return false
	}
	return b.prefix+p == c.prefix+q
}

// inOrder sorts slots and drops repeats; most often there is nothing to do.
func inOrder(slots []uint64) []uint64 {
	for i := 1; i < len(slots); i++ {
		if slots[i] <= slots[i-1] {
			slices.Sort(slots)
			return slices.Compact(slots)
		}
	}
	return slots
}
