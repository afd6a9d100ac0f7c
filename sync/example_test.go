package sync_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// todoServer is a DDP server with three todos, and a method to finish one.
func todoServer() *httptest.Server {
	data := store.New(store.Options{})
	todos := data.Collection("todos")
	for i, text := range []string{"buy milk", "feed the cat", "sleep"} {
		_, err := todos.InsertOne(ejson.Make(
			ejson.Field{Name: "_id", Value: fmt.Sprint("t", i+1)},
			ejson.Field{Name: "list", Value: "home"},
			ejson.Field{Name: "text", Value: text},
			ejson.Field{Name: "done", Value: false},
		))
		if err != nil {
			log.Fatal(err)
		}
	}
	srv := &server.Server{Logger: slog.New(slog.DiscardHandler)}
	var live *server.Publication // one client is enough for an example
	srv.Publish("todos.inList", func(ctx context.Context, p *server.Publication) error {
		for doc, err := range todos.Find(map[string]any{"list": p.Params.At(0).Str()}).Each() {
			if err != nil {
				return err
			}
			p.Added("todos", doc)
		}
		live = p
		return nil
	})
	srv.Method("todos.finish", func(ctx context.Context, c *server.Call) (any, error) {
		id := c.Params.At(0).Str()
		if _, err := todos.UpdateOne(id, map[string]any{"$set": map[string]any{"done": true}}); err != nil {
			return nil, &ddp.Error{Code: "404", Reason: "no such todo"}
		}
		if live == nil { // nobody is to be told
			return todos.Find(map[string]any{"done": false}).Count()
		}
		live.Changed("todos", ejson.StringID(id), ejson.Make(ejson.Field{Name: "done", Value: true}), nil)
		return todos.Find(map[string]any{"done": false}).Count()
	})
	return httptest.NewServer(srv)
}

// Todo is a document of the example.
type Todo struct {
	ID   string `bson:"_id"`
	List string `bson:"list"`
	Text string `bson:"text"`
	Done bool   `bson:"done"`
}

// A whole program: what the server publishes is kept in a file, and is there at the
// next start, with or without the server.
func Example() {
	http := todoServer()
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "replica")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	opts := replica.Options{Path: filepath.Join(dir, "todos.db"), Logger: slog.New(slog.DiscardHandler)}

	r, err := replica.Open(ctx, http.URL, opts)
	if err != nil {
		log.Fatal(err)
	}
	todos := store.Of[Todo](r.Store(), "todos")
	sub, err := r.Subscribe("todos.inList", "home")
	if err != nil {
		log.Fatal(err)
	}
	if err := sub.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	left, err := replica.CallFor[int](ctx, r, "todos.finish", "t1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(left, "left")
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}
	http.Close() // the server goes away

	r, err = replica.Open(ctx, http.URL, opts)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	todos = store.Of[Todo](r.Store(), "todos")
	for todo, err := range todos.Find(map[string]any{"list": "home"}).Each() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(todo.ID, todo.Text, todo.Done)
	}
	// Output:
	// 2 left
	// t1 buy milk true
	// t2 feed the cat false
	// t3 sleep false
}

