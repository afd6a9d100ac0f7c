package observe

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestChunks: the chunks of an initial result are the result at one moment,
// whatever is written meanwhile, and what was written follows.
func TestChunks(t *testing.T) {
	for _, query := range []struct {
		name string
		with func(store.Query[ejson.Doc]) store.Query[ejson.Doc]
	}{
		{"unordered", func(q store.Query[ejson.Doc]) store.Query[ejson.Doc] { return q }},
		{"sorted", func(q store.Query[ejson.Doc]) store.Query[ejson.Doc] { return q.Sort("-n").Fields("n") }},
		{"window", func(q store.Query[ejson.Doc]) store.Query[ejson.Doc] { return q.Sort("n").Skip(5).Limit(72) }},
	} {
		for _, chunk := range []int{0, 1, 8, 72, 1000} {
			t.Run(fmt.Sprintf("%s/%d", query.name, chunk), func(t *testing.T) {
				s, c := fixture(t, 100)
				q := query.with(c.Find(nil))
				want, err := q.All()
				if err != nil {
					t.Fatal(err)
				}
				var seq, last store.Seq
				var list []ejson.Doc
				chunks, more, told := 0, true, 0
				h, err := StartWith(q, Options{Chunk: chunk}, func(b docBatch) {
					if !b.First {
						told += len(b.Events)
						return
					}
					if !more || seq != 0 && b.Seq != seq || chunk > 0 && b.More && len(b.Events) != chunk {
						t.Errorf("chunk %d: seq %d after %d, %d events", chunks, b.Seq, seq, len(b.Events))
					}
					chunks++
					more, seq = b.More, b.Seq
					for _, e := range b.Events {
						if at := len(list); placed(q) && e.To != at || e.Kind != Added || e.ID != e.New.ID() {
							t.Errorf("event %v at %d", e, at)
						}
						list = append(list, e.New)
					}
					last = put(t, s, func(tx *store.Tx) error {
						for i := range 10 { // what is not told yet, and what is
							tx.Delete("c", ejson.StringID(fmt.Sprint("d", chunks*7+i)))
						}
						return tx.Put("c", thing(200+chunks, -chunks))
					})
				})
				if err != nil {
					t.Fatal(err)
				}
				defer h.Stop()
				if !slices.Equal(list, want) || more {
					t.Errorf("%d documents in %d chunks (more=%v), want %d", len(list), chunks, more, len(want))
				}
				if parts := max(1, (len(want)+chunk-1)/max(chunk, 1)); chunk > 0 && chunks != parts || chunk == 0 && chunks != 1 {
					t.Errorf("%d chunks", chunks)
				}
				wait(t, h, last)
				if told == 0 {
					t.Error("what was written meanwhile is lost")
				}
			})
		}
	}
}

// placed reports whether the result of q has places.
func placed(q store.Query[ejson.Doc]) bool {
	spec, err := q.Spec()
	return err == nil && hasOrder(spec)
}

// TestChunksLeft: an observation may end within its initial result.
func TestChunksLeft(t *testing.T) {
	s, c := fixture(t, 50)
	n := 0
	func() {
		defer func() {
			if v := recover(); v != "enough" {
				t.Errorf("recovered %v", v)
			}
		}()
		_, _ = StartWith(c.Find(nil), Options{Chunk: 10}, func(docBatch) {
			if n++; n == 3 {
				panic("enough")
			}
		})
	}()
	for range BatchesWith(context.Background(), c.Find(nil), Options{Chunk: 10}) {
		if n++; n == 5 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for b := range BatchesWith(ctx, c.Find(nil).Sort("n"), Options{Chunk: 10}) {
		if !b.More {
			t.Error("it was not to come so far")
		}
		if n++; n == 8 {
			cancel()
		}
	}
	if n != 8 || len(Handles(s)) != 0 {
		t.Errorf("%d chunks, %v left", n, Handles(s))
	}
}

func TestSkipInitial(t *testing.T) {
	s, c := fixture(t, 50)
	var batches []docBatch
	h, err := StartWith(c.Find(nil).Sort("n"), Options{SkipInitial: true}, func(b docBatch) { batches = append(batches, b) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	wait(t, h, putDoc(t, s, thing(3, 100)))
	if len(batches) != 1 || batches[0].First || len(batches[0].Events) != 2 || batches[0].Events[1].To != 49 {
		t.Errorf("batches %v", batches)
	}
}
