package query

import "github.com/replicad/replicad/ddp/ejson"

// A node is a part of a compiled selector: a condition on a document, or on a
// list where $elemMatch looks into lists of lists.
type node interface {
	match(v ejson.Value) bool
	// find is match that also tells the position of the match in the outermost
	// list passed through, or -1.
	find(v ejson.Value) (at int, ok bool)
	// cost guesses how dear match is, to ask cheap conditions first.
	cost() int
}

// A clause is one condition of a field: a pred over the branches of its path, or
// the conjunction of several, perhaps denied.
type clause struct {
	op    string // as written, for plans and errors
	pred  pred
	all   []clause // where pred is nil
	deny  bool     // the clause holds where pred or all does not
	whole bool     // a list is judged as one value and not element by element
	price int
}

// field is the conditions on one path.
type field struct {
	path    path
	clauses []clause
	price   int
}

func (n *field) match(v ejson.Value) bool {
	depth := 0
	if v.Kind() == ejson.Object {
		if v, depth = n.path.trail.In(v.Doc()); depth == len(n.path.segs) {
			return n.leaf(v)
		}
	}
	return n.beyond(v, depth)
}

// beyond is match for what is no document, to which the first names of the path lead.
func (n *field) beyond(v ejson.Value, depth int) bool {
	if v.Kind() != ejson.List {
		return n.leaf(ejson.Value{})
	}
	segs := n.path.segs[depth:]
	for i := range n.clauses {
		if _, ok := n.clauses[i].seek(v, segs, depth == 0); !ok {
			return false
		}
	}
	return true
}

// leaf judges the one value at the end of a path that led through no list.
func (n *field) leaf(v ejson.Value) bool {
	for i := range n.clauses {
		c := &n.clauses[i]
		var ok bool
		if c.pred != nil && (c.whole || v.Kind() != ejson.List) {
			ok = c.pred.test(v) != c.deny
		} else {
			_, ok = c.leaf(v)
		}
		if i == len(n.clauses)-1 {
			return ok // without a branch on it: see sift
		}
		if !ok {
			return false
		}
	}
	return true
}

func (n *field) find(v ejson.Value) (int, bool) {
	at := -1
	for i := range n.clauses {
		from, ok := n.clauses[i].seek(v, n.path.segs, true)
		if !ok {
			return -1, false
		}
		if from >= 0 {
			at = from
		}
	}
	return at, true
}

func (n *field) cost() int { return n.price }

// seek judges the branches of segs in v, where a path begins if root is set. A
// denied clause has no position.
func (c *clause) seek(v ejson.Value, segs []segment, root bool) (at int, ok bool) {
	switch {
	case c.pred == nil:
		return c.every(func(sub *clause) (int, bool) { return sub.seek(v, segs, root) })
	case v.Kind() == ejson.List && root:
		at, ok = seekPosition(v.Array(), segs, c.pred, c.whole, -1)
	default:
		at, ok = seek(v, segs, c.pred, c.whole, -1)
	}
	if c.deny {
		return -1, !ok
	}
	return at, ok
}

// leaf judges one value, and its elements if it is a list.
func (c *clause) leaf(v ejson.Value) (at int, ok bool) {
	if c.pred == nil {
		return c.every(func(sub *clause) (int, bool) { return sub.leaf(v) })
	}
	at, ok = seekLeaf(v, c.pred, c.whole, -1)
	if c.deny {
		return -1, !ok
	}
	return at, ok
}

// test judges one value as it is: the element of a list that $elemMatch tries.
func (c *clause) test(v ejson.Value) bool {
	if c.pred != nil {
		return c.pred.test(v) != c.deny
	}
	return testAll(c.all, v) != c.deny
}

func testAll(clauses []clause, v ejson.Value) bool {
	for i := range clauses {
		if !clauses[i].test(v) {
			return false
		}
	}
	return true
}

// every is the conjunction of c.all, denied if c.deny is set.
func (c *clause) every(judge func(*clause) (int, bool)) (int, bool) {
	found := -1
	for i := range c.all {
		at, ok := judge(&c.all[i])
		if !ok {
			return -1, c.deny
		}
		if at >= 0 {
			found = at
		}
	}
	if c.deny {
		return -1, false
	}
	return found, true
}

// conj is $and, and the conditions of a document side by side.
type conj struct {
	nodes []node // as written
	quick []node // the same, cheap ones first
}

func (n *conj) match(v ejson.Value) bool {
	for _, sub := range n.quick {
		if !sub.match(v) {
			return false
		}
	}
	return true
}

func (n *conj) find(v ejson.Value) (int, bool) {
	at := -1
	for _, sub := range n.nodes {
		from, ok := sub.find(v)
		if !ok {
			return -1, false
		}
		if from >= 0 {
			at = from
		}
	}
	return at, true
}

func (n *conj) cost() int {
	sum := 0
	for _, sub := range n.nodes {
		sum += sub.cost()
	}
	return sum
}

// disj is $or; denied, it is $nor.
type disj struct {
	nodes []node
	deny  bool
}

func (n *disj) match(v ejson.Value) bool {
	for _, sub := range n.nodes {
		if sub.match(v) {
			return !n.deny
		}
	}
	return n.deny
}

// find takes a position from an $or of one part only, as MongoDB does: with
// several it would depend on the order of the parts.
func (n *disj) find(v ejson.Value) (int, bool) {
	if len(n.nodes) == 1 && !n.deny {
		return n.nodes[0].find(v)
	}
	return -1, n.match(v)
}

func (n *disj) cost() int {
	sum := 0
	for _, sub := range n.nodes {
		sum += sub.cost()
	}
	return sum
}

// never matches nothing: the selector null, or false.
type never struct{}

func (never) match(ejson.Value) bool       { return false }
func (never) find(ejson.Value) (int, bool) { return -1, false }
func (never) cost() int                    { return 0 }
