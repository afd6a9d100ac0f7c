package store

import (
	"strings"
	"testing"

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
