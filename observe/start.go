package observe

import (
	"errors"
	"fmt"
	"iter"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// ErrNoID is returned for a query whose projection drops _id: its documents could
// not be told apart.
var ErrNoID = errors.New("observe: the projection drops _id, by which documents are told apart")

// compile returns what q means, if it can be observed.
func compile[T any](q store.Query[T]) (*store.Spec, error) {
	spec, err := q.Spec()
	if err == nil && spec.Fields != nil && spec.Fields.Apply(idOnly).ID().IsZero() {
		err = ErrNoID
	}
	return spec, err
}

var idOnly = ejson.Make(ejson.Field{Name: "_id", Value: "id"})

// Start is StartWith with the zero Options: the initial result is one batch.
func Start[T any](q store.Query[T], fn func(Batch[T])) (*Handle, error) {
	return StartWith(q, Options{}, fn)
}

// StartWith calls fn with the initial result before it returns, and then with each
// later batch, one at a time, on a goroutine of this package. Places are
// given where the query has a sort, a skip or a limit. What is observed is the store as
// it goes on: that the query is pinned to a snapshot counts for nothing.
//
// The initial result holds every commit whose Update has returned. Start may
// wait for the store's writer, so it must not be called inside store.Update. It
// returns the error of the query, or of a document that cannot be made a T. Where
// fn panics on the initial result, so does Start; a later panic is logged with
// the store's logger and ends this observation only.
func StartWith[T any](q store.Query[T], o Options, fn func(Batch[T])) (*Handle, error) {
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	return start(spec, hasOrder(spec), o, typed(func(_ *Handle, b Batch[T]) { fn(b) }))
}

// hasOrder reports whether the documents of a result have places.
func hasOrder(spec *store.Spec) bool { return spec.Sorter != nil || isWindow(spec) }

// isWindow reports whether what is in a result depends on other documents.
func isWindow(spec *store.Spec) bool { return spec.Skip > 0 || spec.Limit > 0 }

// start begins an observation that the hub's crew delivers.
func start(spec *store.Spec, ordered bool, o Options, deliver func(*Handle, docBatch) error) (*Handle, error) {
	h := &Handle{deliver: deliver}
	if err := h.launch(h.join(spec, ordered).batches(o)); err != nil {
		return nil, err
	}
	return h, nil
}

// launch delivers the initial result here, and lets the crew deliver later batches.
func (h *Handle) launch(first iter.Seq[docBatch]) error {
	started := false
	defer func() {
		if !started {
			h.quit()
		}
	}()
	for b := range first {
		if err := h.deliver(h, b); err != nil {
			return err
		}
		if h.ended() {
			break
		}
	}
	started = true
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.mail.len() > 0 || h.mail.late {
		h.hub.crew.add(h)
	} else {
		h.busy = false
	}
	return nil
}

// begin begins an observation for the calling goroutine: next takes its batches,
// and quit ends it.
func begin(spec *store.Spec, ordered bool) (*Handle, initial) {
	h := &Handle{wake: make(chan struct{}, 1)}
	return h, h.join(spec, ordered)
}

// join begins the observation. The caller is who sees to it.
func (h *Handle) join(spec *store.Spec, ordered bool) initial {
	h.spec, h.busy = spec, true
	h.hub = enlist(spec.Store, spec.Collection)
	joined := false
	defer func() {
		if !joined { // inside store.Update, where the store refuses with a panic
			forget(h.hub)
		}
	}()
	in := h.hub.join(h, spec, ordered)
	joined = true
	return in
}

// quit ends an observation that the calling goroutine sees to.
func (h *Handle) quit() {
	h.end(nil)
	h.finished()
}

// typed makes fn take documents.
func typed[T any](fn func(*Handle, Batch[T])) func(*Handle, docBatch) error {
	return func(h *Handle, b docBatch) error {
		t, err := convert[T](b)
		if err == nil {
			fn(h, t)
		}
		return err
	}
}

// convert makes the documents of a batch Ts.
func convert[T any](b docBatch) (Batch[T], error) {
	if b, ok := any(b).(Batch[T]); ok {
		return b, nil
	}
	out := Batch[T]{Seq: b.Seq, First: b.First, More: b.More, Events: make([]Event[T], len(b.Events))}
	for i, e := range b.Events {
		t := Event[T]{Kind: e.Kind, ID: e.ID, From: e.From, To: e.To, Before: e.Before, Set: e.Set, Unset: e.Unset}
		var err error
		if e.Kind != Removed {
			t.New, err = decode[T](e.New)
		}
		switch {
		case e.Kind == Moved:
			t.Old = t.New
		case e.Kind != Added && err == nil:
			t.Old, err = decode[T](e.Old)
		}
		if err != nil {
			return out, err
		}
		out.Events[i] = t
	}
	return out, nil
}

func decode[T any](d ejson.Doc) (T, error) {
	t, err := ejson.Decode[T](d)
	if err != nil {
		return t, fmt.Errorf("observe: document %v: %w", d.ID(), err)
	}
	return t, nil
}
