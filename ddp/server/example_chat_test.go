package server_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// An echo server, and what a client sees of it.
func ExampleServer_echo() {
	var srv server.Server
	srv.Method("echo", func(_ context.Context, c *server.Call) (any, error) {
		return c.Params, nil
	})
	web := httptest.NewServer(&srv) // or http.ListenAndServe(":3000", &srv)
	defer web.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Call(ctx, "echo", "hello", 42))
	fmt.Println(c.Call(ctx, "shout", "hello"))
	// Output:
	// ["hello",42] <nil>
	//  ddp: Method 'shout' not found [404]
}

// A publication of a plain slice of structs, as it is when somebody subscribes.
func ExampleServer_Publish_slice() {
	type Player struct {
		ID    string `bson:"_id"`
		Name  string `bson:"name"`
		Score int    `bson:"score"`
	}
	players := []Player{{"p1", "Ada", 11}, {"p2", "Bob", 7}, {"p3", "Cyd", 9}}

	var srv server.Server
	srv.Publish("players.above", func(_ context.Context, p *server.Publication) error {
		if p.Params.Len() != 1 {
			return ddp.NumericError(400, "Above what?")
		}
		for _, player := range players {
			if float64(player.Score) <= p.Params.At(0).Number() {
				continue
			}
			doc, err := ejson.From(player)
			if err != nil {
				return err
			}
			p.Added("players", doc)
		}
		return nil // ready
	})
	web := httptest.NewServer(&srv)
	defer web.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, web.URL, client.Options{Events: &client.Events{
		Added: func(m ddp.Added) { fmt.Println(m.ID, m.Fields) },
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	sub, err := c.Subscribe(ctx, "players.above", 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready:", sub.Wait(ctx))
	// Output:
	// p1 {"name":"Ada","score":11}
	// p3 {"name":"Cyd","score":9}
	// ready: <nil>
}

// room is a chat room: what was said, and who listens.
type room struct {
	mu        sync.Mutex // guards the rest
	said      []ejson.Doc
	listeners map[*server.Publication]struct{}
}

func (r *room) listen(_ context.Context, p *server.Publication) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.said {
		p.Added("lines", line)
	}
	r.listeners[p] = struct{}{}
	p.OnStop(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.listeners, p)
	})
	return nil
}

func (r *room) say(_ context.Context, c *server.Call) (any, error) {
	if c.Params.Len() != 2 {
		return nil, ddp.NumericError(400, "Who says what?")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := fmt.Sprint(len(r.said) + 1)
	line := ejson.Make().With("_id", id).WithValue("who", c.Params.At(0)).WithValue("text", c.Params.At(1))
	r.said = append(r.said, line)
	for p := range r.listeners {
		p.Added("lines", line) // never waits: see Publication.Added
	}
	return id, nil
}

// A chat, server and clients: who says something waits for the answer, and hears it as
// everybody does.
func ExampleServer_chat() {
	r := &room{listeners: make(map[*server.Publication]struct{})}
	var srv server.Server
	srv.Publish("lines", r.listen)
	srv.Method("say", r.say)
	srv.Limit(server.Limit{Methods: []string{"say"}, Each: server.EachSession, Count: 5, Per: time.Second})
	web := httptest.NewServer(&srv)
	defer web.Close()

	ctx := context.Background()
	join := func(name string, heard chan string) *client.Reconnecting {
		k := client.NewReconnecting("ws"+strings.TrimPrefix(web.URL, "http"), client.ReconnectOptions{
			Options: client.Options{Events: &client.Events{Added: func(m ddp.Added) {
				heard <- fmt.Sprintf("%s hears %s: %s", name, m.Fields.Field("who").Str(), m.Fields.Field("text").Str())
			}}},
		})
		if _, err := k.Subscribe(ctx, "lines"); err != nil {
			fmt.Println(err)
		}
		return k
	}
	heard := make(chan string, 10)
	ada := join("Ada", heard)
	ada.Call(ctx, "say", "Ada", "Anybody here?")
	fmt.Println(<-heard)

	bob := join("Bob", heard)
	fmt.Println(<-heard)
	bob.Disconnect()

	ada.Call(ctx, "say", "Ada", "He left.")
	fmt.Println(<-heard)
	ada.Disconnect()
	srv.Shutdown(ctx)
	// Output:
	// Ada hears Ada: Anybody here?
	// Bob hears Ada: Anybody here?
	// Ada hears Ada: He left.
}
