package store_test

import (
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

type Todo struct {
	ID   string `bson:"_id,omitempty"`
	Text string `bson:"text"`
	Done bool   `bson:"done"`
}

func Example() {
	s := store.New(store.Options{})
	todos := store.Of[Todo](s, "todos")
	if err := todos.Index("done", "text"); err != nil {
		fmt.Println(err)
	}
	_, err := todos.InsertMany([]Todo{{Text: "milk"}, {Text: "bread"}, {Text: "salt", Done: true}})
	if err != nil {
		fmt.Println(err)
	}
	open := todos.Find(map[string]any{"done": false}).Sort("text")
	for t, err := range open.Each() {
		fmt.Println(t.Text, err)
	}
	// Output:
	// bread <nil>
	// milk <nil>
}

// A transaction is all or nothing, and reads its own writes.
func ExampleStore_Update() {
	s := store.New(store.Options{})
	accounts := s.Collection("accounts")
	for _, text := range []string{`{"_id": "ann", "cents": 500}`, `{"_id": "bob", "cents": 100}`} {
		d, _ := ejson.From([]byte(text))
		accounts.InsertOne(d)
	}
	pay := func(cents float64) error {
		_, err := s.Update(func(tx *store.Tx) error {
			if _, err := tx.Update("accounts", "ann", map[string]any{"$inc": map[string]any{"cents": -cents}}); err != nil {
				return err
			}
			if ann, _ := tx.Get("accounts", ejson.StringID("ann")); ann.Field("cents").Number() < 0 {
				return errors.New("ann has not that much")
			}
			_, err := tx.Update("accounts", "bob", map[string]any{"$inc": map[string]any{"cents": cents}})
			return err
		})
		return err
	}
	fmt.Println(pay(200))
	fmt.Println(pay(2000))
	for _, d := range s.Snapshot().Each("accounts") {
		fmt.Println(d)
	}
	// Output:
	// <nil>
	// ann has not that much
	// {"_id":"ann","cents":300}
	// {"_id":"bob","cents":300}
}

// A snapshot stays as it is, whatever is written later.
func ExampleStore_Snapshot() {
	s := store.New(store.Options{})
	todos := store.Of[Todo](s, "todos")
	todos.InsertOne(Todo{ID: "t1", Text: "milk"})
	before := s.Snapshot()
	todos.UpdateOne("t1", map[string]any{"$set": map[string]any{"text": "butter"}})

	then, _ := todos.Find("t1").At(before).One()
	now, _ := todos.FindOne("t1")
	fmt.Println(then.Text, before.Seq())
	fmt.Println(now.Text, s.Snapshot().Seq())
	// Output:
	// milk 1
	// butter 2
}

// Tail tells of commits, from a known moment on.
func ExampleStore_Tail() {
	s := store.New(store.Options{})
	todos := store.Of[Todo](s, "todos")
	todos.InsertOne(Todo{ID: "t1", Text: "milk"})

	notes := make(chan *store.Commit, 10) // the function must not wait
	from, stop := s.Tail("todos", func(c *store.Commit) { notes <- c })
	todos.DeleteOne("t1")
	stop()
	c := <-notes
	fmt.Println("from", from.Seq(), "to", c.Seq)
	fmt.Println(c.Changes[0].ID, c.Changes[0].Before.Field("text").Str(), c.Changes[0].After.IsZero())
	// Output:
	// from 1 to 2
	// t1 milk true
}

func ExampleQuery_Explain() {
	s := store.New(store.Options{})
	messages := s.Collection("messages")
	messages.Index("room", "ts")
	for i := range 100 {
		d, _ := ejson.From(map[string]any{"room": fmt.Sprint("room", i%10), "ts": i})
		messages.InsertOne(d)
	}
	plan, err := messages.Find(map[string]any{"room": "room7"}).Sort("-ts").Limit(3).Explain()
	fmt.Println(plan, err)
	// Output: by index room,ts: room = "room7"; backwards; in order; about 3 <nil>
}

// A collection that a server owns is written to by its owner only.
func ExampleStore_Claim() {
	s := store.New(store.Options{})
	owner := new(struct{ name string })
	s.Claim(owner, "todos")
	_, err := store.Of[Todo](s, "todos").InsertOne(Todo{Text: "milk"})
	fmt.Println(errors.Is(err, store.ErrReplicated))
	_, err = s.UpdateAs(owner, func(tx *store.Tx) error {
		d, _ := ejson.From(Todo{ID: "t1", Text: "milk"})
		return tx.Put("todos", d)
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleQuery_Distinct() {
	s := store.New(store.Options{})
	messages := s.Collection("messages")
	messages.Index("room")
	for i := range 100 {
		d, _ := ejson.From(map[string]any{"room": fmt.Sprint("room", i%3), "ts": i})
		messages.InsertOne(d)
	}
	rooms, err := messages.Find(nil).Distinct("room")
	fmt.Println(rooms, err)
	n, err := messages.Find(map[string]any{"room": "room2"}).Count() // looks at no document
	fmt.Println(n, err)
	// Output:
	// ["room0" "room1" "room2"] <nil>
	// 33 <nil>
}

// A unique index refuses what would break it, as a whole.
func ExampleCollection_EnsureIndex() {
	s := store.New(store.Options{})
	users := s.Collection("users")
	err := users.EnsureIndex(store.IndexOptions{
		Keys: []string{"email"}, Unique: true, Partial: map[string]any{"email": map[string]any{"$exists": true}},
	})
	fmt.Println(err)
	for _, text := range []string{`{"_id": "ann", "email": "a@example.org"}`, `{"_id": "bob", "email": "a@example.org"}`} {
		d, _ := ejson.From([]byte(text))
		_, err = users.InsertOne(d)
		fmt.Println(err)
	}
	fmt.Println(errors.Is(err, store.ErrDuplicateKey))
	// Output:
	// <nil>
	// <nil>
	// store: duplicate key: document bob has email = "a@example.org", as ann has, in the unique index "email" of "users"
	// true
}
