package client

import (
	"context"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// Ping asks the server for a sign of life and returns how long it took. It waits until
// ctx is done or the session ends. Servers of version pre1, and some that are no
// Meteor, never answer.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	id := ddp.NewID()
	pong := make(chan struct{})
	c.mu.Lock()
	if c.pings == nil {
		c.pings = make(map[string]chan struct{})
	}
	c.pings[id] = pong
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pings, id)
		c.mu.Unlock()
	}()
	start := time.Now()
	if err := c.write(ctx, ddp.Ping{ID: id}, true); err != nil {
		select {
		case <-c.done:
			return 0, c.Err()
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	c.pingsOut.Add(1)
	select {
	case <-pong:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-c.done:
		return 0, c.Err()
	}
}

// ponged is called by the reader.
func (c *Conn) ponged(id string) {
	c.pongsIn.Add(1)
	if id == "" {
		if at := c.pinged.Swap(0); at != 0 {
			c.roundTrip.Store(int64(time.Since(c.started)) - at)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if pong := c.pings[id]; pong != nil {
		close(pong)
		delete(c.pings, id)
	}
}

// ping is called by the heartbeat.
func (c *Conn) ping() {
	c.pinged.CompareAndSwap(0, int64(time.Since(c.started)))
	if c.write(context.Background(), ddp.Ping{}, true) == nil {
		c.pingsOut.Add(1)
	}
}

// silent is called by the heartbeat when a ping stayed unanswered.
func (c *Conn) silent() {
	err := ErrSilent
	if c.opts.Heart == nil {
		err = fmt.Errorf("%w: no answer to a ping within %v", ErrSilent, c.opts.Timeout)
	}
	c.giveUp(err, wire.CodeDrop)
}
