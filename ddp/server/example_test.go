package server_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// A server with one publication and one method. Meteor's clients look for it at
// the path /websocket; here one of ours asks for both.
func ExampleServer() {
	var srv server.Server
	srv.Publish("todos.inList", func(_ context.Context, p *server.Publication) error {
		list := p.Params.At(0).Str()
		p.Added("todos", must(`{"_id":"t1","text":"Buy milk","list":"`+list+`"}`))
		return nil // ready
	})
	srv.Method("todos.finish", func(_ context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, &ddp.Error{Code: "not-allowed", Reason: "Log in first"}
		}
		return true, nil
	})
	web := httptest.NewServer(&srv) // or http.Handle("/websocket", &srv)
	defer web.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, "ws"+strings.TrimPrefix(web.URL, "http"), client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Send(ctx, ddp.Sub{ID: "s", Name: "todos.inList", Params: ejson.MakeArray("home")})
	c.Send(ctx, ddp.Method{ID: "m", Name: "todos.finish", Params: ejson.MakeArray("t1")})
	for m := range c.Messages() {
		switch m := m.(type) {
		case ddp.Added:
			fmt.Println("added", m.Collection, m.ID, m.Fields)
		case ddp.Ready:
			fmt.Println("ready", m.Subs)
		case ddp.Result:
			fmt.Println("result", m.Err)
			return
		}
	}
	// Output:
	// added todos t1 {"text":"Buy milk","list":"home"}
	// ready [s]
	// result ddp: Log in first [not-allowed]
}

// A publication that watches something on its own goroutine: it says Ready itself,
// and goes on until the client leaves.
func ExampleServer_Publish_watching() {
	var srv server.Server
	ticks := make(chan int)
	srv.Publish("ticks", func(ctx context.Context, p *server.Publication) error {
		p.Added("ticks", ejson.Make().With("_id", "now").With("n", 0))
		p.Ready()
		for {
			select {
			case n := <-ticks:
				p.Changed("ticks", ejson.StringID("now"), ejson.Make().With("n", n), nil)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})

	ctx := context.Background()
	defer srv.Shutdown(ctx)
	ours, theirs := client.Pipe(client.PipeOptions{}) // a session without a network
	go srv.Serve(ctx, theirs)
	c, err := client.New(ctx, ours, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Send(ctx, ddp.Sub{ID: "s", Name: "ticks"})
	for m := range c.Messages() {
		switch m := m.(type) {
		case ddp.Ready:
			ticks <- 1
		case ddp.Changed:
			fmt.Println(m.Collection, m.ID, m.Fields)
			return
		}
	}
	// Output: ticks now {"n":1}
}

// A method whose effects reach the publications later: its client is told that the
// call is done only when it has heard of them.
func ExampleCall_Fence() {
	var srv server.Server
	commit := func() uint64 { return 7 }                                     // writes, and returns the number of the commit
	wait := func(ctx context.Context, seq uint64) error { return ctx.Err() } // until commit seq was published
	srv.Publish("notes", func(_ context.Context, p *server.Publication) error {
		p.Follow(wait)
		return nil
	})
	srv.Method("notes.add", func(_ context.Context, c *server.Call) (any, error) {
		c.Fence(commit())
		return nil, nil
	})
}
