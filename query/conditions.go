package query

import "slices"

// conditions are what a selector demands of every document it selects, sorted
// out for the planner.
type conditions struct {
	byPath []located
	count  int     // clauses in byPath
	ors    []*disj // $or
	rest   []node  // everything that is not in byPath, $or included

	// Memory for few: of byPath, and of the clauses in it.
	paths [4]located
	few   [8]*clause
	used  int // of few
}

// maxPlanned bounds the paths that the planner looks at; more are left to the
// matcher.
const maxPlanned = 64

// located is the clauses on one path.
type located struct {
	path    string
	clauses []*clause
}

// at returns the clauses on a path.
func (q *conditions) at(path string) []*clause {
	for i := range q.byPath {
		if q.byPath[i].path == path {
			return q.byPath[i].clauses
		}
	}
	return nil
}

func (q *conditions) add(f *field) {
	place := -1
	for i := range q.byPath {
		if q.byPath[i].path == f.path.text {
			place = i
		}
	}
	if place < 0 && len(q.byPath) == maxPlanned {
		q.rest = append(q.rest, f)
		return
	}
	if place < 0 {
		place = len(q.byPath)
		if place == 0 {
			q.byPath = q.paths[:0]
		}
		l := located{path: f.path.text}
		if end := q.used + len(f.clauses); end <= len(q.few) {
			l.clauses = q.few[q.used:q.used:end]
			q.used = end
		}
		q.byPath = append(q.byPath, l)
	}
	for i := range f.clauses {
		q.byPath[place].clauses = append(q.byPath[place].clauses, &f.clauses[i])
		q.count++
	}
}

func conditionsOf(n node) *conditions {
	q := new(conditions)
	q.addAll(n)
	return q
}

// addAll adds what a selector demands.
func (q *conditions) addAll(n node) {
	if all, ok := n.(*conj); ok {
		for _, p := range all.nodes {
			q.addPart(p)
		}
		return
	}
	q.addPart(n)
}

func (q *conditions) addPart(n node) {
	switch n := n.(type) {
	case nil:
	case *field:
		q.add(n)
	case *disj:
		if !n.deny {
			q.ors = append(q.ors, n)
		}
		q.rest = append(q.rest, n)
	default:
		q.rest = append(q.rest, n)
	}
}

// choosing returns what is demanded where an $or of q is met by its part n.
func (q *conditions) choosing(or *disj, n node) *conditions {
	out := &conditions{byPath: slices.Clone(q.byPath), count: q.count}
	for i := range out.byPath {
		out.byPath[i].clauses = slices.Clip(out.byPath[i].clauses)
	}
	for _, other := range q.ors {
		if other != or {
			out.ors = append(out.ors, other)
		}
	}
	for _, other := range q.rest {
		if other != node(or) {
			out.rest = append(out.rest, other)
		}
	}
	out.addAll(n)
	return out
}

// bounds is what an index can do for a query.
type bounds struct {
	key     *IndexKey
	multi   bool
	list    []Bound
	exact   bool     // they hold the matches of the clauses used, and nothing else
	points  bool     // every column is pinned: each bound is one key
	columns int      // columns bounded
	pinned  int      // columns with points, from the first
	single  []string // paths pinned to one value, by the columns before the first that is not
	used    int      // clauses of conditions.byPath that the bounds stand for
	or      *disj    // what they stand for instead, as a union
	present bool     // whatever they are there for has one of the index's paths
	guess   float64
}

// bounds finds the ranges of the index in which all matches lie.
func (k *IndexKey) bounds(q *conditions, multikey bool) bounds {
	b := k.ranges(q, multikey)
	if b.columns > 0 {
		return b
	}
	// An $or whose every part is bounded by this index is the union of them.
	for _, or := range q.ors {
		if u, ok := k.union(or, multikey); ok {
			return u
		}
	}
	return b
}

var wholeIndex = []Bound{{Text: "all"}}

