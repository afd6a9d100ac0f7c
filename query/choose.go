package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// The price of the steps of a plan, in documents scanned.
const (
	priceFetch = 3.0 // a document by way of an index: memory out of order
	priceID    = 2.0 // one by its id
	priceSort  = 2.0 // one that must be put in its place
	priceOrder = 0.5 // the same where the place is that of insertion, a number
	// unknownSize is taken for the size of a collection of which nothing is known.
	unknownSize = 100_000
)

// Options are what else may be known or wanted of a plan. The zero value is good.
type Options struct {
	// Hint names the index to use, as [HintOf] does: by its name or its keys, or
	// "$natural" for a scan. Empty: the cheapest plan.
	Hint string
	// Docs is the number of documents in the collection. 0: guess it from the
	// indexes.
	Docs int
}

// Choose picks the cheapest plan by id, by one index or by scan. It is a pure
// function of its arguments. need is the number of documents wanted, skipped ones
// included; 0 means all.
func Choose(m *Matcher, s *Sorter, need int, have []Index) Plan {
	var c chooser
	c.init(m, s, need, have, 0)
	c.all(m)
	return c.best()
}

// ChooseWith is Choose with options, and knows unions, too. The error is a
// *HintError.
func ChooseWith(m *Matcher, s *Sorter, need int, have []Index, o Options) (Plan, error) {
	var c chooser
	c.init(m, s, need, have, o.Docs)
	c.unions = true
	if o.Hint == "" {
		c.all(m)
	} else if err := c.hinted(m, o.Hint); err != nil {
		return Plan{}, err
	}
	return c.best(), nil
}

// chooser weighs the plans offered.
type chooser struct {
	q       *conditions
	sorter  *Sorter
	need    int
	have    []Index
	docs    float64
	known   bool // docs is no guess
	unions  bool // they may be chosen
	planned int  // parts of $or that were
	offers  few[offer]
	facts   few[fact] // what the indexes know of how much matches
	parts   float64   // the share that matches, as the parts of an $or have it; 1: not known
	// guessed are the shares of each $or, of which nothing is known. The planners
	// of its parts share it, so that each is guessed once.
	guessed map[*disj]float64
}

// few is a list whose first elements need no memory of their own.
type few[T any] struct {
	n     int
	first [4]T
	more  []T
}

func (l *few[T]) add(x T) {
	if l.n < len(l.first) {
		l.first[l.n] = x
	} else {
		l.more = append(l.more, x)
	}
	l.n++
}

func (l *few[T]) at(i int) *T {
	if i < len(l.first) {
		return &l.first[i]
	}
	return &l.more[i-len(l.first)]
}

// An offer is a plan that meets rows candidates at a price each.
type offer struct {
	plan       Plan
	rows, each float64
}

func (c *chooser) init(m *Matcher, s *Sorter, need int, have []Index, docs int) {
	c.q, c.sorter, c.need, c.have = conditionsOf(m.root), s, need, have
	c.docs, c.known, c.parts = float64(docs), docs > 0, 1
	if c.known {
		return
	}
	for i := range have {
		// A multikey index has more entries than documents, a sparse or partial
		// one may have fewer.
		if size := float64(have[i].Size); !have[i].Key.selective() && (!c.known || size < c.docs) {
			c.docs, c.known = size, true
		}
	}
	if !c.known {
		c.docs = unknownSize
	}
}

// all offers every plan there is.
func (c *chooser) all(m *Matcher) {
	if m.None() {
		c.offer(Plan{Access: ByID, Sorted: true}, 0, priceID)
		return
	}
	c.scan(m)
	if ids, ok := m.IDs(); ok {
		c.ids(ids)
	}
	for i := range c.have {
		c.index(&c.have[i], false)
	}
	for _, or := range c.q.ors {
		c.union(or)
	}
}

func (c *chooser) offer(p Plan, rows, each float64) {
	c.offers.add(offer{p, rows, each})
}

