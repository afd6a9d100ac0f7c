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
	p := sp.plan(v)
	if sp.Sorter == nil || p.Sorted && p.Access == query.ByIndex || p.Access == query.ByID && len(p.IDs) < 2 {
		if sp.Skip <= 0 && sp.Limit <= 0 {
			sp.stream(v, p, yield)
			return
		}
		w := window{skip: max(sp.Skip, 0), left: max(sp.Limit, 0), yield: yield}
		if w.left == 0 {
			w.left = -1
		}
		sp.stream(v, p, w.pass)
		return
	}
	r := ranking{sorter: sp.Sorter, most: sp.need()}
	sp.candidates(v, p, func(slot uint64, d ejson.Doc) bool {
		r.add(slot, d)
		return true
	})
	for i, row := range r.sorted() {
		if i >= sp.Skip && !yield(row.slot, row.doc) {
			return
		}
	}
}

// window passes on what is left of a result after skip and limit.
type window struct {
	skip  int
	left  int // negative: no limit
	yield func(uint64, ejson.Doc) bool
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
	return w.yield(slot, d) && w.left != 0
}

// stream passes on documents in the order in which the plan finds them.
func (sp *Spec) stream(v *version, p *planned, yield func(uint64, ejson.Doc) bool) {
	if p.Access == query.ByIndex && sp.Sorter != nil {
		sp.walkSorted(v, p, yield)
		return
	}
	sp.candidates(v, p, yield)
}

// slotLists keeps the lists of slots that queries by an index need for a moment.
var slotLists = sync.Pool{New: func() any { return new([]uint64) }}

// slots returns the slots of all entries in the bounds, in the order of insertion
// and each once, in the memory of list.
func (p *planned) slots(x *index, list *[]uint64) []uint64 {
	slots := (*list)[:0]
	for _, b := range p.Bounds {
		slots = x.appendSlots(slots, b.Low, b.High)
	}
	*list = slots
	return inOrder(slots)
}

// all returns the whole result, before the projection.
func (sp *Spec) all(v *version) []ejson.Doc {
	p := sp.plan(v)
	var docs []ejson.Doc
	if p.Access == query.ByIndex && sp.Sorter == nil && sp.Skip <= 0 && sp.Limit <= 0 && !p.Filter {
		list := slotLists.Get().(*[]uint64)
		slots := p.slots(v.indexes[p.index], list)
		if len(slots) > 0 {
			docs = make([]ejson.Doc, len(slots))
		}
		for i, slot := range slots {
			docs[i] = v.pages.get(slot)
		}
		slotLists.Put(list)
		return docs
	}
	if sp.Limit > 0 && sp.Limit <= 1024 {
		docs = make([]ejson.Doc, 0, sp.Limit)
	}
	sp.run(v, func(_ uint64, d ejson.Doc) bool {
		docs = append(docs, d)
		return true
	})
	if len(docs) == 0 {
		return nil
	}
	return docs
}

// candidates calls yield for every document that the selector selects, in the
// order of insertion.
func (sp *Spec) candidates(v *version, p *planned, yield func(uint64, ejson.Doc) bool) {
	m := sp.matcher()
	switch p.Access {
	case query.ByID:
		var few [8]located
		found := few[:0]
		for _, id := range p.IDs {
			if slot, d, ok := v.find(hashID(id), id); ok && (!p.Filter || m.Match(d)) {
				found = append(found, located{slot, d})
			}
		}
		bySlot(found)
		for i, l := range found {
			if i > 0 && l.slot == found[i-1].slot {
				continue
			}
			if !yield(l.slot, l.doc) {
				return
			}
		}
	case query.ByIndex:
		x := v.indexes[p.index]
		if p.need > 0 && len(p.Bounds) == 1 && !p.Repeats && x.oneKey(p.Bounds[0].Low, p.Bounds[0].High) {
			// Slots come in order: a limit need not see them all.
			x.walk(p.Bounds[0].Low, p.Bounds[0].High, func(b *block, i, j int) bool {
				for _, slot := range b.slots[i:j] {
					if d := v.pages.get(slot); !p.Filter || m.Match(d) {
						if !yield(slot, d) {
							return false
						}
					}
				}
				return true
			})
			return
		}
		list := slotLists.Get().(*[]uint64)
		for _, slot := range p.slots(x, list) {
			if d := v.pages.get(slot); !p.Filter || m.Match(d) {
				if !yield(slot, d) {
					break
				}
			}
		}
		slotLists.Put(list)
	default:
		if !p.Filter {
			v.pages.each(yield)
			return
		}
		v.pages.each(func(slot uint64, d ejson.Doc) bool {
			return !m.Match(d) || yield(slot, d)
		})
	}
}

// walkSorted passes on documents in the order of an index, and those that tie in
// the sort in the order of their _id.
func (sp *Spec) walkSorted(v *version, p *planned, yield func(uint64, ejson.Doc) bool) {
	x := v.indexes[p.index]
	o := ordered{sp: sp, v: v, p: p, m: sp.matcher(), yield: yield}
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
	yield func(uint64, ejson.Doc) bool
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
		if !o.yield(l.slot, l.doc) {
			return false
		}
	}
	o.ties = o.ties[:0]
	return true
}
