package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// Method is a method call in full.
type Method struct {
	Name    string
	Params  []any
	Wait    bool // start after all earlier calls, and before all later ones
	NoRetry bool // send it at most once
	// Entity, if not "", is what the call is about: calls of one entity go one after
	// another, each when the one before has ended, and calls of others do not wait for
	// them. Otherwise calls only start in order.
	Entity string
	// TTL is how long Do may keep the call before it is sent; 0 means for ever. A
	// call that was sent once is not given up.
	TTL time.Duration
	// Squash, if not "", is what the call sets as a whole: a later call of the same user
	// with the same Squash takes its place in the outbox, as long as it was not sent. The
	// earlier one then ends with ErrSuperseded, and what its stub foretold goes in the
	// commit that brings what the later one's foretells; where Do cannot keep the later
	// one, the earlier is in the outbox again. Only for Do.
	Squash string
}

// Call calls a method and waits for its result and for its writes to be in the
// store. Offline it waits for the server; bound it by ctx. When ctx is done
// first, the call goes on without you. After a lost connection a call without a
// result is sent again under the same id; a server without a memory of ids runs it
// twice then. The call, and what its stub foretold, dies with the process; see Do.
//
// The result is what ejson.Value.Any gives: nil, bool, float64, string, time.Time,
// ejson.Doc, ejson.Array and so on; nil also where the method returned nothing.
//
// Errors: the server's, a *ddp.Error; ErrTooManyCalls; ErrTooLong; ErrNeedsLogin; ErrClosed; a
// parameter that is no EJSON value; that of the method's Stub; that of ctx.
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
	c := newCall(m, params)
	if err := r.enter(ctx, c); err != nil {
		return ejson.Value{}, err
	}
	return r.await(ctx, c)
}

// enter hands a call to the loop.
func (r *Replica) enter(ctx context.Context, c *call) error {
	var refused error
	if err := r.do(ctx, func(l *loop) { refused = l.call(c) }); err != nil {
		return err
	}
	if p := (*stubPanic)(nil); errors.As(refused, &p) {
		panic(p)
	}
	return refused
}

// await waits for the outcome of a call.
func (r *Replica) await(ctx context.Context, c *call) (ejson.Value, error) {
	select {
	case <-c.done:
		return c.value, c.err
	default:
	}
	if r.ctx.Err() != nil {
		return ejson.Value{}, ErrClosed
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
