package query_test

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestDistinct goes through what counts as a value, and as the same value.
func TestDistinct(t *testing.T) {
	docs := []ejson.Doc{
		mustParse(t, `{"a":1}`), mustParse(t, `{"a":[2,[1],1,null]}`), mustParse(t, `{}`), mustParse(t, `{"a":[]}`),
		mustParse(t, `{"a":{"$type":"Decimal","$value":"1"}}`), mustParse(t, `{"a":{"b":1,"c":2}}`), mustParse(t, `{"a":{"c":2,"b":1}}`),
		mustParse(t, `{"a":[{"b":1},{"b":[3,1]},5,{"c":1}]}`), mustParse(t, `{"a":null}`), mustParse(t, `{"a":[[7,8],"x"]}`),
	}
	for path, want := range map[string]string{
		"a":   `1 2 [1] null {"b":1,"c":2} {"c":2,"b":1} {"b":1} {"b":[3,1]} 5 {"c":1} [7,8] "x"`,
		"a.b": `1 3`,
		"a.0": `2 {"b":1} [7,8]`,
		"b":   ``,
	} {
		p, err := query.CompilePath(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range p.Distinct(slices.Values(docs)) {
			got = append(got, v.String())
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("distinct %s:\n is   %s\n want %s", path, text, want)
		}
	}
	var s query.Set
	if !s.Add(ejson.StringValue("x")) || s.Add(ejson.StringValue("x")) || s.Len() != 1 {
		t.Error("a set takes a value twice")
	}
}

func BenchmarkDistinct(b *testing.B) {
	docs := benchDocs(10_000)
	for _, path := range []string{"room", "tags", "nested.a.b"} {
		p, err := query.CompilePath(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(path, func(b *testing.B) {
			var endless iter.Seq[ejson.Doc] = func(yield func(ejson.Doc) bool) {
				for i := 0; b.Loop() && yield(docs[i%len(docs)]); i++ {
				}
			}
			b.ReportAllocs()
			p.Distinct(endless)
		})
	}
}
