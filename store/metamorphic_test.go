package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// The same question has the same answer however it is put and however it is found.

// drawParts draws a selector as a list of selectors that must all hold.
func drawParts(t *rapid.T) []any {
	n := func(label string) int { return rapid.IntRange(0, 4).Draw(t, label) }
	var parts []any
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		var p any
		switch rapid.IntRange(0, 10).Draw(t, "part") {
		case 0:
			p = m{"a": n("a")}
		case 1:
			p = m{"b": m{"$in": []any{n("b"), "x", nil}}}
		case 2:
			p = m{"a": m{"$gte": n("low"), "$lt": n("high")}}
		case 3:
			p = m{"$or": []any{m{"a": n("a")}, m{"c": m{"$lt": 100 * n("c")}}}}
		case 4:
			p = m{"$or": []any{m{"b": n("b")}, m{"_id": m{"$in": []any{drawID(t), drawID(t)}}}, m{"b": m{"$gt": "x"}}}}
		case 5:
			p = m{"b": m{"$regex": "^x"}}
		case 6:
			p = m{"b": m{"$exists": rapid.Bool().Draw(t, "exists")}}
		case 7:
			p = m{"b": m{"$elemMatch": m{"$gt": n("low"), "$lte": n("high")}}}
		case 8:
			p = m{"a": m{"$ne": n("a")}}
		case 9:
			p = m{"$or": []any{m{"a": n("a"), "b": n("b")}, m{"a": n("a"), "c": m{"$gte": 500}}}}
		case 10:
			p = m{"c": m{"$gt": 250 * n("c")}, "a": m{"$exists": true}}
		}
		parts = append(parts, p)
	}
	return parts
}

// saidOtherwise returns selectors that mean the same as all parts together.
func saidOtherwise(parts []any, r *rand.Rand) []any {
	if len(parts) == 0 {
		return []any{nil, m{}, m{"$nor": []any{m{"$nor": []any{m{}}}}}}
	}
	shuffled := slices.Clone(parts)
	r.Shuffle(len(parts), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var denied []any
	for _, p := range parts {
		denied = append(denied, m{"$nor": []any{p}})
	}
	same := []any{
		m{"$and": parts},
		m{"$and": append(shuffled, shuffled[0])},
		m{"$or": []any{m{"$and": parts}, m{"$and": shuffled}}},
		m{"$nor": denied},
		m{"$nor": []any{m{"$nor": []any{m{"$and": parts}}}}},
	}
	if len(parts) == 1 {
		same = append(same, parts[0])
		for path, cond := range parts[0].(m) {
			if c, ok := cond.(m); ok && len(parts[0].(m)) == 1 {
				same = append(same, m{path: m{"$not": m{"$not": c}}})
			}
		}
	}
	return same
}

// waysOf returns every way to find an answer: the planner's, by a scan, and by each
// index.
func waysOf(c Collection[ejson.Doc]) []string {
	ways := []string{"", "$natural", "_id_"}
	for _, x := range c.Indexes() {
		ways = append(ways, x.Name)
	}
	return ways
}

func TestSameQuestionSameAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{})
		c := s.Collection("docs")
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			d := drawDoc(t, drawID(t))
			_, err := s.Update(func(tx *Tx) error {
				if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
					tx.Delete("docs", d.ID())
					return nil
				}
				return tx.Put("docs", d)
			})
			if err != nil && !errors.Is(err, ErrDuplicateKey) {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 19).Draw(t, "index now") == 0 {
				drawIndex(t, c)
			}
		}
		parts, sort := drawParts(t), drawSort(t)
		skip, limit := rapid.IntRange(0, 3).Draw(t, "skip"), rapid.IntRange(0, 6).Draw(t, "limit")
		path := rapid.SampledFrom([]string{"a", "b", "_id"}).Draw(t, "path")
		same := saidOtherwise(parts, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))

		first := c.Find(same[0]).Sort(sort...).Skip(skip).Limit(limit).Hint("$natural")
		want, err := first.All()
		if err != nil {
			t.Fatal(err)
		}
		values, err := first.Distinct(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, sel := range same {
			for _, way := range waysOf(c) {
				q := c.Find(sel).Sort(sort...).Skip(skip).Limit(limit).Hint(way)
				got, err := q.All()
				if lacks := new(query.HintError); errors.As(err, &lacks) && lacks.Lacks {
					continue
				}
				if err != nil {
					t.Fatalf("%v by %q: %v", sel, way, err)
				}
				plan, _ := q.Explain()
				if !slices.Equal(got, want) {
					t.Fatalf("%v sort %v skip %d limit %d hint %q by %v:\n got %v\nwant %v", sel, sort, skip, limit, way, plan, got, want)
				}
				if n, err := q.Count(); n != len(want) || err != nil {
					t.Fatalf("%v hint %q by %v: counts %d, want %d (%v)", sel, way, plan, n, len(want), err)
				}
				if vs, err := q.Distinct(path); !slices.EqualFunc(vs, values, ejson.Value.Equal) || err != nil {
					t.Fatalf("%v hint %q by %v: distinct %s %v, want %v (%v)", sel, way, plan, path, vs, values, err)
				}
			}
		}
	})
}

// drawIndex adds an index of some kind, if the documents that there are allow it.
func drawIndex(t *rapid.T, c Collection[ejson.Doc]) {
	o := IndexOptions{Keys: rapid.SampledFrom(twinIndexes).Draw(t, "index")}
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		o.Sparse = true
	case 1:
		o.Partial = rapid.SampledFrom([]any{
			m{"a": m{"$gte": 2}}, m{"b": m{"$exists": true}}, m{"c": m{"$gt": 300}}, m{"b": "x"},
		}).Draw(t, "partial")
	case 2:
		o.Unique = true
	case 3:
		o.Unique, o.Sparse = true, true
	}
	o.Name = fmt.Sprint(o)
	if err := c.EnsureIndex(o); err != nil && !errors.Is(err, ErrDuplicateKey) && !errors.Is(err, ErrIndexConflict) {
		t.Fatal(err)
	}
}
