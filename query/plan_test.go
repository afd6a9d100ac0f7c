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