func (k *IndexKey) ranges(q *conditions, multikey bool) bounds {
	b := bounds{key: k, multi: multikey, exact: true, guess: 1}
	prefixes := make([]span, 1)
	for i := range k.keys {
		if multikey && i > 0 && k.shared {
			// Conditions on two fields may be met by two elements of a list,
			// and no key holds them both.
			break
		}
		p := k.keys[i].path
		e := encoder{desc: k.keys[i].desc, multikey: multikey, position: hasPosition(p), path: p.text}
		c, ok := e.column(q.at(p.text))
		if !ok || len(prefixes)*len(c.spans) > maxBounds {
			break
		}
		b.columns++
		b.used += c.used
		b.exact = b.exact && c.exact
		b.present = b.present || c.present
		if len(prefixes) == 1 && len(c.spans) == 1 {
			prefixes[0] = prefixes[0].with(c.spans[0])
		} else {
			next := make([]span, 0, len(prefixes)*len(c.spans))
			for _, p := range prefixes {
				for _, s := range c.spans {
					next = append(next, p.with(s))
				}
			}
			prefixes = next
		}
		if !c.points {
			b.guess = c.guess
			break
		}
		b.pinned++
		if len(prefixes) == 1 {
			b.single = append(b.single, k.keys[i].path.text)
		}
	}
	b.points = b.pinned == len(k.keys)
	b.exact = b.exact && b.columns > 0 && !(multikey && len(k.keys) > 1)
	if b.columns == 0 {
		b.list = wholeIndex
		return b
	}
	b.list = make([]Bound, 0, len(prefixes)+1)
	for _, p := range prefixes {
		b.list = append(b.list, Bound{Low: p.low, High: p.high, Text: p.text})
	}
	return b
}

// with puts the span of the next column behind the point p.
func (p span) with(s span) span {
	if p.text == "" && p.low == "" {
		s.point = false
		return s
	}
	out := span{low: p.low + s.low, text: p.text}
	if s.high == "" {
		out.high = after(p.low)
	} else {
		out.high = p.low + s.high
	}
	if out.text != "" {
		out.text += ", "
	}
	out.text += s.text
	return out
}

func (k *IndexKey) union(or *disj, multikey bool) (bounds, bool) {
	u := bounds{key: k, multi: multikey, exact: true, points: true, present: true, pinned: len(k.keys), or: or}
	var spans []span
	for _, n := range or.nodes {
		q := conditionsOf(n)
		b := k.ranges(q, multikey)
		if b.columns == 0 || len(spans)+len(b.list) > maxBounds {
			return bounds{}, false
		}
		for _, r := range b.list {
			spans = append(spans, span{low: r.Low, high: r.High, text: r.Text})
		}
		u.columns = max(u.columns, b.columns)
		u.pinned = min(u.pinned, b.pinned)
		u.points = u.points && b.points
		u.exact = u.exact && b.exact && b.used == q.count && len(q.rest) == 0
		u.present = u.present && b.present
		u.guess = max(u.guess, b.guess)
	}
	for _, s := range union(spans) {
		u.list = append(u.list, Bound{Low: s.low, High: s.high, Text: s.text})
	}
	return u, true
}

// sorted reports whether the entries within the bounds come in the order of s,
// and whether they have to be walked backwards for that.
func (b *bounds) sorted(s *Sorter) (sorted, reverse bool) {
	if len(s.keys) == 0 || len(b.list) == 0 {
		return len(b.list) == 0, false
	}
	if b.multi && (len(b.key.keys) > 1 || b.columns > 0 || b.key.kind.Sparse) {
		// The first key of a document within the bounds need not be the least
		// that it has, and a sparse index leaves out the nulls of what is not
		// there.
		return false, false
	}
	col, matched := 0, false
	for _, want := range s.keys {
		if b.isSingle(want.path.text) {
			continue
		}
		for col < len(b.single) && b.key.keys[col].path.text != want.path.text {
			col++
		}
		if col == len(b.key.keys) || b.key.keys[col].path.text != want.path.text {
			return false, false
		}
		if b.multi && hasPosition(want.path) {
			return false, false
		}
		back := b.key.keys[col].desc != want.desc
		if matched && back != reverse {
			return false, false
		}
		matched, reverse = true, back
		col++
	}
	return true, reverse
}

func (b *bounds) isSingle(path string) bool {
	for _, p := range b.single {
		if p == path {
			return true
		}
	}
	return false
}

func hasPosition(p path) bool {
	for _, s := range p.segs {
		if s.index >= 0 {
			return true
		}
	}
	return false
}
