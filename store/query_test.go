package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

func TestExplain(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	if _, err := c.InsertMany(dataSet(3000, 3)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q      Query[ejson.Doc]
		access query.Access
		index  string
		sorted bool
		filter bool
	}{
		{c.Find(nil), query.ByScan, "", true, false},
		{c.Find("x"), query.ByID, "", true, false},
		{c.Find(m{"author": "author0007"}), query.ByIndex, "author", true, false},
		{c.Find(m{"author": "author0007", "flag": true}), query.ByIndex, "author", true, true},
		{c.Find(m{"room": "room07"}).Sort("-ts").Limit(20), query.ByIndex, "room,ts", true, false},
		{c.Find(m{"room": "room07"}).Sort("-score").Limit(20), query.ByIndex, "room,ts", false, false},
		{c.Find(m{"flag": true}), query.ByScan, "", true, true},
	} {
		p, err := tt.q.Explain()
		if err != nil {
			t.Fatal(err)
		}
		if p.Access != tt.access || p.Index != tt.index || p.Filter != tt.filter || tt.q.sort != nil && p.Sorted != tt.sorted {
			t.Errorf("%v sort %v: %v (%+v)", tt.q.selector, tt.q.sort, p, p)
		}
		if p.String() == "" || tt.index != "" && !strings.Contains(p.String(), tt.index) {
			t.Errorf("a plan prints as %q", p.String())
		}
	}
	for _, tt := range []struct {
		q        Query[ejson.Doc]
		examined func(int) bool
		returned int
	}{
		{c.Find(nil), func(n int) bool { return n == 3000 }, 3000},
		{c.Find(nil).Limit(7), func(n int) bool { return n == 7 }, 7},
		{c.Find(m{"n": 17}), func(n int) bool { return n == 3000 }, 1},
		{c.Find(nil).Sort("-n").Limit(5), func(n int) bool { return n == 3000 }, 5},
		{c.Find(m{"room": "room07"}).Sort("-ts").Limit(2), func(n int) bool { return n == 3 }, 2},
		{c.Find("x"), func(n int) bool { return n == 0 }, 0},
		{s.Collection("nowhere").Find(nil), func(n int) bool { return n == 0 }, 0},
	} {
		e, err := tt.q.ExplainRun()
		if err != nil || !tt.examined(e.Examined) || e.Returned != tt.returned || e.Cost > 3000 {
			t.Errorf("%v sort %v: %v: examined %d, returned %d, %v", tt.q.selector, tt.q.sort, e.Plan, e.Examined, e.Returned, err)
		}
	}
	if got := c.Indexes(); len(got) != 2 || got[0].Name != "author" || got[1].Size != 3000 || got[0].Distinct < 800 {
		t.Errorf("indexes %+v", got)
	}
	if p, err := s.Collection("nowhere").Find(m{"a": 1}).Explain(); err != nil || p.Access != query.ByScan {
		t.Errorf("%v %v", p, err)
	}
}

// TestPlansAreRenewed uses one Query while what its plan was made for changes.
func TestPlansAreRenewed(t *testing.T) {
	s := New(Options{})
	c := s.Collection("a")
	q := c.Find(m{"k": 3}).Sort("-k", "c")
	want := func(access query.Access, n int) {
		t.Helper()
		p, err := q.Explain()
		docs, err2 := q.All()
		if err != nil || err2 != nil || p.Access != access || len(docs) != n {
			t.Fatalf("%v: %d documents, want %d (%v, %v)", p, len(docs), n, err, err2)
		}
		if got, err := q.Count(); got != n || err != nil {
			t.Fatalf("count %d, want %d", got, n)
		}
	}
	want(query.ByScan, 0)
	var docs []ejson.Doc
	for i := range 400 {
		docs = append(docs, ejson.Make(ejson.Field{Name: "k", Value: i % 20}, ejson.Field{Name: "c", Value: i}))
	}
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	want(query.ByScan, 20)
	old := s.Snapshot()
	if err := c.Index("k"); err != nil {
		t.Fatal(err)
	}
	want(query.ByIndex, 20)
	if p, err := q.At(old).Explain(); err != nil || p.Access != query.ByScan {
		t.Fatalf("an old snapshot has the new index: %v", p)
	}
	// The index becomes one of several keys a document while the plan is kept.
	if _, err := c.InsertOne(ejson.Make(ejson.Field{Name: "k", Value: ejson.MakeArray(3, 3, 4)})); err != nil {
		t.Fatal(err)
	}
	want(query.ByIndex, 21)
	if err := c.DropIndex("k"); err != nil {
		t.Fatal(err)
	}
	want(query.ByScan, 21)
}

