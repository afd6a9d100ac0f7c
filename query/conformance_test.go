package query_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// The vectors were answered by Meteor's minimongo. Where MongoDB's documentation
// says otherwise a case holds "documented", and that is what we expect.

// A deviation is a rule by which we knowingly answer otherwise; see the package
// comment.
type deviation struct {
	rule    string
	applies func(c ejson.Doc) bool
}

// vectors runs the named file from testdata, and the file of that name in the
// folder that REPLICAD_VECTORS names. run returns what is wrong with the answer
// to a case, or "".
func vectors(t *testing.T, name string, deviations []deviation, run func(c, want ejson.Doc) string) {
	files := []string{filepath.Join("testdata", name)}
	if dir := os.Getenv("REPLICAD_VECTORS"); dir != "" {
		if more := filepath.Join(dir, name); exists(more) {
			files = append(files, more)
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		passed, failed, quirks := 0, 0, 0
		byRule := make(map[string]int)
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 16<<20)
		for n := 1; lines.Scan(); n++ {
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			c, err := ejson.Parse(lines.Bytes())
			if err != nil {
				t.Errorf("%s:%d: %v", file, n, err)
				failed++
				continue
			}
			want := c
			if d := c.Field("documented"); d.Kind() == ejson.Object {
				want = d.Doc()
			}
			fault := run(c, want)
			switch rule := ruleFor(deviations, c); {
			case c.Field("quirk").Bool():
				quirks++
				if fault != "" {
					t.Logf("%s:%d: quirk: %s", file, n, fault)
				}
			case fault == "":
				passed++
			case rule != "":
				quirks++
				byRule[rule]++
			default:
				failed++
				t.Errorf("%s:%d: case %s: %s", file, n, c.Field("id"), fault)
			}
		}
		report := fmt.Sprintf("%s: %d passed, %d failed, %d quirks", filepath.Base(file), passed, failed, quirks)
		t.Log(report)
		fmt.Println(report)
		for rule, n := range byRule {
			t.Logf("%s: %d by the rule %s", file, n, rule)
		}
	}
}

func ruleFor(deviations []deviation, c ejson.Doc) string {
	for _, d := range deviations {
		if d.applies(c) {
			return d.rule
		}
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// docsOf returns the documents of a case.
func docsOf(c ejson.Doc) []ejson.Doc {
	var docs []ejson.Doc
	for _, v := range c.Field("docs").Array().All() {
		docs = append(docs, v.Doc())
	}
	return docs
}

func idsOf(docs []ejson.Doc) ejson.Array {
	var ids ejson.ListBuilder
	for _, d := range docs {
		ids.Append(d.Field("_id"))
	}
	return ids.Array()
}
