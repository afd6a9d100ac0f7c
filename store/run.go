package store

import (
	"slices"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// run answers a query from one version of its collection. It holds no lock and
// starts no goroutine; yield ends it by returning false.
func (sp *Spec) run(v *version, yield func(uint64, ejson.Doc) bool) {
	w := sp.window()
	w.yield = yield
	sp.fill(v, sp.plan(v), &w)
}

// all returns the whole result, before the projection.
func (sp *Spec) all(v *version, p *planned) []ejson.Doc {
	var docs []ejson.Doc
	w := sp.window()
	if w.left > 0 {
		docs = make([]ejson.Doc, 0, min(w.left, 1024))
	}
	w.expect = func(n int) {
		if docs == nil && n > 0 {
			docs = make([]ejson.Doc, 0, n)
		}
	}
	w.yield = func(_ uint64, d ejson.Doc) bool {
		docs = append(docs, d)
		return true
	}
	sp.fill(v, p, &w)
	if len(docs) == 0 {
		return nil
	}
	return docs
}

// window is where a result goes: what skip and limit leave of it. Nothing that is
// called with one keeps it, or appends to a slice in it: then the compiler leaves it,
// the functions in it and what they are closed over on the stack of who asks, which
// takes a third off a query for 20 documents.
type window struct {
	skip   int
	left   int                          // negative: no limit
	yield  func(uint64, ejson.Doc) bool // takes a document, and wants more
	expect func(n int)                  // is told how many may come; may be nil
	met    int                          // documents looked at, selected or not
}

func (sp *Spec) window() window {
	w := window{skip: max(sp.Skip, 0), left: sp.Limit}
	if w.left <= 0 {
		w.left = -1
	}
	return w
}

// pass takes the next document of the result and reports whether it wants more.
func (w *window) pass(slot uint64, d ejson.Doc) bool {
	if w.skip > 0 {
		w.skip--
		return true
	}
	w.left-- // what is negative stays so
	return w.yield(slot, d) && w.left != 0
}

// most bounds how many of n documents that come are wanted.
func (w *window) most(n int) int {
	if w.left < 0 {
		return n
	}
	return min(n, w.skip+w.left)
}

// promise tells that n documents come, if all of them are wanted.
func (w *window) promise(n int) {
	if w.expect != nil {
		w.expect(w.most(n))
	}
}

// fill passes the result to w.
func (sp *Spec) fill(v *version, p *planned, w *window) {
	switch {
	case sp.Sorter == nil, p.Access == query.ByID && len(p.IDs) < 2:
		sp.candidates(v, p, w)
	case p.Sorted && p.Access == query.ByIndex:
		sp.walkSorted(v, p, w)
	default:
		r := ranking{sorter: sp.Sorter, most: sp.need()}
		all := window{left: -1, yield: r.add}
		sp.candidates(v, p, &all)
		w.met = all.met
		for _, row := range r.sorted() {
			if !w.pass(row.slot, row.doc) {
				return
			}
		}
	}
}

// slotLists keeps the lists of slots that queries by an index need for a moment.
var slotLists = sync.Pool{New: func() any { return new([]uint64) }}

// gather returns the slots of all candidates of a plan by an index or a union, in
// the order of insertion and each once, in the memory of list.
func (p *planned) gather(v *version, list *[]uint64) []uint64 {
	slots := (*list)[:0]
	if p.Access == query.ByIndex {
		slots = v.indexes[p.index].appendSlots(slots, p.Bounds)
	}
	for i := range p.Parts {
		part := &p.Parts[i]
		if part.Access == query.ByIndex {
			slots = v.indexes[p.parts[i]].appendSlots(slots, part.Bounds)
			continue
		}
		for _, id := range part.IDs {
			if slot, _, ok := v.find(hashID(id), id); ok {
				slots = append(slots, slot)
			}
		}
	}
	*list = slots
	return inOrder(slots)
}

// appendSlots appends the slots of all entries in the bounds.
func (x *index) appendSlots(slots []uint64, bounds []query.Bound) []uint64 {
	for i := range bounds {
		x.walk(bounds[i].Low, bounds[i].High, func(b *block, i, j int) bool {
			slots = append(slots, b.slots[i:j]...)
			return true
		})
	}
	return slots
}

// candidates passes on every document that the selector selects, in the order of
// insertion.
func (sp *Spec) candidates(v *version, p *planned, w *window) {
	m := sp.matcher()
	switch p.Access {
	case query.ByID:
		found := v.byIDs(p.IDs)
		for _, l := range found {
			w.met++
			if (!p.Filter || m.Match(l.doc)) && !w.pass(l.slot, l.doc) {
				return
			}
		}
	case query.ByIndex, query.ByUnion:
		if p.Access == query.ByIndex && p.need > 0 && sp.firstOfKey(v, p, w) {
			return
		}
		list := slotLists.Get().(*[]uint64)
		slots := p.gather(v, list)
		if p.Filter {
			filter(v, slots, m, w)
		} else {
			w.promise(len(slots))
			pass(v, slots, w)
		}
		slotLists.Put(list)
	default:
		if !p.Filter {
			w.promise(v.pages.n)
			v.pages.each(func(slot uint64, d ejson.Doc) bool {
				w.met++
				return w.pass(slot, d)
			})
			return
		}
		v.pages.eachPage(func(first uint64, page []ejson.Doc) bool {
			return w.choose(m, page, func(i int) uint64 { return first + uint64(i) })
		})
	}
}

// pass passes on the documents at some slots. Those that are skipped are not read.
func pass(v *version, slots []uint64, w *window) {
	skipped := min(w.skip, len(slots))
	w.skip -= skipped
	slots = slots[skipped:]
	var docs [pageLen]ejson.Doc
	for len(slots) > 0 {
		n := w.most(min(len(slots), len(docs)))
		v.pages.read(slots[:n], &docs)
		for i := range docs[:n] {
			w.met++
			w.left--
			if !w.yield(slots[i], docs[i]) || w.left == 0 {
				return
			}
		}
		slots = slots[n:]
	}
}

// choose passes on those of some documents that match, and reports whether it wants
// more. Where it may want all of them, each condition is asked of all before the next:
// a scan takes a fifth less.
func (w *window) choose(m *query.Matcher, docs []ejson.Doc, slot func(i int) uint64) bool {
	fetch(docs)
	all, in := w.most(len(docs)) == len(docs), uint64(0)
	if all {
		in = m.Select(docs)
	}
	for i := range docs {
		if docs[i].IsZero() {
			continue
		}
		w.met++
		if (in>>i&1 != 0 || !all && m.Match(docs[i])) && !w.pass(slot(i), docs[i]) {
			return false
		}
	}
	return true
}

// filter passes on the documents at some slots that match.
func filter(v *version, slots []uint64, m *query.Matcher, w *window) {
	var docs [pageLen]ejson.Doc
	for len(slots) > 0 {
		n := min(len(slots), len(docs))
		v.pages.read(slots[:n], &docs)
		if !w.choose(m, docs[:n], func(i int) uint64 { return slots[i] }) {
			return
		}
		slots = slots[n:]
	}
}

// firstOfKey is candidates by an index for a limited result, where all entries
// have one key: they come in the order of slots, and need not all be seen. It
// reports whether that is so.
func (sp *Spec) firstOfKey(v *version, p *planned, w *window) bool {
	x, m := v.indexes[p.index], sp.matcher()
	if len(p.Bounds) != 1 || p.Repeats || !x.oneKey(p.Bounds[0].Low, p.Bounds[0].High) {
		return false
	}
	x.walk(p.Bounds[0].Low, p.Bounds[0].High, func(b *block, i, j int) bool {
		for _, slot := range b.slots[i:j] {
			w.met++
			if d := v.pages.get(slot); (!p.Filter || m.Match(d)) && !w.pass(slot, d) {
				return false
			}
		}
		return true
	})
	return true
}

// walkSorted passes on documents in the order of an index, and those that tie in
// the sort in the order of their _id.
func (sp *Spec) walkSorted(v *version, p *planned, w *window) {
	x := v.indexes[p.index]
	o := ordered{sp: sp, v: v, p: p, m: sp.matcher()}
	var few [4]located
	o.ties = few[:0]
	if p.Repeats {
		o.seen = map[uint64]struct{}{}
	}
	for n := range p.Bounds {
		var more bool
		if p.Reverse {
			b := &p.Bounds[len(p.Bounds)-1-n]
			more = x.walkBack(b.Low, b.High, func(b *block, i, j int) bool { return o.down(w, b, i, j) })
		} else {
			b := &p.Bounds[n]
			more = x.walk(b.Low, b.High, func(b *block, i, j int) bool { return o.up(w, b, i, j) })
		}
		if !more {
			return
		}
	}
	o.flush(w)
}

// ordered passes on entries of an index as documents in the order of a sort. The window
// is no part of it, for the functions of others that it is given to keep what is in it.
type ordered struct {
	sp    *Spec
	v     *version
	p     *planned
	m     *query.Matcher
	seen  map[uint64]struct{} // nil: no document comes twice
	ties  []located           // those met last, which tie
	at    *block              // where the last of them is
	place int
}

func (o *ordered) up(w *window, b *block, i, j int) bool {
	var docs [pageLen]ejson.Doc
	for i < j {
		n := o.wanted(w, j-i)
		o.v.pages.read(b.slots[i:i+n], &docs)
		for k := range n {
			if !o.take(w, b, i+k, docs[k]) {
				return false
			}
		}
		i += n
	}
	return true
}

func (o *ordered) down(w *window, b *block, i, j int) bool {
	var docs [pageLen]ejson.Doc
	for i < j {
		n := o.wanted(w, j-i)
		j -= n
		o.v.pages.read(b.slots[j:j+n], &docs)
		for k := n - 1; k >= 0; k-- {
			if !o.take(w, b, j+k, docs[k]) {
				return false
			}
		}
	}
	return true
}

// wanted returns how many of n entries to read at once: with those that tie already,
// and one behind them that shows that they do, no more than may be in the result.
func (o *ordered) wanted(w *window, n int) int {
	n = min(n, pageLen)
	if w.left < 0 || o.p.Filter {
		return n
	}
	return max(min(n, w.skip+w.left+1-len(o.ties)), 1)
}

// take takes the next entry, and reports whether more are wanted.
func (o *ordered) take(w *window, b *block, i int, d ejson.Doc) bool {
	slot := b.slots[i]
	if o.seen != nil {
		if _, again := o.seen[slot]; again {
			return true
		}
		o.seen[slot] = struct{}{}
	}
	w.met++
	if o.p.Filter && !o.m.Match(d) {
		return true
	}
	if len(o.ties) > 0 {
		var tie bool
		if o.p.exact {
			tie = sameKey(o.at, o.place, b, i)
		} else {
			tie = o.sp.Sorter.Same(o.ties[len(o.ties)-1].doc, d)
		}
		if !tie && !o.flush(w) {
			return false
		}
	}
	n := len(o.ties)
	if n == cap(o.ties) {
		grown := make([]located, n, 2*n)
		copy(grown, o.ties)
		o.ties = grown
	}
	o.ties = o.ties[:n+1]
	o.ties[n] = located{slot, d}
	o.at, o.place = b, i
	return true
}

// flush passes on documents that tie.
func (o *ordered) flush(w *window) bool {
	if len(o.ties) > 1 {
		slices.SortFunc(o.ties, func(a, b located) int { return o.sp.Sorter.Compare(a.doc, b.doc) })
	}
	for _, l := range o.ties {
		if !w.pass(l.slot, l.doc) {
			return false
		}
	}
	o.ties = o.ties[:0]
	return true
}
