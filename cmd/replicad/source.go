package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
)

// source is something that answers queries: the daemon, or a store in this
// process that was filled from a file.
type source interface {
	// find passes each document of the result to yield, in order, and ends at
	// yield's first error.
	find(ctx context.Context, r request, yield func(ejson.Doc) error) error
	// count tells how many documents find would pass.
	count(ctx context.Context, r request) (int, error)
	// distinct tells the different values of a path in what find would pass.
	distinct(ctx context.Context, r request, path string) (ejson.Array, error)
	// explain runs the query and tells how: plan, examined, returned, of, micros.
	explain(ctx context.Context, r request) (ejson.Doc, error)
	// watch passes each event of the live result to yield, from the initial
	// result on, until ctx is done, the source ends, or yield returns an error.
	watch(ctx context.Context, r request, yield func(ejson.Doc) error) error
	// status tells how the source stands.
	status(ctx context.Context) (ejson.Doc, error)
	// index adds or drops an index, and lists those that there are then.
	index(ctx context.Context, r indexRequest) (ejson.Array, error)
	// observers passes what is known of each live result to yield.
	observers(ctx context.Context, yield func(ejson.Doc) error) error
	// call calls a method on the server behind the source.
	call(ctx context.Context, method string, params ejson.Array) (ejson.Value, error)
	close() error
}

// sourceFlags choose a source. At most one of db, file and url is set; none means
// the daemon at addr.
type sourceFlags struct {
	addr, db, file string
	timeout        time.Duration
	stdin          func() io.Reader
}

// add declares the flags on a command.
func (f *sourceFlags) add(cmd *cobra.Command) {
	f.stdin = cmd.InOrStdin
	cmd.Flags().StringVar(&f.addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().StringVar(&f.db, "db", "", "ask this file directly; no daemon may hold it")
	cmd.Flags().StringVar(&f.file, "file", "", "ask these documents, one as JSON a line; - for standard input")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer, or for the file's lock")
	cmd.MarkFlagsMutuallyExclusive("addr", "db", "file")
	_ = cmd.MarkFlagFilename("db")
	_ = cmd.MarkFlagFilename("file", "jsonl", "ndjson", "json")
}

// open opens the chosen source. For JSON lines the collection is where the
// documents go.
func (f *sourceFlags) open(ctx context.Context, collection string) (source, error) {
	switch {
	case f.db != "":
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		return openFile(ctx, f.db)
	case f.file != "":
		return openLines(ctx, f.file, collection, f.stdin())
	default:
		c, err := newAPIClient(f.addr, f.timeout)
		if err != nil {
			return nil, err
		}
		c.instead = ", or ask a file with --db"
		return c, nil
	}
}

// with opens the source, runs fn on it, and closes it.
func (f *sourceFlags) with(ctx context.Context, collection string, fn func(source) error) error {
	src, err := f.open(ctx, collection)
	if err != nil {
		return err
	}
	return errors.Join(fn(src), src.close())
}

// microseconds is how durations are told in JSON.
func microseconds(d time.Duration) ejson.Value {
	return ejson.NumberValue(float64(d.Nanoseconds()) / 1e3)
}

// plural writes a count and its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", thousands(n), noun)
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
