package query_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestSpec: projections that mean the same have one spec, which compiles to the
// same projection; others have others.
func TestSpec(t *testing.T) {
	groups := [][]any{
		{[]byte(`{"a":1,"b":1}`), []byte(`{"b":true,"a":1,"_id":1}`), []string{"a", "b"}, []string{"b", "a", "_id"}, map[string]any{"a": true, "b": 1}, ejson.Make(ejson.Field{Name: "b", Value: 1}, ejson.Field{Name: "a", Value: 1})},
		{[]byte(`{"a":1,"b":1,"_id":0}`), []string{"-_id", "b", "a"}, []byte(`{"_id":false,"b":1,"a":true}`)},
		{[]byte(`{"a":0,"b":0}`), []string{"-b", "-a"}, []byte(`{"b":false,"a":0}`)},
		{[]byte(`{"a":0,"b":0,"_id":0}`), []string{"-b", "-_id", "-a"}},
		{[]byte(`{"_id":1}`), []string{"_id"}, []byte(`{"_id":true}`)},
		{[]byte(`{"_id":0}`), []string{"-_id"}, []byte(`{"_id":false}`)},
		{[]byte(`{"a":{"$slice":3}}`), []byte(`{"a":{"$slice":[0,3]}}`)},
		{[]byte(`{"a":{"$slice":-3}}`), []byte(`{"a":{"$slice":[-3,3]}}`)},
		{[]byte(`{"a":{"$slice":[-3,2]}}`)},
		{[]byte(`{"a":{"$slice":3},"_id":1}`), []byte(`{"_id":true,"a":{"$slice":[0,3]}}`)}, // keeps nothing else
		{[]byte(`{"a":{"$slice":3},"b":1}`), []byte(`{"b":1,"_id":1,"a":{"$slice":3}}`)},
		{[]byte(`{"a.$":1}`), []byte(`{"_id":1,"a.$":true}`)},
		{[]byte(`{"a":{"$elemMatch":{"b":1}}}`), []byte(`{"_id":1,"a":{"$elemMatch":{"b":1}}}`)},
		{[]byte(`{"a.b":1,"a.c":1}`), []byte(`{"a.c":true,"a.b":true}`)},
		{nil, []byte(`{}`), []byte(`null`), []string{}, (*query.Fields)(nil)},
	}
	seen := make(map[string]int)
	for i, group := range groups {
		for k, spec := range group {
			f, err := query.CompileFields(spec)
			if err != nil {
				t.Fatalf("%s: %v", spec, err)
			}
			raw := f.Spec().Raw()
			if was, ok := seen[raw]; ok && was != i {
				t.Errorf("%s has the spec of group %d", f.Spec(), was)
			} else if !ok && k > 0 {
				t.Errorf("%s: the spec %s is not that of the group", spec, f.Spec())
			}
			seen[raw] = i
		}
	}
}

// TestSpecIsTheProjection: a spec compiles, to itself and to what it is of.
func TestSpecIsTheProjection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b ejson.Builder
		for _, path := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"_id", "a", "b", "a.b", "b.0.a", "0", "a.a", "b.$"}), 1, 4, rapid.ID).Draw(t, "paths") {
			way := rapid.SampledFrom([]string{"1", "1", "true", "0", "false", `{"$slice":1}`, `{"$slice":[0,2]}`, `{"$slice":-1}`, `{"$elemMatch":{"a":1}}`}).Draw(t, "way")
			v, err := ejson.ParseValue([]byte(way))
			if err != nil {
				t.Fatal(err)
			}
			b.Add(path, v)
		}
		spec, d := b.Doc(), genFields(t, 3).WithValue("_id", ejson.NumberValue(1))
		f, err := query.CompileFields(spec)
		if err != nil {
			return
		}
		again, err := query.CompileFields(f.Spec())
		if err != nil || !again.Spec().Equal(f.Spec()) {
			t.Fatalf("%s has the spec %s, and that %s, %v", spec, f.Spec(), again.Spec(), err)
		}
		for at := range 3 {
			if a, b := f.ApplyAt(d, at-1), again.ApplyAt(d, at-1); !a.Equal(b) {
				t.Fatalf("%s of %s is %s, and its spec %s makes %s", spec, d, a, f.Spec(), b)
			}
		}
	})
}
