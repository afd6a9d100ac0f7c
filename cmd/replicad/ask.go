package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
)

// queryFlags are the flags of find and watch.
type queryFlags struct {
	source      sourceFlags
	sort        []string
	fields      []string
	skip, limit int
	hint        string
}

func (f *queryFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	cmd.Flags().StringSliceVar(&f.sort, "sort", nil, `order by these paths, "-" before one to descend`)
	cmd.Flags().StringSliceVar(&f.fields, "fields", nil, `keep only these fields and _id, or drop those with "-" before them`)
	cmd.Flags().IntVar(&f.skip, "skip", 0, "leave out the first `N` documents")
	cmd.Flags().StringVar(&f.hint, "hint", "", "use this index, by its name; $natural for a scan")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "keep at most `N` documents; 0 keeps all")
}

// request makes the request of a command's arguments: COLL [SELECTOR]. For the
// lines of a file the COLL may be left out.
func (f *queryFlags) request(args []string) (request, error) {
	if f.source.file != "" && (len(args) == 0 || isObject(args[0])) {
		args = append([]string{lineCollection}, args...)
	}
	if len(args) == 0 || len(args) > 2 {
		return request{}, usagef("wants COLL and perhaps a SELECTOR, got %d arguments", len(args))
	}
	r := request{collection: args[0], sort: f.sort, fields: f.fields, skip: f.skip, limit: f.limit, hint: f.hint}
	if f.skip < 0 || f.limit < 0 {
		return r, usagef("--skip and --limit want a number from 0, got %d and %d", f.skip, f.limit)
	}
	var err error
	if len(args) > 1 {
		r.selector, err = parseSelector(args[1])
	}
	return r, err
}

func newFind() *cobra.Command {
	var flags queryFlags
	var explain bool
	cmd := &cobra.Command{
		Use:   "find COLL [SELECTOR]",
		Short: "Print the documents that a selector matches, one as JSON a line",
		Long: `find prints the documents that a selector matches, one as EJSON a line. The
selector is a MongoDB selector in EJSON, or the id of one document; without one
every document is printed.

The daemon answers, or the file given with --db, or the lines given with --file.`,
		Example: `  replicad find tasks '{"done": false, "list": "home"}' --sort -createdAt --limit 20
  replicad find tasks zGzR8vYbyKNCpPzxM
  replicad find tasks '{"n": {"$gt": 5}}' --db tasks.db --explain
  cat docs.jsonl | replicad find docs '{"tags": "new"}' --file - --fields title,tags`,
		Args: argsBetween(0, 2, "COLL and perhaps a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := flags.request(args)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			return flags.source.with(ctx, r.collection, func(src source) error {
				if explain {
					return explained(cmd, src, r)
				}
				return printLines(cmd.OutOrStdout(), func(yield func(ejson.Doc) error) error {
					return src.find(ctx, r, yield)
				})
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&explain, "explain", false, "tell how the query is answered, and how long it took, instead of the documents")
	return cmd
}

// explained prints how a source answers a request.
func explained(cmd *cobra.Command, src source, r request) error {
	d, err := src.explain(cmd.Context(), r)
	if err != nil {
		return err
	}
	return printExplain(cmd.OutOrStdout(), d)
}

func newExplain() *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:     "explain COLL [SELECTOR]",
		Short:   "Tell how a query is answered, and how long it takes",
		Example: `  replicad explain tasks '{"list": "home"}' --sort -createdAt --limit 20`,
		Args:    argsBetween(0, 2, "COLL and perhaps a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := flags.request(args)
			if err != nil {
				return err
			}
			return flags.source.with(cmd.Context(), r.collection, func(src source) error { return explained(cmd, src, r) })
		},
	}
	flags.add(cmd)
	return cmd
}

