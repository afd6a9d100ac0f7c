package query_test

import (
	"errors"
	"testing"
	"time"

	"github.com/replicad/replicad/query"
)

// TestModifiers: what the vectors do not have, because Meteor's client does not
// know it.
func TestModifiers(t *testing.T) {
	for _, c := range []struct {
		mod, filters, doc, want string
		at                      int
	}{
		{`{"$set":{"a.$[]":0}}`, ``, `{"a":[1,2]}`, `{"a":[0,0]}`, -1},
		{`{"$inc":{"a.$[].b.$[]":1}}`, ``, `{"a":[{"b":[1]},{"b":[2,3]},{"b":[]}]}`, `{"a":[{"b":[2]},{"b":[3,4]},{"b":[]}]}`, -1},
		{`{"$set":{"a.$[x]":9}}`, `{"x":{"$gt":1}}`, `{"a":[1,2,3]}`, `{"a":[1,9,9]}`, -1},
		{`{"$unset":{"a.$[x].q":1}}`, `{"x.p":1}`, `{"a":[{"p":1,"q":1},{"p":2,"q":2}]}`, `{"a":[{"p":1},{"p":2,"q":2}]}`, -1},
		{`{"$set":{"a.$[x].$[]":0}}`, `{"x":{"$size":2}}`, `{"a":[[1],[1,2]]}`, `{"a":[[1],[0,0]]}`, -1},
		{`{"$set":{"a.$.b":5}}`, ``, `{"a":[{"b":1},{"b":2}]}`, `{"a":[{"b":1},{"b":5}]}`, 1},
		{`{"$set":{"a.$.b":5,"a.0.c":6}}`, ``, `{"a":[{"b":1}]}`, `{"a":[{"b":5,"c":6}]}`, 0},
		{`{"$currentDate":{"d":true,"e.f":{"$type":"date"}}}`, ``, `{}`, `{"d":{"$date":1000},"e":{"f":{"$date":1000}}}`, -1},
		{`{"$bit":{"n":{"and":12}}}`, ``, `{"n":10}`, `{"n":8}`, -1},
		{`{"$bit":{"n":{"or":5}}}`, ``, `{}`, `{"n":5}`, -1},
		{`{"$bit":{"n":{"and":5,"or":8,"xor":1}}}`, ``, `{"n":7}`, `{"n":12}`, -1},
		{`{"$bit":{"n":{"or":8,"and":5}}}`, ``, `{"n":7}`, `{"n":5}`, -1},
		{`{"$bit":{"n":{"xor":3}}}`, ``, `{"n":1}`, `{"n":2}`, -1},
		{`{"$setOnInsert":{"a":1},"$set":{"b":2}}`, ``, `{"c":3}`, `{"c":3,"b":2}`, -1},
		{`{"$push":{"a":{"$each":[3,1],"$sort":-1,"$slice":3}}}`, ``, `{"a":[2,0]}`, `{"a":[3,2,1]}`, -1},
		{`{"$push":{"a":{"$each":[9],"$position":-1}}}`, ``, `{"a":[1,2]}`, `{"a":[1,9,2]}`, -1},
		{`{"$push":{"a":{"$each":[{"p":1}],"$sort":{"p":1,"q":-1}}}}`, ``, `{"a":[{"p":2},5,{"p":1,"q":1}]}`, `{"a":[5,{"p":1,"q":1},{"p":1},{"p":2}]}`, -1},
		{`{"$addToSet":{"a":{"$each":[1,2,3,4,5,6,7,8,9,9]}}}`, ``, `{"a":[9,8]}`, `{"a":[9,8,1,2,3,4,5,6,7]}`, -1},
		{`{"$pull":{"a":{"$in":[1,2]}}}`, ``, `{"a":[1,2,3]}`, `{"a":[3]}`, -1},
		{`{"$pull":{"a":{"p":{"$gt":1},"$or":[{"q":1},{"q":2}]}}}`, ``, `{"a":[{"p":2,"q":1},{"p":2,"q":3},7]}`, `{"a":[{"p":2,"q":3},7]}`, -1},
		{`{"$pull":{"a":{"$regexp":"^x","$flags":""}}}`, ``, `{"a":["x1","y"]}`, `{"a":["y"]}`, -1},
		{`{"$rename":{"a.b":"c.d","e":"f"}}`, ``, `{"a":{"b":1,"x":2}}`, `{"a":{"x":2},"c":{"d":1}}`, -1},
		{`{"$min":{"a":"x"},"$max":{"b":"x"}}`, ``, `{"a":5,"b":5}`, `{"a":5,"b":"x"}`, -1},
		{`{"$unset":{"a.b.c":1,"x":1},"$pull":{"y":1,"a.y":1},"$pop":{"z":1}}`, ``, `{"a":5}`, `{"a":5}`, -1},
		{`{"$unset":{"a.b":1},"$pull":{"a.c":1},"$pullAll":{"a.d":[1]},"$pop":{"c.b":1,"b.7":1}}`, ``, `{"a":[5],"b":[1]}`, `{"a":[5],"b":[1]}`, -1},
		{`{"b":2}`, ``, `{"_id":"x","a":1}`, `{"_id":"x","b":2}`, -1},
	} {
		var filters []any
		if c.filters != "" {
			filters = append(filters, []byte(c.filters))
		}
		m, err := query.CompileModifier([]byte(c.mod), filters...)
		if err != nil {
			t.Errorf("%s: %v", c.mod, err)
			continue
		}
		before := mustParse(t, c.doc)
		got, err := m.ApplyAt(before, query.At{Index: c.at, Now: time.UnixMilli(1000)})
		if err != nil {
			t.Errorf("%s of %s: %v", c.mod, c.doc, err)
		} else if want := mustParse(t, c.want); !got.Same(want) {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.mod, c.doc, got, want)
		}
		if before.String() != mustParse(t, c.doc).String() {
			t.Errorf("%s changed its argument", c.mod)
		}
	}
}