// What the server answers to a bad call is a *ddp.Error, with its code.
func ExampleReplica_Call() {
	http := todoServer()
	defer http.Close()
	r, err := replica.Open(context.Background(), http.URL, replica.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	_, err = r.Call(context.Background(), "todos.finish", "t9")
	fmt.Println(err)
	_, err = r.Call(context.Background(), "todos.sing")
	fmt.Println(err)
	// Output:
	// ddp: no such todo [404]
	// ddp: Method 'todos.sing' not found [404]
}

// Statuses follows a replica from its first dial on.
func ExampleReplica_Statuses() {
	http := todoServer()
	defer http.Close()
	r, err := replica.Open(context.Background(), http.URL, replica.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for st := range r.Statuses(context.Background()) {
		if st.Phase == replica.Live {
			fmt.Println("the store follows the server")
			break
		}
	}
	// Output:
	// the store follows the server
}

// A stub shows what a method will do before the server has heard of it.
func ExampleReplica_Stub() {
	http := todoServer()
	defer http.Close()
	ctx := context.Background()
	r, err := replica.Open(ctx, http.URL, replica.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	r.Stub("todos.finish", func(tx *replica.Tx, in replica.Invocation) error {
		_, err := tx.Update("todos", in.Params.At(0).Str(), map[string]any{"$set": map[string]any{"done": true}})
		return err
	})
	sub, err := r.Subscribe("todos.inList", "home")
	if err != nil {
		log.Fatal(err)
	}
	if err := sub.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	if err := r.Disconnect(); err != nil { // no network
		log.Fatal(err)
	}
	left := make(chan any)
	go func() {
		n, _ := r.Call(ctx, "todos.finish", "t1")
		left <- n
	}()
	for st := range r.Statuses(ctx) {
		if st.Calls > 0 { // the call waits, and its effect is there
			break
		}
	}
	todo, err := store.Of[Todo](r.Store(), "todos").FindOne("t1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(todo.Text, todo.Done)
	if err := r.Reconnect(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-left, "left on the server")
	// Output:
	// buy milk true
	// 2 left on the server
}

// What is done without the server is on disk when Do returns, shows at once, and is
// made good when there is a connection, be it in another process.
func ExampleReplica_Do() {
	http := todoServer()
	defer http.Close()
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "replica")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	opts := replica.Options{Path: filepath.Join(dir, "todos.db"), Logger: slog.New(slog.DiscardHandler)}
	away := opts
	away.Client.Dial = func(context.Context, string) (client.Transport, error) {
		return nil, errors.New("no network")
	}

	r, err := replica.Open(ctx, http.URL, away)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.Do(ctx, replica.Method{Name: "todos.finish", Params: []any{"t1"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Status().Outbox, "in the outbox")
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}

	r, err = replica.Open(ctx, http.URL, opts)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for st := range r.Statuses(ctx) {
		if st.Outbox == 0 {
			fmt.Println(st.Failed, "failed")
			break
		}
	}
	// Output:
	// 1 in the outbox
	// 0 failed
}

// Insert writes to a collection of the server's: at once here, and there by way of the
// method that Meteor has for it.
func ExampleReplica_Insert() {
	ctx := context.Background()
	r, err := replica.Open(ctx, "ws://127.0.0.1:1", replica.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	id, call, err := r.Insert(ctx, "todos", Todo{ID: "t9", List: "home", Text: "call mother"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.Update(ctx, "todos", id, map[string]any{"$set": map[string]any{"done": true}}); err != nil {
		log.Fatal(err)
	}
	todo, err := store.Of[Todo](r.Store(), "todos").FindOne("t9")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(todo.Text, todo.Done, r.Status().Outbox)
	if err := call.Cancel(); err != nil { // no server has heard of it
		log.Fatal(err)
	}
	fmt.Println(store.Of[Todo](r.Store(), "todos").Find(nil).Count())
	// Output:
	// call mother true 2
	// 0 <nil>
}

// A login is made again on every connection, before anything else, and kept in the file.
func ExampleReplica_Login() {
	srv := &server.Server{Logger: slog.New(slog.DiscardHandler)}
	srv.Method("login", func(ctx context.Context, c *server.Call) (any, error) {
		name, _ := c.Params.At(0).Doc().Get("user.username")
		digest, _ := c.Params.At(0).Doc().Get("password.digest")
		if name != "ann" || digest != fmt.Sprintf("%x", sha256.Sum256([]byte("secret"))) {
			return nil, ddp.NumericError(403, "Incorrect password")
		}
		return map[string]any{"id": "u1", "token": "t1"}, c.SetUserID("u1")
	})
	srv.Method("whoami", func(ctx context.Context, c *server.Call) (any, error) { return c.UserID, nil })
	http := httptest.NewServer(srv)
	defer http.Close()
	ctx := context.Background()
	r, err := replica.Open(ctx, http.URL, replica.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	_, err = r.Login(ctx, replica.Password{User: "ann", Password: "guess"})
	fmt.Println(err)
	user, err := r.Login(ctx, replica.Password{User: "ann", Password: "secret"})
	fmt.Println(user, err, r.Status().UserID)
	fmt.Println(r.Call(ctx, "whoami"))
	// Output:
	// ddp: Incorrect password [403]
	// u1 <nil> u1
	// u1 <nil>
}
