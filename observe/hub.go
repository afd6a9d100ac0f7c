package observe

import (
	"slices"
	"sync"

	"github.com/replicad/replicad/store"
)

// hub keeps the observed results of one collection. The store notes its commits
// in the inbox; the hub's goroutine, or whoever cannot wait for it, takes them
// out in order, changes the results that they concern, and puts what came of it
// into the mailboxes of the handles. No user code runs under its mutex, and
// nothing waits under it.
type hub struct {
	store      *store.Store
	collection string
	in         inbox
	crew       crew

	opening sync.Mutex // guards the next; held while the store's writer is waited for
	untail  func()     // ends the tail; nil until the hub is open

	users int // handles and starts; guarded by the registry's mutex

	mu      sync.Mutex // guards the rest; before a handle's mutex and the inbox's
	seq     store.Seq  // commits up to here are worked in
	results map[string]*result
	all     []*result // each at its own number
	loading []*result // those of all that take no part yet
	routes  router
	commit  uint64    // number of commits, to meet a result once in each
	changed uint64    // number of changes, likewise
	touched []*result // by the commit at hand
	found   []hit     // by the change at hand
	batch   []entry   // at hand; none is left when the mutex is free
	scratch scratch
	paused  bool
	closed  bool
}

func newHub(s *store.Store, collection string) *hub {
	h := &hub{
		store:      s,
		collection: collection,
		in:         inbox{wake: make(chan struct{}, 1)},
		results:    map[string]*result{},
	}
	h.crew.bell.L = &h.crew.mu
	return h
}

// open begins to follow the store, if nobody did. It waits for the store's writer,
// and panics, as every write does, if the caller is inside store.Update.
func (h *hub) open() {
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.untail != nil {
		return
	}
	from, stop := h.store.Tail(h.collection, func(c *store.Commit) { h.in.note(h.collection, c) })
	h.mu.Lock()
	h.seq = max(h.seq, from.Seq())
	h.mu.Unlock()
	h.untail = stop
	go h.run(stop)
}

// close lets the hub's goroutine end. Nobody uses the hub any more.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	signal(h.in.wake)
	h.crew.close()
}

// run works commits in until the hub is closed: the hub's goroutine.
func (h *hub) run(untail func()) {
	for range h.in.wake {
		for h.work() {
		}
		h.mu.Lock()
		closed := h.closed
		h.mu.Unlock()
		if closed {
			untail()
			return
		}
	}
}

// A portion is worked in without letting go of the mutex: long enough that the
// mutex costs nothing, and short enough for who waits to start or stop.
const portion = 512

// work works in some of what waits, and reports whether there may be more.
func (h *hub) work() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.workLocked()
}

func (h *hub) workLocked() bool {
	h.batch = h.in.take(h.batch[:0], portion)
	for i := range h.batch {
		h.applyLocked(h.batch[i])
		h.batch[i] = entry{}
	}
	return len(h.batch) > 0
}

// applyLocked works in one commit.
func (h *hub) applyLocked(e entry) {
	h.commit++
	for i := range e.changes {
		if c := &e.changes[i]; c.Collection == h.collection {
			h.meetLocked(c, e.seq)
		}
	}
	for _, r := range h.loading {
		r.backlog.add(e)
		r.backlog.merge(h.collection, r.since)
	}
	for i, r := range h.touched {
		h.touched[i] = nil
		switch {
		case r.order == nil:
			r.flush(e.seq)
		case h.replenishLocked(r):
			r.flush(max(e.seq, r.since))
		}
	}
	h.touched = h.touched[:0]
	h.seq = e.seq
}

// meetLocked lets each result that a change of commit seq may concern, and that
// has not got it yet, look at it once.
func (h *hub) meetLocked(c *store.Change, seq store.Seq) {
	h.changed++
	h.found = h.routes.route(h.found[:0], c)
	for i, hit := range h.found {
		r := hit.res
		h.found[i].res = nil
		if r.met == h.changed || r.order != nil && seq <= r.since {
			continue
		}
		r.met = h.changed
		r.change(c, hit.sure && r.exact)
		if (len(r.diff.list) > 0 || r.order != nil && r.unsettled()) && r.touched != h.commit {
			r.touched = h.commit
			h.touched = append(h.touched, r)
		}
	}
}

// flush gives what the commit did to a result to its handles.
func (r *result) flush(seq store.Seq) {
	if len(r.diff.list) == 0 {
		return
	}
	n := news{seq: seq, deltas: r.diff.list, res: r}
	for _, hd := range r.handles {
		if seq > hd.since {
			hd.push(&n)
		}
	}
	r.diff.reset()
}

// reach works in everything that the store has noted so far, up to seq.
func (h *hub) reach(seq store.Seq) {
	seq = min(seq, h.in.noted())
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.seq < seq && h.workLocked() {
	}
}

// addLocked takes in a result. One with an order is loading, and takes no part
// in the routing yet.
func (h *hub) addLocked(r *result) {
	r.at = len(h.all)
	h.all = append(h.all, r)
	h.results[r.name] = r
	if r.loaded {
		h.routes.add(r)
	} else {
		h.loading = append(h.loading, r)
	}
}

// dropLocked forgets a result that has no handles.
func (h *hub) dropLocked(r *result) {
	last := h.all[len(h.all)-1]
	h.all[r.at], last.at = last, r.at
	h.all[len(h.all)-1] = nil
	h.all = h.all[:len(h.all)-1]
	delete(h.results, r.name)
	if r.loaded {
		h.routes.remove(r)
	} else { // whoever reads for it finds that nobody wants it
		h.loading = slices.DeleteFunc(h.loading, func(l *result) bool { return l == r })
		close(r.loading)
	}
}

func (h *hub) seatLocked(hd *Handle, r *result, since store.Seq) {
	hd.res, hd.since, hd.at = r, since, len(r.handles)
	r.handles = append(r.handles, hd)
	if h.paused {
		hd.pause()
	}
}

// leave ends a handle's part in its result.
func (h *hub) leave(hd *Handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveLocked(hd)
}

func (h *hub) leaveLocked(hd *Handle) {
	r := hd.res
	last := r.handles[len(r.handles)-1]
	r.handles[hd.at], last.at = last, hd.at
	r.handles[len(r.handles)-1] = nil
	r.handles = r.handles[:len(r.handles)-1]
	if len(r.handles) == 0 {
		h.dropLocked(r)
	}
}
