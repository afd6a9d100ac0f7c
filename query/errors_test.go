package query_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestSyntaxErrors holds the exact texts: they are read by people.
func TestSyntaxErrors(t *testing.T) {
	compile := map[string]func(string) error{
		"find":   func(s string) error { _, err := query.Compile([]byte(s)); return err },
		"sort":   func(s string) error { _, err := query.CompileSortSpec([]byte(s)); return err },
		"fields": func(s string) error { _, err := query.CompileFields([]byte(s)); return err },
		"update": func(s string) error { _, err := query.CompileModifier([]byte(s)); return err },
	}
	for _, c := range []struct{ what, given, want string }{
		{"find", `{"tags":{"$in":"x"}}`, `query: tags $in: wants a list, got a string; did you mean $eq?`},
		{"find", `{"tags":{"$nin":5}}`, `query: tags $nin: wants a list, got a number; did you mean $ne?`},
		{"find", `{"a":{"&gt":5}}`, `query: a &gt: is not an operator; did you mean $gt?`},
		{"find", `{"a":{"$gte ":5}}`, `query: a $gte : unknown operator; did you mean $gte?`},
		{"find", `{"a":{"$exist":true}}`, `query: a $exist: unknown operator; did you mean $exists?`},
		{"find", `{"a":{"$elemmatch":{}}}`, `query: a $elemmatch: unknown operator; did you mean $elemMatch?`},
		{"find", `{"a":{"$bogus":1}}`, `query: a $bogus: unknown operator`},
		{"find", `{"$xor":[]}`, `query: $xor: unknown operator; did you mean $or?`},
		{"find", `{"$gt":5}`, `query: $gt: stands under a field, as in {field: {$gt: …}}`},
		{"find", `{"a":{"$or":[{"b":1}]}}`, `query: a $or: stands at the top of a selector, as in {$or: [{…}, {…}]}`},
		{"find", `{"$or":{"a":1}}`, `query: $or: wants a list of selectors, got a document`},
		{"find", `{"$and":[]}`, `query: $and: wants at least one selector, got an empty list`},
		{"find", `{"$or":[{"a":1},{"tags":{"$in":1}}]}`, `query: $or.1.tags $in: wants a list, got a number; did you mean $eq?`},
		{"find", `{"$or":[{"a":1},5]}`, `query: $or.1: wants a selector, got a number`},
		{"find", `{"a":{"$gt":1,"b":2}}`, `query: a $gt: an operator beside the plain field "b"; use {$eq: …} for a whole document, or dotted paths`},
		{"find", `{"a":{"$not":5}}`, `query: a $not: wants operators or a regular expression, got a number; did you mean $ne?`},
		{"find", `{"a":{"$size":"2"}}`, `query: a $size: wants a whole number from 0 up, got a string`},
		{"find", `{"a":{"$size":-1}}`, `query: a $size: wants a whole number from 0 up, got -1`},
		{"find", `{"a":{"$mod":[2]}}`, `query: a $mod: wants [divisor, remainder], got a list of 1`},
		{"find", `{"a":{"$mod":[0,1]}}`, `query: a $mod: the divisor is 0`},
		{"find", `{"a":{"$type":"strin"}}`, `query: a $type: no type is called "strin"; did you mean string?`},
		{"find", `{"a":{"$type":99}}`, `query: a $type: no type has the code 99`},
		{"find", `{"a":{"$all":5}}`, `query: a $all: wants a list, got a number`},
		{"find", `{"a":{"$elemMatch":5}}`, `query: a $elemMatch: wants a document, got a number`},
		{"find", `{"a":{"$in":[{"$gt":1}]}}`, `query: a $in: takes values, got the operator $gt; use $or`},
		{"find", `{"a":{"$ne":{"$regexp":"x","$flags":""}}}`, `query: a $ne: cannot take a regular expression; use $not`},
		{"find", `{"a":{"$gt":{"$regexp":"x","$flags":""}}}`, `query: a $gt: cannot compare with a regular expression`},
		{"find", `{"a":{"$regex":"("}}`, `query: a $regex: regular expression /(/: a group is not closed`},
		{"find", `{"a":{"$regex":"x","$options":"g"}}`, `query: a $options: knows the flags i, m, s, x and u, got 'g'`},
		{"find", `{"a":{"$options":"i"}}`, `query: a $options: stands beside a $regex, and there is none`},
		{"find", `{"$where":"1"}`, `query: $where: runs JavaScript, which is not available here; use operators, or filter the result in Go`},
		{"find", `{"$text":{"$search":"x"}}`, `query: $text: needs a text index on the server; use $regex`},
		{"find", `{"$expr":{"$gt":["$a","$b"]}}`, `query: $expr: aggregation expressions are not available; compare with a value, or filter the result in Go`},
		{"find", `{"$jsonSchema":{}}`, `query: $jsonSchema: schemas are not available; use $type, $exists and $elemMatch`},
		{"find", `{"a":{"$where":"1"}}`, `query: a $where: runs JavaScript, which is not available here; use operators, or filter the result in Go`},
		{"find", `{"a":{"$bitsAllSet":-1}}`, `query: a $bitsAllSet: wants a whole number from 0 up, got -1`},
		{"find", `{"a":{"$near":5}}`, `query: a $near: wants a point ([x, y] or {$geometry: {type: "Point", coordinates: [lng, lat]}}), got a number`},
		{"find", `{"$or":[{"a":{"$near":[1,2]}}]}`, `query: $or.0.a $near: may stand once, and not inside another operator; use $geoWithin there`},
		{"find", `true`, `query: a selector is a document or an id, got a boolean`},
		{"find", `[{"a":1}]`, `query: a selector is a document or an id, got a list`},
		{"sort", `{"":1}`, `query: sort: a key is empty`},
		{"sort", `{"$near":1}`, `query: $near: is no key to sort by; name a field`},
		{"sort", `5`, `query: sort: wants {field: 1 or -1}, got a number`},
		{"sort", `[["a",1,2]]`, `query: 0: sort: wants a field or [field, direction], got a list`},
		{"fields", `{"a":1,"b":0}`, `query: b: a projection either keeps fields or drops them, and "a" is kept`},
		{"fields", `{"a":1,"a.b":1}`, `query: a.b: stands beside a path that it lies within`},
		{"fields", `{"a.b":1,"a":1}`, `query: a: stands beside a path within it`},
		{"fields", `{"a":"x"}`, `query: a: wants 1, 0, true, false, $slice or $elemMatch, got a string`},
		{"fields", `{"a":{"$slise":1}}`, `query: a $slise: unknown operator; did you mean $slice?`},
		{"fields", `{"a.$.b":1}`, `query: a.$.b $: has no meaning in a projection`},
		{"fields", `"a"`, `query: a projection is a document {field: 1} or {field: 0}, got a string`},
		{"fields", `{"a":{"$elemMatch":{"b":1}},"c.$":1}`, `query: a $elemMatch: beside the position of the match, which shows an element, too`},
		{"fields", `{"a.b":{"$elemMatch":{"c":1}}}`, `query: a.b $elemMatch: shows an element of a list at the top of the document, and not below`},
		{"update", `{"$set":5}`, `query: $set: wants a document of fields, got a number`},
		{"update", `{"$sett":{"a":1}}`, `query: a $sett: unknown operator; did you mean $set?`},
		{"update", `{"$set":{"a":1},"b":2}`, `query: b: a field beside the operator $set; put it under $set, or replace the whole document`},
		{"update", `{"$set":{"a":1},"$inc":{"a.b":2}}`, `query: a.b $inc: in conflict with $set of "a"`},
		{"update", `{"$set":{"a.b":1},"$inc":{"a":2}}`, `query: a $inc: in conflict with $set of "a.b"`},
		{"update", `{"$inc":{"n":"x"}}`, `query: n $inc: wants a number, got a string`},
		{"update", `{"$set":{"a..b":1}}`, `query: a..b $set: the path has an empty name`},
		{"update", `{"$set":{"a.$x":1}}`, `query: a.$x $set: the name "$x" begins with $`},
		{"update", `{"$set":{"a.$[e]":1}}`, `query: a.$[e] $set: there is no array filter for "e"`},
		{"update", `{"$set":{"a":{"$b":1}}}`, `query: a $set: the name "$b" of a stored field begins with $`},
		{"update", `{"$push":{"a":{"$each":5}}}`, `query: a $push $each: wants a list, got a number`},
		{"update", `{"$pop":{"a":2}}`, `query: a $pop: wants 1 for the last element or -1 for the first, got 2`},
		{"update", `{"$rename":{"a":5}}`, `query: a $rename: wants the new path, got a number`},
		{"update", `{"$currentDate":{"a":{"$type":"timestamp"}}}`, `query: a $currentDate: EJSON has no timestamps; use true or {$type: "date"}`},
	} {
		err := compile[c.what](c.given)
		var fault *query.SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%s %s: %v, want a SyntaxError", c.what, c.given, err)
		} else if err.Error() != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.what, c.given, err, c.want)
		}
	}
}

