package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// readme returns the README, and the command lines in its indented blocks.
func readme(t *testing.T) (text string, lines []string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line, indented := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    ")
		if indented && regexp.MustCompile(`^(replicad|go|cd) `).MatchString(line) {
			lines = append(lines, line)
		}
	}
	return string(b), lines
}

// TestReadmeCommands runs what the README has people type, in its order, on ports that
// are free.
func TestReadmeCommands(t *testing.T) {
	_, lines := readme(t)
	t.Chdir(t.TempDir())
	var srv, d *running
	var ran []string
	for _, line := range lines {
		words := pipeline(line)[0]
		if words[0] != "replicad" {
			continue
		}
		ran = append(ran, words[1])
		args := words[1:]
		switch words[1] {
		case "serve":
			srv = startServe(t, args[1:]...)
		case "sync":
			d = startSync(t, "ws://"+srv.addr, args[2:]...)
			await(t, d.addr, whole)
			if args[1] != "ws://127.0.0.1:3000" {
				t.Errorf("%q does not ask the server that was started", line)
			}
		case "watch": // has no end: asked for its beginning
			if err := checkLine(line); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		default:
			out := ok(t, "", append(args, "--addr", d.addr)...)
			if words[1] == "find" && !strings.Contains(out, "buy milk") {
				t.Errorf("%q: %q", line, out)
			}
			if words[1] == "do" {
				await(t, d.addr, func(st ejson.Doc) bool {
					return st.Field("outbox").Number() == 0 && st.Field("collections").Doc().Field("tasks").Number() == 1
				})
			}
		}
	}
	if want := []string{"serve", "sync", "do", "find", "watch", "outbox", "status"}; !slices.Equal(ran, want) {
		t.Errorf("ran %q, wants %q", ran, want)
	}
}

// TestReadmeNames holds the README's table of commands to the commands, its list of
// paths to those that the local API has, its go command lines, and those between its
// words, to packages and tests that there are, and its links to files.
func TestReadmeNames(t *testing.T) {
	text, lines := readme(t)
	_, table, _ := strings.Cut(text, "## The command\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, path := range commandPaths() {
		words := strings.Fields(path)
		if name := words[len(words)-1]; name != "completion" && name != "help" && !regexp.MustCompile("(?m)^\\|.*\\b"+name+"\\b.*\\|").MatchString(table) {
			t.Errorf("the table of commands has no %q", path)
		}
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"api.go", "apidesk.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`HandleFunc\("([A-Z]+) (/[a-z/]+)"`).FindAllStringSubmatch(string(b), -1) {
			if !strings.Contains(table, "`"+m[2]+"`") {
				t.Errorf("the list of the local API has no %s", m[2])
			}
			if !regexp.MustCompile("//\t" + m[1] + " +" + m[2] + " ").Match(doc) {
				t.Errorf("the package comment has no %s %s", m[1], m[2])
			}
		}
	}
	for _, m := range regexp.MustCompile("`([A-Z_0-9]+=\\S+ )?(go [^`]+)`").FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[2])
	}
	n := 0
	for _, line := range lines {
		words := pipeline(line)[0]
		if words[0] == "replicad" {
			continue
		}
		if err := checkGoLine(words); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		n++
	}
	if n < 6 {
		t.Errorf("found %d go command lines in the README", n)
	}
	for _, m := range regexp.MustCompile(`\]\(([\w./-]+)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
}

// checkGoLine looks whether the packages of a go command are there, and the tests and
// benchmarks that it picks.
func checkGoLine(words []string) error {
	var folders, picks []string
	for i, word := range words {
		switch {
		case word == "-run" || word == "-bench":
			if i+1 == len(words) {
				return fmt.Errorf("%s picks nothing", word)
			}
			if pick := words[i+1]; pick != "^$" && pick != "." {
				picks = append(picks, strings.Split(pick, "|")...)
			}
		case strings.HasPrefix(word, "./"):
			folders = append(folders, strings.TrimSuffix(word, "..."))
		case words[0] == "cd" && i == 1:
			folders = append(folders, word)
		}
	}
	var text strings.Builder
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil {
			return err
		}
		if len(files) == 0 && folder != "./" {
			return fmt.Errorf("no package %s", folder)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			text.Write(b)
		}
	}
	for _, pick := range picks {
		if !regexp.MustCompile(`(?m)^func (Test|Benchmark)\w*` + strings.TrimPrefix(pick, "Test") + `\w*\(`).MatchString(text.String()) {
			return fmt.Errorf("no test or benchmark is picked by %q in %q", pick, folders)
		}
	}
	return nil
}

// TestReadmePrograms holds the README's Go to functions that compile.
func TestReadmePrograms(t *testing.T) {
	text, _ := readme(t)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) != 5 {
		t.Errorf("the README has %d programs, wants 5", len(blocks))
	}
	for _, m := range blocks {
		program := strings.NewReplacer("{ … }", "{", "import (\n", "", "\n)\n", "\n").Replace(m[1])
		holdTo(t, "readme_program_test.go", program)
	}
}
