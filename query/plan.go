package query

import (
	"fmt"
	"math"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// Access is a way to find candidates.
type Access uint8

// The ways, cheapest first.
const (
	ByID    Access = iota + 1 // look up Plan.IDs
	ByIndex                   // walk Plan.Bounds of Plan.Index
	ByScan                    // all documents, in the order of insertion
)

// String names the way: "id", "index" or "scan".
func (a Access) String() string {
	switch a {
	case ByID:
		return "id"
	case ByIndex:
		return "index"
	}
	return "scan"
}

// Index describes an index to the planner.
type Index struct {
	Name     string
	Key      *IndexKey
	Size     int  // number of entries, for the cost
	Multikey bool // some document has, or may have, several entries
	Distinct int  // number of distinct keys, for the cost; 0: unknown
}

// Plan says how a query will be answered. It is plain data; print it.
//
// Without a sort the order asked for is that of insertion. The entries of one
// key are supposed to be in the order of insertion, too.
type Plan struct {
	Access  Access     // how candidates are found
	Index   string     // the name of the index used, for ByIndex
	Bounds  []Bound    // disjoint ranges of that index, ascending; for ByIndex
	IDs     []ejson.ID // for ByID
	Reverse bool       // walk the bounds from the last to the first, each backwards
	Sorted  bool       // candidates come in the order asked for, ties (Sorter.Same) in any order
	Filter  bool       // the matcher must still be asked
	Repeats bool       // a document may come more than once: keep the first
	Cost    int        // candidates that will be met, as a guess
}

// String prints the plan on one line.
func (p Plan) String() string {
	var b strings.Builder
	b.WriteString("by " + p.Access.String())
	switch p.Access {
	case ByID:
		for i, id := range p.IDs {
			if i == 3 && len(p.IDs) > 4 {
				fmt.Fprintf(&b, " … (%d)", len(p.IDs))
				break
			}
			b.WriteString(" " + id.Value().String())
		}
	case ByIndex:
		b.WriteString(" " + p.Index + ": ")
		for i, r := range p.Bounds {
			if i > 0 {
				b.WriteString(" | ")
			}
			if i == 3 && len(p.Bounds) > 4 || r.Text == "" {
				fmt.Fprintf(&b, "… (%d ranges)", len(p.Bounds))
				break
			}
			b.WriteString(r.Text)
		}
		if len(p.Bounds) == 0 {
			b.WriteString("nothing")
		}
	}
	for _, flag := range []struct {
		on   bool
		text string
	}{
		{p.Reverse, "backwards"}, {p.Repeats, "with repeats"}, {p.Filter, "filter"},
		{p.Sorted, "in order"}, {!p.Sorted, "to be sorted"},
	} {
		if flag.on {
			b.WriteString("; " + flag.text)
		}
	}
	fmt.Fprintf(&b, "; about %d", p.Cost)
	return b.String()
}

// The price of the steps of a plan, in documents scanned.
const (
	priceFetch = 3.0 // a document by way of an index: memory out of order
	priceID    = 2.0 // one by its id
	priceSort  = 2.0 // one that must be put in its place
	// unknownSize is taken for the size of a collection without an index.
	unknownSize = 100_000
)

// Choose picks the cheapest plan. It is a pure function of its arguments. need
// is the number of documents wanted, skipped ones included; 0 means all.
func Choose(m *Matcher, s *Sorter, need int, have []Index) Plan {
	if m.None() {
		return Plan{Access: ByID, Sorted: true}
	}
	q := conditionsOf(m.root)
	size := 0
	for _, ix := range have {
		if size == 0 || ix.Size < size {
			size = ix.Size // a multikey index has more entries than documents
		}
	}
	if len(have) == 0 {
		size = unknownSize
	}
	c := chooser{q: q, sorter: s, need: need, share: q.share()}
	c.offer(Plan{Access: ByScan, Sorted: s == nil, Filter: !m.All()}, float64(size), 1)
	if ids, ok := m.IDs(); ok {
		// $all may ask for more than the ids say.
		exact := q.count == 1 && len(q.rest) == 0 && q.at("_id")[0].pred != nil
		c.offer(Plan{Access: ByID, IDs: ids, Filter: !exact, Sorted: len(ids) < 2}, float64(len(ids)), priceID)
	}
	for _, ix := range have {
		c.index(ix)
	}
	return c.best
}

// chooser keeps the cheapest of the plans offered.
type chooser struct {
	q      conditions
	sorter *Sorter
	need   int
	share  float64 // of the documents that is thought to match
	best   Plan
	price  float64
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

// index offers the plan by one index, if the index is of any use.
func (c *chooser) index(ix Index) {
	b := ix.Key.bounds(c.q, ix.Multikey)
	p := Plan{Access: ByIndex, Index: ix.Name, Bounds: b.list, Filter: !b.exact || b.used != c.q.count || len(c.q.rest) > b.rest}
	if b.columns == 0 {
		p.Filter = c.q.count+len(c.q.rest) > 0
	}
	p.Repeats = ix.Multikey && !(b.points && len(b.list) < 2)
	if c.sorter == nil {
		p.Sorted = b.points && len(b.list) < 2 || len(b.list) == 0
	} else {
		p.Sorted, p.Reverse = b.sorted(c.sorter)
	}
	if b.columns == 0 && !p.Sorted {
		return
	}
	if ix.Multikey && len(ix.Key.keys) > 1 {
		p.Bounds = append(p.Bounds, Bound{Low: overflowKey, Text: "too many keys"})
	}
	c.offer(p, b.rows(ix), priceFetch)
}

// rows guesses how many entries the bounds hold.
func (b *bounds) rows(ix Index) float64 {
	distinct := float64(ix.Distinct)
	if distinct == 0 {
		distinct = math.Sqrt(float64(ix.Size))
	}
	distinct = math.Pow(max(distinct, 1), float64(b.pinned)/float64(len(ix.Key.keys)))
	rows := float64(ix.Size) / distinct * float64(len(b.list))
	if !b.points && b.guess > 0 {
		rows *= b.guess
	}
	return min(rows, float64(ix.Size))
}
