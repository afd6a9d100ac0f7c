package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// ErrTooManyCalls is given to a call beyond Options.MaxCalls.
var ErrTooManyCalls = errors.New("client: too many unanswered calls")

// Call is a call of a method of the server, as in net/rpc. Value and Err may be read
// once it came out of Done.
type Call struct {
	Method string
	Params ejson.Array
	Value  ejson.Value // the result; Missing where the method returned nothing
	// Err is why there is no result: a *ddp.Error is what the server said.
	Err error
	// Done receives the Call when it is complete.
	Done chan *Call

	id      string
	seq     uint64 // in the order of Go
	sent    *Conn  // where it was sent last; guarded by the router
	updated chan struct{}
	told    bool // updated is closed; the router's
}

// Updated returns a channel that is closed when the server has sent all documents that
// the method wrote, or when it cannot say so any more. That may be before the result or
// after it.
func (c *Call) Updated() <-chan struct{} { return c.updated }

func (c *Call) message() ddp.Message {
	return ddp.Method{ID: c.id, Name: c.Method, Params: c.Params}
}

// complete gives the call back. As in net/rpc, it is lost where Done has no room.
func (c *Call) complete() {
	select {
	case c.Done <- c:
	default:
	}
}

// paramsOf makes the parameters of a call or subscription.
func paramsOf(what, name string, params []any) (ejson.Array, error) {
	values := make([]ejson.Value, len(params))
	for i, p := range params {
		var err error
		if values[i], err = ejson.ValueOf(p); err != nil {
			return ejson.Array{}, fmt.Errorf("client: %s %q, parameter %d: %w", what, name, i+1, err)
		}
	}
	return ejson.ArrayOf(values...), nil
}

// Call calls a method and waits for its result, until ctx is done. The parameters are
// anything that ejson.ValueOf takes. An error that the server gives is a *ddp.Error.
//
// What the server sent before the result has been given to Options.Events when Call
// returns. A call whose ctx is done may have run, or may run yet.
func (c *Conn) Call(ctx context.Context, method string, params ...any) (ejson.Value, error) {
	return c.route().wait(ctx, method, params)
}

// Go calls a method and does not wait for the result: the Call comes out of its Done.
// That is done, which must have room for all that may come out of it at once, or a new
// channel where done is nil. Go waits only while the queue of messages to be sent is
// full.
func (c *Conn) Go(method string, done chan *Call, params ...any) *Call {
	return c.route().start(context.Background(), method, done, params)
}

func (r *router) wait(ctx context.Context, method string, params []any) (ejson.Value, error) {
	call := r.start(ctx, method, nil, params)
	select {
	case <-call.Done:
		return call.Value, call.Err
	case <-ctx.Done():
		r.abandon(call)
		return ejson.Value{}, context.Cause(ctx)
	}
}

func (r *router) start(ctx context.Context, method string, done chan *Call, params []any) *Call {
	if done == nil {
		done = make(chan *Call, 1)
	} else if cap(done) == 0 {
		panic("client: Go wants a done channel with room") // as net/rpc does
	}
	call := &Call{Method: method, Done: done, updated: make(chan struct{})}
	var err error
	if call.Params, err = paramsOf("call", method, params); err == nil {
		err = r.begin(ctx, call) // which may have been answered when it returns
	}
	if err != nil {
		call.Err = err
		close(call.updated)
		call.complete()
	}
	return call
}