// TestModifierRefuses: what cannot be done to a document is an UpdateError, and
// the document is returned as it was.
func TestModifierRefuses(t *testing.T) {
	for _, c := range []struct{ mod, doc, want string }{
		{`{"$inc":{"a":1}}`, `{"a":"x"}`, `query: a $inc: wants a number, and there is a string`},
		{`{"$inc":{"a.b":1}}`, `{"a":"x"}`, `query: a.b $inc: the path leads through a string`},
		{`{"$set":{"a.b":1}}`, `{"a":null}`, `query: a.b $set: the path leads through null`},
		{`{"$set":{"a.b":1}}`, `{"a":[1]}`, `query: a.b $set: a list has no field "b"`},
		{`{"$pop":{"a.b":1}}`, `{"a":"foo"}`, `query: a.b $pop: the path leads through a string`},
		{`{"$pop":{"a.b.c":1}}`, `{"a":{"b":null}}`, `query: a.b.c $pop: the path leads through null`},
		{`{"$pop":{"a.b":-1}}`, `{"a":[1]}`, `query: a.b $pop: a list has no field "b"`},
		{`{"$push":{"a":1}}`, `{"a":1}`, `query: a $push: wants a list, and there is a number`},
		{`{"$set":{"a.$":1}}`, `{"a":[1]}`, `query: a.$ $set: the selector matched through no list, so there is no position for $`},
		{`{"$set":{"a.$[]":1}}`, `{"b":1}`, `query: a.$[] $set: there is no list for $[]`},
		{`{"$set":{"a.$[]":1}}`, `{"a":{}}`, `query: a.$[] $set: there is a document and no list for $[]`},
		{`{"$set":{"_id":"y"}}`, `{"_id":"x"}`, `query: _id: cannot be changed; remove the document and insert another`},
		{`{"$unset":{"_id":1}}`, `{"_id":"x"}`, `query: _id: cannot be changed; remove the document and insert another`},
		{`{"_id":"y"}`, `{"_id":"x"}`, `query: _id: cannot be changed; remove the document and insert another`},
		{`{"$rename":{"a.0":"b"}}`, `{"a":[1]}`, `query: a.0 $rename: cannot take an element out of a list`},
		{`{"$bit":{"a":{"or":1}}}`, `{"a":1.5}`, `query: a $bit: wants a whole number, and there is a number`},
	} {
		m, err := query.CompileModifier([]byte(c.mod))
		if err != nil {
			t.Errorf("%s: %v", c.mod, err)
			continue
		}
		before := mustParse(t, c.doc)
		got, err := m.Apply(before)
		var fault *query.UpdateError
		if !errors.As(err, &fault) || err.Error() != c.want {
			t.Errorf("%s of %s:\n got %v\nwant %s", c.mod, c.doc, err, c.want)
		}
		if got != before {
			t.Errorf("%s of %s gives %s beside its error", c.mod, c.doc, got)
		}
	}
}

// TestModifierIdle: a modifier that changes nothing gives the document itself.
func TestModifierIdle(t *testing.T) {
	d := mustParse(t, `{"_id":"x","a":1,"b":{"c":[1,2,{"d":3}]},"e":"s"}`)
	for _, mod := range []string{
		`{"$set":{"a":1,"e":"s"}}`, `{"$set":{"b":{"c":[1,2,{"d":3}]}}}`, `{"$set":{"b.c.2.d":3}}`, `{"$unset":{"z":1,"b.z":1}}`,
		`{"$inc":{"a":0}}`, `{"$mul":{"a":1}}`, `{"$max":{"a":0}}`, `{"$addToSet":{"b.c":1}}`, `{"$pull":{"b.c":9}}`, `{"$pullAll":{"b.c":[7]}}`,
		`{"$pop":{"z":1}}`, `{"$rename":{"z":"y"}}`, `{"$setOnInsert":{"a":5}}`, `{"a":1,"b":{"c":[1,2,{"d":3}]},"e":"s"}`, `{"$set":{}}`,
		`{"$push":{"b.c":{"$each":[]}}}`,
	} {
		m, err := query.CompileModifier([]byte(mod))
		if err != nil {
			t.Errorf("%s: %v", mod, err)
			continue
		}
		if got, err := m.Apply(d); err != nil || got != d {
			t.Errorf("%s: %s, %v", mod, got, err)
		}
	}
	m, _ := query.CompileModifier([]byte(`{"$inc":{"a":1}}`))
	if n := testing.AllocsPerRun(100, func() { m.Apply(d) }); n > 1 {
		t.Errorf("$inc of one field: %v allocations, and one document is made", n)
	}
}

