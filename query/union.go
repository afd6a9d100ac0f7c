package query

import "slices"

const (
	// maxParts bounds the parts of an $or that are planned one by one, and what
	// may stand beside them.
	maxParts = 100
	// maxPlannedParts bounds them for all $or of a selector together: what stands
	// beside an $or is looked at anew for each of its parts.
	maxPlannedParts = 300
)

// union offers the union of the best plans for the parts of an $or, if each has
// one by id or by an index.
func (c *chooser) union(or *disj) {
	if len(or.nodes) > maxParts || len(c.q.byPath)+len(c.q.rest) > maxParts || len(c.have) == 0 {
		return
	}
	if c.planned += len(or.nodes); c.planned > maxPlannedParts {
		return
	}
	if c.guessed == nil {
		c.guessed = make(map[*disj]float64)
	}
	all := Plan{Access: ByUnion, Repeats: true}
	share := 0.0
	for _, n := range or.nodes {
		p, part, ok := c.part(or, n)
		if !ok {
			return
		}
		share += part
		all.Filter = all.Filter || p.Filter
		all.join(p)
	}
	c.parts = min(c.parts, share)
	rows := 0.0
	for i := range all.Parts {
		p := &all.Parts[i]
		p.Filter, p.Sorted = false, false
		rows += float64(p.Cost)
		p.tidy()
		p.Repeats = p.Repeats && c.multikey(p.Index)
		if len(p.Bounds) > maxBounds || len(p.IDs) > maxBounds {
			return
		}
	}
	if len(all.Parts) > 1 && !c.unions {
		return
	}
	if len(all.Parts) == 1 {
		all.Parts[0].Filter = all.Filter
		all = all.Parts[0]
	}
	c.offer(all, rows, priceFetch)
}

func (c *chooser) multikey(index string) bool {
	return slices.ContainsFunc(c.have, func(ix Index) bool { return ix.Name == index && ix.Multikey })
}

// part plans a part of an $or, and guesses its share of the documents. What
// stands beside the $or counts in each part.
func (c *chooser) part(or *disj, n node) (best Plan, share float64, ok bool) {
	sub := chooser{q: c.q.choosing(or, n), have: c.have, docs: c.docs, known: true, parts: 1, guessed: c.guessed}
	if ids, ok := idsOf(n); ok {
		sub.ids(ids)
	}
	for i := range c.have {
		sub.index(&c.have[i], false)
	}
	if sub.offers.n == 0 {
		return Plan{}, 0, false
	}
	return sub.best(), sub.share(), true
}

// join adds a part to a union, or to the part of it that goes the same way.
func (p *Plan) join(part Plan) {
	for i := range p.Parts {
		same := &p.Parts[i]
		if same.Access == part.Access && same.Index == part.Index {
			same.Repeats = true
			same.Bounds = append(same.Bounds, part.Bounds...)
			same.IDs = append(same.IDs, part.IDs...)
			same.Cost += part.Cost
			return
		}
	}
	part.Bounds, part.IDs = slices.Clip(part.Bounds), slices.Clip(part.IDs)
	p.Parts = append(p.Parts, part)
}

// tidy makes the bounds, or the ids, of parts joined disjoint.
func (p *Plan) tidy() {
	if p.Access == ByID {
		p.IDs, p.Repeats = distinctIDs(p.IDs), false
		return
	}
	spans := make([]span, len(p.Bounds))
	for i, b := range p.Bounds {
		spans[i] = span{low: b.Low, high: b.High, text: b.Text}
	}
	p.Bounds = p.Bounds[:0]
	for _, s := range union(spans) {
		p.Bounds = append(p.Bounds, Bound{Low: s.low, High: s.high, Text: s.text})
	}
}
