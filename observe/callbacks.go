package observe

import (
	"errors"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// ErrBothForms is returned by Docs where a kind of event has two callbacks, like
// Added and AddedAt.
var ErrBothForms = errors.New("observe: a kind of event has a callback with places and one without; give one of them")

// Callbacks are Meteor's observe, by names. Nil ones are skipped; of a pair like
// Added and AddedAt give one. A place is counted at the moment of its call: apply
// the calls in order, and a list follows the result. before is the document that
// one is put in front of, zero at the end.
type Callbacks[T any] struct {
	Added   func(doc T)
	Changed func(old, new T)
	Removed func(old T)
	Moved   func(doc T, from, to int)

	AddedAt   func(doc T, at int, before ejson.ID)
	ChangedAt func(old, new T, at int)
	RemovedAt func(old T, at int)
	MovedTo   func(doc T, from, to int, before ejson.ID)

	SkipInitial bool // do not call for the initial result
}

// ordered reports whether a callback asks for places.
func (cb *Callbacks[T]) ordered() bool {
	return cb.Moved != nil || cb.AddedAt != nil || cb.ChangedAt != nil || cb.RemovedAt != nil || cb.MovedTo != nil
}

// valid reports an error where two callbacks would be called for one event.
func (cb *Callbacks[T]) valid() error {
	if cb.Added != nil && cb.AddedAt != nil || cb.Changed != nil && cb.ChangedAt != nil ||
		cb.Removed != nil && cb.RemovedAt != nil || cb.Moved != nil && cb.MovedTo != nil {
		return ErrBothForms
	}
	return nil
}

// Docs is Start with a callback for each kind of event. Where a callback asks
// for places and the query has no sort, they are those in the order of insertion;
// where none does, a sort without skip and limit costs nothing to keep up.
func Docs[T any](q store.Query[T], cb Callbacks[T]) (*Handle, error) {
	if err := cb.valid(); err != nil {
		return nil, err
	}
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	return start(spec, cb.ordered() || isWindow(spec), Options{usualChunk, cb.SkipInitial}, typed(func(h *Handle, b Batch[T]) {
		for i := range b.Events {
			if h.ended() {
				return
			}
			cb.call(&b.Events[i])
		}
	}))
}

func (cb *Callbacks[T]) call(e *Event[T]) {
	switch e.Kind {
	case Added:
		if cb.Added != nil {
			cb.Added(e.New)
		}
		if cb.AddedAt != nil {
			cb.AddedAt(e.New, e.To, e.Before)
		}
	case Changed:
		if cb.Changed != nil {
			cb.Changed(e.Old, e.New)
		}
		if cb.ChangedAt != nil {
			cb.ChangedAt(e.Old, e.New, e.From)
		}
	case Moved:
		if cb.Moved != nil {
			cb.Moved(e.New, e.From, e.To)
		}
		if cb.MovedTo != nil {
			cb.MovedTo(e.New, e.From, e.To, e.Before)
		}
	case Removed:
		if cb.Removed != nil {
			cb.Removed(e.Old)
		}
		if cb.RemovedAt != nil {
			cb.RemovedAt(e.Old, e.From)
		}
	}
}

// ChangeCallbacks are Meteor's observeChanges: ids, fields without _id, and of a
// change only what differs. Nil ones are skipped. before is the document that one
// is put in front of, zero at the end.
type ChangeCallbacks struct {
	Added   func(id ejson.ID, fields ejson.Doc)
	Changed func(id ejson.ID, set ejson.Doc, unset []string)
	Removed func(id ejson.ID)

	AddedBefore func(id ejson.ID, fields ejson.Doc, before ejson.ID)
	MovedBefore func(id ejson.ID, before ejson.ID)

	SkipInitial bool // do not call for the initial result
}

// Changes observes the differences of a result, field by field.
func Changes[T any](q store.Query[T], cb ChangeCallbacks) (*Handle, error) {
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	ordered := cb.AddedBefore != nil || cb.MovedBefore != nil
	return start(spec, ordered || isWindow(spec), Options{usualChunk, cb.SkipInitial}, func(h *Handle, b docBatch) error {
		for i := range b.Events {
			if h.ended() {
				return nil
			}
			cb.call(&b.Events[i])
		}
		return nil
	})
}

func (cb *ChangeCallbacks) call(e *docEvent) {
	switch e.Kind {
	case Added:
		if cb.Added != nil {
			cb.Added(e.ID, e.New.WithoutID())
		}
		if cb.AddedBefore != nil {
			cb.AddedBefore(e.ID, e.New.WithoutID(), e.Before)
		}
	case Changed:
		if cb.Changed != nil {
			cb.Changed(e.ID, e.Set, e.Unset)
		}
	case Moved:
		if cb.MovedBefore != nil {
			cb.MovedBefore(e.ID, e.Before)
		}
	case Removed:
		if cb.Removed != nil {
			cb.Removed(e.ID)
		}
	}
}
