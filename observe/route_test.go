package observe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

func TestIntervalsAgainstList(t *testing.T) {
	var check func(iv *interval) reach
	check = func(iv *interval) reach {
		far := iv.high
		for _, kid := range []*interval{iv.left, iv.right} {
			if kid != nil {
				far = far.max(check(kid))
			}
		}
		if iv.below != far {
			t.Fatalf("ranges that reach %q are said to reach %q", far, iv.below)
		}
		return far
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	var s intervals
	var twin []*interval
	for step := range 4000 {
		if len(twin) == 0 || r.IntN(100) < 50+step/1000*3 && len(twin) < 300 {
			iv := &interval{low: fmt.Sprintf("%02d", r.IntN(50)), res: &result{}, id: uint64(step)}
			if r.IntN(5) > 0 {
				iv.high = reach(fmt.Sprintf("%02d", r.IntN(60)))
			}
			s.add(iv)
			twin = append(twin, iv)
		} else {
			i := r.IntN(len(twin))
			s.remove(twin[i])
			twin = slices.Delete(twin, i, i+1)
		}
		key := fmt.Sprintf("%02d", r.IntN(60))
		found := map[*result]int{}
		for _, hit := range s.root.find(nil, key, true) {
			found[hit.res]++
		}
		for _, iv := range twin {
			want := 0
			if iv.low <= key && (iv.high == "" || key < string(iv.high)) {
				want = 1
			}
			if found[iv.res] != want {
				t.Fatalf("%s in [%s, %s): found %d times", key, iv.low, iv.high, found[iv.res])
			}
		}
		if s.root != nil {
			check(s.root)
		}
		if n := len(s.root.all(nil)); n != len(twin) {
			t.Fatalf("%d intervals, want %d", n, len(twin))
		}
	}
}

// TestRouterMissesNothing: whatever a document that matches had or has, its
// result is found. That others are not, where the selector allows it, is counted. What
// is sure of an exact result is what its selector says.
func TestRouterMissesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newWorld(seed)
	var ro router
	var results []*result
	for range 200 {
		sel := w.selector()
		switch w.IntN(5) {
		case 2:
			sel = object{"$or": []any{
				object{"_id": w.id()}, object{"o.p": w.IntN(3), "n": object{"$gt": 3}},
				object{"$or": []any{object{"n": object{"$gt": 6}}, object{"tags": "t2", "room": w.room()}}},
			}}
		case 0:
			low := w.IntN(8)
			sel = object{"n": object{"$gte": low, "$lt": low + 1 + w.IntN(3)}}
		case 1:
			sel = object{"tags": object{"$gte": "t0", "$lt": "t2"}, "o.q": object{"$gt": 10 * w.IntN(10)}}
		}
		m, err := query.Compile(sel)
		if err != nil {
			t.Fatal(err)
		}
		r := &result{matcher: m}
		ro.add(r)
		results = append(results, r)
	}
	asked, met := 0, 0
	for range 3000 {
		c := store.Change{Collection: "things", ID: ejson.StringID(w.id())}
		id, _ := c.ID.Value().Any().(string)
		if w.IntN(4) > 0 {
			c.Before = w.doc(id)
		}
		if w.IntN(4) > 0 || c.Before.IsZero() {
			c.After = w.doc(id)
		}
		found := map[*result]bool{} // and whether one was sure
		for _, hit := range ro.route(nil, &c) {
			found[hit.res] = found[hit.res] || hit.sure
		}
		for _, r := range results {
			asked++
			sure, has := found[r]
			if has {
				met++
			}
			was := !c.Before.IsZero() && r.matcher.Match(c.Before)
			is := !c.After.IsZero() && r.matcher.Match(c.After)
			if !has && (was || is) {
				t.Fatalf("%v is not found for %v → %v", r.matcher.Selector(), c.Before, c.After)
			}
			if sure && r.exact && (was == c.Before.IsZero() || is == c.After.IsZero()) {
				t.Fatalf("%v is sure of %v → %v, and matches: %v, %v", r.matcher.Selector(), c.Before, c.After, was, is)
			}
		}
	}
	if met*10 > asked*7 {
		t.Errorf("of %d questions %d were asked", asked, met)
	}
	for _, r := range results {
		ro.remove(r)
	}
	if len(ro.fields)+len(ro.byID)+len(ro.asked.seats) != 0 {
		t.Errorf("the router still has %v", ro)
	}
}

