package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// A server that is started again still knows which calls were made: their answers are
// written in the same transaction as what they changed.
func ExampleServer_recall() {
	var disk struct { // a database in small
		balance float64
		calls   map[string]ejson.Doc
	}
	disk.calls = make(map[string]ejson.Doc)
	start := func() *server.Server {
		srv := &server.Server{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
		srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
			return disk.calls[c.Key()], nil
		}
		srv.Method("deposit", func(_ context.Context, c *server.Call) (any, error) {
			after := disk.balance + c.Params.At(0).Number()
			record, err := c.Record(after, nil)
			if err != nil {
				return nil, err
			}
			disk.balance = after // here a transaction would begin,
			if !record.IsZero() {
				disk.calls[c.Key()] = record // and here it would end
			}
			return after, nil
		})
		return srv
	}
	deposit := ddp.Method{ID: ddp.NewID(), Name: "deposit", Params: ejson.MakeArray(100)}
	for range 2 { // the client never heard of the first answer
		srv := start()
		a, b := client.Pipe(client.PipeOptions{})
		go srv.Serve(context.Background(), b)
		conn, err := client.New(context.Background(), a, client.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		conn.Send(context.Background(), deposit)
		for m := range conn.Messages() {
			if r, ok := m.(ddp.Result); ok {
				fmt.Println("answer", r.Value.Number())
				break
			}
		}
		conn.Close()
		srv.Shutdown(context.Background())
	}
	fmt.Println("balance", disk.balance)
	// Output:
	// answer 100
	// answer 100
	// balance 100
}
