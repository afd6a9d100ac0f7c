package observe

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// workers knows the handles by their goroutines, so that a Stop can tell whether
// it is called from the very callback that it would wait for. It is asked by
// Stop only.
var workers = struct {
	mu     sync.Mutex
	handle map[uint64]*Handle
	awaits map[*Handle]*Handle // whose callback is in the Stop of whom
}{
	handle: map[uint64]*Handle{},
	awaits: map[*Handle]*Handle{},
}

// atWork makes the calling goroutine that of h, until the function that it
// returns is called.
func atWork(h *Handle) (done func()) {
	id := goroutine()
	workers.mu.Lock()
	defer workers.mu.Unlock()
	workers.handle[id] = h
	return func() {
		workers.mu.Lock()
		defer workers.mu.Unlock()
		delete(workers.handle, id)
	}
}

// waitOutside waits until no callback of h runs, unless that would be for ever:
// the caller is that callback, or is a callback that it is itself waiting for.
func waitOutside(h *Handle) {
	select {
	case <-h.done:
		return
	default:
	}
	workers.mu.Lock()
	self := workers.handle[goroutine()]
	if self != nil {
		for other := h; other != nil; other = workers.awaits[other] {
			if other == self {
				workers.mu.Unlock()
				return
			}
		}
		workers.awaits[self] = h
	}
	workers.mu.Unlock()
	<-h.done
	if self != nil {
		workers.mu.Lock()
		delete(workers.awaits, self)
		workers.mu.Unlock()
	}
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
