package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp"
)

// deskFlags choose a desk: the daemon, or the file of one that does not run.
type deskFlags struct {
	addr, db string
	timeout  time.Duration
}

func (f *deskFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().StringVar(&f.db, "db", "", "use this replica's file directly; no daemon may hold it")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer, or for the file's lock")
	cmd.MarkFlagsMutuallyExclusive("addr", "db")
	_ = cmd.MarkFlagFilename("db")
}

// with opens the desk, runs fn on it, and closes it.
func (f *deskFlags) with(ctx context.Context, fn func(desk) error) error {
	d, err := f.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(d), d.close())
}

func (f *deskFlags) open(ctx context.Context) (desk, error) {
	if f.db != "" {
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		return openDesk(ctx, f.db)
	}
	c, err := newAPIClient(f.addr, f.timeout)
	if err != nil {
		return nil, err
	}
	c.instead = ", or use its file with --db"
	return c, nil
}

func newDo() *cobra.Command {
	var flags deskFlags
	var q doRequest
	cmd := &cobra.Command{
		Use:   "do METHOD [PARAMS | PARAM...]",
		Short: "Leave a method call in the outbox, to be made for certain",
		Long: `do puts a method call into the daemon's outbox, and prints the call's id when
it is on disk. It needs no server: the daemon sends the call as soon as there
is a connection, and again after every loss of the connection or of the
process, until the server has answered. What /COLL/insert, /COLL/update and
/COLL/remove will do shows in the documents at once.

With --wait it waits for the server's answer too, and prints the result;
interrupted, it leaves the call where it is. With --db the call is left in the
file of a daemon that does not run, for the next one to send. 'replicad outbox'
looks after what waits, and what the server has refused. To call without an
outbox, there is 'replicad call'.`,
		Example: `  replicad do /tasks/insert '{"_id": "t1", "text": "buy milk"}'
  replicad do tasks.finish t1 --entity task/t1 --ttl 24h
  replicad do tasks.finish t1 --wait`,
		Args: argsBetween(1, -1, "a METHOD and its PARAMS"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			q.method = args[0]
			if q.params, err = parseParams(args[1:]); err != nil {
				return err
			}
			if q.ttl < 0 {
				return usagef("--ttl wants a time from 0, got %v", q.ttl)
			}
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			return flags.with(ctx, func(d desk) error {
				id, outcome, err := d.do(ctx, q)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintln(out, id); err != nil || !q.wait {
					return err
				}
				result, err := outcome(ctx)
				if ctx.Err() != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "the call stays in the outbox: replicad outbox show %s\n", id)
				}
				if errors.As(err, new(*ddp.Error)) {
					fmt.Fprintf(cmd.ErrOrStderr(), "the call is kept: replicad outbox retry, or drop, %s\n", id)
				}
				if err != nil || result.IsMissing() {
					return err
				}
				_, err = fmt.Fprintf(out, "%s\n", result.AppendJSON(nil))
				return err
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&q.entity, "entity", "", "what the call is about: calls of one entity go one after another, and do not hold up others")
	cmd.Flags().StringVar(&q.squash, "squash", "", "what the call sets as a whole: it takes the place of an earlier call of this key that was not sent yet")
	cmd.Flags().DurationVar(&q.ttl, "ttl", 0, "give the call up if it could not be sent for so long; 0 is never")
	cmd.Flags().BoolVar(&q.noRetry, "no-retry", false, "send it at most once: if the connection is lost then, its outcome is unknown")
	cmd.Flags().BoolVar(&q.wait, "wait", false, "wait for the server's answer, and print the result")
	return cmd
}
