package query_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestHardCases reads testdata/hard.txt: what is asked, and the answer that
// MongoDB's documentation gives, or where it is silent the server's own tests.
// Arguments are separated by " ~ ":
//
//	match SELECTOR ~ DOC ~ DOC …              yes or no of each; with the position
//	update MODIFIER ~ DOC [~ SELECTOR [~ FILTER && FILTER …]]
//	upsert MODIFIER ~ SELECTOR
//	show PROJECTION ~ DOC [~ SELECTOR]
//	order SORT ~ DOC ~ DOC …                  how each compares with the next ones
//	= answer
func TestHardCases(t *testing.T) {
	file := filepath.Join("testdata", "hard.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	asked := ""
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if was, ok := strings.CutPrefix(line, "= "); ok {
			if is := hardAnswer(t, asked); is != was && !*updateGolden {
				t.Errorf("%s:%d: %s:\n is  %s\n was %s", file, n, asked, is, was)
			}
			continue
		}
		out.WriteString(line + "\n")
		if asked = line; line != "" && line[0] != '#' {
			fmt.Fprintf(&out, "= %s\n", hardAnswer(t, line))
		}
	}
	if *updateGolden {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func hardAnswer(t *testing.T, line string) string {
	command, rest, _ := strings.Cut(line, " ")
	args := strings.Split(rest, " ~ ")
	answer := map[string]func(*testing.T, []string) (string, error){
		"match": hardMatch, "update": hardUpdate, "upsert": hardUpsert, "show": hardShow, "order": hardOrder,
	}[command]
	if answer == nil {
		t.Fatalf("what is %s?", line)
	}
	s, err := answer(t, args)
	if err != nil {
		return "error: " + err.Error()
	}
	return s
}

func hardMatch(t *testing.T, args []string) (string, error) {
	m, err := query.Compile([]byte(args[0]))
	if err != nil {
		return "", err
	}
	var out []string
	for _, a := range args[1:] {
		d := mustParse(t, a)
		at, ok := m.MatchAt(d)
		if ok != m.Match(d) {
			t.Errorf("%s of %s: Match and MatchAt differ", args[0], d)
		}
		switch {
		case !ok:
			out = append(out, "no")
		case at >= 0:
			out = append(out, fmt.Sprintf("at %d", at))
		default:
			out = append(out, "yes")
		}
	}
	return strings.Join(out, ", "), nil
}

func hardUpdate(t *testing.T, args []string) (string, error) {
	d, at := mustParse(t, args[1]), query.At{Index: -1, Now: time.UnixMilli(1000)}
	if len(args) > 2 {
		m := mustCompile(t, []byte(args[2]))
		var ok bool
		if at.Index, ok = m.MatchAt(d); !ok {
			return "no match", nil
		}
	}
	var filters []any
	if len(args) > 3 {
		for _, f := range strings.Split(args[3], " && ") {
			filters = append(filters, []byte(f))
		}
	}
	m, err := query.CompileModifier([]byte(args[0]), filters...)
	if err != nil {
		return "", err
	}
	out, err := m.ApplyAt(d, at)
	return out.String(), err
}

func hardUpsert(t *testing.T, args []string) (string, error) {
	m, err := query.CompileModifier([]byte(args[0]))
	if err != nil {
		return "", err
	}
	d, err := m.Upsert(mustCompile(t, []byte(args[1])), query.At{Now: time.UnixMilli(1000)})
	return d.String(), err
}

func hardShow(t *testing.T, args []string) (string, error) {
	f, err := query.CompileFields([]byte(args[0]))
	if err != nil {
		return "", err
	}
	d, at := mustParse(t, args[1]), -1
	if len(args) > 2 {
		at, _ = mustCompile(t, []byte(args[2])).MatchAt(d)
	}
	return f.ApplyAt(d, at).String(), nil
}

func hardOrder(t *testing.T, args []string) (string, error) {
	s, err := query.CompileSortSpec([]byte(args[0]))
	if err != nil {
		return "", err
	}
	docs := make([]ejson.Doc, len(args)-1)
	for i := range docs {
		docs[i] = mustParse(t, args[i+1]).WithValue("_id", ejson.NumberValue(float64(i)))
	}
	var out []string
	for i := range docs {
		for k := i + 1; k < len(docs); k++ {
			sign := "<"
			if s.Same(docs[i], docs[k]) {
				sign = "="
			} else if s.Compare(docs[i], docs[k]) > 0 {
				sign = ">"
			}
			out = append(out, fmt.Sprintf("%d%s%d", i+1, sign, k+1))
		}
	}
	return strings.Join(out, " "), nil
}
