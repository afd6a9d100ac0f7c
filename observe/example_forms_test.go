package observe_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
)

// set is an update's modifier.
func set(field string, value any) map[string]any {
	return map[string]any{"$set": map[string]any{field: value}}
}

// Meteor's observeChanges with places: ids, and only the fields that differ.
func ExampleChanges() {
	s, todos := kitchen()
	h, err := observe.Changes(todos.Find(nil).Sort("rank").Fields("rank"), observe.ChangeCallbacks{
		AddedBefore: func(id ejson.ID, fields ejson.Doc, before ejson.ID) {
			fmt.Printf("added %v %v before %q\n", id, fields, before.String())
		},
		Changed: func(id ejson.ID, set ejson.Doc, unset []string) { fmt.Println("changed", id, set, unset) },
		MovedBefore: func(id, before ejson.ID) {
			fmt.Printf("moved %v before %q\n", id, before.String())
		},
		Removed: func(id ejson.ID) { fmt.Println("removed", id) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err = todos.UpdateOne("c", set("rank", 4)); err == nil {
		_, err = todos.DeleteOne("a")
	}
	if err == nil {
		err = h.Wait(context.Background(), s.Snapshot().Seq())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// added c {"rank":1} before ""
	// added a {"rank":2} before ""
	// added b {"rank":3} before ""
	// changed c {"rank":4} []
	// moved c before ""
	// removed a
}

// The body of the loop is the callback; leaving it ends the observation.
func ExampleBatches() {
	_, todos := kitchen()
	for b, err := range observe.Batches(context.Background(), todos.Find("a")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range b.Events {
			fmt.Println(e.Kind, e.New.Text)
		}
		if !b.First {
			break
		}
		if _, err := todos.UpdateOne("a", set("text", "buy rye flour")); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// added buy flour
	// changed buy rye flour
}

// A channel of results is for a select. It holds the newest only.
func ExampleChan() {
	_, todos := kitchen()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	open, err := observe.Chan(ctx, todos.Find(map[string]any{"done": false}).Sort("rank"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for list := range open {
		fmt.Println(len(list), "to do")
		if len(list) == 0 {
			cancel() // closes the channel
			continue
		}
		if _, err := todos.UpdateMany(nil, set("done", true)); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// 3 to do
	// 0 to do
}

// printer is a Sink, as a publication of a DDP server is one.
type printer struct{}

func (printer) Added(collection string, doc ejson.Doc) { fmt.Println(collection, "added", doc) }
func (printer) Changed(collection string, id ejson.ID, set ejson.Doc, unset []string) {
	fmt.Println(collection, "changed", id, set, unset)
}
func (printer) Removed(collection string, id ejson.ID) { fmt.Println(collection, "removed", id) }

func ExampleFeed() {
	s, todos := kitchen()
	h, err := observe.Feed(todos.Find(nil).Sort("rank").Limit(1).Fields("rank"), "next", printer{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err = todos.UpdateOne("c", set("rank", 0)); err == nil {
		_, err = todos.DeleteOne("c")
	}
	if err == nil {
		err = h.Wait(context.Background(), s.Snapshot().Seq())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// next added {"_id":"c","rank":1}
	// next changed c {"rank":0} []
	// next removed c
	// next added {"_id":"a","rank":2}
}

// To read what one has written through an observation, wait for its commit.
func ExampleHandle_Wait() {
	s, todos := kitchen()
	n := 0
	h, err := observe.Count(todos.Find(nil), func(now int) { n = now })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err := todos.InsertOne(todo{ID: "d", Text: "knead", Rank: 4}); err != nil {
		fmt.Println(err)
	}
	if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(n)
	// Output:
	// 4
}

func ExampleHandle_Explain() {
	s, todos := kitchen()
	h, err := observe.Start(todos.Find(map[string]any{"done": false}).Sort("rank").Limit(2), func(observe.Batch[todo]) {})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err := todos.UpdateOne("a", set("rank", 7)); err != nil {
		fmt.Println(err)
	}
	if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
		fmt.Println(err)
	}
	in := h.Explain()
	fmt.Println(in.Query)
	fmt.Println(in.Route)
	fmt.Println(in.Shared, "observation,", in.Changes, "change,", in.Batches, "batch,", in.Merged, "merged")
	// Output:
	// todos.find({"done":false}).sort(rank).limit(2)
	// by done, 1 value
	// 1 observation, 1 change, 1 batch, 0 merged
}

// All observations of a store, the dearest first.
func ExampleHandles() {
	s, todos := kitchen()
	for _, q := range []any{"a", nil} {
		query := todos.Find(q)
		if q == nil {
			query = query.Sort("rank") // keeps the documents in their order
		}
		h, err := observe.Start(query, func(observe.Batch[todo]) {})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer h.Stop()
	}
	for _, in := range observe.Handles(s) {
		short, _, _ := strings.Cut(in.String(), ";")
		fmt.Println(short)
	}
	// Output:
	// todos.find({}).sort(rank): asked about every change
	// todos.find({"_id":"a"}): by _id, 1 value
}
