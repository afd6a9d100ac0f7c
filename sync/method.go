package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Method is a method call in full.
type Method struct {
	Name    string
	Params  []any
	Wait    bool // start after all earlier calls, and before all later ones
	NoRetry bool // send it at most once
}

// Call calls a method and waits for its result and for its writes to be in the
// store. Offline it waits for the server; bound it by ctx. When ctx is done
// first, the call goes on without you. After a lost connection a call without a
// result is sent again under the same id; a server without a memory of ids runs it
// twice then.
//
// The result is what ejson.Value.Any gives: nil, bool, float64, string, time.Time,
// ejson.Doc, ejson.Array and so on; nil also where the method returned nothing.
//
// Errors: the server's, a *ddp.Error; ErrTooManyCalls; ErrClosed; a parameter that
// is no EJSON value; that of ctx.
func (r *Replica) Call(ctx context.Context, name string, params ...any) (any, error) {
	v, err := r.Invoke(ctx, Method{Name: name, Params: params})
	if err != nil || v.IsMissing() {
		return nil, err
	}
	return v.Any(), nil
}

// CallFor is Call with the result as T: a struct, a map, a slice, a number, and
// whatever else ejson.Decode fills. Where the method returned nothing it is the
// zero T.
func CallFor[T any](ctx context.Context, r *Replica, name string, params ...any) (T, error) {
	var zero T
	v, err := r.Invoke(ctx, Method{Name: name, Params: params})
	if err != nil || v.IsMissing() {
		return zero, err
	}
	type result struct {
		Value T `json:"v"`
	}
	var b ejson.Builder
	b.Add("v", v)
	got, err := ejson.Decode[result](b.Doc())
	if err != nil {
		return zero, fmt.Errorf("sync: result of %q: %w", name, err)
	}
	return got.Value, nil
}

// Invoke is Call with every option, and with the result as it came; it is Missing
// where the method returned nothing. Beside the errors of Call, ErrUnknownOutcome
// for a NoRetry call.
func (r *Replica) Invoke(ctx context.Context, m Method) (ejson.Value, error) {
	params, err := arrayOf(m.Params)
	if err != nil {
		return ejson.Value{}, err
	}
	c := &call{method: m, params: params, done: make(chan struct{})}
	var refused error
	if err := r.do(ctx, func(l *loop) { refused = l.call(c) }); err != nil {
		return ejson.Value{}, err
	}
	if p := (*stubPanic)(nil); errors.As(refused, &p) {
		panic(p)
	}
	if refused != nil {
		return ejson.Value{}, refused
	}
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		return ejson.Value{}, ctx.Err()
	case <-r.ctx.Done():
		return ejson.Value{}, ErrClosed
	}
}

// call is an outstanding call. The loop owns it; value and err are for everybody
// once done is closed.
type call struct {
	method Method
	params ejson.Array
	id     string
	order  uint64
	user   string // who made it
	seed   string // randomSeed; "" where no stub drew from it

	sent    bool        // on this session
	result  *ddp.Result // nil: not yet
	fault   error       // the result cannot be read
	visible bool        // its writes are in the store

	done  chan struct{}
	value ejson.Value
	err   error
}

// block is calls that may be outstanding at the server together: consecutive ones,
// or a single one with Wait.
type block struct {
	wait  bool
	calls map[string]*call
}

// call enters a call, and sends it if it may go.
func (l *loop) call(c *call) error {
	if len(l.calls) >= l.opts.MaxCalls {
		return ErrTooManyCalls
	}
	l.lastCall++
	c.order = l.lastCall
	c.id = l.prefix + strconv.FormatUint(c.order, 10)
	if err := l.foresee(c); err != nil {
		return err
	}
	l.calls[c.id] = c
	last := len(l.blocks) - 1
	if last < 0 || c.method.Wait || l.blocks[last].wait {
		l.blocks = append(l.blocks, &block{wait: c.method.Wait, calls: map[string]*call{}})
		last++
	}
	l.blocks[last].calls[c.id] = c
	l.countCalls()
	if s := l.session; s != nil && last == 0 {
		l.sendCall(s, c)
	}
	return nil
}

// foresee runs the call's stub, if there is one, on what the server has sent so far.
func (l *loop) foresee(c *call) error {
	fn := l.stubOf(c.method.Name)
	if fn == nil {
		return nil
	}
	if s := l.session; s != nil {
		l.settle(s)
	}
	var refs []docRef
	err := l.update(func(tx *store.Tx) (err error) {
		refs, err = l.simulate(tx, c, fn)
		return err
	})
	if err != nil {
		return err
	}
	if len(refs) > 0 {
		l.wrote[c.id] = refs
	}
	return nil
}