func newCount() *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:   "count COLL [SELECTOR]",
		Short: "Print how many documents a selector matches",
		Example: `  replicad count tasks '{"done": false}'
  replicad count '{"price": {"$gt": 5}}' --file fruit.jsonl`,
		Args: argsBetween(0, 2, "COLL and perhaps a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := flags.request(args)
			if err != nil {
				return err
			}
			return flags.source.with(cmd.Context(), r.collection, func(src source) error {
				n, err := src.count(cmd.Context(), r)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), n)
				return err
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func newDistinct() *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:   "distinct COLL PATH [SELECTOR]",
		Short: "Print the different values of a path, one as JSON a line",
		Example: `  replicad distinct tasks list '{"done": false}'
  replicad distinct fruit tags --file fruit.jsonl`,
		Args: argsBetween(1, 3, "COLL, PATH and perhaps a SELECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.source.file != "" && (len(args) == 1 || isObject(args[1])) {
				args = append([]string{lineCollection}, args...)
			}
			if len(args) < 2 || len(args) > 3 {
				return usagef("distinct wants COLL, PATH and perhaps a SELECTOR, got %d arguments", len(args))
			}
			path := args[1]
			r, err := flags.request(slices.Delete(args, 1, 2))
			if err != nil {
				return err
			}
			return flags.source.with(cmd.Context(), r.collection, func(src source) error {
				values, err := src.distinct(cmd.Context(), r, path)
				if err != nil {
					return err
				}
				out := bufio.NewWriter(cmd.OutOrStdout())
				for _, v := range values.All() {
					if _, err := out.Write(append(v.AppendJSON(nil), '\n')); err != nil {
						return err
					}
				}
				return out.Flush()
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func newWatch() *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:   "watch COLL [SELECTOR]",
		Short: "Print a result and then each change of it, one event as JSON a line",
		Long: `watch prints the events of a live result, one as EJSON a line: "added" for each
document of the initial result, one "ready", and from then on "added", "changed",
"moved" and "removed" as they happen, until it is interrupted. "from" and "to" are
places in the result, -1 where it has no order.

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
	return cmd
}

func newCall() *cobra.Command {
	var flags sourceFlags
	var url string
	cmd := &cobra.Command{
		Use:   "call METHOD [PARAMS | PARAM...]",
		Short: "Call a method of the server and print its result",
		Long: `call calls a method of the server, through the daemon or directly with --url, and
prints the result as EJSON. The params are one EJSON array, or one argument each; an
argument that is no JSON is a string.`,
		Example: `  replicad call tasks.finish zGzR8vYbyKNCpPzxM
  replicad call /tasks/insert '[{"text": "buy milk"}]' --url ws://127.0.0.1:3000`,
		Args: argsBetween(1, -1, "a METHOD and its PARAMS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := parseParams(args[1:])
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			var result ejson.Value
			if url != "" {
				result, err = callServer(ctx, url, flags.timeout, args[0], params)
			} else {
				err = flags.with(ctx, "", func(src source) error {
					result, err = src.call(ctx, args[0], params)
					return err
				})
			}
			if err != nil || result.IsMissing() {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", result.AppendJSON(nil))
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&url, "url", "", "call this server, without a daemon")
	cmd.MarkFlagsMutuallyExclusive("url", "addr")
	cmd.MarkFlagsMutuallyExclusive("url", "db")
	cmd.MarkFlagsMutuallyExclusive("url", "file")
	return cmd
}

func newStatus() *cobra.Command {
	var flags sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how the replica stands: its connection, its file, its collections",
		Example: `  replicad status
  replicad status --db tasks.db --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return flags.with(ctx, "lines", func(src source) error {
				d, err := src.status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", d.AppendJSON(nil))
					return err
				}
				return printStatus(cmd.OutOrStdout(), d)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func newObservers() *cobra.Command {
	var addr string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "observers",
		Short: "Tell what is being watched in the daemon, and what it costs",
		Long: `observers lists the live results of the daemon, those that take the most time first:
how changes find them, with how many others they are shared, what their state weighs,
and how many changes they have seen and batches they have delivered.`,
		Example: `  replicad observers`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := newAPIClient(addr, timeout)
			if err != nil {
				return err
			}
			n := 0
			err = src.observers(cmd.Context(), func(d ejson.Doc) error {
				n++
				_, err := fmt.Fprintln(cmd.OutOrStdout(), d.Field("text").Str())
				return err
			})
			if err == nil && n == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "nothing is being watched")
			}
			return errors.Join(err, src.close())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer")
	return cmd
}

// printLines prints what produce yields, a document a line. Output is buffered;
// use printEvents for what should be seen as it happens.
func printLines(w io.Writer, produce func(yield func(ejson.Doc) error) error) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	err := produce(func(d ejson.Doc) error {
		line = append(d.AppendJSON(line[:0]), '\n')
		_, err := out.Write(line)
		return err
	})
	return errors.Join(err, out.Flush())
}

// printEvents is printLines with each line written at once.
func printEvents(w io.Writer, produce func(yield func(ejson.Doc) error) error) error {
	var line []byte
	return produce(func(d ejson.Doc) error {
		line = append(d.AppendJSON(line[:0]), '\n')
		_, err := w.Write(line)
		return err
	})
}
