package observe

import "sync"

// crew delivers for the handles of a hub that have no goroutine of their own. Its
// workers take them from one queue. Before a worker runs a callback, it makes sure
// that another will look at the queue if there is anything in it: so a callback
// that blocks holds up one worker and no other handle, there are as many workers
// as callbacks that run at a time, and handles whose callbacks are short share a
// worker, whose memory is in the caches, and hardly wake anybody.
//
// Invariant: where the queue is not empty, a worker is free.
type crew struct {
	mu     sync.Mutex // guards the rest; a leaf
	queue  []*Handle  // each busy; see Handle
	head   int        // handles before it have been taken
	free   int        // workers that will look at the queue next
	idle   int        // workers that wait for the bell
	bell   sync.Cond
	closed bool
}

// More workers than this do not wait for work when there is none: they end.
const mostIdle = 4

// add puts a handle into the queue.
func (c *crew) add(h *Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head > len(c.queue)/2 {
		// More has been taken than waits: its place is used again.
		n := copy(c.queue, c.queue[c.head:])
		clear(c.queue[n:])
		c.queue, c.head = c.queue[:n], 0
	}
	c.queue = append(c.queue, h)
	c.callLocked()
}

// callLocked makes sure that a worker is free.
func (c *crew) callLocked() {
	switch {
	case c.free > 0:
		return
	case c.idle > 0:
		c.idle--
		c.bell.Signal()
	default:
		go c.work()
	}
	c.free++
}

// work sees to handles until there is nothing to do: a worker's goroutine.
func (c *crew) work() {
	var h *Handle
	defer func() {
		if h != nil { // its callback called runtime.Goexit
			h.end(nil)
			h.finished()
		}
	}()
	self := goroutine()
	for h = c.next(0); h != nil; h = c.next(1) {
		h.serve(self)
	}
}

// next frees a worker, if it is not free yet, waits for a handle, and takes it out
// of the queue. It returns nil to a worker that shall end.
func (c *crew) next(freed int) *Handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free += freed
	for c.head == len(c.queue) {
		c.free--
		if c.closed || c.idle == mostIdle {
			return nil
		}
		c.idle++
		c.bell.Wait() // who rings makes it free
	}
	h := c.queue[c.head]
	c.queue[c.head] = nil
	c.head++
	if c.free--; c.head < len(c.queue) {
		c.callLocked()
	} else {
		c.queue, c.head = c.queue[:0], 0
	}
	return h
}

// close lets the workers end when the queue is empty.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.free, c.idle = c.free+c.idle, 0
	c.bell.Broadcast()
}
