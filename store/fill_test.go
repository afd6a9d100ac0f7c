package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestFillSorts fills indexes with keys that are hard to tell apart: that have much
// alike, end within one another, hold zeros, or come often.
func TestFillSorts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(letters string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	shared := strings.Repeat("the same ", 9)
	for name, key := range map[string]func(i int) any{
		"short":        func(int) any { return pick("ab", r.IntN(4)) },
		"zeros":        func(int) any { return pick("\x00\x01a", r.IntN(20)) },
		"long":         func(int) any { return pick("ab", 10+r.IntN(60)) },
		"nested":       func(int) any { return shared[:r.IntN(len(shared))] },
		"late":         func(int) any { return shared + pick("abc", r.IntN(40)) },
		"late or not":  func(i int) any { return shared[:9*(i%8)] + pick("ab", r.IntN(3)) },
		"runs":         func(i int) any { return fmt.Sprintf("%040d", i/70) },
		"one":          func(int) any { return shared },
		"numbers":      func(int) any { return r.NormFloat64() },
		"lists":        func(int) any { return []any{pick("ab", 20), r.IntN(50), pick("ab", 2)} },
		"mixed":        func(i int) any { return []any{i % 3, shared, nil, pick("ab", i%30), true}[i%5] },
		"none, at all": func(int) any { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			def, err := plain([]string{"key", "-n"})
			if err != nil {
				t.Fatal(err)
			}
			grown := newIndex(def)
			var p pages
			w := builder{x: grown}
			for i := range 1500 {
				d := ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint(i)}, ejson.Field{Name: "key", Value: key(i)}, ejson.Field{Name: "n", Value: r.IntN(3)})
				p.set(uint64(2*i), d, 1)
				grown.change(&Change{Slot: uint64(2 * i), After: d}, 1, &w)
			}
			built := buildIndexes([]*definition{def}, &p)[0]
			if grown.multi != built.multi {
				t.Errorf("%d documents with several keys, want %d", built.multi, grown.multi)
			}
			checkIndex(t, built, entriesOf(t, grown, "", ""), r)
		})
	}
}

// TestLoadKnowsIndexes loads definitions before, between and after the documents
// that they are of: the indexes are the same.
func TestLoadKnowsIndexes(t *testing.T) {
	from := New(Options{Journal: &journal{}})
	c := from.Collection("messages")
	if _, err := c.InsertMany(dataSet(2000, 6)); err != nil {
		t.Fatal(err)
	}
	withIndexes(t, c)
	var docs, defs []Record
	for slot, d := range from.Snapshot().Each("messages") {
		docs = append(docs, Record{"messages", slot, d})
	}
	for slot, d := range from.Snapshot().Each(indexCollection) {
		defs = append(defs, Record{indexCollection, slot, d})
	}
	if len(defs) != 2 {
		t.Fatalf("%d definitions", len(defs))
	}
	want := from.Snapshot().version("messages")
	for name, list := range map[string][][]Record{
		"before":  {defs, docs},
		"after":   {docs, defs},
		"between": {defs[:1], docs[:900], defs[1:], docs[900:]},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{})
			var all []Record
			for _, part := range list {
				all = append(all, part...)
			}
			if err := s.Load(7, listed(all...)); err != nil {
				t.Fatal(err)
			}
			v := s.Snapshot().version("messages")
			if len(v.indexes) != len(want.indexes) {
				t.Fatalf("%d indexes", len(v.indexes))
			}
			r := rand.New(rand.NewPCG(1, 2))
			for i, x := range v.indexes {
				if x.name != want.indexes[i].name {
					t.Errorf("index %d is %s, want %s", i, x.name, want.indexes[i].name)
				}
				checkIndex(t, x, entriesOf(t, want.indexes[i], "", ""), r)
			}
		})
	}
}
