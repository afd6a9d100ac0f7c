package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestManyFields: modifiers and projections of many fields give what those of
// one give, and take no square of them.
func TestManyFields(t *testing.T) {
	const n = 20_000
	var sets, keeps, drops []string
	var b ejson.Builder
	b.Add("_id", ejson.StringValue("x"))
	for i := range n {
		b.Add(fmt.Sprintf("f%d", i), ejson.NumberValue(float64(i)))
		sets = append(sets, fmt.Sprintf(`"f%d":-1,"g%d":{"h":1}`, i, i))
		keeps = append(keeps, fmt.Sprintf("f%d", 2*i))
		drops = append(drops, fmt.Sprintf("-f%d", 2*i))
	}
	d := b.Doc()
	m, err := query.CompileModifier([]byte(`{"$set":{` + strings.Join(sets, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	after, err := m.Apply(d)
	if err != nil || after.Len() != 2*n+1 || after.Field("f7").Number() != -1 || after.Path("g19999.h").Number() != 1 {
		t.Errorf("%d fields, %v", after.Len(), err)
	}
	if again, err := m.Apply(after); err != nil || again != after {
		t.Errorf("twice: %v", err)
	}
	for _, names := range [][]string{keeps, drops} {
		f, err := query.CompileFields(names)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Apply(d); got.Len() != n/2+1 {
			t.Errorf("%s: %d fields", names[1], got.Len())
		}
	}
}

// TestIndexKeys: what an index key tells of itself, and what it refuses.
func TestIndexKeys(t *testing.T) {
	k, err := query.CompileIndex("room.name", "-ts", "room.id")
	if err != nil {
		t.Fatal(err)
	}
	if k.Name() != "room.name,-ts,room.id" || !slices.Equal(k.Paths(), []string{"room", "ts"}) {
		t.Errorf("%s, %s", k.Name(), k.Paths())
	}
	for _, keys := range [][]string{{}, {""}, {"-"}, {"$a"}, {"a", "-a"}, strings.Split(strings.Repeat("a.", 110), "..")} {
		if _, err := query.CompileIndex(keys...); err == nil {
			t.Errorf("%q is an index", keys)
		}
	}
	one, _ := query.CompileIndex("a")
	for doc, want := range map[string]int{`{}`: 1, `{"a":null}`: 1, `{"a":[]}`: 1, `{"a":[1,2,1]}`: 2, `{"a":[[1],[1]]}`: 1, `{"a":{"b":[1,2]}}`: 1} {
		keys, multi := one.Append(nil, mustParse(t, doc))
		if len(keys) != want || multi != strings.HasPrefix(doc, `{"a":[`) {
			t.Errorf("%s: %d keys, multikey %v", doc, len(keys), multi)
		}
	}
}

// TestTold: what compiled things tell of themselves.
func TestTold(t *testing.T) {
	s, _ := query.CompileSort("b.c", "-a", "b.d", "_id")
	if !slices.Equal(s.Paths(), []string{"a", "b"}) || strings.Join(s.Keys(), " ") != "b.c -a b.d" {
		t.Errorf("%s, %s", s.Paths(), s.Keys())
	}
	var none *query.Sorter
	if none.Compare(ejson.Doc{}, ejson.Doc{}) != 0 || none.Paths() != nil || none.Keys() != nil || len(none.AppendKey(nil, ejson.Doc{})) != 0 {
		t.Error("the order of insertion has an opinion")
	}
	for mod, want := range map[string][3]bool{
		`{"a":1}`: {true}, `{"$set":{"a.$":1}}`: {false, true}, `{"$currentDate":{"a":true}}`: {false, false, true}, `{"$set":{"a":1}}`: {},
	} {
		m, err := query.CompileModifier([]byte(mod))
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{m.Replaces(), m.Positional(), m.Dated()}; got != want {
			t.Errorf("%s: %v, want %v", mod, got, want)
		}
	}
	f, _ := query.CompileFields([]byte(`{"a.$":1}`))
	if !f.Positional() || (*query.Fields)(nil).Positional() || (*query.Fields)(nil).Spec() != (ejson.Doc{}) {
		t.Error("positional projections")
	}
	near := mustCompile(t, []byte(`{"l":{"$nearSphere":[1,2]}}`))
	if !slices.Equal(near.Order().Paths(), []string{"l"}) || near.Order().Keys() != nil {
		t.Error("the order of a $nearSphere")
	}
}

// TestRefusedOperands goes through the ways to get an operand wrong.
func TestRefusedOperands(t *testing.T) {
	for _, sel := range []string{
		`{"a":{"$type":[]}}`, `{"a":{"$type":["string",["int"]]}}`, `{"a":{"$type":{}}}`, `{"a":{"$type":-2}}`,
		`{"a":{"$bitsAnySet":[1,-1]}}`, `{"a":{"$bitsAnySet":"x"}}`, `{"a":{"$bitsAnySet":{"$InfNaN":0}}}`,
		`{"a":{"$geoWithin":{}}}`, `{"a":{"$geoWithin":{"$box":[1]}}}`, `{"a":{"$geoWithin":{"$polygon":[[1,2]]}}}`, `{"a":{"$geoWithin":{"$center":[[1,2]]}}}`,
		`{"a":{"$geoWithin":{"$center":["x",1]}}}`, `{"a":{"$geoWithin":{"$disc":1}}}`, `{"a":{"$geoWithin":{"$geometry":{"type":"Point","coordinates":[1,2]}}}}`,
		`{"a":{"$geoWithin":{"$geometry":{"type":"Polygon","coordinates":[[[1,2]]]}}}}`, `{"a":{"$geoWithin":{"$geometry":{"type":"MultiPolygon","coordinates":[]}}}}`,
		`{"a":{"$near":[1,2],"$maxDistance":-1}}`, `{"a":{"$near":[1,2],"$minDistance":"x"}}`, `{"a":{"$near":[1,2]},"b":{"$near":[1,2]}}`, `{"a":{"$geoIntersects":{}}}`,
		`{"a":{"$all":[{"$elemMatch":{"b":1}},5]}}`, `{"a":{"$all":[{"$gt":1}]}}`, `{"a":{"$regex":"a","$options":5}}`, `{"a":{"$regexp":"x","$flags":"v"}}`,
	} {
		if m, err := query.Compile([]byte(sel)); err == nil && !strings.Contains(sel, "$flags") {
			t.Errorf("%s compiles to %s", sel, m.Selector())
		}
	}
	for mod, filters := range map[string][]any{
		`{"$set":{"a.$[x]":1}}`:                        {[]byte(`{"y":1}`)},
		`{"$set":{"a.$[x]":2}}`:                        {[]byte(`{"x":1}`), []byte(`{"x":2}`)},
		`{"$set":{"a.$[x]":3}}`:                        {[]byte(`{"x.a":1,"z":2}`)},
		`{"$set":{"a.$[x]":4}}`:                        {[]byte(`{}`)},
		`{"$set":{"a.$[x]":5}}`:                        {[]byte(`{"x":{"$bogus":1}}`)},
		`{"$set":{"a":6}}`:                             {5},
		`{"a":7}`:                                      {[]byte(`{"x":1}`)},
		`{"$set":{"a":8}}`:                             {[]byte(`{"x":1}`)},
		`{"$push":{"a":{"$each":[],"$x":1}}}`:          nil,
		`{"$push":{"a":{"$each":[],"$sort":2}}}`:       nil,
		`{"$push":{"a":{"$each":[],"$sort":{"b":2}}}}`: nil,
		`{"$push":{"a":{"$each":[],"$slice":0.5}}}`:    nil,
		`{"$addToSet":{"a":{"$each":[],"x":1}}}`:       nil,
		`{"$bit":{"a":{"nand":1}}}`:                    nil,
		`{"$bit":{"a":{}}}`:                            nil,
		`{"$bit":{"a":{"or":0.5}}}`:                    nil,
		`{"$rename":{"a":"b.$"}}`:                      nil,
		`{"$rename":{"a":"a"}}`:                        nil,
		`{"$set":{"a.$.b.$":1}}`:                       nil,
		`{"$set":{"$":1}}`:                             nil,
		`{"$pull":{"a":{"$bogus":1}}}`:                 nil,
		`[]`:                                           nil,
	} {
		if _, err := query.CompileModifier([]byte(mod), filters...); err == nil {
			t.Errorf("%s with %s compiles", mod, filters)
		}
	}
}
