package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp"
)

// lost makes requests wait for the next session.
func (r *router) lost(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == c {
		r.live = nil
	}
}

// sureSize is how long a message may be for any server and all that stands before it.
const sureSize = 16 << 10

// tooBig ends the call or subscription that made the server close c, since its message
// was too long: the longest that was sent there and is unanswered. To send it again would
// end the next session, and every one after that.
func (r *router) tooBig(c *Conn, why *CloseError) {
	r.mu.Lock()
	var call *Call
	var sub *Subscription
	size := sureSize
	longest := func(m ddp.Message) bool {
		n := len(c.opts.Codec.Append(nil, m))
		longer := n > size
		size = max(n, size)
		return longer
	}
	for _, x := range r.calls {
		if x.sent == c && longest(x.message()) {
			call = x
		}
	}
	for _, x := range r.subs {
		if x.sent == c && longest(x.message()) {
			call, sub = nil, x
		}
	}
	if call != nil {
		delete(r.calls, call.id)
		call.tell()
	}
	if sub != nil {
		delete(r.subs, sub.id)
	}
	r.mu.Unlock()
	err := fmt.Errorf("the server takes no message of %d bytes: %w", size, why)
	if call != nil {
		call.Err = unanswered(call, err)
		call.complete()
	}
	if sub != nil {
		sub.end(fmt.Errorf("client: subscription %q: %w", sub.Name, err))
	}
}

// lose ends the calls that were sent on c and are unanswered.
func (r *router) lose(c *Conn, why error) {
	r.mu.Lock()
	var calls []*Call
	for id, call := range r.calls {
		if call.sent == c {
			calls = append(calls, call)
			delete(r.calls, id)
			call.tell()
		}
	}
	r.mu.Unlock()
	for _, call := range calls {
		call.Err = unanswered(call, why)
		call.complete()
	}
}

// resend sends on c all that was not sent there, and then makes it the session to which
// requests are sent.
func (r *router) resend(c *Conn) {
	for {
		ms := r.due(c)
		if ms == nil {
			return
		}
		for _, m := range ms {
			if c.Send(context.Background(), m) != nil {
				return
			}
		}
	}
}

// due returns what is to be sent on c, in order: calls, subscriptions, and the ends of
// those which the server may still have. If that is nothing, c is the live session.
func (r *router) due(c *Conn) (ms []ddp.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var calls []*Call
	for _, call := range r.calls {
		if call.sent != c {
			call.sent = c
			calls = append(calls, call)
		}
	}
	slices.SortFunc(calls, func(a, b *Call) int { return cmp.Compare(a.seq, b.seq) })
	for _, call := range calls {
		ms = append(ms, call.message())
	}
	var subs []*Subscription
	for _, s := range r.subs {
		if s.sent != c {
			s.again = s.sent != nil && c.Resumed()
			s.sent = c
			subs = append(subs, s)
		}
	}
	slices.SortFunc(subs, func(a, b *Subscription) int { return cmp.Compare(a.seq, b.seq) })
	for _, s := range subs {
		ms = append(ms, s.message())
	}
	for id, s := range r.stopping {
		switch {
		case s.sent == c:
		case c.Resumed() || s.sub.sent == c:
			s.sent = c
			r.stopping[id] = s
			ms = append(ms, ddp.Unsub{ID: id})
		default:
			delete(r.stopping, id)
		}
	}
	if ms == nil {
		r.live = c
	}
	return ms
}
