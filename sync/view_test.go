package sync

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestViewTwin: a view is an ordered map.
func TestViewTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := store.New(store.Options{})
		for _, id := range []string{"d1", "d2", "d3"} {
			if _, err := st.Collection("c").InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: id}, ejson.Field{Name: "x", Value: 0})); err != nil {
				t.Fatal(err)
			}
		}
		v := newView(st.Snapshot())
		twin, order := map[string]ejson.Doc{}, []string{}
		ids := rapid.SampledFrom([]string{"d1", "d2", "d3", "d4", "d5"})
		if rapid.Bool().Draw(t, "many") {
			for i := range 200 { // and remove most of them, so that the view compacts
				id := fmt.Sprint("x", i)
				v.apply(ddp.Added{Collection: "c", ID: ejson.StringID(id), Fields: ejson.Make()})
				if i >= 150 {
					twin[id], order = ejson.Make(ejson.Field{Name: "_id", Value: id}), append(order, id)
				}
			}
			for i := range 150 {
				v.apply(ddp.Removed{Collection: "c", ID: ejson.StringID(fmt.Sprint("x", i))})
			}
			ids = rapid.SampledFrom([]string{"d1", "d2", "x150", "x180", "x199"})
		}
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			id := ids.Draw(t, "id")
			fields := ejson.Make(ejson.Field{Name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "field"), Value: rapid.IntRange(0, 3).Draw(t, "value")})
			old, had := twin[id]
			if !had {
				old = ejson.Make(ejson.Field{Name: "_id", Value: id})
			}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				v.apply(ddp.Removed{Collection: "c", ID: ejson.StringID(id)})
				delete(twin, id)
				for i, o := range order {
					if o == id {
						order = append(order[:i:i], order[i+1:]...)
						break
					}
				}
				continue
			case 1:
				v.apply(ddp.Added{Collection: "c", ID: ejson.StringID(id), Fields: fields})
				twin[id] = old.Merge(fields, nil)
			default:
				v.apply(ddp.Changed{Collection: "c", ID: ejson.StringID(id), Fields: fields, Cleared: []string{"z"}})
				twin[id] = old.Merge(fields, []string{"z"})
			}
			if !had {
				order = append(order, id)
			}
		}
		var got []string
		if c := v.collections["c"]; c != nil {
			for _, doc := range c.docs {
				if doc.IsZero() {
					continue
				}
				id := doc.ID().String()
				got = append(got, id)
				if !doc.Same(twin[id]) || !c.has(doc.ID()) {
					t.Fatalf("view has %v, want %v", doc, twin[id])
				}
			}
			if len(c.place) != len(got) {
				t.Fatalf("%d places of %d documents", len(c.place), len(got))
			}
		}
		if len(got) != len(order) {
			t.Fatalf("order %v, want %v", got, order)
		}
		for i := range got {
			if got[i] != order[i] {
				t.Fatalf("order %v, want %v", got, order)
			}
		}
	})
}
