package query

import "github.com/replicad/replicad/ddp/ejson"

// selective reports whether there may be documents without an entry.
func (k *IndexKey) selective() bool { return k.kind.Sparse || k.kind.Partial != nil }

// holds reports whether every document that q selects has an entry within the
// bounds made of q.
func (k *IndexKey) holds(q *conditions, b *bounds) bool {
	if k.kind.Partial != nil {
		return new(prover).node(q, k.kind.Partial.root)
	}
	if !k.kind.Sparse || b.present {
		return true
	}
	// The entry of what is there is within the bounds only if they are of it, or
	// there is one entry, or they are no bounds at all.
	return (b.columns == 0 || !b.multi) && k.demanded(q)
}

// demanded reports whether what q selects has one of the paths.
func (k *IndexKey) demanded(q *conditions) bool {
	for i := range k.paths {
		for _, c := range q.at(k.paths[i].text) {
			if c.demands(len(k.paths[i].segs) == 1) {
				return true
			}
		}
	}
	for _, or := range q.ors {
		if every(or.nodes, func(n node) bool {
			return k.demanded(conditionsOf(n))
		}) {
			return true
		}
	}
	return false
}

// demands reports whether the clause is met only where there is something at
// its path, which has a single name if top is set.
func (c *clause) demands(top bool) bool {
	switch {
	case c.pred != nil && !c.deny:
		return !c.pred.test(ejson.Value{})
	case c.pred != nil:
		// A path through an empty list has no branch, and a denial holds of none.
		return top && c.pred.test(ejson.Value{})
	case !c.deny:
		for i := range c.all {
			if c.all[i].demands(top) {
				return true
			}
		}
	}
	return false
}

// decides reports whether whatever is within the bounds made of q is selected by
// it.
func (k *IndexKey) decides(q *conditions, b *bounds) bool {
	if b.columns > 0 && !b.exact {
		return false
	}
	left := q.count - b.used + len(q.rest)
	if b.or != nil {
		left--
	}
	if left == 0 || !k.selective() {
		return left == 0
	}
	// To be in the index says something, too.
	inside := new(conditions)
	if k.kind.Partial != nil {
		inside = conditionsOf(k.kind.Partial.root)
	}
	var p prover
	for i := range q.byPath {
		at := &q.byPath[i]
		if b.bounded(at.path) {
			continue
		}
		for _, c := range at.clauses {
			_, exists := c.pred.(present)
			if exists && !c.deny && k.kind.Sparse && len(k.paths) == 1 && k.paths[0].text == at.path || p.clause(inside, at.path, c) {
				left--
			}
		}
	}
	for _, n := range q.rest {
		if or, ok := n.(*disj); (!ok || or != b.or) && p.node(inside, n) {
			left--
		}
	}
	return left == 0
}

// bounded reports whether the bounds are made of the clauses on a path.
func (b *bounds) bounded(path string) bool {
	if b.or != nil {
		return false
	}
	for i := range b.columns {
		if b.key.paths[i].text == path {
			return true
		}
	}
	return false
}

// maxProof bounds the steps of a proof; one that takes more is not found.
const maxProof = 10_000

// A prover tells whether one selector implies another. What it says is true;
// what it does not say may be true as well.
type prover struct{ steps int }

// node reports whether what q selects is selected by n, too.
func (p *prover) node(q *conditions, n node) bool {
	if p.steps++; p.steps > maxProof {
		return false
	}
	switch n := n.(type) {
	case nil:
		return true
	case *conj:
		return every(n.nodes, func(sub node) bool { return p.node(q, sub) })
	case *field:
		for i := range n.clauses {
			if !p.clause(q, n.path.text, &n.clauses[i]) {
				return false
			}
		}
		return true
	case *disj:
		if !n.deny {
			for _, sub := range n.nodes {
				if p.node(q, sub) {
					return true
				}
			}
		}
	}
	return p.byCases(q, func(q *conditions) bool { return p.node(q, n) })
}

// byCases reports whether holds is true of every part of some $or of q.
func (p *prover) byCases(q *conditions, holds func(*conditions) bool) bool {
	for _, or := range q.ors {
		if every(or.nodes, func(n node) bool {
			q := conditionsOf(n)
			p.steps += q.count
			return holds(q)
		}) {
			return true
		}
	}
	return false
}

