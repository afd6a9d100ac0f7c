package client

import (
	"iter"

	"github.com/replicad/replicad/ddp"
)

// Ready returns a channel on which there is something to receive when Take has
// messages, and always once the session has ended. One signal may stand for many
// messages, and may come when all are taken already.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// Take returns all messages that have arrived since the last Take, in order, and nil
// where there are none. It does not wait. The slice is the caller's. From the first Go,
// Call or Subscribe on, or where Options.Events is set, there is nothing to take.
func (c *Conn) Take() []ddp.Message {
	if c.routed.Load() {
		return nil
	}
	return c.take()
}

func (c *Conn) take() []ddp.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	ms := c.waiting
	c.waiting, c.batch, c.bytes = nil, len(ms), 0
	c.taken.Signal()
	return ms
}

// Messages yields what arrives, in order, until the session ends; then see Err. It
// stands for Ready and Take.
func (c *Conn) Messages() iter.Seq[ddp.Message] {
	return func(yield func(ddp.Message) bool) {
		for {
			_, open := <-c.ready
			ms := c.Take()
			for i, m := range ms {
				if !yield(m) {
					c.untake(ms[i+1:])
					return
				}
			}
			if !open && len(ms) == 0 {
				return
			}
		}
	}
}

// untake puts messages back that a loop over Messages did not get to see.
func (c *Conn) untake(ms []ddp.Message) {
	if len(ms) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(ms, c.waiting...)
	if c.err == nil { // else ready is closed, which is signal enough
		c.signal()
	}
}

// put adds one message for Take, and waits while there are too many.
func (c *Conn) put(m ddp.Message, size int) {
	c.mu.Lock()
	for len(c.waiting) > 0 && c.cause == nil &&
		(len(c.waiting) >= c.opts.MaxWaiting || c.bytes+size > c.opts.MaxWaitingBytes) {
		c.beat.Deaf(true)
		c.taken.Wait()
		c.beat.Deaf(false)
	}
	first := len(c.waiting) == 0
	if c.waiting == nil {
		c.waiting = make([]ddp.Message, 0, max(c.batch, 8))
	}
	c.waiting = append(c.waiting, m)
	c.bytes += size
	c.mu.Unlock()
	if first {
		c.signal()
	}
}

func (c *Conn) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
