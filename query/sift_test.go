package query_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// selects tells where Select and MatchAt say other than Match of documents, with
// places between them that have none.
func selects(m *query.Matcher, docs []ejson.Doc) (fault string) {
	list := make([]ejson.Doc, query.MaxSelect)
	for len(docs) > 0 {
		clear(list)
		n := 0
		for n < len(list)-1 && len(docs) > 0 {
			n += n / 7 % 2
			list[n], docs = docs[0], docs[1:]
			n++
		}
		selected := m.Select(list)
		for i, d := range list {
			match := !d.IsZero() && m.Match(d)
			if got := selected>>i&1 != 0; got != match {
				return fmt.Sprintf("Select says %v of %s at %d, and Match %v", got, d, i, match)
			}
			if _, ok := m.MatchAt(d); !d.IsZero() && ok != match {
				return fmt.Sprintf("MatchAt says %v of %s, and Match %v", ok, d, match)
			}
		}
	}
	return ""
}

// TestSelect: Select of many is Match of each.
func TestSelect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sel := genSelector(t, 2)
		m, err := query.Compile([]byte(sel))
		if err != nil {
			t.Fatalf("%s: %v", sel, err)
		}
		if fault := selects(m, genDocs(t, 20)); fault != "" {
			t.Fatalf("%s: %s", sel, fault)
		}
	})
}

func TestSelectTooMany(t *testing.T) {
	m := mustCompile(t, nil)
	docs := make([]ejson.Doc, query.MaxSelect+1)
	for i := range docs {
		docs[i] = ejson.Make()
	}
	if m.Select(docs[:query.MaxSelect]) != 1<<query.MaxSelect-1 || m.Select(nil) != 0 {
		t.Error("nil selects all there is")
	}
	defer func() {
		if recover() == nil {
			t.Error("too many documents are taken")
		}
	}()
	m.Select(docs)
}
