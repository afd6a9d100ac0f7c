package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
)

// What a shell offers for the arguments of a command. Files are offered only where a
// file is wanted; flags have their own.

// completer is cobra's ValidArgsFunction.
type completer = func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective)

// completePatience bounds the wait for a daemon whose answer somebody has pressed a key
// for.
const completePatience = time.Second

// completeCollections offers, for the first argument, the collections of a source.
func completeCollections(flags *sourceFlags) completer {
	return func(cmd *cobra.Command, args []string, begin string) (names []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 || flags.file != "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
		defer cancel()
		err := flags.with(ctx, "", func(src source) error {
			status, err := src.status(ctx)
			for name, n := range status.Field("collections").Doc().Fields() {
				if strings.HasPrefix(name, begin) {
					names = append(names, fmt.Sprintf("%s\t%s", name, plural(int(n.Number()), "document")))
				}
			}
			return err
		})
		return names, directive(err)
	}
}

// completeCalls offers the ids of the calls in an outbox that are not named yet, up to max
// of them; 0 is any number.
func completeCalls(flags *deskFlags, max int) completer {
	return func(cmd *cobra.Command, args []string, begin string) (ids []string, _ cobra.ShellCompDirective) {
		if max > 0 && len(args) >= max {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
		defer cancel()
		err := flags.with(ctx, func(d desk) error {
			return d.entries(ctx, func(e ejson.Doc) error {
				if id := e.ID().String(); strings.HasPrefix(id, begin) {
					ids = append(ids, fmt.Sprintf("%s\t%s, %s", id, e.Field("state").Str(), printable(e.Field("method").Str())))
				}
				return nil
			})
		})
		return ids, directive(err)
	}
}

// directive is cobra's for names that are not files.
func directive(err error) cobra.ShellCompDirective {
	if err != nil {
		return cobra.ShellCompDirectiveError
	}
	return cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeNoFiles keeps files from being offered for the arguments of commands that take
// none.
func completeNoFiles(root *cobra.Command) {
	eachCommand(root, func(cmd *cobra.Command) {
		if cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, "FILE") {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
}
