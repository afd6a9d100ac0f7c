package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// Call is one method call. Its methods may be called until the method returns;
// after that Unblock does nothing, and Wait and Fence come too late.
type Call struct {
	Params     ejson.Array
	UserID     string // who is logged in, "" for nobody; SetUserID changes it
	RandomSeed string // as the client gave it, "" if it gave none

	s         *Session
	id        string
	name      string
	key       string // "" until it was asked for
	entryUser string // who was logged in when the call came
	turn      *turn
	outer     *Call // the call that made this one, nil if the client did
	streams   *ddp.Streams
	waits     []func(context.Context) error
	seq       uint64 // what Fence was given, the highest
	fenced    bool
}

// ID returns the call's id, which the client chose.
func (c *Call) ID() string { return c.id }

// Name returns the method's name.
func (c *Call) Name() string { return c.name }

// Session returns the session of the client.
func (c *Call) Session() *Session { return c.s }

// Unblock lets the client's next message be handled before the method has
// returned. More than once is once.
func (c *Call) Unblock() { c.turn.pass() }

// Random returns the streams of random values that the client's simulation of the
// same call draws from too, so that both make the same ids; if the client sent no
// seed, from a seed made now.
func (c *Call) Random() *ddp.Streams {
	if c.streams == nil {
		seed := c.RandomSeed
		if seed == "" {
			seed = ddp.NewSeed()
		}
		c.streams = ddp.NewStreams(seed)
	}
	return c.streams
}

// Wait has the server call fn after the method has returned, and tell the client
// that all effects of the call have been sent (updated) only when fn has returned.
// fn should wait until what the method changed has reached the publications; an
// error is logged and does not keep the message back. The client's other messages
// do not wait for it. ctx is the session's.
func (c *Call) Wait(fn func(ctx context.Context) error) {
	c.root().waits = append(c.root().waits, fn)
}

// Fence is Wait for the publications of this session: updated is sent when each
// has told all changes up to seq, by what it gave to Follow.
func (c *Call) Fence(seq uint64) {
	r := c.root()
	r.seq, r.fenced = max(r.seq, seq), true
}

// Call makes another method call on behalf of the same client and user, and
// returns its result. Errors are as the method returned them. The params are
// values that ejson.ValueOf takes.
func (c *Call) Call(ctx context.Context, name string, params ...any) (ejson.Value, error) {
	fn := c.s.server.method(name)
	if fn == nil {
		return ejson.Value{}, notFound(name)
	}
	var list ejson.ListBuilder
	for i, p := range params {
		v, err := ejson.ValueOf(p)
		if err != nil {
			return ejson.Value{}, fmt.Errorf("server: call %s: parameter %d: %w", name, i+1, err)
		}
		list.Append(v)
	}
	inner := &Call{
		Params: list.Array(), UserID: c.UserID, RandomSeed: c.Random().CallSeed(name),
		s: c.s, id: c.id, name: name, turn: c.turn, outer: c,
	}
	v, err := fn(ctx, inner)
	if err != nil {
		return ejson.Value{}, err
	}
	return valueOf(v)
}

func (c *Call) root() *Call {
	for c.outer != nil {
		c = c.outer
	}
	return c
}

func notFound(name string) *ddp.Error {
	return ddp.NumericError(404, "Method '"+name+"' not found")
}

// valueOf makes a result of what a method returned.
func valueOf(v any) (ejson.Value, error) {
	if v == nil {
		return ejson.Value{}, nil
	}
	if v, ok := v.(ejson.Value); ok {
		return v, nil
	}
	return ejson.ValueOf(v)
}

// call handles a method.
func (s *Session) call(m ddp.Method, past *past, t *turn) {
	s.mu.Lock()
	if s.leaving || s.ended {
		s.mu.Unlock()
		return // the client will ask again, elsewhere
	}
	s.running++
	user := s.user
	s.mu.Unlock()

	fn := s.server.method(m.Name)
	if fn == nil {
		s.answer(past, ddp.Result{ID: m.ID, Err: notFound(m.Name).ForClient()}, true)
		return
	}
	if err := s.allow(m.Name, false, user); err != nil {
		s.answer(past, ddp.Result{ID: m.ID, Err: err.ForClient()}, false)
		return
	}
	s.count.made.Add(1)
	c := &Call{
		Params: m.Params, UserID: user, RandomSeed: m.RandomSeed,
		s: s, id: m.ID, name: m.Name, entryUser: user, turn: t,
	}
	var v ejson.Value
	err := errGone
	defer func() {
		r := ddp.Result{ID: m.ID, Value: v}
		if err != nil {
			var safe bool
			if r.Err, safe = Sanitize(err); !safe {
				s.logError("method", m.Name, err)
			}
		}
		c.settle()
		s.answer(past, r, false)
	}()
	v, err = c.once(func() (ejson.Value, error) { return c.run(fn) })
}

// run calls the method, and makes an error of its panic.
func (c *Call) run(fn MethodFunc) (v ejson.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	x, err := fn(c.s.ctx, c)
	if err != nil {
		return ejson.Value{}, err
	}
	if v, err = valueOf(x); err != nil {
		return ejson.Value{}, fmt.Errorf("result: %w", err)
	}
	return v, nil
}

// settle waits for what updated has to wait for. Others have the turn meanwhile.
func (c *Call) settle() {
	s := c.s
	if c.fenced {
		for _, p := range s.publications() {
			s.mu.Lock()
			follow := p.follow
			s.mu.Unlock()
			for _, wait := range follow {
				c.waits = append(c.waits, func(context.Context) error {
					if err := wait(p.ctx, c.seq); p.ctx.Err() == nil {
						return err
					}
					return nil // it has ended, and tells nothing any more
				})
			}
		}
	}
	if len(c.waits) == 0 {
		return
	}
	c.turn.pass()
	for _, wait := range c.waits {
		s.hook(func() {
			if err := wait(s.ctx); err != nil && s.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.logError("waiting for the writes of a method", c.name, err)
			}
		})
	}
}

// answer ends a call. Its data were sent before; then come updated and result, or,
// for a call that was not made, result and updated.
func (s *Session) answer(past *past, r ddp.Result, resultFirst bool) {
	updated := ddp.Updated{Methods: []string{r.ID}}
	s.mu.Lock()
	if !resultFirst {
		s.sendLocked(updated)
	}
	s.out.frame(func(b []byte) []byte {
		start := len(b)
		b = s.server.encode(b, r)
		s.memory.answered(past, b[start:], s.out.frames)
		return b
	})
	if resultFirst {
		s.sendLocked(updated)
	}
	s.calls--
	s.asked -= past.size
	s.running--
	s.sealLocked()
	s.sent()
}
