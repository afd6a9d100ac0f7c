package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// columns is how wide the help and the demo are, at most.
const columns = 80

// addHelp gives root its help: no line is wider than a terminal, and a
// topic that nobody knows is a wrong call.
func addHelp(root *cobra.Command) {
	usage := root.UsageFunc()
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		out := cmd.OutOrStderr()
		var text strings.Builder
		cmd.SetOut(&text)
		err := usage(cmd)
		cmd.SetOut(out)
		if err != nil {
			return err
		}
		flags := cmd.LocalFlags()
		_, err = io.WriteString(out, strings.Replace(text.String(),
			strings.TrimSpace(flags.FlagUsages()), strings.TrimSpace(flags.FlagUsagesWrapped(columns)), 1))
		return err
	})
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Example: `  replicad help find
  replicad help outbox retry`,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			if err := noTopic(about, rest); err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, begin string) (names []string, _ cobra.ShellCompDirective) {
			about, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range about.Commands() {
				if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), begin) {
					names = append(names, fmt.Sprintf("%s\t%s", c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	})
}

// noTopic refuses what is left of the arguments of help.
func noTopic(about *cobra.Command, rest []string) error {
	if len(rest) > 0 && !about.HasSubCommands() {
		return usagef("%s has no commands of its own, got %q", about.CommandPath(), rest[0])
	}
	return noArgs(about, rest)
}
