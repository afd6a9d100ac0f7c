package query

import "math"

// A fact is what an index knows of how much a query matches: no more than so
// many of its entries.
type fact struct {
	id      bool      // of the ids that the query asks for
	key     *IndexKey // or of an index,
	columns int       // of which so many columns are bounded,
	or      *disj     // by an $or where that is set
	rows    float64
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

// share guesses which part of the documents matches. What the indexes know goes
// before what is supposed of operators in general, and what several columns know
// together before what each knows alone.
func (c *chooser) share() float64 {
	// Sorted by inserting, for they are few.
	for i := range c.facts.n {
		for k := i; k > 0 && c.facts.at(k).before(c.facts.at(k-1)); k-- {
			a, b := c.facts.at(k), c.facts.at(k-1)
			*a, *b = *b, *a
		}
	}
	share, limit := 1.0, c.parts
	var told [maxPlanned]bool // the paths of conditions.byPath that a fact is of
	var ors map[*disj]bool
	for i := range c.facts.n {
		f := c.facts.at(i)
		part := min(f.rows/max(c.docs, 1), 1)
		limit = min(limit, part)
		if f.or != nil {
			if !ors[f.or] {
				if ors == nil {
					ors = make(map[*disj]bool)
				}
				ors[f.or] = true
				share *= part
			}
			continue
		}
		if f.columns == 0 && !f.id || f.key != nil && f.key.selective() || !f.news(c.q, &told, false) {
			continue
		}
		f.news(c.q, &told, true)
		share *= part
	}
	for i := range c.q.byPath {
		if told[i] {
			continue
		}
		for _, cl := range c.q.byPath[i].clauses {
			share *= cl.share()
		}
	}
	for _, n := range c.q.rest {
		or, _ := n.(*disj)
		switch {
		case or == nil || or.deny:
			share *= 0.5
		case !ors[or]:
			share *= c.guess(or)
		}
	}
	return max(min(share, limit), 1e-6)
}

func (c *chooser) guess(or *disj) float64 {
	share, ok := c.guessed[or]
	if !ok {
		share = or.share()
		if c.guessed != nil {
			c.guessed[or] = share
		}
	}
	return share
}

// before reports whether f says more than g does: it is of more columns.
func (f *fact) before(g *fact) bool {
	return f.columns > g.columns || f.columns == g.columns && f.rows < g.rows
}

// news reports whether f is of no path told before, and notes its paths.
func (f *fact) news(q *conditions, told *[maxPlanned]bool, note bool) bool {
	for i := range q.byPath {
		if !f.of(q.byPath[i].path) {
			continue
		}
		if told[i] && !note {
			return false
		}
		told[i] = told[i] || note
	}
	return true
}

func (f *fact) of(path string) bool {
	if f.id {
		return path == "_id"
	}
	for i := range f.columns {
		if f.key.keys[i].path.text == path {
			return true
		}
	}
	return false
}

// share guesses which part of the documents meets the conditions, of which
// nothing is known.
func (q *conditions) share() float64 {
	share := 1.0
	for i := range q.byPath {
		for _, c := range q.byPath[i].clauses {
			share *= c.share()
		}
	}
	for _, n := range q.rest {
		if or, ok := n.(*disj); ok && !or.deny {
			share *= or.share()
		} else {
			share *= 0.5
		}
	}
	return max(share, 1e-6)
}

// share guesses which part of the documents meets an $or of whose parts nothing
// is known.
func (n *disj) share() float64 {
	share := 0.0
	for i, part := range n.nodes {
		if i == maxParts || share >= 0.9 {
			break
		}
		share += conditionsOf(part).share()
	}
	return min(share, 0.9)
}

func (c *clause) share() float64 {
	if c.deny {
		return 0.9
	}
	switch p := c.pred.(type) {
	case eqBool:
		return 0.5
	case eqNumber, eqNaN, eqString, eqValue:
		return 0.05
	case fewStrings:
		return min(0.05*float64(len(p.list)), 0.5)
	case *oneOf:
		return min(0.05*float64(len(p.all)+1), 0.5)
	case *pattern:
		return 0.1
	case present:
		return 0.9
	}
	return guessRange
}
