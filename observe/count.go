package observe

import "github.com/replicad/replicad/store"

// Count calls fn with the number of documents in the result before it returns,
// and then whenever the number has changed, as Start would. Counting a result
// without skip and limit keeps nothing but the number.
func Count[T any](q store.Query[T], fn func(n int)) (*Handle, error) {
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	whole := *spec
	whole.Fields = nil // no form of a document counts, so none is made
	n := 0
	return start(&whole, isWindow(spec), Options{Chunk: usualChunk}, func(_ *Handle, b docBatch) error {
		was := n
		for i := range b.Events {
			switch b.Events[i].Kind {
			case Added:
				n++
			case Removed:
				n--
			}
		}
		if b.First && !b.More || !b.First && n != was {
			fn(n)
		}
		return nil
	})
}
