package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// router gives what arrives to whom it is for: results to calls, ready and nosub to
// subscriptions, everything else to rest. It belongs to one session, or to a
// Reconnecting, and then outlives its sessions.
type router struct {
	rest func(ddp.Message) // called without the lock, by the goroutine that calls handle
	most int               // calls

	mu       sync.Mutex // guards the rest; a leaf
	prefix   string     // of ids, so that no two processes or sessions ever have the same
	n        uint64
	live     *Conn // to which requests are sent; nil: they wait for resend
	calls    map[string]*Call
	late     map[string]*Call // have their result, and wait for updated
	subs     map[string]*Subscription
	stopping map[string]stopped // nosub has not come
	end      error              // why there will be no session any more
}

// stopped is a subscription that is to end; sent is where unsub was sent, if it was.
type stopped struct {
	sub  *Subscription
	sent *Conn
}

// Servers that never say updated, or nosub, must not fill the memory.
const maxLate = 1024

func newRouter(opts Options, rest func(ddp.Message)) *router {
	return &router{
		rest: rest, most: opts.MaxCalls, prefix: ddp.NewID() + "-",
		calls: map[string]*Call{}, late: map[string]*Call{},
		subs: map[string]*Subscription{}, stopping: map[string]stopped{},
	}
}

// route makes the session give what arrives to its router, from the first call on.
func (c *Conn) route() *router {
	c.routing.Do(func() {
		rest := c.opts.rest
		if rest == nil {
			on := c.opts.Events
			if on == nil {
				on = new(Events)
			}
			rest = on.give
		}
		c.router = newRouter(c.opts, rest)
		c.router.live = c
		c.routed.Store(true)
		go c.dispatch()
	})
	return c.router
}

// dispatch gives what arrives to the router, until the session ends. What arrived before
// Close and was not looked at is dropped.
func (c *Conn) dispatch() {
	defer close(c.dispatched)
	for {
		_, open := <-c.ready
		ms := c.take()
		for _, m := range ms {
			if c.isClosed() {
				break
			}
			c.router.handle(m)
			c.applied.Add(1)
		}
		if !open && len(ms) == 0 {
			c.router.finish(c.Err())
			return
		}
	}
}

// Position returns where the session stands after the last message whose event has
// returned. It is for sessions that have Events; others count with Start.
func (c *Conn) Position() Position { return c.Start().After(int(c.applied.Load())) }

// isClosed reports whether Close was called.
func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause == ErrClosed
}

// next returns a number and an id for a call or subscription. The caller holds mu.
func (r *router) next() (uint64, string) {
	r.n++
	return r.n, r.prefix + strconv.FormatUint(r.n, 10)
}

// begin registers a call and sends it, if there is a session.
func (r *router) begin(ctx context.Context, call *Call) error {
	r.mu.Lock()
	switch {
	case r.end != nil:
		defer r.mu.Unlock()
		return unanswered(call, r.end)
	case len(r.calls) >= r.most:
		r.mu.Unlock()
		return fmt.Errorf("%w (%d)", ErrTooManyCalls, r.most)
	}
	call.seq, call.id = r.next()
	r.calls[call.id] = call
	live := r.live
	call.sent = live
	r.mu.Unlock()
	// Where the session has ended, whoever sees the end answers the call, or sends it
	// again.
	if live != nil && live.write(ctx, call.message(), false) != nil && ctx.Err() != nil && r.abandon(call) {
		return context.Cause(ctx)
	}
	return nil
}

func unanswered(call *Call, err error) error {
	return fmt.Errorf("client: call %q was not answered: %w", call.Method, err)
}

// abandon forgets a call, and reports whether it was unanswered.
func (r *router) abandon(call *Call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.calls[call.id] == call
	delete(r.calls, call.id)
	return was
}

