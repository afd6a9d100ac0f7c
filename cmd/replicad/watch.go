package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
)

func newWatch() *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:   "watch COLL [SELECTOR]",
		Short: "Print a result and each change of it, one event as JSON a line",
		Long: `watch prints the events of a live result, one as EJSON a line: "added" for each
document of the initial result, one "ready", and from then on "added",
"changed", "moved" and "removed" as they happen, until it is interrupted.
"from" and "to" are places in the result, -1 where it has no order.

A file given with --db cannot change: its result is printed, and watch ends.
Lines given with --file are taken in as they come; a line with an _id already
seen replaces that document.`,
		Example: `  replicad watch tasks '{"done": false}' --sort -createdAt --limit 10
  tail -f events.jsonl | replicad watch events '{"level": "error"}' --file -`,
		Args: argsBetween(0, 2, "COLL and perhaps a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := flags.request(args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if flags.source.file != "" {
				err = watchLines(ctx, cmd.OutOrStdout(), flags.source.file, cmd.InOrStdin(), r)
			} else {
				err = flags.source.with(ctx, r.collection, func(src source) error {
					return printEvents(cmd.OutOrStdout(), func(yield func(ejson.Doc) error) error {
						return src.watch(ctx, r, yield)
					})
				})
			}
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil // an interrupt is how a watch ends
			}
			return err
		},
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCollections(&flags.source)
	return cmd
}

func (s *storeSource) watch(ctx context.Context, r request, yield func(ejson.Doc) error) error {
	if err := checkCollection(r.collection); err != nil {
		return err
	}
	for batch, err := range observe.Batches(ctx, r.query(s.store)) {
		if err != nil {
			return err
		}
		if err := batchDocs(batch, yield); err != nil {
			return err
		}
		if batch.First && !s.live {
			return nil
		}
	}
	return ctx.Err()
}

// watchLines prints the live result of a query over documents that are still
// coming in. It ends with the input.
func watchLines(ctx context.Context, out io.Writer, file string, stdin io.Reader, r request) error {
	in, name, err := openInput(file, stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	s := store.New(store.Options{})
	var printed error // the handle's, until it is stopped
	h, err := observe.Start(r.query(s), func(batch observe.Batch[ejson.Doc]) {
		if printed == nil {
			printed = printEvents(out, func(yield func(ejson.Doc) error) error { return batchDocs(batch, yield) })
		}
	})
	if err != nil {
		return err
	}
	defer h.Stop()

	var last store.Seq
	read := make(chan error, 1) // one place: a read of a terminal cannot be broken off
	go func() {
		read <- readDocuments(in, func(d ejson.Doc) (err error) {
			last, err = s.Update(func(tx *store.Tx) error { return tx.Put(r.collection, withID(d)) })
			return err
		})
	}()
	select {
	case err = <-read:
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		} else {
			err = h.Wait(ctx, last)
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.Stop()
	return errors.Join(err, printed)
}

// batchDocs passes on a batch as documents, one an event, and one more that says
// "ready" after the initial result.
func batchDocs(batch observe.Batch[ejson.Doc], yield func(ejson.Doc) error) error {
	seq := ejson.NumberValue(float64(batch.Seq))
	for _, ev := range batch.Events {
		if err := yield(eventDoc(seq, ev)); err != nil {
			return err
		}
	}
	if !batch.First {
		return nil
	}
	var b ejson.Builder
	b.Add("event", ejson.StringValue("ready"))
	b.Add("seq", seq)
	return yield(b.Doc())
}

// eventDoc writes an event: the whole document where it is new, else what
// changed in it.
func eventDoc(seq ejson.Value, ev observe.Event[ejson.Doc]) ejson.Doc {
	var b ejson.Builder
	b.Add("event", ejson.StringValue(eventNames[ev.Kind]))
	b.Add("seq", seq)
	b.Add("id", ev.ID.Value())
	switch ev.Kind {
	case observe.Added:
		b.Add("to", ejson.NumberValue(float64(ev.To)))
		b.Add("doc", ev.New.Value())
	case observe.Changed, observe.Moved:
		b.Add("from", ejson.NumberValue(float64(ev.From)))
		b.Add("to", ejson.NumberValue(float64(ev.To)))
		if ev.Kind == observe.Changed {
			b.Add("set", ev.Set.Value())
			b.Add("unset", stringList(ev.Unset))
		}
	case observe.Removed:
		b.Add("from", ejson.NumberValue(float64(ev.From)))
	}
	return b.Doc()
}

var eventNames = map[observe.Kind]string{
	observe.Added: "added", observe.Changed: "changed", observe.Moved: "moved", observe.Removed: "removed",
}
