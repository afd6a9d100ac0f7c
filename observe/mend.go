package observe

import "slices"

// mendEdge fills up the last node of each level, which bulk may leave short.
func (n *node) mendEdge() {
	for n.kids != nil {
		last := len(n.kids) - 1
		if last > 0 && n.kids[last].fill() < minFill {
			n.mend(last)
		}
		n = n.kids[len(n.kids)-1]
	}
}

// mend joins a short child with a neighbour, or shares the two evenly.
func (n *node) mend(i int) {
	if i == len(n.kids)-1 {
		i--
	}
	if i < 0 {
		return
	}
	a, b := n.kids[i], n.kids[i+1]
	total := a.fill() + b.fill()
	if total <= maxFill*3/4 {
		a.heads = append(a.heads, b.heads...)
		a.items = append(a.items, b.items...)
		a.kids = append(a.kids, b.kids...)
		a.seps = append(a.seps, b.seps...)
		a.sizes = append(a.sizes, b.sizes...)
		a.size += b.size
		n.kids = slices.Delete(n.kids, i+1, i+2)
		n.seps = slices.Delete(n.seps, i+1, i+2)
		n.heads = slices.Delete(n.heads, i+1, i+2)
		n.sizes = slices.Delete(n.sizes, i+1, i+2)
		n.sizes[i] = a.size
		return
	}
	if k := total/2 - a.fill(); k > 0 {
		a.heads, b.heads = shift(a.heads, b.heads, k)
		a.items, b.items = shift(a.items, b.items, k)
		a.kids, b.kids = shift(a.kids, b.kids, k)
		a.seps, b.seps = shift(a.seps, b.seps, k)
	} else {
		a.heads, b.heads = unshift(a.heads, b.heads, -k)
		a.items, b.items = unshift(a.items, b.items, -k)
		a.kids, b.kids = unshift(a.kids, b.kids, -k)
		a.seps, b.seps = unshift(a.seps, b.seps, -k)
	}
	a.count()
	b.count()
	n.seps[i+1], n.heads[i+1] = b.low(), b.heads[0]
	n.sizes[i], n.sizes[i+1] = a.size, b.size
}

// shift moves the first k of b to the end of a, where they are not nil.
func shift[E any](a, b []E, k int) ([]E, []E) {
	if b == nil {
		return a, b
	}
	return append(a, b[:k]...), slices.Delete(b, 0, k)
}

// unshift moves the last k of a to the front of b, where they are not nil.
func unshift[E any](a, b []E, k int) ([]E, []E) {
	if a == nil {
		return a, b
	}
	at := len(a) - k
	b = slices.Insert(b, 0, a[at:]...)
	return slices.Delete(a, at, len(a)), b
}

// split moves the upper half of a full node to a new one.
func (n *node) split() (right *node, sep string) {
	half := n.fill() / 2
	right = &node{heads: append(make([]uint64, 0, maxFill), n.heads[half:]...)}
	n.heads = slices.Delete(n.heads, half, len(n.heads))
	if n.kids == nil {
		right.items = append(make([]item, 0, maxFill), n.items[half:]...)
		n.items = slices.Delete(n.items, half, len(n.items))
	} else {
		right.kids = append(make([]*node, 0, maxFill), n.kids[half:]...)
		right.seps = append(make([]string, 0, maxFill), n.seps[half:]...)
		n.kids = slices.Delete(n.kids, half, len(n.kids))
		n.seps = slices.Delete(n.seps, half, len(n.seps))
	}
	n.count()
	right.count()
	return right, right.low()
}
