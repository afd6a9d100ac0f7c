package observe

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestShare: queries that mean the same share a result, whatever their words, and
// others do not.
func TestShare(t *testing.T) {
	_, c := fixture(t, 3)
	q := c.Find(nil)
	for i, group := range [][]store.Query[ejson.Doc]{
		{
			q.Fields("n", "room"), q.Fields("room", "n"), q.FieldsSpec(object{"n": 1, "room": 1}),
			q.FieldsSpec(object{"n": true, "room": 1}), q.FieldsSpec(object{"_id": 1, "n": 1, "room": 1}),
		},
		{q.Fields("-n"), q.FieldsSpec(object{"n": 0}), q.FieldsSpec(object{"n": false})},
		{q.Fields("n"), q.FieldsSpec(object{"n": 1})},
		{q.Fields("_id"), q.FieldsSpec(object{"_id": 1})},
		{q, q.Fields()},
		{q.FieldsSpec(object{"n": object{"$slice": 1}})},
		{q.FieldsSpec(object{"n": object{"$slice": 2}})},
		{q.Sort("n"), q.SortSpec(object{"n": 1})},
		{q.Sort("n").Limit(3)},
		{c.Find(false)},
		{c.Find(object{"a": 1, "b": 2}), c.Find(object{"a": 1, "b": 2})},
	} {
		var first *result
		for k, q := range group {
			h, err := Start(q, func(docBatch) {})
			if err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				if first = h.res; len(first.handles) != 1 {
					t.Errorf("group %d shares the result of another", i)
				}
			}
			if h.res != first {
				t.Errorf("group %d: %s is alone", i, describe(h.spec))
			}
			defer h.Stop()
		}
	}
}