// TestRouterKeepsPlaces: a value is forgotten with the last result that pins it,
// and a result that its branches find is not asked besides.
func TestRouterKeepsPlaces(t *testing.T) {
	var ro router
	add := func(sel object) *result {
		m, err := query.Compile(sel)
		if err != nil {
			t.Fatal(err)
		}
		r := &result{matcher: m}
		ro.add(r)
		return r
	}
	first, second := add(object{"n": 1}), add(object{"n": object{"$in": []any{1, 2}}})
	both := add(object{"$or": []any{object{"n": 3}, object{"_id": "x"}}})
	values := ro.fields[0].values
	for _, step := range []struct {
		drop   *result
		values int
	}{{nil, 3}, {second, 2}, {both, 1}, {first, 0}} {
		if step.drop != nil {
			ro.remove(step.drop)
		}
		if len(values) != step.values || len(ro.asked.seats) != 0 {
			t.Errorf("%d values pinned, want %d; %d results asked", len(values), step.values, len(ro.asked.seats))
		}
	}
}

// TestExact: which selectors ask for nothing but what they are found by, and when that
// is sure of a document.
func TestExact(t *testing.T) {
	is := func(v any) ejson.Doc {
		return ejson.Make(ejson.Field{Name: "_id", Value: "i"}, ejson.Field{Name: "a", Value: v})
	}
	list := ejson.MakeArray(1, 9)
	for _, c := range []struct {
		selector      object
		before, after ejson.Doc
		exact, sure   bool
	}{
		{object{"a": 1}, is(1), is(1), true, true},
		{object{"a": object{"$eq": 1}}, ejson.Doc{}, is(1), true, true},
		{object{"a": object{"$in": []any{1, 2}}}, is(2), ejson.Doc{}, true, true},
		{object{"a": object{"$in": []any{1, 2}}}, is(1), is(2), true, false},
		{object{"a": object{"$gt": 0, "$lt": 5}}, is(1), is(1), true, true},
		{object{"_id": "i"}, is(1), is(2), true, true},
		{object{"a": 1}, is(list), is(list), true, false},
		{object{"a": object{"$lt": 5}}, is(list), is(list), true, false},
		{object{"a": 1}, is(1), is(list), true, false},
		{object{"a": 1, "b": 2}, is(1), is(1), false, true},
		{object{"_id": "i", "a": 1}, is(1), is(1), false, true},
		{object{"a": object{"$eq": 1, "$ne": 2}}, is(1), is(1), false, true},
		{object{"a": object{"$all": []any{1, 2}}}, is(1), is(1), false, true},
		{object{"$and": []any{object{"a": 1}, object{"b": 1}}}, is(1), is(1), false, true},
		{object{"$or": []any{object{"a": 1, "b": 1}, object{"_id": "x"}}}, is(1), is(1), false, true},
	} {
		m, err := query.Compile(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		var ro router
		r := &result{matcher: m}
		ro.add(r)
		sure := false
		hits := ro.route(nil, &store.Change{ID: ejson.StringID("i"), Before: c.before, After: c.after})
		for _, hit := range hits {
			sure = sure || hit.sure
		}
		if len(hits) == 0 || r.exact != c.exact || sure != c.sure {
			t.Errorf("%v, %v → %v: %d hits, exact %v, sure %v", c.selector, c.before, c.after, len(hits), r.exact, sure)
		}
	}
}

// TestWays: which way is found for a selector.
func TestWays(t *testing.T) {
	or := func(branches ...any) object { return object{"$or": branches} }
	many := make([]any, mostPlaces+1)
	for i := range many {
		many[i] = object{"a": i, "b": i}
	}
	for _, c := range []struct {
		selector object
		want     string
	}{
		{or(object{"a": 1}, object{"b": 2, "c": 3}), "by a, 1 value, or by b, 1 value"},
		{or(object{"a": object{"$in": []any{1, 2}}}, object{"b": object{"$gt": 2, "$lt": 5}}), "by a, 2 values, or by b, 1 range"},
		{object{"$and": []any{object{"x": object{"$ne": 1}}, or(object{"_id": "i"}, object{"b": 2})}}, "by _id, 1 value, or by b, 1 value"},
		{or(object{"a": 1}, or(object{"b": 1}, object{"c": 1})), "by a, 1 value, or by b, 1 value, or by c, 1 value"},
		{object{"d": 4, "$or": []any{object{"a": 1}, object{"b": 2}}}, "by d, 1 value"},
		{or(object{"a": 1}, object{"b": object{"$ne": 2}}), "asked about every change"},
		{or(object{"a": 1}, object{"b": nil}), "by a, 1 value, or by b, 1 range"},
		{object{"$nor": []any{object{"a": 1}}}, "asked about every change"},
		{or(many...), "asked about every change"},
		{object{"$and": []any{or(object{"a": 1}, object{"b": object{"$ne": 2}}), or(object{"c": 1}, object{"d": 1})}}, "by c, 1 value, or by d, 1 value"},
	} {
		m, err := query.Compile(c.selector)
		if err != nil {
			t.Fatal(err)
		}
		if got := wayOf(m).String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.selector, got, c.want)
		}
	}
}
