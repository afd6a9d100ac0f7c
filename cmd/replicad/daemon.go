package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// daemonFlags configure the daemon.
type daemonFlags struct {
	db         string
	subs       []string
	indexes    []string
	listen     string
	login      loginFlags
	maxBackoff time.Duration
	verbose    bool
}

func newSync() *cobra.Command {
	var flags daemonFlags
	cmd := &cobra.Command{
		Use:   "sync URL",
		Short: "Keep a replica of what a server publishes, and answer queries",
		Long: `sync is the daemon: it subscribes to publications of a DDP server, keeps what
they hold in memory and in a file, follows the server through lost connections
and restarts, and answers find, watch, call and status on a local HTTP API. It
runs until it is interrupted. Calls that are left with it ('replicad do') are
made for certain, also after the server, the link or the daemon was gone: see
'replicad outbox'.

With --user, or --token-file, it logs in before anything else; the server's
token is kept in the file. 'replicad login' logs in a daemon that runs.

The URL is ws://, wss://, http:// or https://; without a path, /websocket is
asked for. Without --db everything is in memory only, and gone with the
process.`,
		Example: `  replicad sync wss://todos.example --db todos.db \
      --sub lists --sub 'todos.inList:["home"]'
  replicad sync ws://127.0.0.1:3000 --sub tasks --index tasks:list,-createdAt`,
		Args: argsBetween(1, 1, "the server's URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDaemon(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), args[0], flags)
		},
	}
	cmd.Flags().StringVar(&flags.db, "db", "", "the file to keep")
	cmd.Flags().StringArrayVar(&flags.subs, "sub", nil, "subscribe to a publication, `NAME[:PARAMS]`, PARAMS a JSON list; may be given again")
	cmd.Flags().StringArrayVar(&flags.indexes, "index", nil, "index a collection, `COLL:KEY[,KEY]`; may be given again")
	cmd.Flags().StringVar(&flags.listen, "listen", defaultAddr, "address of the local API; loopback only")
	flags.login.add(cmd)
	cmd.Flags().DurationVar(&flags.maxBackoff, "max-backoff", 5*time.Minute, "longest wait between two attempts to connect")
	cmd.Flags().BoolVarP(&flags.verbose, "verbose", "v", false, "log every transition")
	_ = cmd.MarkFlagFilename("db")
	return cmd
}

