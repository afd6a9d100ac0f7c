package store

import (
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// count returns the size of a result. It looks at documents only where the plan
// leaves something to the matcher.
func (sp *Spec) count(v *version, p *planned) int {
	n, covered := p.count(v)
	if covered {
		if n = max(n-max(sp.Skip, 0), 0); sp.Limit > 0 {
			n = min(n, sp.Limit)
		}
		return n
	}
	w := sp.window()
	w.yield = func(uint64, ejson.Doc) bool {
		n++
		return true
	}
	sp.candidates(v, p, &w) // the size is the same in any order
	return n
}

// count returns the number of documents that a plan finds, if it finds those
// selected and no others.
func (p *planned) count(v *version) (n int, covered bool) {
	switch {
	case p.Filter:
		return 0, false
	case p.Access == query.ByScan:
		return v.pages.n, true
	case p.Access == query.ByID:
		return len(v.byIDs(p.IDs)), true
	case p.Repeats:
		list := slotLists.Get().(*[]uint64)
		n = len(p.gather(v, list))
		slotLists.Put(list)
		return n, true
	}
	x := v.indexes[p.index]
	for i := range p.Bounds {
		n += x.count(p.Bounds[i].Low, p.Bounds[i].High)
	}
	return n, true
}

// count returns the number of entries whose keys are in [low, high).
func (x *index) count(low, high string) (n int) {
	if low == "" && high == "" {
		return x.size
	}
	x.walk(low, high, func(_ *block, i, j int) bool {
		n += j - i
		return true
	})
	return n
}

// distinct returns the different values that a path leads to in the documents of
// the result, in the order in which they come first.
func (sp *Spec) distinct(v *version, p *planned, path *query.Path) []ejson.Value {
	if p.Access == query.ByScan && !p.Filter && p.need == 0 && sp.Skip <= 0 && sp.Sorter == nil {
		for _, x := range v.indexes {
			if slots, ok := x.firsts(path); ok {
				return path.Distinct(func(yield func(ejson.Doc) bool) {
					for _, slot := range slots {
						if !yield(v.pages.get(slot)) {
							return
						}
					}
				})
			}
		}
	}
	return path.Distinct(func(yield func(ejson.Doc) bool) {
		w := sp.window()
		w.yield = func(_ uint64, d ejson.Doc) bool { return yield(d) }
		sp.fill(v, p, &w)
	})
}

// firsts returns, in order, the slots of documents in which all different values of
// a path come first, if this is an index on the path and no more. Of documents whose
// key is null it returns all: with some the value is missing, with others null.
func (x *index) firsts(path *query.Path) (slots []uint64, ok bool) {
	keys := x.key.Keys()
	if len(keys) != 1 || lastPath(keys) != path.String() || x.key.Options().Partial != nil {
		return nil, false
	}
	null := string(ejson.AppendKey(nil, ejson.NullValue(), keys[0] != path.String()))
	var last *block
	var at int
	x.walk("", "", func(b *block, i, j int) bool {
		for ; i < j; i++ {
			if last == nil || !sameKey(last, at, b, i) || b.is(i, null) {
				slots = append(slots, b.slots[i])
				last, at = b, i
			}
			if b.keys == 1 && !b.is(i, null) {
				break
			}
		}
		return true
	})
	slices.Sort(slots)
	return slices.Compact(slots), true
}