// TestUpsert: a new document begins with what the selector demands.
func TestUpsert(t *testing.T) {
	for _, c := range []struct{ sel, mod, want string }{
		{`{"a":1,"b.c":2,"d":{"$gt":5}}`, `{"$set":{"x":1},"$setOnInsert":{"y":2},"$inc":{"a":1}}`, `{"a":2,"b":{"c":2},"x":1,"y":2}`},
		{`{"$and":[{"a":1},{"b":{"$eq":2}}],"$or":[{"c":3}]}`, `{"$set":{"x":1}}`, `{"a":1,"b":2,"c":3,"x":1}`},
		{`{"_id":"k","a":1}`, `{"z":1}`, `{"_id":"k","z":1}`},
		{`{}`, `{"$push":{"a":1}}`, `{"a":[1]}`},
	} {
		m, err := query.CompileModifier([]byte(c.mod))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Upsert(mustCompile(t, []byte(c.sel)), query.At{})
		if err != nil || !got.Same(mustParse(t, c.want)) {
			t.Errorf("%s, %s: %s, %v; want %s", c.sel, c.mod, got, err, c.want)
		}
	}
	m, _ := query.CompileModifier([]byte(`{"$set":{"x":1}}`))
	for _, sel := range []string{`{"a":1,"$and":[{"a":2}]}`, `{"a":1,"a.b":2}`, `{"a":{"b.c":1}}`, `{"$and":[{"a":1},{"a":1}]}`, `null`} {
		if got, err := m.Upsert(mustCompile(t, []byte(sel)), query.At{}); err == nil {
			t.Errorf("%s: %s and no error", sel, got)
		}
	}
}

// TestFields: what Meteor's client does not know of projections.
func TestFields(t *testing.T) {
	d := mustParse(t, `{"_id":"x","a":[{"p":1,"q":1},{"p":2,"q":2},{"p":2,"q":3}],"n":[1,2,3,4],"b":{"c":1,"d":2}}`)
	for _, c := range []struct {
		spec any
		want string
		at   int
	}{
		{[]byte(`{"n":{"$slice":2}}`), `{"_id":"x","a":[{"p":1,"q":1},{"p":2,"q":2},{"p":2,"q":3}],"n":[1,2],"b":{"c":1,"d":2}}`, -1},
		{[]byte(`{"n":{"$slice":-1},"b":1}`), `{"_id":"x","n":[4],"b":{"c":1,"d":2}}`, -1},
		{[]byte(`{"n":{"$slice":[1,2]},"a":0,"b":0}`), `{"_id":"x","n":[2,3]}`, -1},
		{[]byte(`{"n":{"$slice":[-3,2]},"_id":0,"b.c":1}`), `{"n":[2,3],"b":{"c":1}}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":2}}}`), `{"_id":"x","a":[{"p":2,"q":2}]}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":9}}}`), `{"_id":"x"}`, -1},
		{[]byte(`{"a.$":1,"b":1}`), `{"_id":"x","a":[{"p":2,"q":3}],"b":{"c":1,"d":2}}`, 2},
		{[]byte(`{"a.$":1}`), `{"_id":"x"}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":2}},"b":0}`), `{"_id":"x","a":[{"p":2,"q":2}],"n":[1,2,3,4]}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":2}},"n":{"$slice":1}}`), `{"_id":"x","a":[{"p":2,"q":2}],"n":[1],"b":{"c":1,"d":2}}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":2}},"n":{"$slice":1},"_id":1}`), `{"_id":"x","a":[{"p":2,"q":2}],"n":[1]}`, -1},
		{[]byte(`{"a":{"$elemMatch":{"p":2}},"_id":0}`), `{"a":[{"p":2,"q":2}]}`, -1},
		{[]byte(`{"a":{"$slice":1},"_id":0}`), `{"a":[{"p":1,"q":1}],"n":[1,2,3,4],"b":{"c":1,"d":2}}`, -1},
		{[]string{"n", "b.c"}, `{"_id":"x","n":[1,2,3,4],"b":{"c":1}}`, -1},
		{[]string{"-n", "-a"}, `{"_id":"x","b":{"c":1,"d":2}}`, -1},
		{nil, d.String(), -1},
	} {
		f, err := query.CompileFields(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if got := f.ApplyAt(d, c.at); !got.Equal(mustParse(t, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.spec, got, c.want)
		}
	}
	keep, _ := query.CompileFields([]string{"_id", "a", "n", "b"})
	if keep.Apply(d) != d {
		t.Error("a projection that keeps everything makes a document")
	}
	if !keep.Spec().Equal(mustParse(t, `{"a":true,"b":true,"n":true}`)) {
		t.Errorf("spec %s", keep.Spec())
	}
}
