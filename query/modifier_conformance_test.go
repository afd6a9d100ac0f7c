package query_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// update does what a collection does with a selector and a modifier.
func update(docs []ejson.Doc, c ejson.Doc) (out []ejson.Doc, affected int, err error) {
	opts := c.Field("options").Doc()
	m, err := query.Compile(c.Field("selector"))
	if err != nil {
		return docs, 0, err
	}
	var filters []any
	for _, f := range opts.Field("arrayFilters").Array().All() {
		filters = append(filters, f)
	}
	mod, err := query.CompileModifier(c.Field("modifier"), filters...)
	if err != nil {
		return docs, 0, err
	}
	multi := opts.Field("multi").Bool()
	if multi && mod.Replaces() {
		return docs, 0, fmt.Errorf("a replacement of many documents")
	}
	out = append(out, docs...)
	now := query.At{Now: time.UnixMilli(0)}
	for i, d := range docs {
		at, ok := m.MatchAt(d)
		if !ok {
			continue
		}
		now.Index = at
		if out[i], err = mod.ApplyAt(d, now); err != nil {
			return docs, 0, err
		}
		if affected++; !multi {
			break
		}
	}
	if affected > 0 || !opts.Field("upsert").Bool() {
		return out, affected, nil
	}
	d, err := mod.Upsert(m, now)
	if err != nil {
		return docs, 0, err
	}
	if d.Field("_id").IsMissing() {
		id := opts.Field("insertedId")
		if id.IsMissing() {
			id = ejson.StringValue("<generated>")
		}
		d = d.WithValue("_id", id)
	}
	return append(out, d), 1, nil
}

var modifierDeviations = []deviation{
	{"$[] is known", func(c ejson.Doc) bool {
		return c.Field("error").Bool() && strings.Contains(c.Field("modifier").String(), "$[")
	}},
	{"conflicting paths are an error before anything is matched", func(c ejson.Doc) bool {
		_, err := query.CompileModifier(c.Field("modifier"))
		return err != nil && strings.Contains(err.Error(), "in conflict") && c.Field("documented").IsMissing()
	}},
	{"unknown clauses of $push are refused", func(c ejson.Doc) bool {
		_, err := query.CompileModifier(c.Field("modifier"))
		return err != nil && strings.Contains(err.Error(), "$push") && strings.Contains(err.Error(), "unknown operator")
	}},
}

func TestConformanceModifiers(t *testing.T) {
	vectors(t, "modifiers.jsonl", modifierDeviations, func(c, want ejson.Doc) string {
		what := fmt.Sprintf("update(%s, %s, %s) of %s", c.Field("selector"), c.Field("modifier"), c.Field("options"), c.Field("docs"))
		got, affected, err := update(docsOf(c), c)
		if want.Field("error").Bool() {
			if err == nil {
				return what + ": no error, and there should be one"
			}
			return ""
		}
		if err != nil {
			return fmt.Sprintf("%s: %v; want %s", what, err, want.Field("result"))
		}
		var list ejson.ListBuilder
		for _, d := range got {
			list.Append(d.Value())
		}
		if a := list.Array(); !a.Same(want.Field("result").Array()) {
			return fmt.Sprintf("%s:\n got %s\nwant %s", what, a.Value(), want.Field("result"))
		}
		if n := want.Field("affected"); n.Kind() == ejson.Number && int(n.Number()) != affected {
			return fmt.Sprintf("%s: affected %d, want %v", what, affected, n)
		}
		return ""
	})
}
