package observe

import (
	"math"
	"unsafe"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// result is what a query selects, kept up to date. Observers of equal queries
// share one. Everything in it is guarded by the mutex of its hub.
//
// Without an order it has no state: a change's Before and After tell whether the
// document was in the result and whether it is. With an order it holds a tree of
// all that match, or of the first of them (see reserve), so that the place of a
// document, and what enters or leaves a window when another comes or goes, is
// found in O(log n) and without a query.
type result struct {
	name        string // equal for equal queries
	matcher     *query.Matcher
	sorter      *query.Sorter // nil: the order of insertion
	skip, limit int
	fields      *query.Fields

	// What a change needs stands together: few lines of memory are fetched for it.
	met     uint64     // number of the last change that met it
	touched uint64     // number of the last commit that met it
	changes uint64     // met so far, for Explain
	diff    difference // of the commit that is being applied
	*order             // nil for a result without one
	handles []*Handle
	one     [1]*Handle // the place of the handle that most results have
	loaded  bool
	exact   bool // to be found by a sure hit is to match

	at    int // number among the hub's
	seats []*seat
}

// order is the state of a result with an order.
type order struct {
	spec  *store.Spec
	since store.Seq // commits up to here are in the tree
	tree  tree
	reserve

	// A result is not loaded while a state is read, without the mutex, from the
	// snapshot of commit since. It stays as it was meanwhile, commits go to its
	// backlog, and what its handles do not know yet stays in its difference.
	loading chan struct{} // closed when it is loaded, or dropped
	backlog intake
	begun   bool // it has been loaded

	*scratch
}

// scratch is space that the results of a hub use one after the other.
type scratch struct {
	oldKey []byte
	newKey []byte
	steps  []step
}

func newResult(spec *store.Spec, ordered bool, name string, since store.Seq, sc *scratch) *result {
	r := &result{
		name:    name,
		matcher: spec.Matcher,
		sorter:  spec.Sorter,
		skip:    spec.Skip,
		limit:   spec.Limit,
		fields:  spec.Fields,
		loaded:  !ordered,
	}
	r.handles = r.one[:0]
	if ordered {
		r.order = &order{
			spec: spec, since: since, reserve: reserveFor(spec),
			loading: make(chan struct{}), scratch: sc,
		}
	}
	return r
}

// appendKey appends what puts d into its place.
func (r *result) appendKey(dst []byte, slot uint64, d ejson.Doc) []byte {
	if r.sorter != nil {
		return r.sorter.AppendKey(dst, d)
	}
	return append(dst, byte(slot>>56), byte(slot>>48), byte(slot>>40), byte(slot>>32),
		byte(slot>>24), byte(slot>>16), byte(slot>>8), byte(slot))
}

func (r *result) span() span { return span{tree: &r.tree, skip: r.skip, limit: r.limit} }

// seen returns the documents that an observer of the result sees now, before the
// projection. The result is ordered and loaded.
func (r *result) seen() []ejson.Doc {
	n := r.span().len()
	docs := make([]ejson.Doc, 0, n)
	r.tree.each(r.skip, r.skip+n, func(it item) { docs = append(docs, it.doc) })
	return docs
}

func (r *result) project(d ejson.Doc) ejson.Doc {
	switch {
	case r.fields == nil || d.IsZero():
		return d
	case r.fields.Positional():
		at, _ := r.matcher.MatchAt(d)
		return r.fields.ApplyAt(d, at)
	}
	return r.fields.Apply(d)
}

// change folds one change of the collection into the difference of the commit. That
// the document matches may be known: with 10,000 observers, of whom each change
// concerns one, to fetch the matcher is a fifth of what the hub does for it.
func (r *result) change(c *store.Change, known bool) {
	was := !c.Before.IsZero() && (known || r.matcher.Match(c.Before))
	is := !c.After.IsZero() && (known || r.matcher.Match(c.After))
	if !was && !is {
		return
	}
	r.changes++
	if r.order != nil {
		r.arrange(c, was, is)
		return
	}
	d := delta{id: c.ID}
	if was {
		d.old.doc = c.Before
	}
	if is {
		d.new.doc = c.After
	}
	r.diff.fold(d)
}

// nowhere is the place of a document outside of the tree: behind all others.
const nowhere = math.MaxInt

// arrange updates the tree and folds in what enters and leaves the window.
func (r *result) arrange(c *store.Change, was, is bool) {
	d := delta{id: c.ID}
	from, to := nowhere, nowhere
	if was {
		r.oldKey = r.appendKey(r.oldKey[:0], c.Slot, c.Before)
		was = !r.beyond(r.oldKey)
	}
	if is {
		r.newKey = r.appendKey(r.newKey[:0], c.Slot, c.After)
		is = !r.beyond(r.newKey)
	}
	if !was && !is {
		return
	}
	if was && is && string(r.oldKey) == string(r.newKey) {
		// The usual update: the place stays, so nothing else is concerned.
		at, it := r.tree.replace(view(r.newKey), c.After)
		if r.within(at) {
			d.old, d.new = it, item{it.key, c.After}
			r.diff.fold(d)
		}
		return
	}
	if was {
		var ok bool
		if from, d.old, ok = r.tree.cut(view(r.oldKey)); !ok {
			from = nowhere
		}
	}
	if is {
		d.new = item{string(r.newKey), c.After}
		to = r.tree.put(d.new)
	}
	if !r.within(from) {
		d.old = item{}
	}
	if !r.within(to) {
		d.new = item{}
	}
	if !d.old.none() || !d.new.none() {
		r.diff.fold(d)
	}
	// Of the others, two can cross an edge of the window: the last before it, and
	// the last in it, counted without the document itself. The first is inside
	// while the document lies before it, the second while it does not.
	if r.skip > 0 {
		r.cross(r.skip-1, from < r.skip, to < r.skip, to)
	}
	if r.limit > 0 {
		last := r.skip + r.limit - 1
		r.cross(last, from > last, to > last, to)
		r.trim()
	}
}

// within reports whether a place is inside the window.
func (r *result) within(at int) bool {
	return at != nowhere && at >= r.skip && (r.limit == 0 || at < r.skip+r.limit)
}

// cross folds in the document that is number i of all but the one that is now at
// place to, if it was or came to be inside the window.
func (r *result) cross(i int, was, is bool, to int) {
	if was == is {
		return
	}
	if i >= to {
		i++
	}
	if i >= r.tree.len() {
		return
	}
	it := r.tree.at(i)
	d := delta{id: it.doc.ID()}
	if was {
		d.old = it
	} else {
		d.new = it
	}
	r.diff.fold(d)
}

// events turns deltas, which lead to the state that the result is in, into
// events, in the space of room if that is enough. What the projection hides gives
// none. The hub's mutex is held.
func (r *result) events(room []docEvent, deltas []delta) []docEvent {
	switch {
	case len(deltas) == 0:
		return nil
	case len(deltas) == 1 && r.order != nil:
		st := r.step(&deltas[0])
		return r.span().placeOne(room, &st)
	case r.order != nil:
		for i := range deltas {
			r.steps = append(r.steps, r.step(&deltas[i]))
		}
		events := r.span().place(r.steps)
		clear(r.steps)
		r.steps = r.steps[:0]
		if cap(r.steps) > maxFill {
			r.steps = nil // one large commit is no reason to keep the space
		}
		return events
	}
	events := room
	if cap(room) < len(deltas) {
		events = make([]docEvent, 0, len(deltas))
	}
	for i := range deltas {
		switch st := r.step(&deltas[i]); {
		case st.old.none():
			events = append(events, docEvent{Kind: Added, ID: st.id, New: st.is, From: -1, To: -1})
		case st.new.none():
			events = append(events, docEvent{Kind: Removed, ID: st.id, Old: st.was, From: -1, To: -1})
		case st.differs():
			events = append(events, st.changed(-1))
		}
	}
	return events
}

// step finds what an observer is shown of a delta.
func (r *result) step(d *delta) step {
	st := step{delta: d, was: r.project(d.old.doc), is: r.project(d.new.doc)}
	// Without a projection a delta is a change, but for a document that came back.
	if !d.old.none() && !d.new.none() && (r.fields == nil || st.was != st.is) {
		st.set, st.unset = ejson.Diff(st.was, st.is)
	}
	return st
}

// view lends b as a string, for a search that does not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
