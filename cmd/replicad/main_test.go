package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestMain lets the test binary be the command, for tests that need processes.
func TestMain(m *testing.M) {
	if os.Getenv("REPLICAD_AS_COMMAND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// asCommand makes processes that are started from this one run the command.
func asCommand(t *testing.T) { t.Setenv("REPLICAD_AS_COMMAND", "1") }

// result is what a run of the command leaves.
type result struct {
	code        int
	out, errors string
}

// replicad runs the command in this process.
func replicad(ctx context.Context, stdin string, args ...string) result {
	var out, errs bytes.Buffer
	code := run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return result{code, out.String(), errs.String()}
}

const fruit = `{"_id":"a","name":"apple","price":3,"tags":["red","green"]}
{"_id":"b","name":"banana","price":1,"tags":["yellow"]}

{"_id":"c","name":"cherry","price":7,"tags":["red"],"at":{"$date":1000}}
`

func fruitFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fruit.jsonl")
	if err := os.WriteFile(path, []byte(fruit), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFindLines asks JSON lines, from a file and from standard input.
func TestFindLines(t *testing.T) {
	file := fruitFile(t)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"everything", []string{"find", "fruit"}, "apple banana cherry"},
		{"selector", []string{"find", "fruit", `{"tags":"red"}`}, "apple cherry"},
		{"sort", []string{"find", "fruit", `{}`, "--sort", "-price"}, "cherry apple banana"},
		{"skip and limit", []string{"find", "fruit", "--sort", "price", "--skip", "1", "--limit", "1"}, "apple"},
		{"by id", []string{"find", "fruit", "b"}, "banana"},
		{"EJSON in the selector", []string{"find", "fruit", `{"at":{"$gte":{"$date":500}}}`}, "cherry"},
		{"nothing", []string{"find", "fruit", `{"price":{"$gt":100}}`}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, from := range []struct{ flag, stdin string }{{file, ""}, {"-", fruit}} {
				got := replicad(t.Context(), from.stdin, append(tt.args, "--file", from.flag)...)
				if got.code != exitOK || names(got.out) != tt.want {
					t.Fatalf("--file %s: exit %d, %q (%s); wants %q", from.flag, got.code, names(got.out), got.errors, tt.want)
				}
			}
		})
	}
}

