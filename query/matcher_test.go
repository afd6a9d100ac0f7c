package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

func mustParse(tb testing.TB, text string) ejson.Doc {
	tb.Helper()
	d, err := ejson.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestCompileForms: a selector may come in many shapes.
func TestCompileForms(t *testing.T) {
	type bsonD []struct {
		Key   string
		Value any
	}
	d := mustParse(t, `{"_id":"a","n":2}`)
	oid := ejson.ObjectID{1, 2, 3}
	for _, c := range []struct {
		sel  any
		want bool
	}{
		{nil, true},
		{map[string]any{}, true},
		{map[string]any(nil), true},
		{(*struct{ N int })(nil), true},
		{[]byte("null"), false},
		{map[string]any{"n": 2}, true},
		{map[string]any{"n": map[string]any{"$gt": int64(2)}}, false},
		{bsonD{{"n", 2}, {"_id", "a"}}, true},
		{"a", true},
		{"b", false},
		{2, false},
		{oid, false},
		{d.ID(), true},
		{[]byte(`{"n":{"$lt":3}}`), true},
		{d, true},
		{d.Value(), true},
		{ejson.NullValue(), false},
		{[]byte("false"), false},
	} {
		m, err := query.Compile(c.sel)
		if err != nil {
			t.Errorf("%v: %v", c.sel, err)
			continue
		}
		if got := m.Match(d); got != c.want {
			t.Errorf("%#v: %v, want %v", c.sel, got, c.want)
		}
	}
	for _, sel := range []any{true, []int{1}, func() {}, struct{ C chan int }{}} {
		if _, err := query.Compile(sel); err == nil {
			t.Errorf("%T compiles", sel)
		}
	}
}

// TestRouting: what a matcher tells of its selector.
func TestRouting(t *testing.T) {
	for _, c := range []struct{ sel, paths, ids, pins string }{
		{`{}`, "[]", "", ""},
		{`{"_id":"a"}`, "[_id]", "[a]", `_id=["a"] `},
		{`{"_id":{"$in":["a","b","a"]}}`, "[_id]", "[a b]", `_id=["a","b","a"] `},
		{`{"$and":[{"_id":"a"},{"room":"x"}]}`, "[_id room]", "[a]", `_id=["a"] room=["x"] `},
		{`{"$or":[{"_id":"a"},{"_id":"b"}]}`, "[_id]", "[a b]", ""},
		{`{"$or":[{"_id":"a"},{"room":"b"}]}`, "[_id room]", "", ""},
		{`{"$nor":[{"_id":"a"}]}`, "[_id]", "", ""},
		{`{"_id":{"$ne":"a"}}`, "[_id]", "", ""},
		{`{"a.b":{"$in":[1,2]},"c":{"$gt":1}}`, "[a c]", "", `a.b=[1,2] `},
		{`{"a":null,"b":[1],"c":{"$in":[1,null]},"d":{"$regexp":"x","$flags":""}}`, "[a b c d]", "", ""},
		{`{"tags":{"$all":["x","y"]}}`, "[tags]", "", `tags=["x"] `},
		{`{"list":{"$elemMatch":{"x":1}}}`, "[list]", "", ""},
	} {
		m := mustCompile(t, []byte(c.sel))
		if got := fmt.Sprint(m.Paths()); got != c.paths {
			t.Errorf("%s: paths %s, want %s", c.sel, got, c.paths)
		}
		got := ""
		if ids, ok := m.IDs(); ok {
			got = fmt.Sprint(ids)
		}
		if got != c.ids {
			t.Errorf("%s: ids %s, want %s", c.sel, got, c.ids)
		}
		var pins strings.Builder
		for _, p := range m.Pins() {
			fmt.Fprintf(&pins, "%s=%s ", p.Path, ejson.ArrayOf(p.Values...).Value())
		}
		if pins.String() != c.pins {
			t.Errorf("%s: pins %q, want %q", c.sel, pins.String(), c.pins)
		}
	}
}

// TestMatchAt: the positional operator takes the position of the last condition
// that went through a list.
func TestMatchAt(t *testing.T) {
	d := mustParse(t, `{"g":[{"k":"x"},{"k":"y"}],"s":[5,8,9],"m":[[1],[2,3]],"n":1}`)
	for sel, want := range map[string]int{
		`{}`: -1, `{"n":1}`: -1, `{"g.k":"y"}`: 1, `{"s":9}`: 2, `{"g.k":"x","s":8}`: 1, `{"s":8,"g.k":"x"}`: 0,
		`{"g":{"$elemMatch":{"k":"y"}}}`: 1, `{"s":{"$gt":5,"$lt":9}}`: 0, `{"s":{"$ne":1}}`: -1, `{"m":[2,3]}`: 1,
		`{"$or":[{"s":9}]}`: 2, `{"$or":[{"s":9},{"s":8}]}`: -1, `{"s":{"$all":[5,9]}}`: 2, `{"s.1":8}`: 1,
	} {
		if at, ok := mustCompile(t, []byte(sel)).MatchAt(d); !ok || at != want {
			t.Errorf("%s: %d, %v; want %d", sel, at, ok, want)
		}
	}
	if _, ok := mustCompile(t, []byte(`{"s":7}`)).MatchAt(d); ok {
		t.Error("a match where there is none")
	}
}

// TestGeoWithin: boxes, circles and polygons, with holes.
func TestGeoWithin(t *testing.T) {
	var docs []ejson.Doc
	for x := range 5 {
		for y := range 5 {
			docs = append(docs, mustParse(t, fmt.Sprintf(`{"_id":"%d%d","l":[%d,%d]}`, x, y, x, y)))
		}
	}
	docs = append(docs, mustParse(t, `{"_id":"geo","l":{"type":"Point","coordinates":[1,1]}}`), mustParse(t, `{"_id":"none","l":"x"}`))
	for sel, want := range map[string]string{
		`{"$box":[[0,0],[1,1]]}`:           "00 01 10 11 geo",
		`{"$center":[[1,1],1]}`:            "01 10 11 12 21 geo",
		`{"$centerSphere":[[1,1],0.02]}`:   "01 10 11 12 21 geo",
		`{"$polygon":[[0,0],[0,2],[2,0]]}`: "00 01 02 10 11 20 geo",
		`{"$geometry":{"type":"Polygon","coordinates":[[[0,0],[0,2],[2,2],[2,0],[0,0]],[[0.5,0.5],[0.5,1.5],[1.5,1.5],[1.5,0.5],[0.5,0.5]]]}}`: "00 01 02 10 12 20 21 22",
	} {
		m := mustCompile(t, []byte(`{"l":{"$geoWithin":`+sel+`}}`))
		var got []string
		for _, d := range docs {
			if m.Match(d) {
				got = append(got, d.Field("_id").Str())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", sel, got, want)
		}
	}
	near := mustCompile(t, []byte(`{"l":{"$near":[0,0],"$minDistance":1,"$maxDistance":1.5}}`))
	var got []ejson.Doc
	for _, d := range docs {
		if near.Match(d) {
			got = append(got, d)
		}
	}
	slices.SortFunc(got, near.Order().Compare)
	if ids := idsOf(got).Value().String(); ids != `["01","10","11","geo"]` {
		t.Errorf("near: %s", ids)
	}
}

func TestPathValues(t *testing.T) {
	d := mustParse(t, `{"a":[{"b":1},{"b":[2,3]},{"c":4},5],"n":null,"l":[[1],2],"e":[]}`)
	for path, want := range map[string]string{"a.b": "[1,2,3]", "n": "[null]", "l": "[[1],2]", "a.1.b": "[2,3]", "e": "[]", "x.y": "[]", "a.3": "[5]"} {
		p, err := query.CompilePath(path)
		if err != nil {
			t.Fatal(err)
		}
		var got ejson.ListBuilder
		for v := range p.Values(d) {
			got.Append(v)
		}
		if s := got.Array().Value().String(); s != want {
			t.Errorf("%s: %s, want %s", path, s, want)
		}
	}
}