// TestLimits: what is too large or too deep is refused, and at once.
func TestLimits(t *testing.T) {
	deep := strings.Repeat(`{"$or":[`, 98) + `{"a":1}` + strings.Repeat(`]}`, 98)
	if _, err := query.Compile([]byte(deep)); err != nil {
		t.Errorf("98 levels: %v", err)
	}
	for name, sel := range map[string]string{
		"depth":      `{"a":` + strings.Repeat(`{"$not":`, 60) + strings.Repeat(`{"$elemMatch":`, 60) + `{"b":1}` + strings.Repeat(`}`, 121),
		"conditions": `{"$or":[` + strings.Repeat(`{"a":1},`, 10_000) + `{"a":1}]}`,
		"segments":   `{"` + strings.Repeat("a.", 100) + `a":1}`,
		"positions":  `{"` + strings.Repeat("0.", 10) + `0":1}`,
		"pattern":    `{"a":{"$regex":"` + strings.Repeat("a", 40_000) + `"}}`,
	} {
		var fault *query.SyntaxError
		if _, err := query.Compile([]byte(sel)); !errors.As(err, &fault) {
			t.Errorf("%s: %v, want a SyntaxError", name, err)
		}
	}
	mod, err := query.CompileModifier([]byte(`{"$set":{"a.999999999":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	var refused *query.UpdateError
	if _, err := mod.Apply(mustParse(t, `{"a":[1]}`)); !errors.As(err, &refused) {
		t.Errorf("a list of a thousand million: %v, want an UpdateError", err)
	}
	big := `{"$push":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`
	if mod, err = query.CompileModifier([]byte(big)); err != nil {
		t.Fatal(err)
	}
	d := mustParse(t, `{"_id":"a"}`)
	for err == nil {
		d, err = mod.Apply(d)
	}
	if !errors.As(err, &refused) || d.Size() > 16<<20 {
		t.Errorf("growing: %v at %d bytes, want an UpdateError at 16 MiB", err, d.Size())
	}
}

// TestDepth: the deepest document that a modifier makes can be read back.
func TestDepth(t *testing.T) {
	for _, op := range []string{"$set", "$push", "$min", "$addToSet", "$pushAll"} {
		accepted, refused := 0, 0
		for depth := 180; depth < 210; depth++ {
			// Decoding takes text 200 levels deep: build what is deeper by hand.
			v := ejson.NumberValue(1)
			for range depth {
				v = ejson.ArrayOf(v).Value()
			}
			mod, err := query.CompileModifier(ejson.Make(ejson.Field{Name: op, Value: ejson.Make(ejson.Field{Name: "a.b.c", Value: 0}).WithValue("a.b.c", v)}))
			if err != nil {
				refused++
				continue
			}
			d, err := mod.Apply(ejson.Make())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ejson.Parse(d.AppendJSON(nil)); err != nil {
				t.Errorf("%s of %d levels: %v", op, depth, err)
			}
			accepted++
		}
		if accepted == 0 || refused == 0 {
			t.Errorf("%s: %d accepted, %d refused", op, accepted, refused)
		}
	}
}
