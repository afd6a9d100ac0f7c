package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// The README's programs, as functions that compile. They are not called.
var _, _, _, _ = readmeReplica, readmeStore, readmeServer, readmeClient

type Todo struct {
	ID        string    `bson:"_id,omitempty"`
	List      string    `bson:"list"`
	Text      string    `bson:"text"`
	Done      bool      `bson:"done"`
	CreatedAt time.Time `bson:"createdAt"`
}

func readmeReplica(ctx context.Context, use func(...any)) {
	r, err := replica.Open(ctx, "wss://todos.example", replica.Options{Path: "todos.db"})
	if err != nil {
		return
	}
	defer r.Close()
	sub, err := r.Subscribe("todos.inList", "home")
	use(sub, err)
	todos := store.Of[Todo](r.Store(), "todos")
	open := todos.Find(map[string]any{"list": "home", "done": false}).Sort("-createdAt").Limit(20)
	h, err := observe.Docs(open, observe.Callbacks[Todo]{
		Added:   func(t Todo) { fmt.Println("+", t.Text) },
		Removed: func(t Todo) { fmt.Println("-", t.Text) },
	})
	use(err)
	defer h.Stop()
	_, err = r.Call(ctx, "todos.finish", "t1")
	use(err)
	id, call, err := r.Insert(ctx, "todos", Todo{List: "home", Text: "milk", CreatedAt: time.Now()})
	use(id, err)
	_, err = call.Result(ctx)
	use(err)

	// The table of what others call it.
	use(store.ErrNotFound, r.Status())
	for batch, err := range observe.Batches(ctx, open) {
		use(batch, err)
	}
	for status := range r.Statuses(ctx) {
		use(status)
	}
	use(sub.Ready(ctx), r.Stub)
	use(r.Do(ctx, replica.Method{Name: "todos.finish"}))
	use(r.Login(ctx, replica.Password{User: "alice"}))
}

func readmeStore(ctx context.Context, use func(...any)) {
	type Order struct {
		Status string
		Total  int
	}
	db, err := persist.Open(ctx, "shop.db", persist.Options{})
	use(err)
	s := store.New(store.Options{Journal: db})
	err = s.Load(db.Seq(), db.Records())
	use(err)
	orders := store.Of[Order](s, "orders")
	err = orders.Index("status", "-total")
	use(err)
	id, err := orders.InsertOne(Order{Status: "open", Total: 40})
	use(id, err)
	err = db.Flush(ctx, s.Snapshot().Seq())
	use(err)
	for batch, err := range observe.Batches(ctx, orders.Find(map[string]any{"status": "open"})) {
		use(batch, err)
	}
}

func readmeServer() {
	var srv server.Server
	srv.Publish("words", func(ctx context.Context, p *server.Publication) error {
		p.Added("words", ejson.Make(ejson.Field{Name: "_id", Value: "w1"}, ejson.Field{Name: "text", Value: "hello"}))
		return nil // ready; p.Changed and p.Removed may follow, from any goroutine
	})
	srv.Method("echo", func(ctx context.Context, c *server.Call) (any, error) { return c.Params.At(0), nil })
	http.ListenAndServe("127.0.0.1:3000", &srv)
}

func readmeClient(ctx context.Context, use func(...any)) {
	k := client.NewReconnecting("ws://127.0.0.1:3000", client.ReconnectOptions{
		Options: client.Options{Events: &client.Events{
			Added: func(m ddp.Added) { fmt.Println(m.Collection, m.ID, m.Fields) },
		}},
	})
	sub, err := k.Subscribe(ctx, "words")
	use(sub, err)
	v, err := k.Call(ctx, "echo", "hello")
	use(v, err)
}
