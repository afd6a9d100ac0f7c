package observe

import (
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Kind says what became of a document's place in a result.
type Kind uint8

// The kinds of event.
const (
	Added   Kind = iota + 1 // the document entered the result
	Changed                 // its fields changed; its place did not
	Moved                   // its place changed; its fields did not
	Removed                 // it left the result
)

// String returns the kind in lower case, as the protocol spells it.
func (k Kind) String() string {
	switch k {
	case Added:
		return "added"
	case Changed:
		return "changed"
	case Moved:
		return "moved"
	case Removed:
		return "removed"
	}
	return "none"
}

// Event is one change of one document in a result. A document whose fields and
// place change at once gives a Changed, and later in the batch a Moved.
type Event[T any] struct {
	Kind     Kind
	ID       ejson.ID
	Old, New T // Old is zero for Added, New for Removed; they are equal for Moved

	// From is the document's place before the event, To its place after it, each
	// counted at that moment: take the document out at From, put it in at To. They
	// are -1 where there is no such place, and where the result has no order.
	From, To int
	// Before is the document that it is put in front of, by Added and Moved; zero
	// at the end, and where the result has no order.
	Before ejson.ID

	Set   ejson.Doc // Changed: the top-level fields with new values
	Unset []string  // Changed: the top-level fields now gone
}

// Batch is everything that happened to a result between two moments. Apply its
// events in order, and the result is one that existed. Observers of equal
// queries share the events: do not modify them.
type Batch[T any] struct {
	Seq    store.Seq // the moment that it leads to
	First  bool      // the events are the initial result, or a chunk of it, each Added at the end
	More   bool      // another chunk of the initial result follows
	Events []Event[T]
}

type (
	docEvent = Event[ejson.Doc]
	docBatch = Batch[ejson.Doc]
)
