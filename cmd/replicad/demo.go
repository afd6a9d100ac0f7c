package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// demoPatience bounds the whole demo.
const demoPatience = 5 * time.Minute

func newDemo() *cobra.Command {
	var docs int
	var check bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it: sync, query, watch, cut the link, kill the process, catch up, prove",
		Long: `demo starts a DDP server with a seeded collection in this process, and a replica of
it in another, with a file. It queries and watches the replica; cuts the link while
the server goes on changing documents; kills the replica with SIGKILL and starts it
again from its file, with the server out of reach; mends the link; and proves that
replica and server hold the same documents. Everything is on the loopback interface
and in a temporary folder, which is removed at the end.`,
		Example: `  replicad demo
  replicad demo --docs 1000000
  replicad demo --check`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if docs < demoLeast {
				return usagef("--docs wants at least %d, got %d", demoLeast, docs)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), demoPatience)
			defer cancel()
			return runDemo(ctx, cmd.OutOrStdout(), docs, check)
		},
	}
	cmd.Flags().IntVar(&docs, "docs", 100_000, "how many documents the server has")
	cmd.Flags().BoolVar(&check, "check", false, "hold every step to its promise and say so; for scripts")
	return cmd
}

// demoLeast is the smallest collection on which each step shows something.
const demoLeast = 100

// demo is one run. The server lives in this process, the replica in the child.
type demo struct {
	out   io.Writer
	docs  int
	data  *demoData
	store *store.Store // the server's
	link  *link
	file  string // the replica's
	url   string // of the link
	child *child
	steps int
}

// demoStep is one step: its name, and what it does and finds.
type demoStep struct {
	name string
	run  func(context.Context) ([]string, error)
}

// runDemo runs the steps in order and ends at the first that fails.
func runDemo(ctx context.Context, out io.Writer, docs int, check bool) (err error) {
	dir, err := os.MkdirTemp("", "replicad-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{out: out, docs: docs, file: filepath.Join(dir, "tasks.db")}
	closeServer, err := d.serve()
	if err != nil {
		return err
	}
	defer closeServer()
	defer func() {
		if d.child != nil {
			d.child.kill()
		}
	}()

	begin := time.Now()
	for _, step := range []demoStep{
		{"seed the server", d.seed},
		{"first sync", d.firstSync},
		{"indexed query", d.indexedQuery},
		{"live top 10", d.liveTop},
		{"link cut", d.cutLink},
		{"kill -9, restart", d.killAndRestart},
		{"link back", d.mendLink},
		{"proof", d.prove},
	} {
		d.steps++
		found, err := step.run(ctx)
		if err != nil {
			return fmt.Errorf("demo, step %d (%s): %w", d.steps, step.name, err)
		}
		for i, line := range found {
			if i == 0 {
				fmt.Fprintf(out, "%2d  %-17s %s\n", d.steps, step.name, line)
			} else {
				fmt.Fprintf(out, "    %-17s %s\n", "", line)
			}
		}
	}
	err = d.child.stop()
	d.child = nil
	if err == nil && check {
		fmt.Fprintf(out, "check: %d steps of %d kept their promise, in %v\n", d.steps, d.steps, round(time.Since(begin)))
	}
	return err
}

// serve starts the server and the link to it.
func (d *demo) serve() (closeAll func(), err error) {
	d.store = store.New(store.Options{})
	d.data = newDemoData(d.store)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := newStoreServer(d.store, storeServerOptions{
		collections: []string{demoCollection},
		logger:      slog.New(slog.DiscardHandler),
	})
	web := &http.Server{Handler: srv.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends with Close
	if d.link, err = newLink(listener.Addr().String()); err != nil {
		return nil, errors.Join(err, web.Close())
	}
	d.url = "ws://" + d.link.addr + "/websocket"
	return func() {
		d.link.cut()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.shutdown(ctx)
		_ = web.Close()
	}, nil
}

// start starts the replica's process.
func (d *demo) start(ctx context.Context) (err error) {
	d.child, err = startChild(ctx, "sync", d.url, "--db", d.file, "--sub", demoCollection,
		"--index", demoCollection+":list,-createdAt", "--index", demoCollection+":-priority",
		"--listen", "127.0.0.1:0", "--max-backoff", "200ms")
	return err
}

// state is what the replica's status says, as far as the demo looks.
type state struct {
	live, durable bool
	docs          int
}

func (d *demo) state(ctx context.Context) (state, error) {
	s, err := d.child.client.status(ctx)
	if err != nil {
		return state{}, fmt.Errorf("%w; the replica's process said: %s", err, d.child.said())
	}
	return state{
		live:    s.Field("phase").Str() == "live",
		durable: s.Field("durable").Number() >= s.Field("seq").Number(),
		docs:    int(s.Field("collections").Doc().Field(demoCollection).Number()),
	}, nil
}

// await asks for the state until it is good.
func (d *demo) await(ctx context.Context, what string, good func(state) bool) error {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := d.state(ctx)
		if err != nil {
			return err
		}
		if good(s) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("still waiting until %s: %w; the replica's process said: %s", what, ctx.Err(), d.child.said())
		}
	}
}

// find returns a whole result of the replica's.
func (d *demo) find(ctx context.Context, r request) ([]ejson.Doc, error) {
	var docs []ejson.Doc
	err := d.child.client.find(ctx, r, func(doc ejson.Doc) error {
		docs = append(docs, doc)
		return nil
	})
	return docs, err
}
