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
	"strings"
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
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
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
				if err := noEmptyFile(cmd); err != nil {
					return err
				}
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
	case errors.Is(err, syscall.EPIPE):
		return exitFailed // whoever reads has seen enough, as head does
	case isUsage(err), !began:
		fmt.Fprintf(stderr, "replicad: %s\nSee '%s --help'.\n", errorText(err), cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "replicad: %s\n", errorText(err))
		return exitFailed
	}
}

// noEmptyFile refuses a flag for a file that was given no name, as by a variable that a
// script has not set: to go on without the file would be to keep nothing.
func noEmptyFile(cmd *cobra.Command) error {
	for _, name := range []string{"db", "file", "password-file", "token-file"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return usagef("--%s wants a file, got an empty name", name)
		}
	}
	return nil
}

// errorText is an error for people: a line for each that was joined.
func errorText(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
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
	root.SetFlagErrorFunc(flagError)
	addHelp(root)
	for _, g := range []struct {
		title string
		cmds  []*cobra.Command
	}{
		{"To begin with:", []*cobra.Command{newDemo()}},
		{"What runs:", []*cobra.Command{newSync(), newServe(), newReconnect()}},
		{"Questions to the daemon, a file, or JSON lines:", []*cobra.Command{
			newFind(), newCount(), newDistinct(), newExplain(), newWatch(), newIndex(), newStatus(), newObservers()}},
		{"Calls to the server:", []*cobra.Command{newCall(), newDo(), newOutbox(), newLogin(), newLogout()}},
		{"JSON lines:", []*cobra.Command{newUpdate(), newInsert(), newRemove()}},
		{"Load:", []*cobra.Command{newBench()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, cmd := range g.cmds {
			cmd.GroupID = g.title
		}
		root.AddCommand(g.cmds...)
	}
	completeNoFiles(root)
	return root
}

// flagError says what a flag wants.
func flagError(cmd *cobra.Command, err error) error {
	var bad interface{ GetValue() string } // pflag's, for a value that does not parse
	if !errors.As(err, &bad) {
		return err
	}
	_, name, _ := strings.Cut(err.Error(), "--")
	name, _, _ = strings.Cut(name, `"`)
	f := cmd.Flags().Lookup(name)
	if f == nil {
		return err
	}
	wants, ok := map[string]string{
		"int": "a whole number", "float64": "a number", "duration": "a time such as 10s or 5m", "bool": "true or false",
	}[f.Value.Type()]
	if !ok {
		return err
	}
	return usagef("--%s wants %s, got %q", name, wants, bad.GetValue())
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
		if args[0] == "version" {
			hint = "; did you mean --version?"
		} else if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
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
			return usagef("%s wants %s, got %s", cmd.Name(), what, plural(len(args), "argument"))
		}
		return nil
	}
}