func (c *chooser) scan(m *Matcher) {
	c.offer(Plan{Access: ByScan, Sorted: c.sorter == nil, Filter: !m.All()}, c.docs, 1)
}

func (c *chooser) ids(ids []ejson.ID) {
	// $all may ask for more than the ids say.
	exact := c.q.count == 1 && len(c.q.rest) == 0 && c.q.at("_id")[0].pred != nil
	rows := float64(len(ids))
	c.offer(Plan{Access: ByID, IDs: ids, Filter: !exact, Sorted: len(ids) < 2}, rows, priceID)
	c.facts.add(fact{id: true, rows: rows})
}

// best returns the cheapest plan offered; of equal ones, the first.
func (c *chooser) best() Plan {
	var best Plan
	least := math.Inf(1)
	matches := -1.0 // not guessed yet: most choices do without
	for i := range c.offers.n {
		o := c.offers.at(i)
		hit := 1.0 // the part of the candidates that match
		if o.plan.Filter && (!o.plan.Sorted || c.need > 0) {
			if matches < 0 {
				matches = c.docs * c.share()
			}
			hit = min(max(matches/max(o.rows, 1), 1e-6), 1)
		}
		met := o.rows
		if c.need > 0 && o.plan.Sorted {
			met = min(met, math.Ceil(float64(c.need)/hit))
		}
		price := met * o.each
		if !o.plan.Sorted {
			sort := priceSort
			if c.sorter == nil {
				sort = priceOrder
			}
			price += met * sort * max(hit, 0.01)
		}
		if o.plan.Filter {
			price += met * 0.1 // between equals, the one that need not ask
		}
		if price >= least {
			continue
		}
		best, least = o.plan, price
		best.Cost = int(math.Ceil(min(met, math.MaxInt32)))
		if best.Access == ByScan && !c.known {
			best.Cost = 0
		}
	}
	return best
}

// index offers the plan by one index, if the index is of any use or is forced.
// It returns false if the index may lack documents that match.
func (c *chooser) index(ix *Index, forced bool) bool {
	k := ix.Key
	b := k.bounds(c.q, ix.Multikey)
	if !k.holds(c.q, &b) {
		return false
	}
	p := Plan{Access: ByIndex, Index: ix.Name, Bounds: b.list, Filter: !k.decides(c.q, &b)}
	p.Repeats = ix.Multikey && !(b.points && len(b.list) < 2)
	if c.sorter == nil {
		p.Sorted = b.points && len(b.list) < 2 || len(b.list) == 0
	} else {
		p.Sorted, p.Reverse = b.sorted(c.sorter)
	}
	if b.columns == 0 {
		if !p.Sorted && !forced && !k.selective() {
			return true
		}
		p.Bounds = slices.Clone(wholeIndex)
	}
	if ix.Multikey && len(k.keys) > 1 {
		p.Bounds = append(p.Bounds, Bound{Low: overflowKey, Text: "too many keys"})
	}
	rows := b.rows(ix)
	c.offer(p, rows, priceFetch)
	c.facts.add(fact{key: k, columns: b.columns, or: b.or, rows: rows})
	return true
}

// hinted makes the plan that a hint asks for.
func (c *chooser) hinted(m *Matcher, hint string) error {
	var names []string
	found := slices.IndexFunc(c.have, func(ix Index) bool { return ix.Name == hint })
	if found < 0 {
		found = slices.IndexFunc(c.have, func(ix Index) bool { return ix.Key.Name() == hint })
	}
	for i := range c.have {
		names = append(names, c.have[i].Name)
	}
	switch {
	case found < 0 && hint != naturalHint && hint != "_id" && hint != "_id_":
		return &HintError{Hint: hint, Have: names}
	case m.None():
		c.all(m)
	case found >= 0:
		if !c.index(&c.have[found], true) {
			return &HintError{Hint: hint, Have: names, Lacks: true}
		}
	case hint == naturalHint:
		c.scan(m)
	default:
		c.scan(m)
		if ids, ok := m.IDs(); ok {
			c.ids(ids)
		}
	}
	return nil
}