func TestQueryIsImmutable(t *testing.T) {
	_, c := bank(t)
	q := c.Find(nil)
	sorted, limited := q.Sort("balance"), q.Limit(1)
	if docs, _ := sorted.All(); len(docs) != 2 || docs[0].ID().String() != "b" {
		t.Errorf("sorted %v", docs)
	}
	if docs, _ := limited.All(); len(docs) != 1 || docs[0].ID().String() != "a" {
		t.Errorf("limited %v", docs)
	}
	if docs, _ := q.SortSpec(m{"balance": 1}).Skip(1).Fields("balance").All(); len(docs) != 1 || docs[0] != account("a", 100) {
		t.Errorf("spec %v", docs)
	}
	if docs, _ := q.FieldsSpec(m{"balance": 0}).All(); len(docs) != 2 || docs[0].Len() != 1 {
		t.Errorf("fields %v", docs)
	}
	if d, err := sorted.One(); err != nil || d.ID().String() != "b" {
		t.Errorf("one %v %v", d, err)
	}
	sp, err := sorted.Limit(1).Spec()
	if err != nil || sp.Collection != "accounts" || sp.Sorter == nil || sp.Limit != 1 {
		t.Fatalf("spec %+v %v", sp, err)
	}
	for slot, d := range sp.Run(c.Store().Snapshot()) {
		if slot != 1 || d != account("b", 0) {
			t.Errorf("slot %d: %v", slot, d)
		}
	}
	for d, err := range q.Each() {
		if err != nil || d.ID().String() != "a" {
			t.Error(d, err)
		}
		break
	}
}

// TestHint makes queries take ways that they would not.
func TestHint(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	if _, err := c.InsertMany(dataSet(3000, 3)); err != nil {
		t.Fatal(err)
	}
	q := c.Find(m{"author": "author0007", "room": m{"$gte": "room50"}})
	want, err := q.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		hint   any
		access query.Access
		index  string
	}{
		{nil, query.ByIndex, "author"},
		{"author", query.ByIndex, "author"},
		{"room,ts", query.ByIndex, "room,ts"},
		{[]string{"room", "ts"}, query.ByIndex, "room,ts"},
		{m{"author": 1}, query.ByIndex, "author"},
		{"$natural", query.ByScan, ""},
		{m{"$natural": 1}, query.ByScan, ""},
	} {
		hinted := q.Hint(tt.hint)
		p, err := hinted.Explain()
		if err != nil || p.Access != tt.access || p.Index != tt.index {
			t.Errorf("hint %v: %v (%v)", tt.hint, p, err)
		}
		if got, err := hinted.All(); !slices.Equal(got, want) || err != nil {
			t.Errorf("hint %v: %d documents, want %d (%v)", tt.hint, len(got), len(want), err)
		}
	}
	wrong := q.Hint("nowhere")
	_, err1 := wrong.All()
	_, err2 := wrong.Count()
	_, err3 := wrong.Distinct("room")
	_, err4 := wrong.ExplainRun()
	_, err5 := wrong.One()
	_, err6 := s.Collection("empty").Find(nil).Hint("nowhere").All()
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if he := new(query.HintError); !errors.As(err, &he) || he.Hint != "nowhere" {
			t.Errorf("hint of no index: %v", err)
		}
	}
	if _, err := q.Hint(7).All(); err == nil {
		t.Error("a hint may be a number")
	}
	// Who runs a Spec gets the same result, hint or not.
	sp, err := wrong.Spec()
	if err != nil {
		t.Fatal(err)
	}
	var got []ejson.Doc
	for _, d := range sp.Run(s.Snapshot()) {
		got = append(got, d)
	}
	if !slices.Equal(got, want) {
		t.Errorf("a Spec with a hint of no index: %d documents, want %d", len(got), len(want))
	}
}

