package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEditLines changes the documents of a file.
func TestEditLines(t *testing.T) {
	const lines = `{"_id":"a","n":1,"rows":[{"k":1},{"k":5}]}` + "\n" + `{"_id":"b","n":2}` + "\n"
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string // on standard output, or in the error
	}{
		{"update one", []string{"update", `{}`, `{"$inc":{"n":10}}`}, exitOK, `{"_id":"a","n":11,"rows":[{"k":1},{"k":5}]}` + "\n" + `{"_id":"b","n":2}` + "\n"},
		{"update with COLL", []string{"update", "fruit", "b", `{"$set":{"n":3}}`}, exitOK, `{"_id":"a","n":1,"rows":[{"k":1},{"k":5}]}` + "\n" + `{"_id":"b","n":3}` + "\n"},
		{"update all", []string{"update", `{}`, `{"$unset":{"rows":1,"n":1}}`, "--multi"}, exitOK, `{"_id":"a"}` + "\n" + `{"_id":"b"}` + "\n"},
		{"array filter", []string{"update", "a", `{"$set":{"rows.$[r].k":0}}`, "--array-filter", `{"r.k":{"$gt":2}}`}, exitOK, `{"_id":"a","n":1,"rows":[{"k":1},{"k":0}]}` + "\n" + `{"_id":"b","n":2}` + "\n"},
		{"upsert", []string{"update", `{"_id":"c"}`, `{"$set":{"n":9}}`, "--upsert"}, exitOK, lines + `{"_id":"c","n":9}` + "\n"},
		{"nothing matches", []string{"update", `{"n":77}`, `{"$set":{"n":9}}`}, exitOK, lines},
		{"insert", []string{"insert", `{"_id":"c"}`, `{"_id":"d"}`}, exitOK, lines + `{"_id":"c"}` + "\n" + `{"_id":"d"}` + "\n"},
		{"remove", []string{"remove", `{"n":{"$lt":2}}`}, exitOK, `{"_id":"b","n":2}` + "\n"},
		{"remove by id", []string{"remove", "b"}, exitOK, `{"_id":"a","n":1,"rows":[{"k":1},{"k":5}]}` + "\n"},
		{"a modifier nobody knows", []string{"update", `{}`, `{"$sett":{"n":1}}`}, exitUsage, "$sett"},
		{"half of all cannot be", []string{"update", `{}`, `{"$inc":{"rows":1}}`, "--multi"}, exitFailed, "rows"},
		{"an id twice", []string{"insert", `{"_id":"a"}`}, exitFailed, "duplicate _id"},
		{"no file", []string{"remove", `{}`, "--file="}, exitUsage, "--file wants a file"},
		{"standard input in place", []string{"remove", `{}`, "--file", "-", "--in-place"}, exitUsage, "--in-place wants a file"},
		{"too much", []string{"remove", `{}`, `{}`}, exitUsage, "too many arguments"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if !strings.Contains(strings.Join(args, " "), "--file") {
				args = append(args, "--file", "-")
			}
			got := replicad(t.Context(), lines, args...)
			if got.code != tt.code {
				t.Fatalf("exit %d: %s", got.code, got.errors)
			}
			if tt.code == exitOK && got.out != tt.want {
				t.Fatalf("got\n%swants\n%s", got.out, tt.want)
			}
			if tt.code != exitOK && (got.out != "" || !strings.Contains(got.errors, tt.want)) {
				t.Fatalf("%q %q, wants %q", got.out, got.errors, tt.want)
			}
		})
	}
}

// TestEditInPlace writes the file anew, whole, and leaves it alone after an error.
func TestEditInPlace(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "docs.jsonl"), filepath.Join(dir, "link.jsonl")
	if err := os.WriteFile(path, []byte(`{"_id":"a","n":1}`+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	want := func(text string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Fatalf("the file has %q (%v), wants %q", got, err, text)
		}
	}
	if got := replicad(t.Context(), "", "update", "a", `{"$set":{"n":2}}`, "--file", link, "--in-place"); got.code != exitOK || got.out != "" {
		t.Fatalf("exit %d, %q %s", got.code, got.out, got.errors)
	}
	want(`{"_id":"a","n":2}` + "\n")
	if got := replicad(t.Context(), "", "update", "a", `{"$push":{"n":2}}`, "--file", link, "--in-place"); got.code != exitFailed {
		t.Fatalf("exit %d", got.code)
	}
	want(`{"_id":"a","n":2}` + "\n")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

// TestCountAndExplainLines counts and explains, the collection named or not.
func TestCountAndExplainLines(t *testing.T) {
	for _, args := range [][]string{
		{"count", "fruit", `{"tags":"red"}`},
		{"count", `{"tags":"red"}`},
	} {
		if got := replicad(t.Context(), fruit, append(args, "--file", "-")...); got.out != "2\n" {
			t.Errorf("%q: %q %s", args, got.out, got.errors)
		}
	}
	got := replicad(t.Context(), fruit, "explain", `{"tags":"red"}`, "--file", "-")
	if !strings.Contains(got.out, "returned  2 of 3 documents") {
		t.Errorf("explain: %q %s", got.out, got.errors)
	}
	for _, args := range [][]string{
		{"distinct", "fruit", "tags", `{"price":{"$gt":1}}`},
		{"distinct", "tags", `{"price":{"$gt":1}}`},
	} {
		if got := replicad(t.Context(), fruit, append(args, "--file", "-")...); got.out != "\"red\"\n\"green\"\n" {
			t.Errorf("%q: %q %s", args, got.out, got.errors)
		}
	}
	got = replicad(t.Context(), fruit, "index", "fruit", "tags,-price", "--file", "-")
	if got.out != `{"name":"tags,-price","keys":["tags","-price"],"entries":4}`+"\n" {
		t.Errorf("index: %q %s", got.out, got.errors)
	}
	refused(t, exitUsage, "duplicate", "index", "fruit", "tags", "--unique", "--file", fruitFile(t))
	got = replicad(t.Context(), fruit, "find", "fruit", "--file", "-", "--hint", "nosuch")
	if got.code == exitOK || !strings.Contains(got.errors, "nosuch") {
		t.Errorf("hint: %q %s", got.out, got.errors)
	}
}
