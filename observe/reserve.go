package observe

import (
	"slices"
	"strings"

	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// reserve is what a result with a limit keeps beyond its window, where an index
// gives its order: the tree then holds the first of the documents that match, and
// the last key in it is a bound behind which a change concerns nobody. Removals eat
// the margin; when they have come to the window, the rows are read again from the
// index. Where no index gives the order, the tree is whole and there is no bound.
//
// Invariants: the tree holds every document that matches, or, where it is partial,
// every one whose key is not above the bound, and no other. Between two commits a
// partial tree has at least need documents; while one is worked in it may have
// fewer, and what lies behind the bound then counts as not there until the rows
// are read again.
type reserve struct {
	need    int    // documents up to the end of the window; 0: all
	margin  int    // documents wanted behind them
	indexed bool   // an index gives the order
	partial bool   // documents that match lie behind the bound
	bound   string // a key; where the tree is partial
	recheck int    // a tree without an index that has grown to this asks for one again
	refills uint64
}

const (
	// A margin as large as the window makes the rows that are read again, two for
	// each removal that made it necessary, cheaper than the removals. Below 16 the
	// first steps into the index would cost more than the rows.
	leastMargin = 16
	// A window that ends farther out than this is no window.
	mostNeed = 1 << 26
)

func reserveFor(spec *store.Spec) reserve {
	if spec.Limit <= 0 || spec.Limit > mostNeed || spec.Skip > mostNeed {
		return reserve{}
	}
	need := spec.Skip + spec.Limit
	return reserve{need: need, margin: max(need, leastMargin)}
}

// unsettled reports whether, after a commit, the rows are to be read again, or an
// index is to be asked for: by a result that started in an empty collection,
// perhaps, or before there was an index.
func (o *order) unsettled() bool {
	if o.partial {
		return o.tree.len() < o.need
	}
	return o.need > 0 && !o.indexed && o.tree.len() >= o.recheck
}

// beyond reports whether a document with that key is none of the tree's.
func (rs *reserve) beyond(key []byte) bool { return rs.partial && view(key) > rs.bound }

// state is what is read of an ordered result at one moment.
type state struct {
	tree tree
	reserve
}

// wants returns the rows to be read for the state, and how they would be found.
func (r *result) wants(from *store.Snapshot) (rows store.Spec, plan query.Plan) {
	rows = *r.spec
	rows.Skip, rows.Limit = 0, 0
	if r.need > 0 {
		rows.Limit = r.need + r.margin
	}
	return rows, rows.Plan(from)
}

// Up to so many rows, in order and none to be left out, are read again with the
// mutex held: that is a fraction of a millisecond, and less than a goroutine is
// worth. What may be more is read without it.
const fewRows = 1024

// few reports whether the state can be read at once.
func (r *result) few(from *store.Snapshot) bool {
	rows, plan := r.wants(from)
	return rows.Limit > 0 && rows.Limit <= fewRows && plan.Sorted && plan.Exact()
}

// read reads the state from a snapshot. It changes nothing, and of the result it
// uses what stays as it is, and the reserve, which changes only with the state.
func (r *result) read(from *store.Snapshot) state {
	st := state{reserve: r.reserve}
	rows, plan := r.wants(from)
	if st.indexed = r.need > 0 && plan.Sorted; !st.indexed {
		if rows.Limit = 0; !rows.Plan(from).Sorted {
			rows.Sorter = nil // to sort keys is cheaper
		}
	}
	if st.indexed && !plan.Exact() {
		// The rows may lie far apart in the index. With a margin that doubles there
		// are at most as many readings, each a walk along it, as it can double.
		st.margin = min(2*st.margin, mostNeed)
	}
	var items []item
	var buf []byte
	var keys keyRuns
	for slot, d := range rows.Run(from) {
		buf = r.appendKey(buf[:0], slot, d)
		items = append(items, item{key: keys.keep(buf), doc: d})
	}
	byKey := func(a, b item) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(items, byKey) {
		slices.SortFunc(items, byKey)
	}
	st.tree = bulk(items)
	if st.partial = st.indexed && len(items) == rows.Limit; st.partial {
		st.bound = items[len(items)-1].key
	}
	return st
}

// keyRuns makes strings of keys that are read together, several in one piece of
// memory, which lives as long as one of them does.
type keyRuns struct {
	free []byte
	size int // of the last piece
}

func (k *keyRuns) keep(key []byte) string {
	if len(k.free) < len(key) {
		// Few keys should not cost a large piece, nor a large piece last for few.
		k.size = min(max(2*k.size, 4*len(key)), 4096)
		k.free = make([]byte, max(k.size, len(key)))
	}
	n := copy(k.free, key)
	s := view(k.free[:n])
	k.free = k.free[n:]
	return s
}

// trim shortens a tree that has more than it may soon need.
func (r *result) trim() {
	n, keep := r.tree.len(), r.need+r.margin
	if !r.indexed || n <= r.need+2*r.margin {
		return
	}
	if n > 2*keep { // a whole tree, when an index has come
		items := make([]item, 0, keep)
		r.tree.each(0, keep, func(it item) { items = append(items, it) })
		r.tree = bulk(items)
	}
	for n := r.tree.len(); n > keep; n-- {
		r.tree.cut(r.tree.at(n - 1).key)
	}
	r.partial = true
	r.bound = r.tree.at(r.tree.len() - 1).key
}

// shown returns the items in the window.
func (r *result) shown() []item {
	n := r.span().len()
	items := make([]item, 0, n)
	r.tree.each(r.skip, r.skip+n, func(it item) { items = append(items, it) })
	return items
}

// turn folds in what leads from one sequence of items, in the order of their keys,
// to another.
func (df *difference) turn(before, after []item) {
	apart(before, after, func(it item) { df.fold(delta{id: it.doc.ID(), old: it}) })
	apart(after, before, func(it item) { df.fold(delta{id: it.doc.ID(), new: it}) })
}

// apart calls fn for the items of one sequence that are not in another.
func apart(some, other []item, fn func(item)) {
	j := 0
	for _, it := range some {
		for j < len(other) && other[j].key < it.key {
			j++
		}
		if j == len(other) || other[j] != it {
			fn(it)
		}
	}
}
