package observe

import "math/rand/v2"

// intervals is a set of ranges of keys that finds those that a key lies in, in
// O(log n) and the number found: a treap by the low end, in which each node knows
// how far the ranges below it reach. The zero value is empty.
type intervals struct {
	root *interval
}

// interval is the range low <= key < high of one result.
type interval struct {
	low   string
	high  reach
	res   *result
	id    uint64 // tells ranges with the same low end apart
	pri   uint64
	below reach // the farthest of its own and its children's high ends
	left  *interval
	right *interval
}

// reach is the high end of a range; the empty string is no end at all.
type reach string

// passes reports whether a range with this high end can hold key.
func (r reach) passes(key string) bool { return r == "" || key < string(r) }

func (r reach) max(o reach) reach {
	if r == "" || o != "" && r > o {
		return r
	}
	return o
}

// before is the order of the tree.
func (iv *interval) before(o *interval) bool {
	return iv.low < o.low || iv.low == o.low && iv.id < o.id
}

func (iv *interval) measure() {
	iv.below = iv.high
	if iv.left != nil {
		iv.below = iv.below.max(iv.left.below)
	}
	if iv.right != nil {
		iv.below = iv.below.max(iv.right.below)
	}
}

// add puts an interval in, which must be new.
func (s *intervals) add(iv *interval) {
	iv.pri = rand.Uint64()
	s.root = s.root.add(iv)
}

func (iv *interval) add(o *interval) *interval {
	if iv == nil {
		o.measure()
		return o
	}
	if o.pri > iv.pri {
		o.left, o.right = iv.split(o)
		o.measure()
		return o
	}
	if o.before(iv) {
		iv.left = iv.left.add(o)
	} else {
		iv.right = iv.right.add(o)
	}
	iv.measure()
	return iv
}

// split divides a tree into what is before o and the rest.
func (iv *interval) split(o *interval) (left, right *interval) {
	if iv == nil {
		return nil, nil
	}
	if iv.before(o) {
		iv.right, right = iv.right.split(o)
		left = iv
	} else {
		left, iv.left = iv.left.split(o)
		right = iv
	}
	iv.measure()
	return left, right
}

// remove takes an interval out.
func (s *intervals) remove(iv *interval) { s.root = s.root.remove(iv) }

func (iv *interval) remove(o *interval) *interval {
	switch {
	case iv == nil:
		return nil
	case iv == o:
		return join(iv.left, iv.right)
	case o.before(iv):
		iv.left = iv.left.remove(o)
	default:
		iv.right = iv.right.remove(o)
	}
	iv.measure()
	return iv
}

// join makes one tree of two, all of a before all of b.
func join(a, b *interval) *interval {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.pri > b.pri:
		a.right = join(a.right, b)
		a.measure()
		return a
	}
	b.left = join(a, b.left)
	b.measure()
	return b
}

// find appends the results of the intervals that key lies in.
func (iv *interval) find(found []hit, key string, sure bool) []hit {
	for iv != nil && iv.below.passes(key) {
		found = iv.left.find(found, key, sure)
		if key < iv.low {
			return found
		}
		if iv.high.passes(key) {
			found = append(found, hit{iv.res, sure})
		}
		iv = iv.right
	}
	return found
}

// all appends the results of all intervals.
func (iv *interval) all(found []hit) []hit {
	for ; iv != nil; iv = iv.right {
		found = append(iv.left.all(found), hit{iv.res, false})
	}
	return found
}
