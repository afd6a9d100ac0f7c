package observe_test

import (
	"context"
	"fmt"

	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
)

type todo struct {
	ID   string `bson:"_id"`
	Text string `bson:"text"`
	Rank int    `bson:"rank"`
	Done bool   `bson:"done"`
}

// kitchen is a store with some documents, in a moment of their life.
func kitchen() (*store.Store, store.Collection[todo]) {
	s := store.New(store.Options{})
	todos := store.Of[todo](s, "todos")
	_, err := todos.InsertMany([]todo{
		{ID: "a", Text: "buy flour", Rank: 2},
		{ID: "b", Text: "light the oven", Rank: 3},
		{ID: "c", Text: "wash hands", Rank: 1},
	})
	if err != nil {
		panic(err)
	}
	return s, todos
}

func ExampleStart() {
	s, todos := kitchen()
	next := todos.Find(map[string]any{"done": false}).Sort("rank").Limit(2)
	h, err := observe.Start(next, func(b observe.Batch[todo]) {
		for _, e := range b.Events {
			switch e.Kind {
			case observe.Added:
				fmt.Printf("%d: + %s\n", e.To, e.New.Text)
			case observe.Removed:
				fmt.Printf("%d: - %s\n", e.From, e.Old.Text)
			}
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err := todos.UpdateOne("c", map[string]any{"$set": map[string]any{"done": true}}); err != nil {
		fmt.Println(err)
	}
	if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0: + wash hands
	// 1: + buy flour
	// 0: - wash hands
	// 1: + light the oven
}

func ExampleDocs() {
	s, todos := kitchen()
	h, err := observe.Docs(todos.Find(nil), observe.Callbacks[todo]{
		SkipInitial: true,
		Added:       func(t todo) { fmt.Println("added", t.Text) },
		Changed:     func(old, t todo) { fmt.Println("rank", old.Rank, "is now", t.Rank) },
		Removed:     func(t todo) { fmt.Println("removed", t.Text) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	_, err = todos.InsertOne(todo{ID: "d", Text: "knead", Rank: 4})
	if err == nil {
		_, err = todos.UpdateOne("d", map[string]any{"$inc": map[string]any{"rank": 1}})
	}
	if err == nil {
		_, err = todos.DeleteOne("b")
	}
	if err == nil {
		err = h.Wait(context.Background(), s.Snapshot().Seq())
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// added knead
	// rank 4 is now 5
	// removed light the oven
}

func ExampleResults() {
	_, todos := kitchen()
	for list, err := range observe.Results(context.Background(), todos.Find(nil).Sort("rank")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for i, t := range list {
			fmt.Printf("%d %s\n", i, t.Text)
		}
		if len(list) < 3 {
			break
		}
		if _, err := todos.DeleteOne("a"); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// 0 wash hands
	// 1 buy flour
	// 2 light the oven
	// 0 wash hands
	// 1 light the oven
}

func ExampleCount() {
	s, todos := kitchen()
	h, err := observe.Count(todos.Find(map[string]any{"done": false}), func(n int) { fmt.Println(n, "to do") })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	if _, err := todos.UpdateMany(nil, map[string]any{"$set": map[string]any{"done": true}}); err != nil {
		fmt.Println(err)
	}
	if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 to do
	// 0 to do
}

func ExamplePause() {
	s, todos := kitchen()
	h, err := observe.Docs(todos.Find("a"), observe.Callbacks[todo]{
		Changed: func(old, t todo) { fmt.Println("rank", old.Rank, "is now", t.Rank) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()

	resume := observe.Pause(s)
	for range 10 {
		if _, err := todos.UpdateOne("a", map[string]any{"$inc": map[string]any{"rank": 1}}); err != nil {
			fmt.Println(err)
		}
	}
	resume()
	if err := h.Wait(context.Background(), s.Snapshot().Seq()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// rank 2 is now 12
}

// A large result may come in chunks, all of one moment.
func ExampleStartWith() {
	_, todos := kitchen()
	h, err := observe.StartWith(todos.Find(nil).Sort("rank"), observe.Options{Chunk: 2}, func(b observe.Batch[todo]) {
		for _, e := range b.Events {
			fmt.Println(e.New.Text)
		}
		if b.More {
			fmt.Println("and")
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Stop()
	// Output:
	// wash hands
	// buy flour
	// and
	// light the oven
}
