package observe

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/replicad/replicad/store"
)

// A PanicError is what Handle.Err returns after a callback panicked.
type PanicError struct {
	Query string // the query observed
	Value any    // what the callback panicked with
	Stack []byte // of the callback
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("observe: callback of %s panicked: %v", e.Query, e.Value)
}

// Handle is a running observation.
type Handle struct {
	hub     *hub
	res     *result
	at      int       // seat among the result's handles; guarded by the hub's mutex
	since   store.Seq // commits up to here it has seen at its start; likewise
	spec    *store.Spec
	deliver func(*Handle, docBatch) error
	after   func()        // runs when the handle has ended; nil: nothing
	wake    chan struct{} // one place; nil where the hub's crew delivers

	mu   sync.Mutex // guards the rest; a leaf, but for the crew's
	mail mailbox

	busy      bool   // it waits for a worker, or one sees to it: until poll finds nothing
	worker    uint64 // number of the worker's goroutine, while one sees to it
	pushed    uint64 // parcels put in so far
	delivered uint64 // parcels whose callback has returned
	waiters   *waiter
	paused    bool
	stopped   bool
	over      bool          // no callback runs or will run
	done      chan struct{} // closed when it is over; nil where nobody asked
	err       error
	stats     stats
}

// stats is what Explain tells of a handle's deliveries.
type stats struct {
	batches uint64
	merged  uint64
	busy    time.Duration
}

// Stop ends the observation. No callback starts after it returns, and one that
// runs on another goroutine has ended: so do not call it with a lock held that
// the callback takes, nor inside store.Update if the callback writes. It may be
// called more than once, and from the handle's own callback, where it does not
// wait; nor does it, where two callbacks stop each other, wait for both.
func (h *Handle) Stop() {
	h.end(nil)
	waitOutside(h)
}

// Done is closed when the observation has ended, by Stop or by itself, and no
// callback runs any more.
func (h *Handle) Done() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done == nil {
		h.done = make(chan struct{})
		if h.over {
			close(h.done)
		}
	}
	return h.done
}

// finished notes that no callback runs any more, nor will. Who sees to the handle
// calls it, when it has been stopped, or who stops it while nobody does.
func (h *Handle) finished() {
	if h.after != nil {
		h.after()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over, h.worker = true, 0
	if h.done != nil {
		close(h.done)
	}
}

// Err tells why the observation ended by itself: a *PanicError where a callback
// panicked, or the error of a document that could not be made a T. It is nil
// while the observation runs, and after Stop.
func (h *Handle) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// push puts news into the mailbox. The hub's mutex is held.
func (h *Handle) push(n *news) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	if !h.mail.add(n, h.paused) {
		return
	}
	h.pushed++
	h.ringLocked()
}

// ringLocked makes sure that somebody looks into the mailbox.
func (h *Handle) ringLocked() {
	switch {
	case h.stopped || h.paused:
	case h.wake != nil:
		signal(h.wake)
	case !h.busy:
		h.busy = true
		h.hub.crew.add(h)
	}
}

// ring is ringLocked where h.mu is not held.
func (h *Handle) ring() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ringLocked()
}

// next waits for the next batch that has events. It is false when the handle was
// stopped or ctx is done. number is for finish.
func (h *Handle) next(ctx context.Context) (b docBatch, number uint64, ok bool) {
	for {
		var got outcome
		switch b, number, got = h.poll(); {
		case got == ended:
			return docBatch{}, 0, false
		case got == delivery && len(b.Events) > 0:
			return b, number, true
		case got == delivery: // all that happened is hidden, or undone
			h.finish(number, 0)
			continue
		}
		select {
		case <-h.wake:
		case <-ctx.Done():
			return docBatch{}, 0, false
		}
	}
}

// outcome is what poll found.
type outcome uint8

const (
	nothing  outcome = iota // for now: nobody sees to the handle any more
	delivery                // something to deliver
	ended                   // the handle has been stopped: whoever sees to it finishes it
)

// poll takes the next batch out of the mailbox, if there is one.
func (h *Handle) poll() (b docBatch, number uint64, got outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mail.late && !h.paused && !h.stopped {
		// The places of the events of a merged difference are those of the present
		// result, so nothing may change it here.
		h.mu.Unlock()
		h.hub.mu.Lock()
		defer h.hub.mu.Unlock()
		h.mu.Lock()
	}
	return h.pollLocked()
}

// pollLocked is called with h.mu held, and with the hub's mutex where there is a
// merged difference to be taken.
func (h *Handle) pollLocked() (b docBatch, number uint64, got outcome) {
	switch {
	case h.stopped:
		return docBatch{}, 0, ended
	case h.paused:
	case h.mail.late:
		if !h.res.loaded {
			break // it may have changes that this handle has not been given yet
		}
		h.stats.merged++
		seq, deltas := h.mail.takeMerged()
		return docBatch{Seq: seq, Events: h.res.events(nil, deltas)}, h.pushed, delivery
	default:
		if p := h.mail.pop(); p != nil {
			return docBatch{Seq: p.seq, Events: p.events}, h.pushed - uint64(h.mail.len()), delivery
		}
	}
	h.busy, h.worker = h.wake != nil, 0
	return docBatch{}, 0, nothing
}

// finish notes that a batch has been delivered, and how long that took; 0 for
// one that did not need to be.
func (h *Handle) finish(number uint64, busy time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.delivered = number
	if h.stats.busy += busy; busy > 0 {
		h.stats.batches++
	}
	for at := &h.waiters; *at != nil; {
		if w := *at; w.pushed <= h.delivered {
			close(w.done)
			*at = w.next
		} else {
			at = &w.next
		}
	}
}

// serve delivers what waits, on the goroutine of a worker.
func (h *Handle) serve(worker uint64) {
	h.mu.Lock()
	h.worker = worker
	h.mu.Unlock()
	for {
		b, number, got := h.poll()
		switch got {
		case nothing:
			return
		case ended:
			h.finished()
			return
		}
		if len(b.Events) == 0 { // all that happened is hidden, or undone
			h.finish(number, 0)
			continue
		}
		if begin := time.Now(); h.call(b) {
			h.finish(number, max(time.Since(begin), 1))
		}
	}
}

// call delivers one batch. It is false where that ended the observation.
func (h *Handle) call(b docBatch) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			err := &PanicError{Query: describe(h.spec), Value: v, Stack: debug.Stack()}
			h.spec.Store.Logger().Error("observe: a callback panicked; its observation is stopped",
				"query", err.Query, "panic", v, "stack", string(err.Stack))
			h.end(err)
		}
	}()
	if err := h.deliver(h, b); err != nil {
		h.spec.Store.Logger().Error("observe: a document does not fit; its observation is stopped",
			"query", describe(h.spec), "error", err)
		h.end(err)
		return false
	}
	return true
}

// ended reports whether the handle was stopped, also by its own callback.
func (h *Handle) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// end stops the handle, once, and does not wait.
func (h *Handle) end(err error) {
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		return
	}
	h.stopped = true
	h.err = err
	h.mail = mailbox{}
	alone := !h.busy
	h.busy = true
	h.mu.Unlock()
	if h.wake != nil {
		signal(h.wake)
	}
	h.hub.leave(h)
	forget(h.hub)
	if alone {
		h.finished()
	}
}

// pause holds deliveries back; what happens meanwhile becomes one difference.
func (h *Handle) pause() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = true
	h.mail.mergeAll()
}

func (h *Handle) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = false
	if h.mail.late {
		h.ringLocked()
	}
}
