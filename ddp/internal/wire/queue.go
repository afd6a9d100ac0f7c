package wire

import (
	"context"
	"sync"
	"time"
)

// queue holds the frames that wait to be written: their bytes end to end in one
// buffer and the end of each. Writers fill it; one taker empties it whole.
type queue struct {
	limit int
	wake  chan struct{} // capacity 1: something was put, or the queue was closed

	mu     sync.Mutex // guards the rest; a leaf
	urgent batch      // goes first, unbounded by limit: see put
	normal batch
	room   chan struct{} // closed when the queue was emptied; nil if nobody waits
	err    error         // what put returns once the queue is closed
}

// batch is some frames. The zero batch is empty.
type batch struct {
	bytes []byte
	ends  []int
}

func (b *batch) add(frame []byte) {
	b.bytes = append(b.bytes, frame...)
	b.ends = append(b.ends, len(b.bytes))
}

// reset empties b and keeps its memory, if that is at most so much.
func (b *batch) reset(keep int) {
	if cap(b.bytes) > keep {
		b.bytes = nil
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
}

// each calls fn for every frame, until fn fails.
func (b *batch) each(fn func(frame []byte) error) error {
	start := 0
	for _, end := range b.ends {
		if err := fn(b.bytes[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// put adds a copy of the frame, and waits while there is no room for it. Urgent
// frames find room up to the limit beyond the others; then they are dropped, since
// a peer that lets a megabyte of pongs pile up reads nothing at all.
func (q *queue) put(ctx context.Context, frame []byte, urgent bool) error {
	for {
		q.mu.Lock()
		if q.err != nil {
			q.mu.Unlock()
			return q.err
		}
		if urgent {
			if len(q.urgent.bytes) <= q.limit {
				q.urgent.add(frame)
			}
			q.mu.Unlock()
			q.signal()
			return nil
		}
		if n := len(q.normal.bytes); n == 0 || n+len(frame) <= q.limit {
			first := len(q.normal.ends) == 0
			q.normal.add(frame)
			q.mu.Unlock()
			if first {
				q.signal()
			}
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// wait waits until take has something to do. A queue that has been dry for a while
// gives back what a burst made it allocate, and so do the empty batches of its
// taker.
func (q *queue) wait(urgent, normal *batch) {
	const keep, while = 4 << 10, time.Second
	if cap(urgent.bytes)+cap(normal.bytes) > keep {
		idle := time.NewTimer(while)
		select {
		case <-q.wake:
			idle.Stop()
			return
		case <-idle.C:
		}
		urgent.reset(keep)
		normal.reset(keep)
		q.mu.Lock()
		for _, b := range []*batch{&q.urgent, &q.normal} {
			if len(b.ends) == 0 {
				b.reset(keep)
			}
		}
		q.mu.Unlock()
	}
	<-q.wake
}

// take moves all waiting frames into the two batches, which must be empty and
// whose memory the queue takes in exchange, and lets waiting writers go on.
// closed says that nothing will follow.
func (q *queue) take(urgent, normal *batch) (closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.urgent, *urgent = *urgent, q.urgent
	q.normal, *normal = *normal, q.normal
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	return q.err != nil
}

// finish is close after one last frame, for which there is always room; nil means
// none.
func (q *queue) finish(frame []byte, err error) {
	q.mu.Lock()
	if q.err == nil && frame != nil {
		q.normal.add(frame)
	}
	q.mu.Unlock()
	q.close(err)
}

// close makes every put, also those that wait, fail with err. What waits in the
// queue can still be taken. It reports whether it was the first close.
func (q *queue) close(err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return false
	}
	q.err = err
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	q.signal()
	return true
}
