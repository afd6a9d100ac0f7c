package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	replica "github.com/replicad/replicad/sync"
)

// TestDemo runs the whole story small, with its processes, and leaves nothing behind.
func TestDemo(t *testing.T) {
	asCommand(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	got := replicad(t.Context(), "", "demo", "--docs", "500", "--check")
	for _, want := range []string{"replica and server are identical: ", "check: 10 steps of 10 kept their promise", "The same in a program"} {
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Fatalf("exit %d, wants %q\n%s%s", got.code, want, got.out, got.errors)
		}
	}
	for line := range strings.Lines(got.out) {
		if utf8.RuneCountInString(line) > columns+1 {
			t.Errorf("wider than a terminal: %s", line)
		}
	}
	wantEmpty(t, temp)
	story, _, _ := strings.Cut(got.out, "\nThe same in a program")
	if text, _ := readme(t); !strings.Contains(shape(text), shape(story)) {
		t.Errorf("the README tells the demo in other words than\n%s", story)
	}
}

// shape is a text less its figures and line breaks.
func shape(text string) string {
	text = regexp.MustCompile(`[0-9a-f]{16}|[0-9][0-9.,]*([nµm]?s\b)?`).ReplaceAllString(text, "#")
	return strings.Join(strings.Fields(text), " ")
}

// TestDemoLeft has the reader of the demo's output leave, as head does.
func TestDemoLeft(t *testing.T) {
	asCommand(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var errs strings.Builder
	out := leaver{lines: 2, err: &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}}
	if code := run(t.Context(), []string{"demo", "--docs", "100"}, strings.NewReader(""), &out, &errs); code != exitFailed || errs.String() != "" {
		t.Fatalf("exit %d, %q", code, errs.String())
	}
	wantEmpty(t, temp)
}

// leaver takes some writes, and then gives an error.
type leaver struct {
	lines int
	err   error
}

func (w *leaver) Write(b []byte) (int, error) {
	if w.lines--; w.lines < 0 {
		return 0, w.err
	}
	return len(b), nil
}

// TestDemoInterrupted interrupts the demo in its first step.
func TestDemoInterrupted(t *testing.T) {
	asCommand(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	var errs strings.Builder
	code := run(ctx, []string{"demo", "--docs", "100"}, strings.NewReader(""), canceler(cancel), &errs)
	if code != exitSignal || errs.String() != "replicad: interrupted\n" {
		t.Fatalf("exit %d, %q", code, errs.String())
	}
	wantEmpty(t, temp)
	t.Setenv("TMPDIR", filepath.Join(temp, "none"))
	refused(t, exitFailed, "TMPDIR", "demo", "--docs", "100")
}

// canceler is a writer that interrupts.
type canceler context.CancelFunc

func (c canceler) Write(b []byte) (int, error) {
	c()
	return len(b), nil
}

// wantEmpty wants a folder with nothing in it.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"one", "one"},
		{"one two three", "one two|three"},
		{"µµµµ µµµ µ", "µµµµ µµµ|µ"},
		{"a-word-that-is-long b", "a-word-that-is-long|b"},
	} {
		if got := strings.Join(wrap(tt.text, 8), "|"); got != tt.want {
			t.Errorf("%q: got %q, wants %q", tt.text, got, tt.want)
		}
	}
}

// programOfTheDemo is what the demo prints, as a function. It is not called.
func programOfTheDemo(ctx context.Context, check func(error), use func(...any), pw string) {
	r, err := replica.Open(ctx, "wss://todos.example",
		replica.Options{Path: "tasks.db"})
	check(err)
	defer r.Close()
	user, err := r.Login(ctx, replica.Password{User: "alice", Password: pw})
	use(user, err)
	sub, err := r.Subscribe("tasks")
	use(sub, err)
	tasks := r.Store().Collection("tasks")
	err = tasks.Index("list", "-createdAt")
	use(err)
	list, err := tasks.Find(map[string]any{"list": "list-42"}).
		Sort("-createdAt").Limit(20).All()
	use(list, err)
	id, call, err := r.Insert(ctx, "tasks", map[string]any{"list": "list-42"})
	use(id, err)
	_, err = call.Result(ctx)
	use(err)
}

// TestDemoProgram holds what the demo prints to the function that compiles.
func TestDemoProgram(t *testing.T) {
	_ = programOfTheDemo
	holdTo(t, "demo_test.go", demoProgram)
}

// holdTo wants each line of a program, less its comment, in a file of this package, in
// its place.
func holdTo(t *testing.T, file, program string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	code := func(line string) string {
		line, _, _ = strings.Cut(" "+line, " //")
		return strings.TrimSpace(line)
	}
	for line := range strings.Lines(string(text)) {
		lines = append(lines, code(line))
	}
	for line := range strings.Lines(program) {
		code := code(line)
		if code == "" {
			continue
		}
		at := slices.Index(lines, code)
		if at < 0 {
			t.Fatalf("%s: %q is not there, or not in its place", file, code)
		}
		lines = lines[at+1:]
	}
}
