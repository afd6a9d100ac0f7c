package accounts_test

import (
	"context"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// A server on which people log in by password, and a method that is for them only.
func Example() {
	ctx := context.Background()
	var srv server.Server
	acc := accounts.New(&srv, new(accounts.Memory), accounts.Options{})
	if _, err := acc.Create(ctx, accounts.NewUser{Username: "alice", Password: "wonderland"}); err != nil {
		fmt.Println(err)
		return
	}
	srv.Method("greet", func(_ context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, &ddp.Error{Code: "not-allowed", Reason: "Log in first"}
		}
		return "hello", nil
	})
	defer srv.Shutdown(ctx)

	ours, theirs := client.Pipe(client.PipeOptions{})
	go srv.Serve(ctx, theirs)
	c, err := client.New(ctx, ours, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	how := ejson.Make().With("user", ejson.Make().With("username", "alice")).With("password", "wonderland")
	c.Send(ctx, ddp.Method{ID: "1", Name: "greet"})
	c.Send(ctx, ddp.Method{ID: "2", Name: "login", Params: ejson.MakeArray(how)})
	c.Send(ctx, ddp.Method{ID: "3", Name: "greet"})
	for m := range c.Messages() {
		r, ok := m.(ddp.Result)
		if !ok {
			continue
		}
		switch {
		case r.Err != nil:
			fmt.Println(r.Err)
		case r.ID == "2":
			fmt.Println("logged in by", r.Value.Doc().Field("type").Str())
		default:
			fmt.Println(r.Value.Str())
			return
		}
	}
	// Output:
	// ddp: Log in first [not-allowed]
	// logged in by password
	// hello
}
