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
	w := sp.window()
	if w.left > 0 {
		w.docs = make([]ejson.Doc, 0, min(w.left, 1024))
	}
	sp.fill(v, p, &w)
	if len(w.docs) == 0 {
		return nil
	}
	return w.docs
}

// window is where a result goes: what skip and limit leave of it.
type window struct {
	skip  int
	left  int                          // negative: no limit
	yield func(uint64, ejson.Doc) bool // nil: to docs
	docs  []ejson.Doc
	met   int // documents looked at, selected or not
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
	if w.left > 0 {
		w.left--
	}
	if w.yield == nil {
		w.docs = append(w.docs, d)
		return w.left != 0
	}
	return w.yield(slot, d) && w.left != 0
}

// expect makes room for n documents.
func (w *window) expect(n int) {
	if w.yield == nil && w.docs == nil && n > 0 {
		w.docs = make([]ejson.Doc, 0, n)
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
			w.expect(len(slots))
			for _, slot := range slots {
				w.met++
				if !w.pass(slot, v.pages.get(slot)) {
					break
				}
			}
		}
		slotLists.Put(list)
	default:
		if !p.Filter {
			w.expect(v.pages.n)
			v.pages.each(func(slot uint64, d ejson.Doc) bool {
				w.met++
				return w.pass(slot, d)
			})
			return
		}
		v.pages.eachPage(func(first uint64, page []ejson.Doc) bool {
			fetch(page)
			for k := range page {
				if d := page[k]; !d.IsZero() {
					w.met++
					if m.Match(d) && !w.pass(first+uint64(k), d) {
						return false
					}
				}
			}
			return true
		})
	}
}

// filter passes on the documents at some slots that match.
func filter(v *version, slots []uint64, m *query.Matcher, w *window) {
	var docs [pageLen]ejson.Doc
	for len(slots) > 0 {
		n := min(len(slots), len(docs))
		for i, slot := range slots[:n] {
			docs[i] = v.pages.get(slot)
		}
		fetch(docs[:n])
		for i := range docs[:n] {
			w.met++
			if m.Match(docs[i]) && !w.pass(slots[i], docs[i]) {
				return
			}
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

// byIDs looks ids up and returns what there is, in the order of insertion and each
// once.
func (v *version) byIDs(ids []ejson.ID) []located {
	found := make([]located, 0, len(ids))
	for _, id := range ids {
		if slot, d, ok := v.find(hashID(id), id); ok {
			found = append(found, located{slot, d})
		}
	}
	bySlot(found)
	return slices.CompactFunc(found, func(a, b located) bool { return a.slot == b.slot })
}

// walkSorted passes on documents in the order of an index, and those that tie in
// the sort in the order of their _id.
func (sp *Spec) walkSorted(v *version, p *planned, w *window) {
	x := v.indexes[p.index]
	o := ordered{sp: sp, v: v, p: p, m: sp.matcher(), w: w}
	var few [4]located
	o.ties = few[:0]
	if p.Repeats {
		o.seen = map[uint64]struct{}{}
	}
	for n := range p.Bounds {
		var more bool
		if p.Reverse {
			b := &p.Bounds[len(p.Bounds)-1-n]
			more = x.walkBack(b.Low, b.High, o.down)
		} else {
			b := &p.Bounds[n]
			more = x.walk(b.Low, b.High, o.up)
		}
		if !more {
			return
		}
	}
	o.flush()
}

// ordered passes on entries of an index as documents in the order of a sort.
type ordered struct {
	sp    *Spec
	v     *version
	p     *planned
	m     *query.Matcher
	w     *window
	seen  map[uint64]struct{} // nil: no document comes twice
	ties  []located           // those met last, which tie
	at    *block              // where the last of them is
	place int
}

func (o *ordered) up(b *block, i, j int) bool {
	for ; i < j; i++ {
		if !o.take(b, i) {
			return false
		}
	}
	return true
}

func (o *ordered) down(b *block, i, j int) bool {
	for j--; j >= i; j-- {
		if !o.take(b, j) {
			return false
		}
	}
	return true
}

// take takes the next entry, and reports whether more are wanted.
func (o *ordered) take(b *block, i int) bool {
	slot := b.slots[i]
	if o.seen != nil {
		if _, again := o.seen[slot]; again {
			return true
		}
		o.seen[slot] = struct{}{}
	}
	d := o.v.pages.get(slot)
	o.w.met++
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
		if !tie && !o.flush() {
			return false
		}
	}
	o.ties = append(o.ties, located{slot, d})
	o.at, o.place = b, i
	return true
}

// flush passes on documents that tie.
func (o *ordered) flush() bool {
	if len(o.ties) > 1 {
		slices.SortFunc(o.ties, func(a, b located) int { return o.sp.Sorter.Compare(a.doc, b.doc) })
	}
	for _, l := range o.ties {
		if !o.w.pass(l.slot, l.doc) {
			return false
		}
	}
	o.ties = o.ties[:0]
	return true
}
