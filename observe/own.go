package observe

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// stopping knows which goroutines are within a Stop, and of whom, so that a Stop
// can tell whether what it would wait for is waiting for it.
var stopping = struct {
	mu     sync.Mutex // guards what is below it; before a handle's mutex
	awaits map[uint64]*Handle
}{awaits: map[uint64]*Handle{}}

// waitOutside waits until no callback of h runs, unless that would be for ever:
// the caller is that callback, or is a callback that it is itself waiting for.
func waitOutside(h *Handle) {
	done := h.Done()
	select {
	case <-done:
		return
	default:
	}
	self := goroutine()
	stopping.mu.Lock()
	for other := h; other != nil; {
		worker := other.servedBy()
		if worker == self {
			stopping.mu.Unlock()
			return
		}
		other = stopping.awaits[worker]
	}
	stopping.awaits[self] = h
	stopping.mu.Unlock()
	<-done
	stopping.mu.Lock()
	delete(stopping.awaits, self)
	stopping.mu.Unlock()
}

// servedBy returns the number of the goroutine that runs the handle's callback; 0
// where none does, and for one that has been stopped none will.
func (h *Handle) servedBy() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.worker
}

// goroutine returns the number of the calling goroutine, which the runtime tells
// only in the first line of a stack: "goroutine 42 [running]:".
func goroutine() uint64 {
	var buf [64]byte
	text := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(text, []byte(" "))
	id, _ := strconv.ParseUint(string(number), 10, 64)
	return id
}
