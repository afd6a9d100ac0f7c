package client_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// server plays a server at the other end of a pipe: it sends each answer when one
// more message has arrived.
func server(t client.Transport, answers ...string) {
	for _, text := range answers {
		if _, err := t.Read(); err != nil {
			return
		}
		t.Write(context.Background(), []byte(text), false)
	}
	t.Read()
}

func ExampleNew() {
	ctx := context.Background()
	near, far := client.Pipe(client.PipeOptions{})
	go server(far, `{"msg":"connected","session":"abc"}`, `{"msg":"result","id":"1","result":6}`)

	c, err := client.New(ctx, near, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	err = c.Send(ctx, ddp.Method{ID: "1", Name: "sum", Params: ejson.MakeArray(1, 2, 3)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for m := range c.Messages() {
		if r, ok := m.(ddp.Result); ok {
			fmt.Println(c.Session(), r.Value.Number())
			break
		}
	}
	// Output: abc 6
}

func ExampleConn_Take() {
	ctx := context.Background()
	near, far := client.Pipe(client.PipeOptions{})
	go server(far, `{"msg":"connected","session":"abc"}`,
		`{"msg":"added","collection":"todos","id":"t1","fields":{"text":"milk"}}`)

	c, err := client.New(ctx, near, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Send(ctx, ddp.Sub{ID: "1", Name: "todos"})
	for c.Err() == nil {
		<-c.Ready()
		for _, m := range c.Take() {
			if m, ok := m.(ddp.Added); ok {
				fmt.Println(m.Collection, m.ID, m.Fields)
			}
			far.Cut() // and the session ends
		}
	}
	fmt.Println(c.Err())
	// Output:
	// todos t1 {"text":"milk"}
	// client: connection lost: pipe cut
}

func ExampleDial() {
	c, err := client.Dial(context.Background(), "ftp://example.com", client.Options{})
	if errors.Is(err, client.ErrURL) {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// Output: client: dial ftp://example.com: not the URL of a DDP server: scheme "ftp" is none of http, https, ws, wss, ddp+sockjs, ddpi+sockjs; give something like wss://example.com/websocket
}