// TestUnion answers an $or by several indexes and ids.
func TestUnion(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	docs := dataSet(3000, 3)
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	id := docs[17].ID().String()
	sel := m{"$or": []any{m{"author": "author0007"}, m{"room": "room07"}, m{"_id": id}, m{"author": "author0008"}}}
	for _, q := range []Query[ejson.Doc]{
		c.Find(sel), c.Find(sel).Sort("-n"), c.Find(sel).Skip(3).Limit(5), c.Find(sel).Sort("text").Limit(3),
		c.Find(m{"$or": sel["$or"], "flag": true}), c.Find(m{"$or": sel["$or"], "flag": true}).Limit(4),
	} {
		e, err := q.ExplainRun()
		if err != nil || q.limit == 0 && (e.Access != query.ByUnion || e.Examined > 60) {
			t.Errorf("%v: examined %d (%v)", e.Plan, e.Examined, err)
		}
		got, err := q.All()
		want, err2 := q.Hint("$natural").All()
		if !slices.Equal(got, want) || len(got) != e.Returned || err != nil || err2 != nil {
			t.Errorf("%v: %d documents, want %d (%v, %v)", e.Plan, len(got), len(want), err, err2)
		}
		if n, err := q.Count(); n != len(want) || err != nil {
			t.Errorf("%v: counts %d, want %d (%v)", e.Plan, n, len(want), err)
		}
	}
}

// TestCoveredCount counts without a look at a document.
func TestCoveredCount(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	if err := c.Index("tags"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertMany(dataSet(3000, 3)); err != nil {
		t.Fatal(err)
	}
	for _, sel := range []any{
		nil, m{"author": "author0007"}, m{"room": "room07"}, m{"room": m{"$in": []any{"room07", "room08"}}},
		m{"author": m{"$gt": "author05"}}, m{"$or": []any{m{"author": "author0007"}, m{"room": "room07"}}},
		m{"tags": m{"$in": []any{"tag07", "tag08"}}}, m{"room": "room07", "ts": m{"$gt": time.UnixMilli(1_700_500_000_000)}},
		m{"flag": true}, m{"author": "nobody"},
	} {
		q := c.Find(sel)
		sp, err := q.Spec()
		if err != nil {
			t.Fatal(err)
		}
		v := s.Snapshot().version("messages")
		p := sp.countPlan(v)
		_, covered := p.count(v)
		if _, open := sel.(m); open && covered != (sel.(m)["flag"] == nil) {
			t.Errorf("%v by %v: covered %v", sel, p.Plan, covered)
		}
		want, err := q.Hint("$natural").All()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 5, 10_000} {
			rest := max(len(want)-n, 0)
			if got, err := q.Skip(n).Count(); got != rest || err != nil {
				t.Errorf("%v skip %d: %d, want %d (%v)", sel, n, got, rest, err)
			}
			if n > 0 {
				rest = min(rest, n)
			}
			if got, err := q.Skip(n).Limit(n).Sort("n").Count(); got != rest || err != nil {
				t.Errorf("%v skip and limit %d: %d, want %d (%v)", sel, n, got, rest, err)
			}
		}
	}
}

// TestDistinct asks for values with and without an index that has them.
func TestDistinct(t *testing.T) {
	s := New(Options{})
	c := s.Collection("docs")
	for i, text := range []string{
		`{"k":2}`, `{}`, `{"k":null}`, `{"k":[3,1,[2]]}`, `{"k":1}`, `{"k":[]}`, `{"k":"x"}`, `{"k":2}`, `{"k":[2,"y"]}`, `{}`,
	} {
		d, err := ejson.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.InsertOne(d.WithID(ejson.StringID(fmt.Sprint(i)))); err != nil {
			t.Fatal(err)
		}
	}
	const want = `[2 null 3 1 [2] "x" "y"]`
	for _, keys := range [][]string{nil, {"k"}, {"-k"}} {
		if keys != nil {
			if err := c.Index(keys...); err != nil {
				t.Fatal(err)
			}
		}
		if vs, err := c.Find(nil).Distinct("k"); fmt.Sprint(vs) != want || err != nil {
			t.Errorf("with index %v: %v (%v), want %s", keys, vs, err, want)
		}
		if keys != nil {
			if err := c.DropIndex(keys...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if vs, err := c.Find(m{"k": m{"$gt": 1}}).Sort("-_id").Limit(2).Distinct("k"); fmt.Sprint(vs) != `[2 "y"]` || err != nil {
		t.Errorf("of a query: %v (%v)", vs, err)
	}
	if vs, err := s.Collection("nowhere").Find(nil).Distinct("k"); vs != nil || err != nil {
		t.Errorf("of no collection: %v (%v)", vs, err)
	}
	if _, err := c.Find(nil).Distinct(strings.Repeat("a.", 1000)); err == nil {
		t.Error("a path of a thousand names is fine")
	}
}
