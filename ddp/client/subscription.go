package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// ErrStopped is given by Wait when the subscription ended without an error.
var ErrStopped = errors.New("client: the subscription was stopped")

// Subscription is one subscription of a session. Its documents come to
// Options.Events, together with those of all others.
type Subscription struct {
	Name   string
	Params ejson.Array

	r     *router
	id    string
	seq   uint64 // in the order of Subscribe
	sent  *Conn  // where it was sent last; guarded by the router
	again bool   // and had been sent before in that session; likewise
	ready chan struct{}
	done  chan struct{}
	isSet bool  // ready is closed; guarded by the router
	err   error // set before done is closed
}

// Subscribe asks for the documents of a publication. It waits only while the queue of
// messages to be sent is full; see Subscription.Wait. The parameters are anything that
// ejson.ValueOf takes.
func (c *Conn) Subscribe(ctx context.Context, name string, params ...any) (*Subscription, error) {
	return c.route().subscribe(ctx, name, params)
}

// ID returns the id that the messages of the protocol have for it.
func (s *Subscription) ID() string { return s.id }

// Ready returns a channel that is closed when all documents have been given to the
// events for the first time.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Done returns a channel that is closed when the subscription has ended: after Stop,
// when the server ended it, and with the session.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Err tells why the subscription ended: nil while it lives, after Stop, and where the
// server gave no reason; a *ddp.Error is what the server said.
func (s *Subscription) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Wait waits until the subscription is ready, and returns nil. Where it ends before that
// it returns Err, or ErrStopped.
func (s *Subscription) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	select {
	case <-s.ready:
		return nil
	case <-s.done:
		if s.err != nil {
			return s.err
		}
		return ErrStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the subscription, once. It does not wait for the server, which will say
// that the documents are gone.
func (s *Subscription) Stop() { s.r.stop(s) }

func (s *Subscription) message() ddp.Message {
	return ddp.Sub{ID: s.id, Name: s.Name, Params: s.Params}
}

// end is called once, by who took the subscription out of the router.
func (s *Subscription) end(err error) {
	s.err = err
	close(s.done)
}

func (r *router) subscribe(ctx context.Context, name string, params []any) (*Subscription, error) {
	ps, err := paramsOf("subscription", name, params)
	if err != nil {
		return nil, err
	}
	s := &Subscription{Name: name, Params: ps, r: r, ready: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	if r.end != nil {
		defer r.mu.Unlock()
		return nil, fmt.Errorf("client: subscription %q: %w", name, r.end)
	}
	s.seq, s.id = r.next()
	r.subs[s.id] = s
	live := r.live
	s.sent = live
	r.mu.Unlock()
	if live != nil && live.write(ctx, s.message(), false) != nil && ctx.Err() != nil {
		if r.forget(s) {
			s.end(context.Cause(ctx))
		}
		return nil, context.Cause(ctx)
	}
	return s, nil
}

func (r *router) stop(s *Subscription) {
	r.mu.Lock()
	if r.subs[s.id] != s {
		r.mu.Unlock()
		return
	}
	delete(r.subs, s.id)
	live := r.live
	if s.sent != nil {
		r.stopLocked(s)
	}
	r.mu.Unlock()
	if live != nil {
		live.write(context.Background(), ddp.Unsub{ID: s.id}, false)
	}
	s.end(nil)
}

// stopLocked notes that the server is to be told, or is being told, that it ends.
func (r *router) stopLocked(s *Subscription) {
	if len(r.stopping) >= maxLate {
		clear(r.stopping)
	}
	r.stopping[s.id] = stopped{s, r.live}
}

// forget takes the subscription out, and reports whether it was there.
func (r *router) forget(s *Subscription) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.subs[s.id] == s
	delete(r.subs, s.id)
	return was
}
