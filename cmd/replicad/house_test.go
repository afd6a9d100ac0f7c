package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the plan of the house: for each package, from the ground up, the
// packages of ours that it may import. A package without a line is a fault.
var mayImport = map[string]string{
	"ddp/ejson":         "",
	"ddp":               "ddp/ejson",
	"query":             "ddp/ejson",
	"store":             "ddp/ejson query",
	"persist":           "ddp/ejson store",
	"observe":           "ddp/ejson query store",
	"ddp/internal/wire": "ddp",
	"ddp/client":        "ddp ddp/ejson ddp/internal/wire",
	"ddp/server":        "ddp ddp/ejson ddp/internal/wire",
	"ddp/accounts":      "ddp ddp/ejson ddp/server",
	"sync":              "ddp ddp/client ddp/ejson persist query store",
	"bench":             "ddp ddp/client ddp/ejson ddp/server observe persist query store sync",
	"cmd/replicad":      "ddp ddp/accounts ddp/client ddp/ejson ddp/server observe persist query store sync",
}

const (
	module   = "github.com/replicad/replicad/"
	maxLines = 520 // the largest room; 400 is a room
)

// TestHouse holds the tree to the plan.
func TestHouse(t *testing.T) {
	faults, err := house("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

// TestHouseFindsFaults plants one fault of each kind and wants it named.
func TestHouseFindsFaults(t *testing.T) {
	const doc = "// Package p is here.\npackage p\n"
	for _, tt := range []struct{ name, path, text, want string }{
		{"import upwards", "store/doc.go", doc + `import _ "github.com/replicad/replicad/observe"`, "store must not import observe"},
		{"import outside the plan", "ddp/server/doc.go", doc + `import _ "github.com/replicad/replicad/ddp/client"`, "ddp/server must not import ddp/client"},
		{"both syncs", "bench/doc.go", doc + "import (\n_ \"sync\"\n_ \"github.com/replicad/replicad/sync\"\n)", "imports both syncs"},
		{"unknown package", "util/doc.go", doc, "no line in mayImport"},
		{"no doc.go", "store/store.go", doc, "store has no doc.go with a package comment"},
		{"silent doc.go", "store/doc.go", "package store\n", "store has no doc.go with a package comment"},
		{"long file", "store/doc.go", doc + strings.Repeat("\n", maxLines), "lines, wants at most 520"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, filepath.FromSlash(tt.path))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			faults, err := house(root)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(faults, "\n"); !strings.Contains(got, tt.want) {
				t.Fatalf("got %q, wants a fault with %q", got, tt.want)
			}
		})
	}
}

// house returns the faults of the tree below root. It reads the imports itself,
// rather than ask the go command, so that the test cache notices when a file
// changes.
func house(root string) (faults []string, err error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	documented := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "testdata" || e.Name() == "peers") {
			return filepath.SkipDir // not packages of this module
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		from := filepath.ToSlash(rel)
		may, known := mayImport[from]
		if !known {
			fault("%s: no line in mayImport", path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			fault("%s: %d lines, wants at most %d", path, n, maxLines)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		documented[from] = documented[from] || (e.Name() == "doc.go" && f.Doc != nil)
		var std, own bool
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			to, ours := strings.CutPrefix(imp, module)
			if ours && !slices.Contains(strings.Fields(may), to) {
				fault("%s: %s must not import %s", path, from, to)
			}
			std = std || imp == "sync"
			own = own || imp == module+"sync"
		}
		if std && own {
			fault("%s: imports both syncs", path)
		}
		return nil
	})
	for from, ok := range documented {
		if !ok {
			fault("%s has no doc.go with a package comment", from)
		}
	}
	return faults, err
}
