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
	c := newChooser(m, s, need, have, 0)
	c.all(m)
	return c.best
}

// ChooseWith is Choose with options, and knows unions, too. The error is a
// *HintError.
func ChooseWith(m *Matcher, s *Sorter, need int, have []Index, o Options) (Plan, error) {
	c := newChooser(m, s, need, have, o.Docs)
	c.unions = true
	if o.Hint == "" {
		c.all(m)
		return c.best, nil
	}
	if err := c.hinted(m, o.Hint); err != nil {
		return Plan{}, err
	}
	return c.best, nil
}

// chooser keeps the cheapest of the plans offered.
type chooser struct {
	q      *conditions
	sorter *Sorter
	need   int
	have   []Index
	docs   float64
	known  bool    // docs is no guess
	unions bool    // they may be chosen
	share  float64 // of the documents that is thought to match
	best   Plan
	price  float64
}

func newChooser(m *Matcher, s *Sorter, need int, have []Index, docs int) chooser {
	c := chooser{q: conditionsOf(m.root), sorter: s, need: need, have: have, docs: float64(docs), known: docs > 0}
	c.share = c.q.share()
	if c.known {
		return c
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
	return c
}

// all offers every plan there is.
func (c *chooser) all(m *Matcher) {
	if m.None() {
		c.best = Plan{Access: ByID, Sorted: true}
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

func (c *chooser) scan(m *Matcher) {
	c.offer(Plan{Access: ByScan, Sorted: c.sorter == nil, Filter: !m.All()}, c.docs, 1)
	if !c.known {
		c.best.Cost = 0
	}
}

func (c *chooser) ids(ids []ejson.ID) {
	// $all may ask for more than the ids say.
	exact := c.q.count == 1 && len(c.q.rest) == 0 && c.q.at("_id")[0].pred != nil
	c.offer(Plan{Access: ByID, IDs: ids, Filter: !exact, Sorted: len(ids) < 2}, float64(len(ids)), priceID)
}

// offer weighs a plan that meets rows candidates at a price each.
func (c *chooser) offer(p Plan, rows, each float64) {
	met := rows
	if c.need > 0 && p.Sorted {
		hit := 1.0
		if p.Filter {
			hit = max(c.share, 1e-6)
		}
		met = min(met, math.Ceil(float64(c.need)/hit))
	}
	price := met * each
	if !p.Sorted {
		price += met * priceSort * max(c.share, 0.01)
	}
	if p.Filter {
		price += met * 0.1 // between equals, the one that need not ask
	}
	p.Cost = int(math.Ceil(min(met, math.MaxInt32)))
	if c.best.Access == 0 || price < c.price {
		c.best, c.price = p, price
	}
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
	c.offer(p, b.rows(ix), priceFetch)
	return true
}

// rows guesses how many entries the bounds hold.
func (b *bounds) rows(ix *Index) float64 {
	distinct := float64(ix.Distinct)
	switch {
	case distinct == 0 && ix.Key.kind.Unique:
		distinct = float64(ix.Size)
	case distinct == 0:
		distinct = math.Sqrt(float64(ix.Size))
	}
	distinct = math.Pow(max(distinct, 1), float64(b.pinned)/float64(len(ix.Key.keys)))
	rows := float64(ix.Size) / distinct * float64(len(b.list))
	if !b.points && b.guess > 0 {
		rows *= b.guess
	}
	return min(rows, float64(ix.Size))
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