// names picks the names out of lines of fruit.
func names(out string) string {
	var all []string
	for line := range strings.Lines(out) {
		if _, rest, ok := strings.Cut(line, `"name":"`); ok {
			name, _, _ := strings.Cut(rest, `"`)
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// TestFindPrintsEJSON holds the output to the letter.
func TestFindPrintsEJSON(t *testing.T) {
	got := replicad(t.Context(), fruit, "find", "fruit", "c", "--file", "-", "--fields", "at,price")
	if want := `{"_id":"c","price":7,"at":{"$date":1000}}` + "\n"; got.out != want {
		t.Fatalf("got %q, wants %q", got.out, want)
	}
}

// TestExitCodes has every kind of wrong call, with what it is told.
func TestExitCodes(t *testing.T) {
	file := fruitFile(t)
	broken := filepath.Join(t.TempDir(), "broken.jsonl")
	if err := os.WriteFile(broken, []byte(`{"_id":"a"}`+"\n"+`{"_id":`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "none.db")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"--help"}, exitOK, ""},
		{"help about nothing", []string{"help", "nosuch"}, exitUsage, `no command "nosuch"`},
		{"help about nothing of a command's", []string{"help", "outbox", "lst"}, exitUsage, `no command "lst"; did you mean "list"?`},
		{"help about an argument", []string{"help", "find", "x"}, exitUsage, "has no commands of its own"},
		{"no command", []string{"fnd"}, exitUsage, `no command "fnd"; did you mean "find"?`},
		{"no collection", []string{"find"}, exitUsage, "wants COLL and perhaps a SELECTOR, got 0 arguments"},
		{"unknown flag", []string{"find", "c", "--nosuch"}, exitUsage, "unknown flag: --nosuch"},
		{"two sources", []string{"find", "c", "--db", "a", "--file", "b"}, exitUsage, "if any flags in the group"},
		{"selector is no EJSON", []string{"find", "c", `{"a":`, "--file", file}, exitUsage, "selector: ejson: at byte 5"},
		{"operator nobody knows", []string{"find", "c", `{"a":{"$gtt":1}}`, "--file", file}, exitUsage, "$gtt"},
		{"negative limit", []string{"find", "c", "--limit", "-1", "--file", file}, exitUsage, "--skip and --limit want a number from 0"},
		{"line is no JSON", []string{"find", "c", "--file", broken}, exitFailed, "line 2: ejson: at byte"},
		{"no such file", []string{"find", "c", "--file", missing}, exitFailed, "no such file"},
		{"no such db", []string{"find", "c", "--db", missing}, exitFailed, "no such file"},
		{"db is a folder", []string{"find", "c", "--db", t.TempDir()}, exitFailed, "directory"},
		{"no daemon", []string{"find", "c", "--addr", "127.0.0.1:1"}, exitFailed, "no daemon at http://127.0.0.1:1; start one with 'replicad sync'"},
		{"call on a file", []string{"call", "m", "--file", file}, exitFailed, "a file calls no methods"},
		{"api for everybody", []string{"sync", "ws://127.0.0.1:1", "--listen", "0.0.0.0:0"}, exitUsage, "listens on loopback only"},
		{"bad --sub", []string{"sync", "ws://127.0.0.1:1", "--sub", "a:[1"}, exitUsage, `--sub "a:[1"`},
		{"bad --index", []string{"sync", "ws://127.0.0.1:1", "--index", "a"}, exitUsage, "wants COLL:KEY"},
		{"bad url", []string{"sync", "ftp://127.0.0.1:1", "--listen", "127.0.0.1:0"}, exitUsage, "ftp"},
		{"bad --load", []string{"serve", "--listen", "127.0.0.1:0", "--load", "x"}, exitUsage, "wants COLL=FILE.jsonl"},
		{"--listen is no address", []string{"serve", "--listen", "nonsense"}, exitUsage, "wants HOST:PORT"},
		{"--listen has no such port", []string{"serve", "--listen", "127.0.0.1:99999"}, exitUsage, `"99999" is no port`},
		{"a list for a selector", []string{"find", "c", "[1]", "--file", file}, exitUsage, "wants an object, or the id of a document, got a list"},
		{"no number", []string{"bench", "--rate", "x"}, exitUsage, `--rate wants a number, got "x"`},
		{"no whole number", []string{"find", "c", "--limit", "1.5"}, exitUsage, `--limit wants a whole number, got "1.5"`},
		{"no time", []string{"status", "--timeout", "5"}, exitUsage, `--timeout wants a time such as 10s or 5m, got "5"`},
		{"no command of the outbox", []string{"outbox", "lst"}, exitUsage, `no command "lst"; did you mean "list"?`},
		{"no daemon at another port", []string{"find", "c", "--addr", ":1"}, exitFailed, "no daemon at http://127.0.0.1:1"},
		{"a selector and no collection", []string{"find", `{"a":1}`}, exitUsage, "wants COLL before the SELECTOR"},
		{"a file without a name", []string{"sync", "ws://127.0.0.1:1", "--db", ""}, exitUsage, "--db wants a file, got an empty name"},
		{"a version", []string{"version"}, exitUsage, "did you mean --version?"},
		{"edit of no file", []string{"remove", "{}"}, exitUsage, "wants --file"},
		{"a folder of lines", []string{"find", "c", "--file", t.TempDir()}, exitFailed, "is a directory"},
		{"do without a daemon", []string{"do", "m", "--addr", "127.0.0.1:1"}, exitFailed, "or use its file with --db"},
		{"bad param", []string{"do", "m", `{"a"`}, exitUsage, "param 1: ejson"},
		{"demo too small", []string{"demo", "--docs", "3"}, exitUsage, "--docs wants at least 100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := replicad(t.Context(), "", tt.args...)
			if got.code != tt.code || !strings.Contains(got.errors, tt.want) {
				t.Fatalf("exit %d, %q; wants exit %d, %q", got.code, got.errors, tt.code, tt.want)
			}
			if tt.code != exitOK && got.out != "" {
				t.Errorf("an error, and yet on standard output: %q", got.out)
			}
		})
	}
}

