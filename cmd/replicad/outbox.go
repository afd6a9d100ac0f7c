package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
	replica "github.com/replicad/replicad/sync"
)

func newOutbox() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Look after the calls that wait for the server, or failed",
		Long: `outbox looks after the calls that 'replicad do', or a program, left to be made.
A call is queued until it is sent, sent until the server has answered, parked
while its user is not logged in, and failed if the server refused it; a call
that went well is gone. What failed is kept until it is retried or dropped.

The daemon is asked, or the file of one that does not run (--db).`,
		Example: `  replicad outbox list
  replicad outbox retry --failed
  replicad outbox export --db old.db | replicad outbox import -`,
		SuggestionsMinimumDistance: 2,
		Args:                       noArgs,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newOutboxList(), newOutboxShow(), newOutboxWatch(), newOutboxRetry(), newOutboxDrop(), newOutboxExport(), newOutboxImport())
	return cmd
}

// outboxStates are the states of a call, for --state.
var outboxStates = []string{string(replica.Queued), string(replica.Sent), string(replica.Parked), string(replica.Failed)}

// stateFlag chooses calls by their state.
type stateFlag struct{ state string }

func (f *stateFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.state, "state", "", "only calls in this state: "+strings.Join(outboxStates, ", "))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(outboxStates, cobra.ShellCompDirectiveNoFileComp))
}

func (f *stateFlag) check() error {
	if f.state != "" && !slices.Contains(outboxStates, f.state) {
		return usagef("--state %q: there are %s", f.state, strings.Join(outboxStates, ", "))
	}
	return nil
}

func (f *stateFlag) picks(e ejson.Doc) bool {
	return f.state == "" || e.Field("state").Str() == f.state
}

