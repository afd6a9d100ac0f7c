package query_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestModifierLaws: what holds for every document, path and value.
func TestModifierLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genFields(t, 3).WithValue("_id", ejson.StringValue("x"))
		path := genPath(t)
		v := genValue(t, 2)
		apply := func(d ejson.Doc, mod string) (ejson.Doc, bool) {
			m, err := query.CompileModifier([]byte(mod))
			if err != nil {
				t.Fatalf("%s: %v", mod, err)
			}
			raw := d.Raw()
			out, err := m.Apply(d)
			if d.Raw() != raw {
				t.Fatalf("%s changed %s", mod, d)
			}
			if err != nil && out != d {
				t.Fatalf("%s of %s: %v, and %s", mod, d, err, out)
			}
			return out, err == nil
		}
		set := fmt.Sprintf(`{"$set":{%q:%s}}`, path, v)
		after, ok := apply(d, set)
		if !ok {
			return
		}
		if got := after.Path(path); !got.Equal(v) {
			t.Fatalf("%s of %s gives %s, with %s at the path", set, d, after, got)
		}
		if again, ok := apply(after, set); !ok || again != after {
			t.Fatalf("%s twice: %s, then %s", set, after, again)
		}
		gone, ok := apply(after, fmt.Sprintf(`{"$unset":{%q:1}}`, path))
		if left := gone.Path(path); !ok || left.Kind() > ejson.Null {
			t.Fatalf("$unset of %q in %s: %s", path, after, gone)
		}
		// What is set and what is to be found agree, whatever plan or list is
		// in between; NaN equals itself. Lists are not told from their elements.
		if v.Kind() != ejson.RegexpKind {
			if m := mustCompileT(t, fmt.Sprintf(`{%q:{"$eq":%s}}`, path, v)); !m.Match(after) {
				t.Fatalf("%s, and %s does not match %s", set, after, m.Selector())
			}
		}
		list, ok := apply(after, fmt.Sprintf(`{"$set":{%q:[1,2]}}`, path))
		if !ok {
			t.Fatalf("$set of a list in %s", after)
		}
		longer, ok := apply(list, fmt.Sprintf(`{"$push":{%q:%s}}`, path, v))
		if back, ok2 := apply(longer, fmt.Sprintf(`{"$pop":{%q:1}}`, path)); !ok || !ok2 || !back.Equal(list) {
			t.Fatalf("$push and $pop of %s: %s, %s", list, longer, back)
		}
		if v.Kind() == ejson.Object || v.Kind() == ejson.RegexpKind {
			return // $pull takes them for conditions
		}
		if pulled, ok := apply(longer, fmt.Sprintf(`{"$pull":{%q:%s}}`, path, v)); !ok || pulled.Path(path).Array().Len() > 2 {
			t.Fatalf("$pull of %s from %s: %s", v, longer, pulled)
		}
	})
}

func mustCompileT(t *rapid.T, sel string) *query.Matcher {
	m, err := query.Compile([]byte(sel))
	if err != nil {
		t.Fatalf("%s: %v", sel, err)
	}
	return m
}
