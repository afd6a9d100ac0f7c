package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// echo plays a server whose one method gives back its parameter.
func echo(t client.Transport) {
	say := func(m ddp.Message) { t.Write(context.Background(), ddp.Append(nil, m), false) }
	for {
		frame, err := t.Read()
		if err != nil {
			return
		}
		switch m, _ := ddp.Decode(frame); m := m.(type) {
		case ddp.Connect:
			say(ddp.Connected{Session: "s"})
		case ddp.Ping:
			say(ddp.Pong(m))
		case ddp.Method:
			if m.Name != "echo" {
				say(ddp.Result{ID: m.ID, Err: ddp.NumericError(404, "Method not found")})
				continue
			}
			say(ddp.Updated{Methods: []string{m.ID}})
			say(ddp.Result{ID: m.ID, Value: m.Params.At(0)})
		}
	}
}

// An echo client: calls that wait, and calls that do not.
func ExampleConn_Call() {
	ctx := context.Background()
	near, far := client.Pipe(client.PipeOptions{})
	go echo(far)
	c, err := client.New(ctx, near, client.Options{}) // or Dial(ctx, "wss://…", …)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	v, err := c.Call(ctx, "echo", "hello")
	fmt.Println(v.Str(), err)

	_, err = c.Call(ctx, "shout", "hello")
	fmt.Println(err)

	done := make(chan *client.Call, 2)
	c.Go("echo", done, 1)
	c.Go("echo", done, 2)
	fmt.Println((<-done).Value.Number(), (<-done).Value.Number())

	_, err = c.Ping(ctx)
	fmt.Println("alive:", err == nil)
	// Output:
	// hello <nil>
	// ddp: Method not found [404]
	// 1 2
	// alive: true
}

// room plays the server of a chat.
func room(t client.Transport) {
	say := func(m ddp.Message) { t.Write(context.Background(), ddp.Append(nil, m), false) }
	lines := 0
	post := func(from, text string) {
		lines++
		say(ddp.Added{Collection: "lines", ID: ejson.StringID(fmt.Sprint(lines)), Fields: ejson.Make(
			ejson.Field{Name: "from", Value: from}, ejson.Field{Name: "text", Value: text})})
	}
	for {
		frame, err := t.Read()
		if err != nil {
			return
		}
		switch m, _ := ddp.Decode(frame); m := m.(type) {
		case ddp.Connect:
			say(ddp.Connected{Session: "s"})
		case ddp.Sub:
			post("ann", "anybody there?")
			say(ddp.Ready{Subs: []string{m.ID}})
		case ddp.Method:
			post("me", m.Params.At(0).Str())
			say(ddp.Updated{Methods: []string{m.ID}})
			say(ddp.Result{ID: m.ID})
		}
	}
}

// A chat client that stays connected: what others say comes by the events, what we say
// goes out by calls.
func ExampleReconnecting() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	chat := client.NewReconnecting("wss://chat.example.com", client.ReconnectOptions{
		Options: client.Options{
			Dial: func(context.Context, string) (client.Transport, error) { // without it, the network
				near, far := client.Pipe(client.PipeOptions{})
				go room(far)
				return near, nil
			},
			Events: &client.Events{Added: func(m ddp.Added) {
				fmt.Printf("<%s> %s\n", m.Fields.Field("from").Str(), m.Fields.Field("text").Str())
			}},
		},
		OnState: func(s client.State) { fmt.Println("*", s) },
	})
	sub, err := chat.Subscribe(ctx, "room", "lobby")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sub.Wait(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := chat.Call(ctx, "say", "I am"); err != nil {
		fmt.Println(err)
	}
	chat.Disconnect()
	<-chat.Done()
	// Output:
	// * connected
	// <ann> anybody there?
	// <me> I am
}

func ExamplePosition() {
	var saved client.Position // with the documents, in one transaction
	ctx := context.Background()
	for range 2 { // two processes, one after the other
		near, far := client.Pipe(client.PipeOptions{})
		go server(far, `{"msg":"connected","session":"abc"}`, `{"msg":"ready","subs":["1"]}`)
		c, err := client.New(ctx, near, saved.Resume(client.Options{}))
		if err != nil {
			fmt.Println(err)
			return
		}
		saved = c.Start()
		c.Send(ctx, ddp.Sub{ID: "1", Name: "todos"})
		<-c.Ready()
		saved = saved.After(len(c.Take()))
		fmt.Println(c.Resumed(), saved.Received)
		c.Close()
	}
	// Output:
	// false 2
	// true 4
}
