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
	mu     sync.Mutex // guards what is below it, and worker of every handle
	awaits map[uint64]*Handle
}{awaits: map[uint64]*Handle{}}

// atWork makes the calling goroutine the one that runs h's callbacks.
func atWork(h *Handle) {
	id := goroutine()
	stopping.mu.Lock()
	defer stopping.mu.Unlock()
	h.worker = id
}

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
	for other := h; other != nil; other = stopping.awaits[other.worker] {
		if other.worker == self {
			stopping.mu.Unlock()
			return
		}
	}
	stopping.awaits[self] = h
	stopping.mu.Unlock()
	<-done
	stopping.mu.Lock()
	delete(stopping.awaits, self)
	stopping.mu.Unlock()
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
