package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// Heartbeat decides when to ping the other side and when to give it up. Every
// interval it looks whether anything was heard since it last looked; if not, it
// pings, and whatever is heard then counts as the answer. While a ping is
// unanswered there is no second one.
//
// A side that does not read, because its own consumer is slow, must not conclude
// from its deafness that the other is gone: between Deaf(true) and Deaf(false)
// nobody is given up, and pings go out at every interval, so that the other side
// hears something.
type Heartbeat struct {
	interval, timeout time.Duration
	ping, lost        func()

	heard atomic.Uint64 // how many frames; written by one goroutine
	deaf  atomic.Bool

	mu      sync.Mutex // guards the rest; nothing is called under it
	seen    uint64     // heard at the last tick
	tick    *time.Timer
	waiting *time.Timer // not nil while a ping is unanswered, as far as is known
	asked   uint64      // heard when that ping was sent
	stopped bool
}

// NewHeartbeat starts a heartbeat. ping must send a ping and not wait; lost is
// called at most once, on a goroutine of its own, when a ping stayed unanswered for
// the timeout. An interval of zero or less gives a heartbeat that never pings.
func NewHeartbeat(interval, timeout time.Duration, ping, lost func()) *Heartbeat {
	h := &Heartbeat{interval: interval, timeout: timeout, ping: ping, lost: lost}
	if interval > 0 {
		h.mu.Lock()
		h.tick = time.AfterFunc(interval, h.onTick)
		h.mu.Unlock()
	}
	return h
}

// Heard notes that a frame arrived. Only one goroutine may call it.
func (h *Heartbeat) Heard() { h.heard.Store(h.heard.Load() + 1) }

// Deaf notes that this side stops reading, or reads again, which counts as having
// heard. It is for the goroutine that calls Heard.
func (h *Heartbeat) Deaf(deaf bool) {
	if !deaf {
		h.Heard()
	}
	h.deaf.Store(deaf)
}

// Stop ends the heartbeat: lost is not called any more, unless it is running.
func (h *Heartbeat) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.tick != nil {
		h.tick.Stop()
	}
	if h.waiting != nil {
		h.waiting.Stop()
	}
}

func (h *Heartbeat) onTick() {
	if h.ticked() {
		h.ping()
	}
}

// ticked reports whether it is time to ping.
func (h *Heartbeat) ticked() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return false
	}
	h.tick.Reset(h.interval)
	n := h.heard.Load()
	if h.waiting != nil && n != h.asked {
		h.waiting.Stop()
		h.waiting = nil
	}
	if h.deaf.Load() {
		return true
	}
	if n != h.seen || h.waiting != nil {
		h.seen = n
		return false
	}
	h.asked = n
	h.waiting = time.AfterFunc(h.timeout, h.onTimeout)
	return true
}

func (h *Heartbeat) onTimeout() {
	if h.timedOut() {
		h.lost()
	}
}

// timedOut reports whether the other side must be given up.
func (h *Heartbeat) timedOut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.waiting == nil {
		return false
	}
	if h.heard.Load() != h.asked {
		h.waiting = nil
		return false
	}
	if h.deaf.Load() {
		h.waiting.Reset(h.timeout)
		return false
	}
	h.stopped = true
	h.tick.Stop()
	return true
}