// runDaemon runs the daemon until ctx is done.
func runDaemon(ctx context.Context, stdin io.Reader, stderr io.Writer, url string, flags daemonFlags) (err error) {
	subs, err := parseEach(flags.subs, parseSub)
	if err != nil {
		return err
	}
	indexes, err := parseEach(flags.indexes, parseIndex)
	if err != nil {
		return err
	}
	if err := checkLoopback(flags.listen); err != nil {
		return err
	}
	prompt := newPrompter(stdin, stderr)
	var as credential
	if flags.login.asked() {
		if as, err = flags.login.credential(stdin, prompt); err != nil {
			return err
		}
	}
	listener, err := listen(flags.listen)
	if err != nil {
		return err
	}
	defer listener.Close() // a second time where the web server has done so
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	r, err := replica.Open(wait, url, replica.Options{
		Path:       flags.db,
		Schema:     -1, // whatever program wrote the documents
		MaxBackoff: flags.maxBackoff,
		Logger:     newLogger(stderr, flags.verbose),
	})
	if err != nil {
		if errors.Is(err, client.ErrURL) {
			return usageError{err}
		}
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, ix := range indexes {
		if err := r.Store().Collection(ix.collection).Index(ix.keys...); err != nil {
			return usagef("--index %s:%s: %w", ix.collection, strings.Join(ix.keys, ","), err)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	held := &heldSubs{replica: r, stderr: stderr}
	office := &replicaDesk{replica: r, accepts: true}
	begun, synced := make(chan error, 1), make(chan struct{})
	begin := func() error { return held.begin(ctx, subs, synced) }
	if !flags.login.asked() || loggedInAs(r, as) {
		begun <- begin()
	} else {
		// What nobody may have, the server would refuse before it knows the user.
		go func() {
			err := loginDaemon(ctx, stderr, office, as, prompt)
			if err == nil && ctx.Err() == nil {
				err = begin()
			}
			begun <- err
		}()
	}

	// Requests end when the daemon is asked to: a watch has no other end.
	web := &http.Server{
		Handler:           newAPI(daemonSource(r, held, url, flags.db), office),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	fmt.Fprintf(stderr, "%s%s\n", apiLine, listener.Addr())
	told := make(chan struct{})
	go func() {
		defer close(told)
		newProgress(stderr, r, synced).run(ctx)
	}()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		keepLogin(ctx, stderr, office, held, as)
	}()

	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case err = <-served:
			return fmt.Errorf("local API: %w", err)
		case err = <-begun:
			waiting = err == nil
		}
	}
	stop()
	<-told
	<-kept
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if web.Shutdown(grace) != nil {
		_ = web.Close()
	}
	return err
}

// daemonSource is the replica as a source.
func daemonSource(r *replica.Replica, subs *heldSubs, url, db string) *storeSource {
	return &storeSource{
		store: r.Store(),
		live:  true,
		flush: func(ctx context.Context, _ store.Seq) error { return r.Flush(ctx) },
		about: func(b *ejson.Builder) {
			st := r.Status()
			b.Add("server", ejson.StringValue(url))
			b.Add("phase", ejson.StringValue(st.Phase.String()))
			if st.Err != nil {
				b.Add("because", ejson.StringValue(st.Err.Error()))
				b.Add("tries", ejson.NumberValue(float64(st.Tries)))
			}
			if !st.RetryAt.IsZero() {
				b.Add("retryAt", ejson.DateValue(st.RetryAt.UnixMilli()))
			}
			if st.UserID != "" {
				b.Add("user", ejson.StringValue(st.UserID))
			}
			if st.NeedsLogin {
				b.Add("needsLogin", ejson.BoolValue(true))
			}
			if st.Resumed {
				b.Add("resumed", ejson.BoolValue(true))
			}
			for _, n := range []struct {
				name  string
				calls int
			}{{"outbox", st.Outbox}, {"parked", st.Parked}, {"failed", st.Failed}} {
				if n.calls > 0 {
					b.Add(n.name, ejson.NumberValue(float64(n.calls)))
				}
			}
			if st.Calls > 0 {
				b.Add("calls", ejson.NumberValue(float64(st.Calls)))
			}
			if st.Stale > 0 {
				b.Add("stale", ejson.NumberValue(float64(st.Stale)))
			}
			if st.Skipped > 0 {
				b.Add("skipped", ejson.NumberValue(float64(st.Skipped)))
			}
			subs.about(b)
			if db != "" {
				b.Add("file", ejson.StringValue(db))
			}
			if st.DiskErr != nil {
				b.Add("diskError", ejson.StringValue(st.DiskErr.Error()))
			}
			b.Add("durable", ejson.NumberValue(float64(st.Durable)))
		},
		callServer: func(ctx context.Context, method string, args ejson.Array) (ejson.Value, error) {
			return callReplica(ctx, r, method, args)
		},
	}
}

// callReplica calls a method and returns its result; Missing where the server sent none.
// The call is sent once, on a connection that there is: one that waited in the daemon
// would be made at some time when nobody knows of it any more.
func callReplica(ctx context.Context, r *replica.Replica, method string, args ejson.Array) (ejson.Value, error) {
	if err := connected(ctx, r); err != nil {
		return ejson.Value{}, err
	}
	return r.Invoke(ctx, replica.Method{Name: method, Params: params(args), NoRetry: true})
}

// errNoLink is returned for a call that could not be made.
var errNoLink = errors.New("there is no connection to the server, and the call was not made ('replicad do' leaves it to be made when there is one)")

// connected waits for a connection that is being made, and says why there is none.
func connected(ctx context.Context, r *replica.Replica) error {
	for st := range r.Statuses(ctx) {
		switch {
		case st.Phase == replica.Catching || st.Phase == replica.Live:
			return nil
		case st.Phase == replica.Offline && st.Err != nil:
			return fmt.Errorf("%w: %w", errNoLink, st.Err)
		}
	}
	return cmp.Or(ctx.Err(), replica.ErrClosed)
}

// callServer calls a method of a server without a daemon and without a file.
func callServer(ctx context.Context, url string, timeout time.Duration, method string, args ejson.Array) (ejson.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := client.Dial(ctx, url, client.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		if errors.Is(err, client.ErrURL) {
			err = usageError{err}
		}
		return ejson.Value{}, err
	}
	result, err := conn.Call(ctx, method, params(args)...)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", timeout)
	}
	return result, errors.Join(err, conn.Close())
}

// params passes EJSON values on as params.
func params(list ejson.Array) []any {
	out := make([]any, 0, list.Len())
	for _, v := range list.All() {
		out = append(out, v)
	}
	return out
}

// newLogger logs to people: warnings, or everything.
func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	if verbose {
		return slog.New(text)
	}
	return slog.New(untold{text})
}

// untold is a log less the lines that progress tells in words.
type untold struct{ slog.Handler }

// Handle drops what progress tells, and passes on the rest.
func (h untold) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "sync: phase", "sync: subscription refused":
		return nil
	case "sync: the disk works again":
	default:
		if r.Level < slog.LevelWarn {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}
