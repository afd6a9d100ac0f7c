package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelp wants of every command a summary, an example, and no line that is wider than
// a terminal.
func TestHelp(t *testing.T) {
	for _, path := range append(commandPaths(), "replicad", "replicad help") {
		args := strings.Fields(path)[1:]
		got := replicad(t.Context(), "", append(args, "--help")...)
		if got.code != exitOK || got.errors != "" {
			t.Errorf("%s --help: exit %d, %q", path, got.code, got.errors)
		}
		for line := range strings.Lines(got.out) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > columns {
				t.Errorf("%s --help: %d columns: %s", path, utf8.RuneCountInString(line), line)
			}
		}
		if again := replicad(t.Context(), "", append([]string{"help"}, args...)...); path != "replicad help" && again != got {
			t.Errorf("help %q is not %s --help", args, path)
		}
	}
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example, or no summary", cmd.CommandPath())
		}
	})
}

// TestExamples holds the examples of the help to commands, flags and arguments that
// there are.
func TestExamples(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		for _, line := range commandLines(cmd.Example) {
			if err := checkLine(line); err != nil {
				t.Errorf("%s, example %q: %v", cmd.CommandPath(), line, err)
			}
		}
	})
	for _, line := range []string{"replicad fnd", "replicad find", "replicad find c --nosuch", "replicad status x", "replicad index c --ttl x"} {
		if checkLine(line) == nil {
			t.Errorf("%q passes for an example", line)
		}
	}
}

// commandPaths returns the commands, as in "replicad outbox list".
func commandPaths() (paths []string) {
	eachCommand(newRoot(), func(cmd *cobra.Command) { paths = append(paths, cmd.CommandPath()) })
	return paths
}

// commandLines returns the lines of a text that begin with a word that is a command, put
// together where they go on in the next.
func commandLines(text string) (lines []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// checkLine looks whether what a shell would run of replicad, alone or in a pipe, is well
// called.
func checkLine(line string) error {
	for _, words := range pipeline(line) {
		if len(words) == 0 || words[0] != "replicad" {
			continue
		}
		cmd, rest, err := newRoot().Find(words[1:])
		if err != nil {
			return err
		}
		if err := cmd.ParseFlags(rest); err != nil {
			return err
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			return err
		}
		if strings.HasSuffix(cmd.Use, "COLL [SELECTOR]") && cmd.Flags().NArg() == 0 {
			return errors.New("no collection")
		}
	}
	return nil
}

// pipeline splits a line as a shell does, as far as examples go: into commands at "|",
// into words at blanks, with quotes; up to a comment or a redirection.
func pipeline(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case !begun && (r == '#' || r == '>'):
			return append(commands, words)
		case r == '|':
			end()
			commands, words = append(commands, words), nil
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	end()
	return append(commands, words)
}

func TestPipeline(t *testing.T) {
	got := pipeline(`a 'b c' "d"e '' | f --g='h i' # j`)
	want := [][]string{{"a", "b c", "de", ""}, {"f", "--g=h i"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Fatalf("got %q, wants %q", got, want)
	}
}
