package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// benchFlags configure a load.
type benchFlags struct {
	url      string
	own      bool
	clients  int
	subs     []string
	method   string
	rate     float64
	ramp     time.Duration
	duration time.Duration
	stamp    string
	docs     int
	asJSON   bool
}

func newBench() *cobra.Command {
	var flags benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put load on a DDP server, and tell how long it takes to answer",
		Long: `bench connects many clients to a DDP server, has each subscribe, calls a method
so many times a second, and prints how long connecting, getting ready and calls
took, as a histogram. Calls start when they are due, whether earlier ones were
answered or not, and their time counts from when they were due: a server that
falls behind shows it.

Without --url a server with a collection "bench" is started in this process. Of
another, only one on this machine is put under load, unless you say that it is
yours with --i-own-this-server.

In the params of the method, "$n" is the number of the call, "$client" that of
the client, "$id" a new id, "$doc" d0, d1, … and "$now" the time; a document
that comes with that time in the field named by --stamp tells how long a change
takes to be seen.`,
		Example: `  replicad bench
  replicad bench --clients 200 --rate 2000 --ramp 5s --duration 30s
  replicad bench --url ws://127.0.0.1:3000 --clients 50 \
      --subs tasks --subs 'lists:["home"]'
  replicad bench --url ws://127.0.0.1:3000 --rate 500 --json \
      --method 'tasks.touch:["$doc"]'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBench(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), flags)
		},
	}
	cmd.Flags().StringVar(&flags.url, "url", "", "the server; without it, one is started in this process")
	cmd.Flags().BoolVar(&flags.own, "i-own-this-server", false, "the server at --url is not on this machine, and yours to put under load")
	cmd.Flags().IntVar(&flags.clients, "clients", 10, "how many clients connect")
	cmd.Flags().StringArrayVar(&flags.subs, "subs", nil, "what each client subscribes to, `NAME[:PARAMS]`, PARAMS a JSON list; may be given again")
	cmd.Flags().StringVar(&flags.method, "method", "", "the method to call, `NAME[:PARAMS]`, PARAMS a JSON list")
	cmd.Flags().Float64Var(&flags.rate, "rate", 100, "calls a second, of all clients together")
	cmd.Flags().DurationVar(&flags.ramp, "ramp", time.Second, "time in which clients come and the rate rises")
	cmd.Flags().DurationVar(&flags.duration, "duration", 10*time.Second, "how long the load is kept up after that")
	cmd.Flags().StringVar(&flags.stamp, "stamp", "", "the `FIELD` of documents that has the $now of the call that wrote it")
	cmd.Flags().IntVar(&flags.docs, "docs", 1000, "documents of the server that is started without --url")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print the figures as EJSON")
	return cmd
}

// runBench puts the load on, and prints the figures, also of a load that was interrupted.
func runBench(ctx context.Context, out, stderr io.Writer, flags benchFlags) error {
	switch {
	case flags.clients < 1:
		return usagef("--clients wants at least 1, got %d", flags.clients)
	case !(flags.rate > 0 && flags.rate <= 1e6):
		return usagef("--rate wants a number above 0, up to a million, got %v", flags.rate)
	case flags.duration <= 0 || flags.ramp < 0:
		return usagef("--duration wants a time above 0, --ramp one from 0, got %v and %v", flags.duration, flags.ramp)
	case flags.docs < 1:
		return usagef("--docs wants at least 1, got %d", flags.docs)
	}
	l := &load{flags: flags, options: client.Options{Logger: slog.New(slog.DiscardHandler)}}
	if flags.url == "" {
		stop, err := l.serve()
		if err != nil {
			return err
		}
		defer stop()
	} else if err := l.aim(ctx); err != nil {
		return err
	}
	var err error
	if l.subs, err = parseEach(l.flags.subs, parseSub); err != nil {
		return err
	}
	if l.flags.method != "" {
		if l.method, err = parseSub(l.flags.method); err != nil {
			return usageError{fmt.Errorf("--method: %w", err)}
		}
	}
	if len(l.subs) == 0 && l.flags.method == "" {
		return usagef("nothing to do: give --subs, or --method, or both")
	}
	l.run(ctx, stderr)
	if flags.asJSON {
		if _, err := fmt.Fprintf(out, "%s\n", l.doc().AppendJSON(nil)); err != nil {
			return err
		}
	} else if err := l.print(out); err != nil {
		return err
	}
	if l.connected.Load() == 0 && ctx.Err() == nil {
		return fmt.Errorf("no client could connect: %s", l.firstError())
	}
	return ctx.Err()
}

// serve starts a server in this process, and aims at it.
func (l *load) serve() (stop func(), err error) {
	const collection = "bench"
	s := store.New(store.Options{})
	_, err = s.Update(func(tx *store.Tx) error {
		for i := range l.flags.docs {
			d := ejson.Make(
				ejson.Field{Name: "_id", Value: benchDoc(i, l.flags.docs)},
				ejson.Field{Name: "n", Value: i},
				ejson.Field{Name: "text", Value: "a document for the load to be put on, of about two hundred bytes as it is sent, as many are"},
				ejson.Field{Name: "tags", Value: []any{"red", "blue"}},
			)
			if err := tx.Put(collection, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := newStoreServer(s, storeServerOptions{collections: []string{collection}, allowWrites: true, logger: slog.New(slog.DiscardHandler)})
	web := &http.Server{Handler: srv.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends with Close
	l.flags.url = "ws://" + listener.Addr().String()
	if len(l.flags.subs) == 0 && l.flags.method == "" {
		l.flags.subs = []string{collection}
		l.flags.method = `/bench/update:["$doc", {"$set": {"at": "$now"}, "$inc": {"n": 1}}]`
		l.flags.stamp = "at"
	}
	l.embedded = true
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.shutdown(ctx)
		_ = web.Close()
		_ = s.Close()
	}, nil
}

// benchDoc is the id that "$doc" stands for in a call.
func benchDoc(n, of int) string { return fmt.Sprintf("d%d", n%of) }

// aim looks where the load would go. What is not this machine is refused unless it is
// the caller's own, by name and, lest a name point elsewhere later, at every connection.
func (l *load) aim(ctx context.Context) error {
	if err := client.CheckURL(l.flags.url); err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	if l.flags.own {
		return nil
	}
	u, err := url.Parse(l.flags.url)
	host := l.flags.url
	if err == nil && u.Hostname() != "" {
		host = u.Hostname()
	} else if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	for _, a := range addrs {
		if !a.IP.IsLoopback() {
			return usagef("--url %s: %s is %v, which is not this machine; if the server is yours, say so with --i-own-this-server", l.flags.url, host, a.IP)
		}
	}
	l.options.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	l.options.NetDial = dialLoopback
	return nil
}

// dialLoopback connects to this machine only.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s is %v, which is not this machine", address, conn.RemoteAddr()), conn.Close())
	}
	return conn, nil
}
