package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replicad/replicad/ddp/ejson"
)

func newCall() *cobra.Command {
	var flags sourceFlags
	var url string
	cmd := &cobra.Command{
		Use:   "call METHOD [PARAMS | PARAM...]",
		Short: "Call a method of the server and print its result",
		Long: `call calls a method of the server, through the daemon or directly with --url,
and prints the result as EJSON. The params are one EJSON array, or one argument
each; an argument that is no JSON is a string.

The call is made now, once, or not at all: without a connection it is an error,
and if the connection is lost before the answer, the outcome is unknown. What
must be made for certain is left with 'replicad do'.`,
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

func newObservers() *cobra.Command {
	var addr string
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "observers",
		Short: "Tell what is being watched in the daemon, and what it costs",
		Long: `observers lists the live results of the daemon, those that take the most time
first: how changes find them, with how many others they are shared, what their
state weighs, and how many changes they have seen and batches they have
delivered.`,
		Example: `  replicad observers
  replicad observers --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := newAPIClient(addr, timeout)
			if err != nil {
				return err
			}
			n := 0
			err = src.observers(cmd.Context(), func(d ejson.Doc) error {
				n++
				text := d.Field("text").Str()
				if asJSON {
					text = d.String()
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
				return err
			})
			if err == nil && n == 0 && !asJSON {
				fmt.Fprintln(cmd.ErrOrStderr(), "nothing is being watched")
			}
			return errors.Join(err, src.close())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", defaultAddr, "the daemon's address")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "longest wait for the daemon's answer")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print all that is known of each, as EJSON")
	return cmd
}
