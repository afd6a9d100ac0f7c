package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// subsCollection is where the replica keeps its subscriptions.
const subsCollection = "sync.subs"

// heldSub is one subscription of the daemon.
type heldSub struct {
	subscription
	held *replica.Subscription
}

// refusal is why the server does not serve it; nil while it does, or has not answered.
func (s heldSub) refusal() *ddp.Error {
	var refused *ddp.Error
	if errors.As(s.held.Err(), &refused) {
		return refused
	}
	return nil
}

// heldSubs are the subscriptions of the daemon. begin makes the list, once, and from then
// on only again changes it, on one goroutine.
type heldSubs struct {
	replica *replica.Replica
	stderr  io.Writer
	list    atomic.Pointer[[]heldSub]
}

func (h *heldSubs) all() []heldSub {
	if list := h.list.Load(); list != nil {
		return *list
	}
	return nil
}

// begin subscribes to what was asked for, and where that is nothing, to what the file
// has. synced is closed when the server has answered for all of them, if there are any.
func (h *heldSubs) begin(ctx context.Context, asked []subscription, synced chan<- struct{}) error {
	kept := keptSubs(h.replica.Store())
	subs := asked
	if len(asked) == 0 {
		subs = kept
	}
	switch {
	case len(subs) == 0:
		fmt.Fprintln(h.stderr, "no --sub is given: nothing is subscribed to")
	case len(asked) == 0:
		fmt.Fprintf(h.stderr, "no --sub is given: going on with %s of the file\n", plural(len(subs), "subscription"))
	}
	for _, sub := range kept {
		if !slices.ContainsFunc(subs, sub.same) {
			fmt.Fprintf(h.stderr, "the file's subscription %v is not asked for any more: its documents go\n", sub)
		}
	}
	list := make([]heldSub, len(subs))
	for i, sub := range subs {
		held, err := h.replica.Subscribe(sub.name, params(sub.params)...)
		if err != nil {
			return fmt.Errorf("--sub %v: %w", sub, err)
		}
		list[i] = heldSub{sub, held}
	}
	h.list.Store(&list)
	if len(list) == 0 {
		return nil
	}
	go func() { // ends with ctx, at the latest
		h.await(ctx, list)
		if ctx.Err() == nil {
			close(synced)
		}
	}()
	return nil
}

// await waits until the server has answered for each, and tells what it refuses.
func (h *heldSubs) await(ctx context.Context, list []heldSub) {
	for _, sub := range list {
		if err := sub.held.Ready(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(h.stderr, "subscription %v: %s\n", sub.subscription, printable(err.Error()))
		}
	}
}

// again asks once more for what the server refused: another user may have what the last
// one may not.
func (h *heldSubs) again(ctx context.Context) {
	list := slices.Clone(h.all())
	if len(list) == 0 {
		return // not begun
	}
	var asked []heldSub
	for i, sub := range list {
		if sub.refusal() == nil {
			continue
		}
		held, err := h.replica.Subscribe(sub.name, params(sub.params)...)
		if err != nil {
			return // the replica is closed
		}
		list[i].held = held
		asked = append(asked, list[i])
	}
	h.list.Store(&list)
	go h.await(ctx, asked) // ends with ctx, at the latest
}

// about tells of the subscriptions for the status.
func (h *heldSubs) about(b *ejson.Builder) {
	n, whole := subscriptions(h.replica.Store())
	b.Add("subscriptions", ejson.NumberValue(float64(n)))
	b.Add("whole", ejson.NumberValue(float64(whole)))
	var refused ejson.ListBuilder
	for _, sub := range h.all() {
		if err := sub.refusal(); err != nil {
			refused.Append(ejson.Make(
				ejson.Field{Name: "name", Value: sub.name},
				ejson.Field{Name: "params", Value: sub.params},
				ejson.Field{Name: "code", Value: err.Code},
				ejson.Field{Name: "reason", Value: err.Reason},
			).Value())
		}
	}
	if refused.Len() > 0 {
		b.Add("refused", refused.Array().Value())
	}
}

// subscriptions counts the replica's subscriptions, and those whose documents it
// has all been given: at some time, not necessarily on this connection.
func subscriptions(s *store.Store) (n, whole int) {
	for _, d := range s.Snapshot().Each(subsCollection) {
		n++
		if d.Field("whole").Bool() {
			whole++
		}
	}
	return n, whole
}

// keptSubs are the subscriptions that the file has.
func keptSubs(s *store.Store) (list []subscription) {
	for _, d := range s.Snapshot().Each(subsCollection) {
		list = append(list, subscription{d.Field("name").Str(), d.Field("params").Array()})
	}
	return list
}
