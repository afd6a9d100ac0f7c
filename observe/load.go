package observe

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// join makes hd a handle of the result of spec, and returns the present result. It
// waits, at most, for the store's writer and for another start of an equal query.
func (h *hub) join(hd *Handle, spec *store.Spec, ordered bool) initial {
	h.open()
	h.reach(^store.Seq(0))
	name := shareOf(spec, ordered)
	h.mu.Lock()
	r := h.results[name]
	for r != nil && !r.loaded {
		loading := r.loading
		h.mu.Unlock()
		<-loading
		h.mu.Lock()
		r = h.results[name]
	}
	defer h.mu.Unlock()
	if r != nil && ordered {
		return h.shareLocked(hd, r)
	}
	from := h.in.moment(h.store)
	if r == nil {
		r = newResult(spec, ordered, name, from.Seq(), &h.scratch)
		h.addLocked(r)
	}
	h.seatLocked(hd, r, from.Seq())
	if ordered {
		h.mu.Unlock()
		h.load(r, from)
		return initial{hd.since, r, slices.Values(r.seen())}
	}
	return initial{from.Seq(), r, func(yield func(ejson.Doc) bool) {
		for _, d := range spec.Run(from) {
			if !yield(d) {
				return
			}
		}
	}}
}

// shareLocked makes hd one more handle of an ordered result that is loaded. The
// result may be ahead of the hub: its moment is its own, then.
func (h *hub) shareLocked(hd *Handle, r *result) initial {
	now := max(h.seq, r.since)
	h.seatLocked(hd, r, now)
	return initial{now, r, slices.Values(r.seen())}
}

// load reads the state of a result that is not loaded, without the mutex, until it
// is, or nobody wants it. It returns with the mutex held.
func (h *hub) load(r *result, from *store.Snapshot) {
	for from != nil {
		st := r.read(from)
		h.mu.Lock()
		if from = h.loadedLocked(r, st); from != nil {
			h.mu.Unlock()
		}
	}
}

// loadedLocked gives a result the state that was read for it, and brings it to the
// present. Where what was committed meanwhile asks for it, it returns the snapshot
// from which the state is to be read once more.
func (h *hub) loadedLocked(r *result, st state) (again *store.Snapshot) {
	if h.results[r.name] != r {
		return nil // dropped
	}
	r.renew(st)
	for _, e := range r.backlog.take(nil, math.MaxInt) {
		if e.seq <= r.since {
			continue
		}
		for i := range e.changes {
			if c := &e.changes[i]; c.Collection == h.collection {
				r.change(c, false)
			}
		}
	}
	r.backlog = intake{}
	if r.unsettled() {
		if again = h.settleLocked(r); again != nil {
			return again
		}
	}
	seq := max(h.seq, r.since)
	if r.begun {
		r.flush(seq)
	} else {
		r.diff.reset() // nobody has seen the state before it
		for _, hd := range r.handles {
			hd.since = seq
		}
	}
	for _, hd := range r.handles {
		hd.ring() // one that is late has waited for it
	}
	r.loaded, r.begun = true, true
	h.loading = slices.DeleteFunc(h.loading, func(l *result) bool { return l == r })
	h.routes.add(r)
	close(r.loading)
	return nil
}

// renew gives a result another state. The difference takes in what becomes of its
// window, where anybody has seen it.
func (r *result) renew(st state) {
	if !r.begun {
		r.tree, r.reserve = st.tree, st.reserve
		return
	}
	before := r.shown()
	st.refills = r.refills + 1
	r.tree, r.reserve = st.tree, st.reserve
	r.diff.turn(before, r.shown())
}

// replenishLocked makes sure, after a commit, that the window of an ordered result
// is full if it can be. It is false where that takes long: then the result is
// loaded anew, and its handles will hear of the commit too when it has been.
func (h *hub) replenishLocked(r *result) bool {
	if !r.unsettled() {
		return true
	}
	from := h.settleLocked(r)
	if from == nil {
		return true
	}
	h.routes.remove(r)
	h.loading = append(h.loading, r)
	r.loaded, r.loading = false, make(chan struct{})
	go func() { // ends when a few rows, or all once, have been read
		h.load(r, from)
		h.mu.Unlock()
	}()
	return false
}

// settleLocked reads the rows of a window again that has become too short, if they
// are few; where they may be many it returns the snapshot to read them from.
//
// The rows are read from the store as it is now, which may be ahead of the hub: so
// the result goes ahead too. Its difference then leads from what its handles know
// straight to that later commit, and the commits up to it, when the hub comes to
// them, do not concern it any more.
func (h *hub) settleLocked(r *result) (from *store.Snapshot) {
	if !r.partial {
		r.recheck = 2 * max(r.tree.len(), r.need+r.margin)
		rows := *r.spec
		rows.Skip, rows.Limit = 0, r.need+r.margin
		r.indexed = rows.Plan(h.store.Snapshot()).Sorted
		r.trim()
		return nil
	}
	from = h.in.moment(h.store)
	r.since = from.Seq()
	if !r.few(from) {
		return from
	}
	r.renew(r.read(from))
	return nil
}