// handle gives one message to whom it is for.
func (r *router) handle(m ddp.Message) {
	switch m := m.(type) {
	case ddp.Result:
		var err error
		if m.Err != nil {
			err = m.Err
		}
		if r.answer(m.ID, m.Value, err) {
			return
		}
	case ddp.Updated:
		if m.Methods = r.update(m.Methods); len(m.Methods) == 0 {
			return
		}
		r.rest(m)
		return
	case ddp.Nosub:
		var err error
		if m.Err != nil {
			err = m.Err
		}
		if r.refuse(m.ID, err) {
			return
		}
	case ddp.Unknown:
		if r.unreadable(m) {
			return
		}
	case ddp.Ready:
		// First those who wait for the event, then those who wait for the channel.
		defer r.markReady(m.Subs)
	}
	r.rest(m)
}

// own reports whether an id is of a call or subscription of this router, also of one
// that is over, or that nobody waits for any more.
func (r *router) own(id string) bool { return strings.HasPrefix(id, r.prefix) }

// unreadable ends a call or subscription with whose end came something that could not be
// decoded: it will not come again.
func (r *router) unreadable(m ddp.Unknown) bool {
	var bad *ddp.MalformedError
	if !errors.As(m.Err, &bad) {
		return false
	}
	switch bad.Type {
	case "result":
		return r.answer(bad.ID, ejson.Value{}, fmt.Errorf("client: the result cannot be read: %w", bad))
	case "nosub":
		return r.refuse(bad.ID, fmt.Errorf("client: why the subscription ended cannot be read: %w", bad))
	}
	return false
}

// answer completes the call that a result is for, and reports whether it was for one of
// ours. A second result completes none.
func (r *router) answer(id string, v ejson.Value, err error) bool {
	r.mu.Lock()
	call := r.calls[id]
	if call == nil {
		r.mu.Unlock()
		return r.own(id)
	}
	delete(r.calls, id)
	if !call.told {
		for id, old := range r.late {
			if len(r.late) < maxLate {
				break
			}
			old.tell()
			delete(r.late, id)
		}
		r.late[id] = call
	}
	r.mu.Unlock()
	call.Value, call.Err = v, err
	call.complete()
	return true
}

// update notes that calls have been updated, and returns the ids that are none.
func (r *router) update(ids []string) (others []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		call := r.calls[id]
		if call == nil {
			call = r.late[id]
			delete(r.late, id)
		}
		switch {
		case call != nil:
			call.tell()
		case !r.own(id):
			others = append(others, id)
		}
	}
	return others
}

// tell is called with mu of the router held.
func (c *Call) tell() {
	if !c.told {
		c.told = true
		close(c.updated)
	}
}

// refuse ends the subscription that a nosub is for, and reports whether it was for one
// of ours.
func (r *router) refuse(id string, err error) bool {
	r.mu.Lock()
	s := r.subs[id]
	delete(r.subs, id)
	delete(r.stopping, id)
	if s == nil {
		r.mu.Unlock()
		return r.own(id)
	}
	// What was sent again may have been begun again, before this arrived.
	unsub := s.again
	if unsub {
		r.stopLocked(s)
	}
	live := r.live
	r.mu.Unlock()
	if unsub && live != nil {
		live.write(context.Background(), ddp.Unsub{ID: id}, false)
	}
	s.end(err)
	return true
}

func (r *router) markReady(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if s := r.subs[id]; s != nil && !s.isSet {
			s.isSet = true
			close(s.ready)
		}
	}
}

// finish ends all calls and subscriptions: there will be no session any more.
func (r *router) finish(err error) {
	r.mu.Lock()
	calls, late, subs := r.calls, r.late, r.subs
	r.calls, r.late, r.subs, r.stopping = nil, nil, nil, nil
	r.live, r.end = nil, err
	for _, call := range late {
		call.tell()
	}
	for _, call := range calls {
		call.tell()
	}
	r.mu.Unlock()
	for _, call := range calls {
		call.Err = unanswered(call, err)
		call.complete()
	}
	for _, s := range subs {
		s.end(err)
	}
}
