package query_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// TestPlanGolden reads testdata/plans.txt: what is asked, and the plan. Commands
// are kept up to an empty line:
//
//	docs N
//	index KEYS size=N distinct=N [multikey] [unique] [sparse] [partial=SELECTOR]
//	find SELECTOR [sort=KEYS] [need=N] [hint=NAME]
//	= plan
func TestPlanGolden(t *testing.T) {
	file := filepath.Join("testdata", "plans.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var have []query.Index
	docs := 0
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "= ") {
			continue
		}
		out.WriteString(line + "\n")
		command, rest, _ := strings.Cut(line, " ")
		switch command {
		case "index":
			have = append(have, goldenIndex(t, rest))
		case "find":
			fmt.Fprintf(&out, "= %s\n", goldenPlan(t, rest, have, docs))
		case "docs":
			docs, _ = strconv.Atoi(rest)
		case "":
			have, docs = nil, 0
		}
	}
	if *updateGolden {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != string(text) {
		was, is := strings.Split(string(text), "\n"), strings.Split(out.String(), "\n")
		for i := range min(len(was), len(is)) {
			if was[i] != is[i] {
				t.Fatalf("%s:%d:\n is  %s\n was %s\nrun with -update if that is right", file, i+1, is[i], was[i])
			}
		}
		t.Fatalf("%s: %d lines, and it has %d; run with -update if that is right", file, len(is), len(was))
	}
}

func goldenIndex(t *testing.T, line string) query.Index {
	fields := strings.Fields(line)
	var ix query.Index
	var o query.IndexOptions
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "size":
			ix.Size = n
		case "distinct":
			ix.Distinct = n
		case "multikey":
			ix.Multikey = true
		case "unique":
			o.Unique = true
		case "sparse":
			o.Sparse = true
		case "partial":
			o.Partial = mustCompile(t, []byte(value))
		}
	}
	k, err := query.CompileIndexWith(strings.Split(fields[0], ","), o)
	if err != nil {
		t.Fatal(err)
	}
	ix.Name, ix.Key = k.Name(), k
	return ix
}

func goldenPlan(t *testing.T, line string, have []query.Index, docs int) string {
	end := strings.LastIndexByte(line, '}') + 1
	m := mustCompile(t, []byte(line[:end]))
	var s *query.Sorter
	var err error
	need, o := 0, query.Options{Docs: docs}
	for _, f := range strings.Fields(line[end:]) {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "sort":
			if s, err = query.CompileSort(strings.Split(value, ",")...); err != nil {
				t.Fatal(err)
			}
		case "need":
			need, _ = strconv.Atoi(value)
		case "hint":
			o.Hint = value
		}
	}
	p, err := query.ChooseWith(m, s, need, have, o)
	if err != nil {
		return err.Error()
	}
	if p.Exact() {
		return p.String() + "; exact"
	}
	return p.String()
}

// TestIndexOverflow: a document whose lists would give a compound index too many
// keys has one, and is found all the same.
func TestIndexOverflow(t *testing.T) {
	var b, c strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "%d,", i)
		fmt.Fprintf(&c, `{"d":%d,"e":%d},`, i, i)
	}
	list := strings.TrimSuffix(b.String(), ",")
	docs := []ejson.Doc{
		mustParse(t, `{"_id":"1","a":[`+list+`],"b":[`+list+`],"c":[`+strings.TrimSuffix(c.String(), ",")+`]}`),
		mustParse(t, `{"_id":"2","a":[5,6],"b":[7,8],"c":[{"d":5,"e":6},{"d":6,"e":7}]}`),
	}
	for keys, want := range map[string]int{"a,b": 1 + 4, "b,-a": 1 + 4, "c.d,c.e": 40 + 2, "c.d,a": 1 + 4} {
		ix, err := buildIndex(docs, strings.Split(keys, ","), query.IndexOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if ix.Size != want || !ix.Multikey {
			t.Errorf("%s: %d entries, multikey %v; want %d", keys, ix.Size, ix.Multikey, want)
		}
		ix.Size, ix.Distinct = 1000, 1000
		for _, sel := range []string{`{"a":5,"b":7}`, `{"a":{"$gt":4},"b":{"$lt":9}}`, `{"c.d":5,"c.e":7}`, `{"a":5,"c.d":6}`, `{"b":7,"c.d":{"$in":[5,6]}}`} {
			m := mustCompile(t, []byte(sel))
			p := query.Choose(m, nil, 0, []query.Index{ix.Index})
			if p.Access != query.ByIndex {
				continue
			}
			found := make(map[int]bool)
			for _, slot := range ix.walk(p) {
				found[slot] = !p.Filter || m.Match(docs[slot])
			}
			if !found[0] || !found[1] {
				t.Errorf("%s of %s finds %v, want both", p, sel, found)
			}
		}
	}
}

