package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

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
		Short: "Show all of it, in under a minute, with a proof at the end",
		Long: `demo starts a DDP server with a seeded collection and a user in this process,
and a replica of it in another, with a file. It queries and watches the
replica; cuts the link while the server goes on changing documents; writes to
the replica, offline; kills it with SIGKILL and starts it again from its file,
with the server out of reach; mends the link; sees the session resumed, the
writes made once each, and the one that the server refuses set aside; and
proves that replica and server hold the same documents. Everything is on the
loopback interface and in a temporary folder, which is removed at the end.`,
		Example: `  replicad demo
  replicad demo --docs 1000000
  replicad demo --check`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if docs < demoLeast {
				return usagef("--docs wants at least %d, got %d", demoLeast, docs)
			}
			// Whoever reads may leave, as head does: there is a process to end, and
			// a folder to remove, after that too.
			signal.Ignore(syscall.SIGPIPE)
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
	out    io.Writer
	docs   int
	data   *demoData
	store  *store.Store // the server's
	server *demoServer
	link   *link
	file   string // the replica's
	secret string // the file with the password
	url    string // of the link
	child  *child
	steps  int

	sent  uint64   // messages that the server had sent when the link was mended
	calls []string // ids of the calls that were made offline
	bad   string   // id of the one that the server will not take
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
		return fmt.Errorf("a temporary folder, where TMPDIR says: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{out: out, docs: docs, file: filepath.Join(dir, "tasks.db"), secret: filepath.Join(dir, "password")}
	if err := os.WriteFile(d.secret, []byte(demoPassword+"\n"), 0o600); err != nil {
		return err
	}
	closeServer, err := d.serve(ctx)
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
		{"seed", d.seed},
		{"first sync", d.firstSync},
		{"query", d.indexedQuery},
		{"live top 10", d.liveTop},
		{"link cut", d.cutLink},
		{"five writes", d.writeOffline},
		{"kill -9", d.killAndRestart},
		{"link back", d.mendLink},
		{"outbox", d.drained},
		{"proof", d.prove},
	} {
		d.steps++
		found, err := step.run(ctx)
		if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err() // and nothing that came of it
		}
		if err != nil {
			return fmt.Errorf("demo, step %d (%s): %w", d.steps, step.name, err)
		}
		if err := d.tell(step.name, found); err != nil {
			return err
		}
	}
	err = d.child.stop()
	d.child = nil
	if err == nil && check {
		_, err = fmt.Fprintf(out, "check: %d steps of %d kept their promise, in %v\n", d.steps, d.steps, round(time.Since(begin)))
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "\nThe same in a program:\n\n%s", demoProgram)
	}
	return err
}

// tell prints what a step has found, and keeps to the width of a terminal.
func (d *demo) tell(name string, found []string) error {
	margin := fmt.Sprintf("%2d  %-11s  ", d.steps, name)
	for _, text := range found {
		for _, line := range wrap(text, columns-len(margin)) {
			if _, err := fmt.Fprintf(d.out, "%s%s\n", margin, line); err != nil {
				return err
			}
			margin = strings.Repeat(" ", len(margin))
		}
	}
	return nil
}

// wrap breaks text at spaces into lines of width characters, as far as words allow.
func wrap(text string, width int) (lines []string) {
	line, n := "", 0
	for _, word := range strings.Fields(text) {
		m := utf8.RuneCountInString(word)
		if n > 0 && n+1+m > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+m
	}
	return append(lines, line)
}

// serve starts the server and the link to it.
func (d *demo) serve(ctx context.Context) (closeAll func(), err error) {
	d.store = store.New(store.Options{})
	d.data = newDemoData(d.store)
	var addr string
	if d.server, addr, err = newDemoServer(ctx, d.store); err != nil {
		return nil, err
	}
	if d.link, err = newLink(addr); err != nil {
		d.server.close()
		return nil, err
	}
	d.url = "ws://" + d.link.addr + "/websocket"
	return func() {
		d.link.cut()
		d.server.close()
		_ = d.store.Close()
	}, nil
}

// start starts the replica's process.
func (d *demo) start(ctx context.Context) (err error) {
	d.child, err = startChild(ctx, "sync", d.url, "--db", d.file, "--sub", demoCollection,
		"--index", demoCollection+":list,-createdAt", "--index", demoCollection+":-priority",
		"--user", demoUser, "--password-file", d.secret,
		"--listen", "127.0.0.1:0", "--max-backoff", "200ms")
	return err
}

// state is what the replica's status says, as far as the demo looks.
type state struct {
	live, durable, resumed bool
	docs, outbox, failed   int
	user                   string
}

func (d *demo) state(ctx context.Context) (state, error) {
	s, err := d.child.client.status(ctx)
	if err != nil {
		return state{}, fmt.Errorf("%w; the replica's process said: %s", err, d.child.said())
	}
	return state{
		live:    s.Field("phase").Str() == "live",
		durable: s.Field("durable").Number() >= s.Field("seq").Number(),
		resumed: s.Field("resumed").Bool(),
		docs:    int(s.Field("collections").Doc().Field(demoCollection).Number()),
		outbox:  int(s.Field("outbox").Number()),
		failed:  int(s.Field("failed").Number()),
		user:    s.Field("user").Str(),
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