// TestFileForms reads what people have: extended JSON, with a mark of the byte order, and
// tells how lists and objects of many lines become lines.
func TestFileForms(t *testing.T) {
	const extended = "\ufeff" + `{"_id":{"$oid":"507f1f77bcf86cd799439011"},"at":{"$date":"2024-01-02T03:04:05.678Z"},"old":{"$date":{"$numberLong":"-1"}},` +
		`"n":{"$numberLong":"42"},"i":{"$numberInt":"-3"},"x":{"$numberDouble":"-Infinity"},"d":{"$numberDecimal":"1.50"},` +
		`"b":{"$binary":{"base64":"AQID","subType":"00"}},"r":[{"$regularExpression":{"pattern":"^a","options":"i"}}]}` + "\r\n"
	const want = `{"_id":{"$type":"oid","$value":"507f1f77bcf86cd799439011"},"at":{"$date":1704164645678},"old":{"$date":-1},` +
		`"n":42,"i":-3,"x":{"$InfNaN":-1},"d":{"$type":"Decimal","$value":"1.50"},` +
		`"b":{"$binary":"AQID"},"r":[{"$regexp":"^a","$flags":"i"}]}` + "\n"
	for _, selector := range []string{"{}", "507f1f77bcf86cd799439011", `{"_id":{"$oid":"507f1f77bcf86cd799439011"}}`, `{"n":{"$gt":{"$numberInt":"41"}}}`} {
		if got := ok(t, extended, "find", "c", selector, "--file", "-"); got != want {
			t.Errorf("%s: got\n%swants\n%s", selector, got, want)
		}
	}
	const hexed = `{"_id":"507f1f77bcf86cd799439011"}` + "\n"
	if got := ok(t, hexed, "find", "c", "507f1f77bcf86cd799439011", "--file", "-"); got != hexed {
		t.Errorf("text that looks like an ObjectID: %q", got)
	}
	if got := ok(t, "", "update", "507f1f77bcf86cd799439011", "{}", "--upsert", "--file", "-"); got != hexed {
		t.Errorf("an upsert by such text: %q", got)
	}
	for text, want := range map[string]string{
		`[{"_id":1}]`:         "'jq -c .[]'",
		"{\n \"_id\": 1\n}\n": "'jq -c .'",
		`{"n":{"$numberLong":"9007199254740993"}}`: "holds exactly",
		`{"n":{"$numberInt":"x"}}`:                 "wants a number",
		`{"d":{"$date":{"$numberLong":"x"}}}`:      "wants a number",
		`{"_id":{"$oid":"xyz"}}`:                   "line 1: ejson:",
		"\ufeff":                                   "line 1: ejson:",
	} {
		got := replicad(t.Context(), text, "find", "c", "--file", "-")
		if got.code != exitFailed || !strings.Contains(got.errors, want) {
			t.Errorf("%s: exit %d, %q %q; wants %q", text, got.code, got.out, got.errors, want)
		}
	}
}

// TestPrintable keeps what a server says from steering a terminal.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"µ × … 日本": "µ × … 日本", "a\x1b[2Jb": `a\x1b[2Jb`, "a\nb\tc\r": `a\nb\tc\r`, "\u009b\x7f": `\u009b\x7f`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q, wants %q", text, got, want)
		}
	}
	if got := errorText(errors.Join(errors.New("a\x1b"), errors.New("b"))); got != "a\\x1b\nb" {
		t.Errorf("%q", got)
	}
}

// TestExplainLines tells plan, counts and time.
func TestExplainLines(t *testing.T) {
	got := replicad(t.Context(), fruit, "find", "fruit", `{"price":{"$gt":2}}`, "--file", "-", "--explain")
	for _, want := range []string{"plan      ", "returned  2 of 3 documents", "time      "} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in %q", want, got.out)
		}
	}
}