// TestIndexKinds tells which documents belong to an index, and by which keys.
func TestIndexKinds(t *testing.T) {
	docs := []string{
		`{"_id":"1"}`, `{"_id":"2","a":null}`, `{"_id":"3","a":1,"b":"x"}`, `{"_id":"4","a":[]}`, `{"_id":"5","a":[1,2]}`,
		`{"_id":"6","a":{"b":1}}`, `{"_id":"7","a":[{"b":1},{}]}`, `{"_id":"8","a":[{"c":1}]}`, `{"_id":"9","b":7}`,
		`{"_id":"A","a":[{"x":1},{"b":[],"c":1}]}`,
	}
	open := query.IndexOptions{Partial: mustCompile(t, []byte(`{"a":{"$exists":true},"b":{"$in":["x",7]}}`))}
	sparse := query.IndexOptions{Sparse: true}
	for _, c := range []struct {
		keys   string
		o      query.IndexOptions
		counts []int // of the keys of each document
		fields string
	}{
		{"a", query.IndexOptions{}, []int{1, 1, 1, 1, 2, 1, 2, 1, 1, 2}, "a"},
		{"a", sparse, []int{0, 1, 1, 1, 2, 1, 2, 1, 0, 2}, "a"},
		{"a.b", query.IndexOptions{Unique: true}, []int{1, 1, 1, 1, 1, 1, 2, 1, 1, 2}, "a"},
		{"a.b", sparse, []int{0, 0, 0, 0, 0, 1, 1, 0, 0, 1}, "a"},
		{"a.b,b", sparse, []int{0, 0, 1, 0, 0, 1, 1, 0, 1, 1}, "a b"},
		{"-a.c,a.b.d", sparse, []int{0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, "a"},
		{"a.b.d,a.c", sparse, []int{0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, "a"},
		{"a", open, []int{0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, "a b"},
		{"_id", open, []int{0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, "_id a b"},
		{"b,a", query.IndexOptions{Partial: mustCompile(t, nil)}, []int{1, 1, 1, 1, 2, 1, 2, 1, 1, 2}, "a b"},
	} {
		k, err := query.CompileIndexWith(strings.Split(c.keys, ","), c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(k.Paths(), " "); got != c.fields {
			t.Errorf("%s depends on %s, want %s", c.keys, got, c.fields)
		}
		for i, text := range docs {
			d := mustParse(t, text)
			keys, _ := k.Append(nil, d)
			one, ok := k.AppendOne(nil, d)
			if len(keys) != c.counts[i] || k.Has(d) != (len(keys) > 0) || ok && (len(keys) != 1 || !bytes.Equal(one, keys[0])) {
				t.Errorf("%s %+v of %s: %d keys, want %d; has %v, one %v", c.keys, k.Options(), d, len(keys), c.counts[i], k.Has(d), ok)
			}
		}
	}
	k, _ := query.CompileIndex("a.b", "b")
	if got := k.Text(mustParse(t, `{"a":[{"b":"x"},{"b":[]}]}`)); got != `a.b = "x" | [], b = null` {
		t.Errorf("a key is shown as %s", got)
	}
	for want, o := range map[string]query.IndexOptions{
		"query: index: sparse and partial at once; say {a: {$exists: true}} in the filter":      {Sparse: true, Partial: open.Partial},
		"query: $near: index: orders documents, and a filter only selects them; use $geoWithin": {Partial: mustCompile(t, []byte(`{"l":{"$near":[1,2]}}`))},
	} {
		if _, err := query.CompileIndexWith([]string{"a"}, o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestHintOf reads hints in the forms of drivers.
func TestHintOf(t *testing.T) {
	for want, spec := range map[string]any{
		"":         nil,
		"by_room":  "by_room",
		"room,-ts": []byte(`{"room":1,"ts":-1}`),
		"-ts":      []string{"-ts"},
		"a,_id":    []byte(`[["a","asc"],["_id",1]]`),
		"$natural": map[string]any{"$natural": 1},
	} {
		if got, err := query.HintOf(spec); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", spec, got, err, want)
		}
	}
	for _, spec := range []any{5, []byte(`{"$natural":-1}`), []byte(`{"$natural":1,"a":1}`), []byte(`[5]`), []byte(`{"":1}`), []byte(`{`)} {
		if got, err := query.HintOf(spec); err == nil {
			t.Errorf("%s is %q", spec, got)
		}
	}
}

// TestPlanLarge: a selector of thousands of values or fields is planned at once.
func TestPlanLarge(t *testing.T) {
	k, err := query.CompileIndex("a")
	if err != nil {
		t.Fatal(err)
	}
	partial, err := query.CompileIndexWith([]string{"q"}, query.IndexOptions{
		Partial: mustCompile(t, []byte(`{"f1":1,"$or":[{"f2":{"$gt":0}},{"f9999":2,"a":{"$in":[1,2,3]}}],"a":{"$lt":5000}}`)),
	})
	if err != nil {
		t.Fatal(err)
	}
	sparse, err := query.CompileIndexWith([]string{"q", "f70", "a"}, query.IndexOptions{Sparse: true})
	if err != nil {
		t.Fatal(err)
	}
	have := []query.Index{
		{Name: "a", Key: k, Size: 1_000_000, Distinct: 500_000}, {Name: "q", Key: partial, Size: 900_000}, {Name: "q,f70,a", Key: sparse, Size: 900_000},
	}
	var ids, fields, ors []string
	for i := range 9_000 {
		ids = append(ids, strconv.Itoa(i))
		fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
		ors = append(ors, fmt.Sprintf(`{"a":%d}`, i))
	}
	hundred := `{"$or":[` + strings.Join(ors[:100], ",") + `]}`
	for sel, want := range map[string]string{
		`{"$and":[` + strings.Repeat(hundred+",", 47) + hundred + `]}`:                           "by index a: a = 0 | a = 1 | a = 2 | … (100 ranges); filter; to be sorted; about 200",
		`{"a":{"$in":[` + strings.Join(ids, ",") + `]}}`:                                         "by index a: … (9000 ranges); to be sorted; about 18000",
		`{"a":{"$in":[` + strings.Join(ids, ",") + `,0.5` + strings.Repeat(",-1", 1_001) + `]}}`: "by scan; filter; in order; about 1000000",
		`{"a":5,` + strings.Join(fields, ",") + `}`:                                              "by index a: a = 5; filter; in order; about 2",
		`{"$or":[` + strings.Join(ors[:4500], ",") + `]}`:                                        "by index a: a = 0 | a = 1 | a = 2 | … (4500 ranges); to be sorted; about 9000",
	} {
		m := mustCompile(t, []byte(sel))
		if p := query.Choose(m, nil, 0, have).String(); p != want {
			t.Errorf("%.40s…: %s, want %s", sel, p, want)
		}
		m.Match(mustParse(t, `{"a":5}`))
	}
}
