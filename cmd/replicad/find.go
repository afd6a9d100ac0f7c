package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

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
	command     string // the command's name
}

func (f *queryFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	f.command = cmd.Name()
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
		return request{}, usagef("%s wants COLL and perhaps a SELECTOR, got %s", f.command, plural(len(args), "argument"))
	}
	if f.source.file == "" && isObject(args[0]) {
		return request{}, usagef("%s wants COLL before the SELECTOR, got %s", f.command, args[0])
	}
	r := request{collection: args[0], sort: f.sort, fields: f.fields, skip: f.skip, limit: f.limit, hint: f.hint}
	if err := checkCollection(r.collection); err != nil {
		return r, err
	}
	if f.skip < 0 || f.limit < 0 {
		return r, usagef("--skip and --limit want a number from 0, got %d and %d", f.skip, f.limit)
	}
	var err error
	if len(args) > 1 {
		r.selector, err = parseSelector(args[1])
	}
	return r, err
}

// queryCommand makes of cmd a command that asks a source one request. ask tells how many
// documents or values there were.
func queryCommand(cmd *cobra.Command, ask func(context.Context, io.Writer, source, request) (int, error)) *cobra.Command {
	var flags queryFlags
	cmd.Args = argsBetween(0, 2, "COLL and perhaps a SELECTOR")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := flags.request(args)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		return flags.source.with(ctx, r.collection, func(src source) error {
			n, err := ask(ctx, cmd.OutOrStdout(), src, r)
			if err == nil && n == 0 {
				noteUnknown(ctx, cmd.ErrOrStderr(), flags.source, src, r.collection)
			}
			return err
		})
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCollections(&flags.source)
	return cmd
}

// noteUnknown tells of a collection that the source does not have: to a slip in its name
// the answer is else the same as to a selector that matches nothing.
func noteUnknown(ctx context.Context, stderr io.Writer, from sourceFlags, src source, collection string) {
	if from.file != "" {
		return // lines are of any collection
	}
	status, err := src.status(ctx)
	if err != nil {
		return
	}
	var names []string
	for name := range status.Field("collections").Doc().Fields() {
		if name == collection {
			return
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		fmt.Fprintln(stderr, "there are no documents here, of any collection")
		return
	}
	fmt.Fprintf(stderr, "there is no collection %q here, but %s\n", collection, shorten(strings.Join(names, ", "), 200))
}

func newFind() *cobra.Command {
	var explain bool
	cmd := queryCommand(&cobra.Command{
		Use:   "find COLL [SELECTOR]",
		Short: "Print the documents that a selector matches, one as JSON a line",
		Long: `find prints the documents that a selector matches, one as EJSON a line. The
selector is a MongoDB selector in EJSON, or the id of one document; without one
every document is printed.

The daemon answers, or the file given with --db, or the lines given with
--file.`,
		Example: `  replicad find tasks '{"done": false}' --sort -createdAt --limit 20
  replicad find tasks zGzR8vYbyKNCpPzxM
  replicad find tasks '{"n": {"$gt": 5}}' --db tasks.db --explain
  cat docs.jsonl | replicad find '{"tags": "new"}' --file - --fields title,tags`,
	}, func(ctx context.Context, out io.Writer, src source, r request) (n int, err error) {
		if explain {
			return askExplain(ctx, out, src, r, false)
		}
		err = printLines(out, func(yield func(ejson.Doc) error) error {
			return src.find(ctx, r, func(d ejson.Doc) error {
				n++
				return yield(d)
			})
		})
		return n, err
	})
	cmd.Flags().BoolVar(&explain, "explain", false, "tell how the query is answered, and how long it took, instead of the documents")
	return cmd
}

func newExplain() *cobra.Command {
	var asJSON bool
	cmd := queryCommand(&cobra.Command{
		Use:   "explain COLL [SELECTOR]",
		Short: "Tell how a query is answered, and how long it takes",
		Example: `  replicad explain tasks '{"list": "home"}' --sort -createdAt --limit 20
  replicad explain tasks '{"list": "home"}' --json`,
	}, func(ctx context.Context, out io.Writer, src source, r request) (int, error) {
		return askExplain(ctx, out, src, r, asJSON)
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// askExplain prints how a source answers a request.
func askExplain(ctx context.Context, out io.Writer, src source, r request, asJSON bool) (int, error) {
	d, err := src.explain(ctx, r)
	switch {
	case err != nil:
	case asJSON:
		_, err = fmt.Fprintln(out, d)
	default:
		err = printExplain(out, d)
	}
	return int(d.Field("of").Number()), err
}

func newCount() *cobra.Command {
	return queryCommand(&cobra.Command{
		Use:   "count COLL [SELECTOR]",
		Short: "Print how many documents a selector matches",
		Example: `  replicad count tasks '{"done": false}'
  replicad count '{"price": {"$gt": 5}}' --file fruit.jsonl`,
	}, func(ctx context.Context, out io.Writer, src source, r request) (int, error) {
		n, err := src.count(ctx, r)
		if err == nil {
			_, err = fmt.Fprintln(out, n)
		}
		return n, err
	})
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
				return usagef("distinct wants COLL, PATH and perhaps a SELECTOR, got %s", plural(len(args), "argument"))
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
				if values.Len() == 0 {
					noteUnknown(cmd.Context(), cmd.ErrOrStderr(), flags.source, src, r.collection)
				}
				return out.Flush()
			})
		},
	}
	flags.add(cmd)
	cmd.ValidArgsFunction = completeCollections(&flags.source)
	return cmd
}
