package store

import "slices"

// walk calls yield with the entries whose keys are in [low, high), block by
// block and in ascending order, until it returns false: the entries [i, j) of b,
// at least one. An empty high is no upper end. walk reports whether it got to the
// end.
func (x *index) walk(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	done = true
	first := true
	x.tree.Ascend(&block{top: entry{key: low}}, func(b *block) bool {
		i, j, more := 0, b.len(), true
		if first {
			i, first = b.reach(low), false
		}
		// The top of a block is above its entries: one comparison tells that all of
		// them are in.
		if high != "" && (b.last || b.top.key >= high) {
			j, more = b.reach(high), false
		}
		if i < j {
			done = yield(b, i, j)
		}
		return done && more
	})
	return done
}

// walkBack is walk in descending order; within [i, j) it is for yield to go
// backwards.
func (x *index) walkBack(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	var from *block
	if high == "" {
		from, _ = x.tree.Max()
	} else {
		x.tree.Ascend(&block{top: entry{key: high}}, func(b *block) bool {
			from = b
			return false
		})
	}
	done = true
	x.tree.Descend(from, func(b *block) bool {
		i, j := b.reach(low), b.len()
		if b == from && high != "" {
			j = b.reach(high)
		}
		if i < j {
			done = yield(b, i, j)
		}
		return done && i == 0
	})
	return done
}

// appendSlots appends the slots of the entries in [low, high), in index order.
func (x *index) appendSlots(slots []uint64, low, high string) []uint64 {
	x.walk(low, high, func(b *block, i, j int) bool {
		slots = append(slots, b.slots[i:j]...)
		return true
	})
	return slots
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
	return b.prefix+string(p) == c.prefix+string(q)
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
