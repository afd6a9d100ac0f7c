package query_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// mingoVersion is pinned: what is explained below is explained of this one.
const mingoVersion = "7.2.6"

var mingoSeed = flag.Uint64("mingo.seed", 1, "seed of the questions to mingo")

// TestMingoAgrees asks the npm package mingo what it is asked itself, of worlds
// made from a seed, and compares. Where the two differ one of the rules in
// mingo_rules_test.go must say why.
func TestMingoAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("runs npm")
	}
	dir := installMingo(t)
	g := newMingoGen(*mingoSeed)
	var questions []question
	for range 80 {
		questions = g.world(questions)
	}
	answers := askMingo(t, dir, questions)
	agreed, failed, excused := 0, 0, make(map[string]int)
	for i, q := range questions {
		ours := q.answer(t)
		if ours.same(answers[i]) {
			agreed++
			continue
		}
		if why := q.excuse(ours, answers[i]); why != "" {
			excused[why]++
			continue
		}
		t.Errorf("seed %d, question %d: %s\n ours  %s\n mingo %s", *mingoSeed, i, q, ours, answers[i])
		if failed++; failed == 20 {
			t.Fatal("and so on")
		}
	}
	fmt.Printf("mingo %s, seed %d: %d agreed, differences explained: %v\n", mingoVersion, *mingoSeed, agreed, excused)
}

// installMingo returns a folder in which node finds mingo.
func installMingo(t *testing.T) string {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "mingo", "answer.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "answer.mjs"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	npm := exec.Command("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline", "--ignore-scripts",
		"--fetch-retries=0", "--fetch-timeout=8000", "mingo@"+mingoVersion)
	npm.Dir = dir
	if npm.Run() != nil {
		t.Skipf("npm cannot install mingo %s here", mingoVersion)
	}
	return dir
}

// question is something both engines can be asked.
type question struct {
	docs    []ejson.Doc // what is in the collection
	find    string      // a selector
	sort    string
	skip    int
	limit   int
	fields  string
	doc     ejson.Doc // the document to update
	update  string    // a modifier
	filters string    // its array filters
}

func (q question) String() string {
	if q.update != "" {
		return fmt.Sprintf("update %s by %s %s", q.doc, q.update, q.filters)
	}
	return fmt.Sprintf("find %s sort %s skip %d limit %d fields %s in %s", q.find, q.sort, q.skip, q.limit, q.fields, q.docs)
}

// line is the question as answer.mjs reads it.
func (q question) line() []byte {
	or := func(text, none string) string {
		if text == "" {
			return none
		}
		return text
	}
	if q.update != "" {
		return fmt.Appendf(nil, `{"doc":%s,"update":%s,"filters":%s}`, q.doc, q.update, or(q.filters, "[]"))
	}
	return fmt.Appendf(nil, `{"find":%s,"sort":%s,"skip":%d,"limit":%d,"fields":%s}`,
		or(q.find, "{}"), or(q.sort, "null"), q.skip, q.limit, or(q.fields, "{}"))
}

// answer is what came of a question: documents, or an error.
type answer struct {
	Docs  []ejson.Doc
	Error string
}

func (a answer) String() string {
	if a.Error != "" {
		return "error " + a.Error
	}
	return fmt.Sprint(a.Docs)
}

func (a answer) same(b answer) bool {
	if (a.Error == "") != (b.Error == "") || len(a.Docs) != len(b.Docs) {
		return false
	}
	for i := range a.Docs {
		if !a.Docs[i].Same(b.Docs[i]) {
			return false
		}
	}
	return true
}

// answer answers with this package.
func (q question) answer(t *testing.T) answer {
	if q.update != "" {
		var filters []any
		if q.filters != "" {
			v, err := ejson.ParseValue([]byte(q.filters))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range v.Array().All() {
				filters = append(filters, f)
			}
		}
		m, err := query.CompileModifier([]byte(q.update), filters...)
		if err != nil {
			return answer{Error: err.Error()}
		}
		d, err := m.Apply(q.doc)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Docs: []ejson.Doc{d}}
	}
	var sel, sort, fields any
	for text, at := range map[string]*any{q.find: &sel, q.sort: &sort, q.fields: &fields} {
		if text != "" {
			*at = []byte(text)
		}
	}
	m, err := query.Compile(sel)
	if err != nil {
		return answer{Error: err.Error()}
	}
	s, err := query.CompileSortSpec(sort)
	if err != nil {
		return answer{Error: err.Error()}
	}
	f, err := query.CompileFields(fields)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Docs: runQuery(q, m, s, f)}
}

func askMingo(t *testing.T, dir string, questions []question) []answer {
	var in bytes.Buffer
	var docs []ejson.Doc
	for _, q := range questions {
		if q.docs != nil && (docs == nil || &docs[0] != &q.docs[0]) {
			docs = q.docs
			fmt.Fprintf(&in, "{\"docs\":%s}\n", ejson.MakeArray(anys(docs)...).Value())
		}
		in.Write(append(q.line(), '\n'))
	}
	node := exec.Command("node", "answer.mjs")
	node.Dir, node.Stdin = dir, &in
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(lines), len(questions))
	}
	answers := make([]answer, len(lines))
	for i, line := range lines {
		var raw struct {
			Docs  []json.RawMessage
			Doc   json.RawMessage
			Error string
		}
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatal(err)
		}
		if raw.Doc != nil {
			raw.Docs = []json.RawMessage{raw.Doc}
		}
		answers[i].Error = raw.Error
		for _, text := range raw.Docs {
			answers[i].Docs = append(answers[i].Docs, mustParse(t, string(text)))
		}
	}
	return answers
}

func anys(docs []ejson.Doc) []any {
	list := make([]any, len(docs))
	for i, d := range docs {
		list[i] = d
	}
	return list
}
