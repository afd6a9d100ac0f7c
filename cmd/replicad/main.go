package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitSignal = 130 // interrupted before it was done, as shells have it
)

// usageError is an error in how the command was called.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command less the process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// What cobra finds wrong before a command runs is wrong in how it was called.
	began := false
	eachCommand(root, func(cmd *cobra.Command) {
		if inner := cmd.RunE; inner != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				began = true
				return inner(cmd, args)
			}
		}
	})
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "replicad: interrupted")
		return exitSignal
	case isUsage(err), !began:
		fmt.Fprintf(stderr, "replicad: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "replicad: %v\n", err)
		return exitFailed
	}
}

// eachCommand calls fn for every command below one.
func eachCommand(cmd *cobra.Command, fn func(*cobra.Command)) {
	for _, c := range cmd.Commands() {
		fn(c)
		eachCommand(c, fn)
	}
}

// newRoot builds the tree of commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "replicad",
		Short: "A local-first replica of what a Meteor (DDP) server publishes",
		Long: `replicad keeps a local copy of what a Meteor (DDP) server publishes: indexed in
memory, kept in one file, queried and watched without the network.

Begin with 'replicad demo'. It needs nothing else.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		// As in "fnd" for find.
		SuggestionsMinimumDistance: 2,
		Args:                       noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(
		newServe(), newSync(),
		newFind(), newCount(), newDistinct(), newIndex(), newExplain(), newWatch(), newCall(), newDo(), newOutbox(), newLogin(), newLogout(), newStatus(), newObservers(),
		newUpdate(), newInsert(), newRemove(),
		newBench(), newDemo(),
	)
	return root
}

// version tells what this was built from, as far as the build knows.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return fmt.Sprintf("%s, %s", cmp.Or(v, "(devel)"), info.GoVersion)
}

// noArgs refuses any argument. On the root that is a command nobody knows.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("; did you mean %q?", near[0])
		}
		return usagef("no command %q%s", args[0], hint)
	}
	return usagef("%s takes no arguments, got %q", cmd.Name(), args[0])
}

// argsBetween wants between low and high arguments, and says what they are.
func argsBetween(low, high int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < low || (high >= 0 && len(args) > high) {
			return usagef("%s wants %s, got %d arguments", cmd.Name(), what, len(args))
		}
		return nil
	}
}