// clause reports whether what q selects meets the clause.
func (p *prover) clause(q *conditions, path string, c *clause) bool {
	if p.steps++; p.steps > maxProof {
		return false
	}
	top := true
	for i := 0; i < len(path) && top; i++ {
		top = path[i] != '.'
	}
	for _, s := range q.at(path) {
		if s == c || s.implies(c, top) {
			return true
		}
	}
	if c.pred == nil && !c.deny && every(c.all, func(sub clause) bool { return p.clause(q, path, &sub) }) {
		return true
	}
	return p.byCases(q, func(q *conditions) bool { return p.clause(q, path, c) })
}

func every[T any](list []T, holds func(T) bool) bool {
	for _, x := range list {
		if !holds(x) {
			return false
		}
	}
	return len(list) > 0
}

// implies reports whether a path at which c holds is one at which d does. top
// says that it has a single name.
func (c *clause) implies(d *clause, top bool) bool {
	if c.pred == nil {
		if !c.deny {
			for i := range c.all {
				if c.all[i].implies(d, top) {
					return true
				}
			}
		}
		return false
	}
	if d.pred == nil {
		return false
	}
	if _, ok := d.pred.(present); ok && !d.deny {
		return c.demands(top)
	}
	switch {
	case c.deny != d.deny:
		return false
	case c.deny:
		return (!c.judgesWhole() || d.judgesWhole()) && within(d.pred, c.pred)
	}
	return (c.judgesWhole() || !d.judgesWhole()) && within(c.pred, d.pred)
}

// judgesWhole reports whether the elements of a list at the end of the path do
// not matter to the clause. $exists does not care.
func (c *clause) judgesWhole() bool {
	_, exists := c.pred.(present)
	return c.whole && !exists
}

// within reports whether every value that p accepts is accepted by q.
func within(p, q pred) bool {
	switch q := q.(type) {
	case present:
		return !p.test(ejson.Value{})
	case kindSet:
		return kindsOf(p)&^q == 0
	}
	if samePred(p, q) {
		return true
	}
	// All that p accepts lies in its spans, and all that lies in the spans of q is
	// accepted by it, if they are exact.
	e := encoder{quiet: true}
	small, ok := e.spansOf(p)
	if !ok {
		return false
	}
	large, ok := e.spansOf(q)
	return ok && large.exact && covers(large.spans, small.spans)
}

// covers reports whether each of the spans lies in one of the large ones. Both
// lists are ascending.
func covers(large, spans []span) bool {
	for _, s := range spans {
		for len(large) > 0 && large[0].high != "" && large[0].high <= s.low {
			large = large[1:]
		}
		if len(large) == 0 || s.low < large[0].low || large[0].high != "" && (s.high == "" || s.high > large[0].high) {
			return false
		}
	}
	return true
}

// samePred reports whether two preds that no spans can be made of are the same.
func samePred(p, q pred) bool {
	switch p := p.(type) {
	case present, kindSet, sizeIs, modulo, noValue:
		return p == q
	case *pattern:
		q, ok := q.(*pattern)
		return ok && p.source == q.source && p.flags == q.flags
	case eqValue:
		q, ok := q.(eqValue)
		return ok && p.kind == q.kind && ejson.Compare(p.v, q.v) == 0
	}
	return false
}

// kindsOf returns the kinds of the values that p accepts, or more.
func kindsOf(p pred) kindSet {
	const numbers = 1<<ejson.Number | 1<<ejson.DecimalKind
	switch p := p.(type) {
	case noValue:
		return 0
	case eqBool:
		return 1 << ejson.Bool
	case eqNumber, eqNaN, gtNumber, gteNumber, ltNumber, lteNumber, ordNumber:
		return numbers
	case eqString, ordString, fewStrings:
		return 1 << ejson.String
	case ordDate:
		return 1 << ejson.Date
	case eqValue:
		return 1 << p.kind
	case ordValue:
		return 1 << p.kind
	case kindSet:
		return p
	case sizeIs, *elemMatch:
		return 1 << ejson.List
	case modulo:
		return 1 << ejson.Number
	case *pattern:
		return 1<<ejson.String | 1<<ejson.RegexpKind
	}
	return ^kindSet(0)
}