func newOutboxList() *cobra.Command {
	var flags deskFlags
	var state stateFlag
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the calls, oldest first, one a line",
		Example: `  replicad outbox list
  replicad outbox list --state failed --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := state.check(); err != nil {
				return err
			}
			ctx := cmd.Context()
			out := bufio.NewWriter(cmd.OutOrStdout())
			n := 0
			err := flags.with(ctx, func(d desk) error {
				return d.entries(ctx, func(e ejson.Doc) error {
					if !state.picks(e) {
						return nil
					}
					n++
					if asJSON {
						_, err := out.Write(append(e.AppendJSON(nil), '\n'))
						return err
					}
					return printEntry(out, e)
				})
			})
			if err == nil && n == 0 && !asJSON {
				fmt.Fprintln(cmd.ErrOrStderr(), "no calls")
			}
			return cmp.Or(err, out.Flush())
		},
	}
	flags.add(cmd)
	state.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each call in full, as EJSON")
	return cmd
}

// printEntry prints a call in one line for people: id, state, when it was made, how often
// it was sent, the method and its params, and the last error.
func printEntry(w io.Writer, e ejson.Doc) error {
	at := ""
	if v := e.Field("at"); v.Kind() == ejson.Date {
		at = v.Time().Local().Format(time.DateTime)
	}
	line := fmt.Sprintf("%s  %-6s  %s  sent %d×  %s%s", e.ID(), e.Field("state").Str(), at,
		int(e.Field("attempts").Number()), e.Field("method").Str(), shorten(e.Field("params").String(), 60))
	if why := entryError(e); why != "" {
		line += "  " + why
	}
	_, err := fmt.Fprintln(w, printable(line))
	return err
}

// entryError tells the last error of a call; "" where there is none.
func entryError(e ejson.Doc) string {
	v := e.Field("error")
	if v.Kind() != ejson.Object {
		return ""
	}
	return fmt.Sprintf("[%s] %s", v.Doc().Field("code").Str(), v.Doc().Field("reason").Str())
}

// shorten cuts text to n characters or so.
func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

func newOutboxShow() *cobra.Command {
	var flags deskFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Print all that is known of a call, a line a field",
		Example: `  replicad outbox show 1f6d0c9e-8f58-4f7e-9a55-0a5d3a1d4c11-9b1deb4d-7`,
		Args:    argsBetween(1, 1, "the ID of a call"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return flags.with(ctx, func(d desk) error {
				found := false
				err := d.entries(ctx, func(e ejson.Doc) error {
					if e.ID().String() != args[0] {
						return nil
					}
					found = true
					if asJSON {
						_, err := fmt.Fprintln(cmd.OutOrStdout(), e)
						return err
					}
					for name, v := range e.Fields() {
						if err := printField(cmd.OutOrStdout(), name, v); err != nil {
							return err
						}
					}
					return nil
				})
				if err == nil && !found {
					return noSuchCall(args[0])
				}
				return err
			})
		},
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCalls(&flags, 1)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as EJSON")
	return cmd
}

func newOutboxWatch() *cobra.Command {
	var flags deskFlags
	cmd := &cobra.Command{
		Use:     "watch",
		Short:   "Print the calls and each change of them, one event as JSON a line",
		Example: `  replicad outbox watch`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			err := flags.with(ctx, func(d desk) error {
				return printEvents(cmd.OutOrStdout(), func(yield func(ejson.Doc) error) error { return d.follow(ctx, yield) })
			})
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil // an interrupt is how a watch ends
			}
			return err
		},
	}
	flags.add(cmd)
	return cmd
}

// noSuchCall is the error for an id that the outbox does not have.
type noSuchCall string

func (id noSuchCall) Error() string {
	return fmt.Sprintf("no call %q in the outbox: it was never made, or has ended well; see 'replicad outbox list'", string(id))
}

// eachCall makes of cmd a command that does something to calls that are named, or to all
// that failed.
func eachCall(cmd *cobra.Command, done string, act func(context.Context, desk, string) error) *cobra.Command {
	var flags deskFlags
	var failed bool
	cmd.Args = argsBetween(0, -1, "the ID of a call, or --failed")
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		if failed == (len(ids) > 0) {
			return usagef("%s wants either IDs or --failed", cmd.Name())
		}
		ctx := cmd.Context()
		return flags.with(ctx, func(d desk) error {
			if failed {
				pick := stateFlag{string(replica.Failed)}
				err := d.entries(ctx, func(e ejson.Doc) error {
					if pick.picks(e) {
						ids = append(ids, e.ID().String())
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			n := 0
			var err error
			for _, id := range ids {
				if err = act(ctx, d, id); err != nil {
					break
				}
				n++
			}
			if n > 0 || err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s %s\n", plural(n, "call"), done)
			}
			return err
		})
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCalls(&flags, 0)
	cmd.Flags().BoolVar(&failed, "failed", false, "every call that failed")
	return cmd
}

func newOutboxRetry() *cobra.Command {
	return eachCall(&cobra.Command{
		Use:   "retry ID... | --failed",
		Short: "Have calls that failed sent once more",
		Example: `  replicad outbox retry 1f6d0c9e-8f58-4f7e-9a55-0a5d3a1d4c11-9b1deb4d-7
  replicad outbox retry --failed`,
	}, "to be sent again", func(ctx context.Context, d desk, id string) error { return d.retry(ctx, id) })
}

func newOutboxDrop() *cobra.Command {
	var force bool
	cmd := eachCall(&cobra.Command{
		Use:   "drop ID... | --failed",
		Short: "Take calls out of the outbox that failed, or were never sent",
		Long: `drop takes calls out of the outbox for good: those that failed, and those that
were never sent, whose effect on the documents here is taken back. A call that
was sent, and has no answer yet, goes only with --force: the server may have
made it.`,
		Example: `  replicad outbox drop 1f6d0c9e-8f58-4f7e-9a55-0a5d3a1d4c11-9b1deb4d-7
  replicad outbox drop --failed`,
	}, "dropped", func(ctx context.Context, d desk, id string) error { return d.drop(ctx, id, force) })
	cmd.Flags().BoolVar(&force, "force", false, "also calls that were sent")
	return cmd
}

func newOutboxExport() *cobra.Command {
	var flags deskFlags
	cmd := &cobra.Command{
		Use:   "export [ID...]",
		Short: "Print calls in full, one as EJSON a line, for import elsewhere",
		Long: `export prints calls as import takes them, all of them if none is named. They
stay in the outbox: if they are to be sent from elsewhere, drop them here. A
server that remembers the ids of calls makes a call once all the same.`,
		Example: `  replicad outbox export --db old.db > calls.jsonl`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			return flags.with(cmd.Context(), func(d desk) error {
				return d.export(cmd.Context(), cmd.OutOrStdout(), ids)
			})
		},
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCalls(&flags, 0)
	return cmd
}

func newOutboxImport() *cobra.Command {
	var flags deskFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Put exported calls into the outbox, all or none",
		Long: `import puts the calls of a file (- for standard input) into the outbox, under
the ids and with the seeds that they had; those that the outbox has already are
left out. With a fault in one line, none is taken.`,
		Example: `  replicad outbox import calls.jsonl
  replicad outbox export --db old.db | replicad outbox import -`,
		Args: argsBetween(1, 1, "a FILE of exported calls, or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			in, name, err := openInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			return flags.with(ctx, func(d desk) error {
				n, err := d.take(ctx, in)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s imported\n", plural(n, "call"))
				return nil
			})
		},
	}
	flags.add(cmd)
	return cmd
}