// sendCall sends a call. While one with Wait is outstanding all data are held up,
// so that what it changes (the user, say) shows as one.
func (l *loop) sendCall(s *session, c *call) {
	c.sent = true
	s.out = append(s.out, ddp.Method{ID: c.id, Name: c.method.Name, Params: c.params, RandomSeed: c.seed})
	if c.method.Wait {
		s.calls[c.id] = struct{}{}
		if s.limitAt.IsZero() {
			s.limitAt = time.Now().Add(l.opts.QuiesceLimit)
		}
	}
}

// firstCalls yields the calls that may be at the server, in order.
func (l *loop) firstCalls() iter.Seq2[string, *call] {
	return func(yield func(string, *call) bool) {
		if len(l.blocks) == 0 {
			return
		}
		byOrder := func(a, b *call) int { return cmp.Compare(a.order, b.order) }
		for _, c := range slices.SortedFunc(maps.Values(l.blocks[0].calls), byOrder) {
			if !yield(c.id, c) {
				return
			}
		}
	}
}

// resendCalls sends at the start of a session what has no result yet. What has
// one, and lost its updated with the connection, is let go when this session's
// data are whole, which is as near as one can come.
func (l *loop) resendCalls(s *session) {
	for _, c := range l.firstCalls() {
		if c.result == nil {
			l.sendCall(s, c)
		} else {
			s.updated = append(s.updated, c)
			s.release = append(s.release, c.id)
		}
	}
	s.release = append(s.release, l.leaving...)
	l.leaving = nil
}

// loseCalls is for the end of a session.
func (l *loop) loseCalls() {
	for _, c := range l.firstCalls() {
		if !c.sent || c.result != nil {
			continue
		}
		c.sent, c.visible = false, false // a new updated is needed
		if c.method.NoRetry {
			if l.wrote[c.id] != nil {
				l.leaving = append(l.leaving, c.id)
			}
			l.settleCall(c, ejson.Value{}, ErrUnknownOutcome)
		}
	}
}

// result takes the message result.
func (l *loop) result(s *session, m ddp.Result) { l.answer(s, m.ID, m, nil) }

// answer takes the result of a call, or the reason why it cannot be read.
func (l *loop) answer(s *session, id string, m ddp.Result, fault error) {
	c := l.calls[id]
	if c == nil || !c.sent || c.result != nil {
		l.log.Debug("sync: result that nobody waits for", "id", id)
		return
	}
	c.result, c.fault = &m, fault
	l.settle(s)
	if c.visible && l.session == s {
		l.complete(s, c)
	}
}

// updated takes the message updated.
func (l *loop) updated(s *session, ids []string) {
	for _, id := range ids {
		if l.wrote[id] != nil {
			s.release = append(s.release, id)
		}
		c := l.calls[id]
		if c == nil || !c.sent || c.visible {
			continue
		}
		delete(s.calls, id)
		s.updated = append(s.updated, c)
	}
	s.unblocked()
	l.settle(s)
}

// visible notes that the writes of a call are in the store.
func (l *loop) visible(s *session, c *call) {
	c.visible = true
	if c.result != nil && l.calls[c.id] == c {
		l.complete(s, c)
	}
}

// complete resolves a call that has both, and lets the next block go.
func (l *loop) complete(s *session, c *call) {
	before := len(l.blocks)
	switch {
	case c.fault != nil:
		l.settleCall(c, ejson.Value{}, c.fault)
	case c.result.Err != nil:
		l.settleCall(c, ejson.Value{}, c.result.Err)
	default:
		l.settleCall(c, c.result.Value, nil)
	}
	if len(l.blocks) == before {
		return
	}
	for _, next := range l.firstCalls() {
		l.sendCall(s, next)
	}
}

// settleCall resolves a call of the first block, and takes it out.
func (l *loop) settleCall(c *call, value ejson.Value, err error) {
	c.value, c.err = value, err
	close(c.done)
	delete(l.calls, c.id)
	b := l.blocks[0]
	delete(b.calls, c.id)
	if len(b.calls) == 0 {
		l.blocks[0] = nil
		l.blocks = l.blocks[1:]
	}
	l.countCalls()
}

func (l *loop) countCalls() {
	l.status.Calls, l.dirty = len(l.calls), true
}
