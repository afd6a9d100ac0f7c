package store

import "slices"

// walk calls yield with the entries whose keys are in [low, high), leaf by leaf
// and in ascending order, until it returns false: the entries [i, j) of b, at
// least one. An empty high is no upper end. walk reports whether it got to the
// end.
func (x *index) walk(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	done = true
	first := true
	x.tree.Ascend(leaf{top: low}, func(l leaf) bool {
		i, j, more := 0, l.len(), true
		if first {
			i, first = l.reach(low), false
		}
		// Where the top is in the range, so are all entries.
		if high != "" && (l.slot == noTop || l.top >= high) {
			j, more = l.reach(high), false
		}
		if i < j {
			done = yield(l.block, i, j)
		}
		return done && more
	})
	return done
}

// walkBack is walk in descending order; within [i, j) it is for yield to go
// backwards.
func (x *index) walkBack(low, high string, yield func(b *block, i, j int) bool) (done bool) {
	from := leaf{slot: noTop}
	if high != "" {
		from = x.home(high, 0)
	}
	done = true
	first := true
	x.tree.Descend(from, func(l leaf) bool {
		i, j := l.reach(low), l.len()
		if first && high != "" {
			j = l.reach(high)
		}
		first = false
		if i < j {
			done = yield(l.block, i, j)
		}
		return done && i == 0
	})
	return done
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
	var mine, theirs [64]byte
	return string(b.appendKey(mine[:0], i)) == string(c.appendKey(theirs[:0], j))
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
