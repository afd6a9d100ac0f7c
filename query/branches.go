package query

import (
	"cmp"

	"github.com/replicad/replicad/ddp/ejson"
)

// A branch is a value that a path leads to for a sort or an index: like those
// that seek shows to a selector, but a list at the end of the path stands for
// its elements alone, and each branch knows the lists that it came through. What
// is not there is null; Missing is the empty list, which comes before null.
type branch struct {
	v      ejson.Value
	trail  []turn
	absent bool // the null of what is not there
}

// turn is an element taken of a list that the path did not name a position of.
type turn struct {
	depth int // names of the path before the list
	index int
}

// A brancher gathers the branches of one path. A sort takes a number behind a
// list for a position only; a selector, and so an index, for a name as well.
type brancher struct {
	forSort bool
	present bool // leave out what is not there, and empty lists
	list    []branch
	trail   []turn
}

// branchesOf returns the branches of p in d; where there are none, one null.
func branchesOf(d ejson.Doc, p path, forSort bool) []branch {
	b := brancher{forSort: forSort}
	b.walk(d.Value(), p.segs, 0, true)
	if len(b.list) == 0 {
		b.missing()
	}
	return b.list
}

// hasPath reports whether p leads to something in d, if only to a null.
func hasPath(d ejson.Doc, p *path) bool {
	_, ok := seek(d.Value(), p.segs, present{}, true, -1)
	return ok
}

// compareKeys orders the values of branches.
func compareKeys(a, b ejson.Value) int {
	if a.Kind() == ejson.Missing || b.Kind() == ejson.Missing {
		return cmp.Compare(min(a.Kind(), ejson.Null), min(b.Kind(), ejson.Null))
	}
	return ejson.Compare(a, b)
}

// appendKey appends bytes in the order of compareKeys.
func appendKey(dst []byte, v ejson.Value, desc bool) []byte {
	switch {
	case v.Kind() != ejson.Missing:
		return ejson.AppendKey(dst, v, desc)
	case desc:
		return append(dst, ^byte(emptyList))
	}
	return append(dst, emptyList)
}

// emptyList is the key of an empty list, below the first byte of all others.
const emptyList = 0x01

func (b *brancher) add(v ejson.Value) {
	b.list = append(b.list, branch{v: v, trail: append([]turn(nil), b.trail...)})
}

func (b *brancher) missing() {
	if !b.present {
		b.add(ejson.NullValue())
		b.list[len(b.list)-1].absent = true
	}
}

// walk follows segs, of which depth are behind, from v. spread says whether a
// list at the end stands for its elements.
func (b *brancher) walk(v ejson.Value, segs []segment, depth int, spread bool) {
	switch {
	case depth == len(segs):
		switch {
		case v.Kind() == ejson.List && spread && v.Array().Len() == 0:
			if !b.present {
				b.add(ejson.Value{})
			}
		case v.Kind() == ejson.List && spread:
			b.elements(v.Array(), depth, b.add)
		case v.IsMissing():
			b.missing()
		default:
			b.add(v)
		}
	case v.Kind() == ejson.Object:
		b.walk(segs[depth].place.In(v.Doc()), segs, depth+1, true)
	case v.Kind() == ejson.List:
		list := v.Array()
		if i := segs[depth].index; i >= 0 {
			if i < list.Len() {
				e := list.At(i)
				if k := e.Kind(); depth+1 == len(segs) || k == ejson.Object || k == ejson.List {
					b.walk(e, segs, depth+1, false)
				}
			}
			if b.forSort {
				return
			}
		} else if i := segs[depth].odd; i >= 0 && i < list.Len() && depth+1 == len(segs) {
			b.missing()
		}
		b.elements(list, depth, func(e ejson.Value) {
			if e.Kind() == ejson.Object {
				b.walk(e, segs, depth, true)
			}
		})
	default:
		b.missing()
	}
}

func (b *brancher) elements(list ejson.Array, depth int, fn func(ejson.Value)) {
	for i, e := range list.All() {
		b.trail = append(b.trail, turn{depth, i})
		fn(e)
		b.trail = b.trail[:len(b.trail)-1]
	}
}

// plainValue returns the value of p in d, or null, where no list is on the way
// nor at the end; ok is false where one is.
func plainValue(d ejson.Doc, p *path) (v ejson.Value, ok bool) {
	v, depth := p.trail.In(d)
	switch {
	case v.Kind() == ejson.List:
		return ejson.Value{}, false
	case depth < len(p.segs), v.IsMissing():
		return ejson.NullValue(), true
	}
	return v, true
}

// A join goes through the tuples of branches of several paths: one branch of
// each, such that two that came through the same list came through the same
// element. Paths through different lists are combined freely.
type join struct {
	paths    []path
	branches [][]branch
	tuple    []*branch
	left     int // tuples that may still be shown
}

func newJoin(d ejson.Doc, paths []path, forSort bool, limit int) *join {
	j := &join{paths: paths, tuple: make([]*branch, len(paths)), left: limit}
	for _, p := range paths {
		j.branches = append(j.branches, branchesOf(d, p, forSort))
	}
	return j
}

// each calls fn for every tuple. It returns false if there are more than the
// limit, or more tries than a small multiple of it.
func (j *join) each(fn func([]*branch)) bool {
	tries := 64 * j.left
	return j.from(0, &tries, fn)
}

func (j *join) from(i int, tries *int, fn func([]*branch)) bool {
	if i == len(j.paths) {
		if j.left--; j.left < 0 {
			return false
		}
		fn(j.tuple)
		return true
	}
	some := false
	for k := range j.branches[i] {
		if *tries--; *tries < 0 {
			return false
		}
		b := &j.branches[i][k]
		if !j.fits(i, b) {
			continue
		}
		some = true
		j.tuple[i] = b
		if !j.from(i+1, tries, fn) {
			return false
		}
	}
	if some {
		return true
	}
	// The element that the others came through has nothing for this path.
	j.tuple[i] = &branch{v: ejson.NullValue(), absent: true}
	return j.from(i+1, tries, fn)
}

// fits reports whether b, for path i, agrees with what was chosen before it.
func (j *join) fits(i int, b *branch) bool {
	for k := range i {
		common := commonNames(j.paths[i], j.paths[k])
		if common == 0 {
			continue
		}
		for _, t := range b.trail {
			for _, u := range j.tuple[k].trail {
				if t.depth <= common && t.depth == u.depth && t.index != u.index {
					return false
				}
			}
		}
	}
	return true
}

func commonNames(p, q path) int {
	n := 0
	for n < len(p.segs) && n < len(q.segs) && p.segs[n].text == q.segs[n].text {
		n++
	}
	return n
}
