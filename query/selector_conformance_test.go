package query_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

var selectorDeviations = []deviation{
	{"wide masks keep their high bits", func(c ejson.Doc) bool {
		for _, v := range c.Field("selector").Doc().Fields() {
			for op, mask := range v.Doc().Fields() {
				if strings.HasPrefix(op, "$bits") && mask.Number() > math.MaxInt32 {
					return true
				}
			}
		}
		return false
	}},
}

var sortDeviations = []deviation{
	{"words for directions are what drivers take them for", func(c ejson.Doc) bool {
		spec := c.Field("sort").String()
		for _, word := range []string{`"asc"`, `"ascending"`, `"DESC"`, `"ASC"`, `"descending"`} {
			if strings.Contains(spec, word) {
				return true
			}
		}
		return false
	}},
	{"parallel arrays are no error", func(c ejson.Doc) bool {
		return c.Field("error").Bool() && strings.Contains(c.Field("message").Str(), "parallel arrays")
	}},
}

func TestConformanceSelectors(t *testing.T) {
	vectors(t, "selectors.jsonl", selectorDeviations, func(c, want ejson.Doc) string {
		sel := c.Field("selector")
		m, err := query.Compile(sel)
		if want.Field("error").Bool() {
			if err == nil {
				return fmt.Sprintf("selector %s compiles, and should not", sel)
			}
			return ""
		}
		if err != nil {
			return fmt.Sprintf("selector %s: %v", sel, err)
		}
		docs := docsOf(c)
		if fault := selects(m, docs); fault != "" {
			return fmt.Sprintf("selector %s: %s", sel, fault)
		}
		var found []ejson.Doc
		for _, d := range docs {
			if m.Match(d) {
				found = append(found, d)
			}
		}
		if by := m.Order(); by != nil {
			slices.SortStableFunc(found, func(a, b ejson.Doc) int {
				if by.Same(a, b) {
					return 0
				}
				return by.Compare(a, b)
			})
		}
		if got := idsOf(found); !got.Same(want.Field("match").Array()) {
			return fmt.Sprintf("selector %s: got %s, want %s", sel, got.Value(), want.Field("match"))
		}
		return ""
	})
}

func TestConformanceSort(t *testing.T) {
	vectors(t, "sort.jsonl", sortDeviations, func(c, want ejson.Doc) string {
		spec := c.Field("sort")
		s, err := query.CompileSortSpec(spec)
		if want.Field("error").Bool() {
			if err == nil {
				return fmt.Sprintf("sort %s compiles, and should not", spec)
			}
			return ""
		}
		if err != nil {
			return fmt.Sprintf("sort %s: %v", spec, err)
		}
		var sel any
		if v := c.Field("selector"); !v.IsMissing() {
			sel = v
		}
		m, err := query.Compile(sel)
		if err != nil {
			return err.Error()
		}
		var found []ejson.Doc
		for _, d := range docsOf(c) {
			if m.Match(d) {
				found = append(found, d)
			}
		}
		if s != nil {
			slices.SortStableFunc(found, func(a, b ejson.Doc) int {
				// The vectors have ties in the order of insertion.
				if s.Same(a, b) && !strings.Contains(spec.String(), "_id") {
					return 0
				}
				return s.Compare(a, b)
			})
		}
		found = window(found, c)
		if got := idsOf(found); !got.Same(want.Field("order").Array()) {
			return fmt.Sprintf("sort %s: got %s, want %s", spec, got.Value(), want.Field("order"))
		}
		return ""
	})
}

// window applies skip and limit, as JavaScript would read them.
func window(docs []ejson.Doc, c ejson.Doc) []ejson.Doc {
	number := func(name string) int {
		switch v := c.Field(name); v.Kind() {
		case ejson.Number:
			return int(v.Number())
		case ejson.String:
			// Meteor slices by a string and does not stop at one.
			n := 0
			if name == "skip" {
				fmt.Sscan(v.Str(), &n)
			}
			return n
		}
		return 0
	}
	skip, limit := number("skip"), number("limit")
	if skip < 0 {
		skip = max(len(docs)+skip, 0)
	}
	docs = docs[min(skip, len(docs)):]
	if limit < 0 {
		return docs[:max(len(docs)+limit, 0)]
	}
	if limit > 0 {
		return docs[:min(limit, len(docs))]
	}
	return docs
}
