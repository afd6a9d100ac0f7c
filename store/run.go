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
		w := window{skip: max(sp.Skip, 0), left: max(sp.Limit, 0), yield: yield}
		if w.left == 0 {
			w.left = -1
		}
		sp.stream(v, p, &w)
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
func (sp *Spec) stream(v *version, p *planned, w *window) {
	if p.Access == query.ByIndex && sp.Sorter != nil {
		sp.walkSorted(v, p, w)
		return
	}
	sp.candidates(v, p, w.pass)
}

// slotLists keeps the lists of slots that queries by an index need for a moment.
var slotLists = sync.Pool{New: func() any { return new([]uint64) }}

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
		slots := (*list)[:0]
		for _, b := range p.Bounds {
			slots = x.appendSlots(slots, b.Low, b.High)
		}
		for _, slot := range inOrder(slots) {
			if d := v.pages.get(slot); !p.Filter || m.Match(d) {
				if !yield(slot, d) {
					break
				}
			}
		}
		*list = slots
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
func (sp *Spec) walkSorted(v *version, p *planned, w *window) {
	x, m := v.indexes[p.index], sp.matcher()
	var seen map[uint64]struct{}
	if p.Repeats {
		seen = map[uint64]struct{}{}
	}
	var ties []located
	var at *block // where the last document of ties is
	var place int
	flush := func() bool {
		if len(ties) > 1 {
			slices.SortFunc(ties, func(a, b located) int { return sp.Sorter.Compare(a.doc, b.doc) })
		}
		for _, l := range ties {
			if !w.pass(l.slot, l.doc) {
				return false
			}
		}
		ties = ties[:0]
		return true
	}
	take := func(b *block, i int) bool {
		slot := b.slots[i]
		if seen != nil {
			if _, again := seen[slot]; again {
				return true
			}
			seen[slot] = struct{}{}
		}
		d := v.pages.get(slot)
		if p.Filter && !m.Match(d) {
			return true
		}
		if len(ties) > 0 {
			tie := p.exact && sameKey(at, place, b, i)
			if !p.exact {
				tie = sp.Sorter.Same(ties[len(ties)-1].doc, d)
			}
			if !tie && !flush() {
				return false
			}
		}
		ties = append(ties, located{slot, d})
		at, place = b, i
		return true
	}
	for n := range p.Bounds {
		more := true
		if p.Reverse {
			b := p.Bounds[len(p.Bounds)-1-n]
			more = x.walkBack(b.Low, b.High, func(b *block, i, j int) bool {
				for j--; j >= i; j-- {
					if !take(b, j) {
						return false
					}
				}
				return true
			})
		} else {
			b := p.Bounds[n]
			more = x.walk(b.Low, b.High, func(b *block, i, j int) bool {
				for ; i < j; i++ {
					if !take(b, i) {
						return false
					}
				}
				return true
			})
		}
		if !more {
			return
		}
	}
	flush()
}
