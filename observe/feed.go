package observe

import (
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Sink takes changes in the form in which DDP sends them. A *server.Publication
// is one; neither package imports the other.
type Sink interface {
	Added(collection string, doc ejson.Doc)
	Changed(collection string, id ejson.ID, set ejson.Doc, unset []string)
	Removed(collection string, id ejson.ID)
}

// Feed is Start into a sink, as documents of the named collection. The initial
// result, which is read and passed on a part at a time, is in the sink when Feed
// returns.
func Feed[T any](q store.Query[T], collection string, to Sink) (*Handle, error) {
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	return start(spec, isWindow(spec), Options{Chunk: usualChunk}, func(h *Handle, b docBatch) error {
		for i := range b.Events {
			if h.ended() {
				return nil
			}
			switch e := &b.Events[i]; e.Kind {
			case Added:
				to.Added(collection, e.New)
			case Changed:
				to.Changed(collection, e.ID, e.Set, e.Unset)
			case Removed:
				to.Removed(collection, e.ID)
			}
		}
		return nil
	})
}
