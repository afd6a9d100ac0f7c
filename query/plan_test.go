package query_test

import (
	"bufio"
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
//	index KEYS size=N distinct=N [multikey]
//	find SELECTOR [sort=KEYS] [need=N]
//	= plan
func TestPlanGolden(t *testing.T) {
	file := filepath.Join("testdata", "plans.txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var have []query.Index
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
			fmt.Fprintf(&out, "= %s\n", goldenPlan(t, rest, have))
		case "":
			have = nil
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
	k, err := query.CompileIndex(strings.Split(fields[0], ",")...)
	if err != nil {
		t.Fatal(err)
	}
	ix := query.Index{Name: k.Name(), Key: k}
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
		}
	}
	return ix
}

func goldenPlan(t *testing.T, line string, have []query.Index) string {
	end := strings.LastIndexByte(line, '}') + 1
	m, err := query.Compile([]byte(line[:end]))
	if err != nil {
		t.Fatal(err)
	}
	var s *query.Sorter
	need := 0
	for _, f := range strings.Fields(line[end:]) {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "sort":
			if s, err = query.CompileSort(strings.Split(value, ",")...); err != nil {
				t.Fatal(err)
			}
		case "need":
			need, _ = strconv.Atoi(value)
		}
	}
	return query.Choose(m, s, need, have).String()
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
		ix, err := buildIndex(docs, strings.Split(keys, ","))
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

// TestPlanLarge: a selector of thousands of values or fields is planned at once.
func TestPlanLarge(t *testing.T) {
	k, err := query.CompileIndex("a")
	if err != nil {
		t.Fatal(err)
	}
	have := []query.Index{{Name: "a", Key: k, Size: 1_000_000, Distinct: 500_000}}
	var ids, fields, ors []string
	for i := range 9_000 {
		ids = append(ids, strconv.Itoa(i))
		fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
		ors = append(ors, fmt.Sprintf(`{"a":%d}`, i))
	}
	for sel, want := range map[string]string{
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