// TestWatchLines watches documents that come in on standard input.
func TestWatchLines(t *testing.T) {
	lines := `{"_id":"a","n":1}` + "\n" + `{"_id":"b","n":2}` + "\n" + `{"_id":"a","n":3}` + "\n" + `{"_id":"b","n":9}` + "\n"
	got := replicad(t.Context(), lines, "watch", "c", `{"n":{"$lt":5}}`, "--sort", "n", "--file", "-")
	if got.code != exitOK {
		t.Fatalf("exit %d: %s", got.code, got.errors)
	}
	// Events merge where the reader is ahead of the printer; the list that they
	// lead to is the same.
	var list topList
	if err := readLines(strings.NewReader(got.out), list.take); err != nil {
		t.Fatal(err)
	}
	if len(list.docs) != 1 || list.docs[0].String() != `{"_id":"a","n":3}` {
		t.Fatalf("the events lead to %v: %s", list.docs, got.out)
	}
}

// TestInterrupt ends commands that wait for input which does not come: with 0 where
// an interrupt is the only end, else not.
func TestInterrupt(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"find", "c", "--file", "-"}, exitSignal},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--load", "c=-"}, exitSignal},
		{[]string{"remove", "{}", "--file", "-"}, exitSignal},
		{[]string{"watch", "c", "--file", "-"}, exitOK},
	} {
		t.Run(tt.args[0], func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			stdin, typist := io.Pipe()
			defer typist.Close()
			code := make(chan int, 1)
			go func() { code <- run(ctx, tt.args, stdin, io.Discard, io.Discard) }()
			if _, err := io.WriteString(typist, "{\"_id\":1}\n{\"_id\""); err != nil {
				t.Fatal(err)
			}
			cancel() // in the midst of a line
			if got := <-code; got != tt.code {
				t.Fatalf("exit %d, wants %d", got, tt.code)
			}
		})
	}
}

// TestCompletion makes the completions of a shell, and has names completed by a daemon.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := ok(t, "", "completion", shell); !strings.Contains(got, "replicad") {
			t.Errorf("%s: %d bytes", shell, len(got))
		}
	}
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	d := startSync(t, "ws://"+srv.addr, "--sub", "fruit")
	await(t, d.addr, whole)
	id := strings.TrimSpace(ok(t, "", "do", "nosuch", "--addr", d.addr))
	await(t, d.addr, func(st ejson.Doc) bool { return st.Field("failed").Number() == 1 })
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"find", ""}, "fruit\t3 documents\n"},
		{[]string{"index", "f"}, "fruit\t3 documents\n"},
		{[]string{"watch", "x"}, ":36\n"},
		{[]string{"find", "fruit", ""}, ":4\n"},
		{[]string{"distinct", ""}, "fruit\t3 documents\n"},
		{[]string{"outbox", "show", ""}, id + "\tfailed, nosuch\n"},
		{[]string{"outbox", "drop", ""}, id + "\tfailed, nosuch\n"},
		{[]string{"outbox", "list", "--state", ""}, "parked\n"},
		{[]string{"sync", ""}, ":4\n"},
		{[]string{"outbox", "import", ""}, ":0\n"},
	} {
		words := append([]string{"__complete", tt.args[0]}, tt.args[1:]...)
		if tt.args[0] != "sync" && tt.args[len(tt.args)-2] != "--state" {
			words = append(words[:len(words)-1:len(words)-1], "--addr", d.addr, words[len(words)-1])
		}
		if got := replicad(t.Context(), "", words...); !strings.Contains(got.out, tt.want) {
			t.Errorf("%q: got %q %s, wants %q", words, got.out, got.errors, tt.want)
		}
	}
}

// TestHangup has a daemon whose terminal goes end as one that is asked to.
func TestHangup(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("these tests are not to end with their terminal either")
	}
	asCommand(t)
	child, err := startChild(t.Context(), "sync", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := child.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		child.kill()
		t.Skip(err) // a system without it
	}
	child.wg.Wait()
	if err := child.cmd.Wait(); err != nil {
		t.Fatalf("%v; it said: %s", err, child.said())
	}
}
