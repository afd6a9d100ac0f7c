package query_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// entry is what an index keeps: a key, and where the document is.
type entry struct {
	key  string
	slot int
}

// ordered is an index in memory, as simple as can be.
type ordered struct {
	query.Index
	entries []entry
}

func buildIndex(docs []ejson.Doc, keys []string, o query.IndexOptions) (*ordered, error) {
	k, err := query.CompileIndexWith(keys, o)
	if err != nil {
		return nil, err
	}
	ix := &ordered{Index: query.Index{Name: k.Name(), Key: k}}
	distinct := make(map[string]bool)
	for slot, d := range docs {
		list, multikey := k.Append(nil, d)
		ix.Multikey = ix.Multikey || multikey
		for _, key := range list {
			ix.entries = append(ix.entries, entry{string(key), slot})
			distinct[string(key)] = true
		}
	}
	slices.SortFunc(ix.entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.slot, b.slot))
	})
	ix.Size, ix.Distinct = len(ix.entries), len(distinct)
	return ix, nil
}

// world is documents and the indexes on them.
type world struct {
	docs    []ejson.Doc
	indexes map[string]*ordered
}

// candidates returns the slots that a plan finds, in its order.
func (w *world) candidates(p query.Plan) []int {
	var slots []int
	switch p.Access {
	case query.ByScan:
		for i := range w.docs {
			slots = append(slots, i)
		}
	case query.ByID:
		for i, d := range w.docs {
			if slices.Contains(p.IDs, d.ID()) {
				slots = append(slots, i)
			}
		}
	case query.ByIndex:
		slots = w.indexes[p.Index].walk(p)
	case query.ByUnion:
		for _, part := range p.Parts {
			slots = append(slots, w.candidates(part)...)
		}
	}
	return slots
}

// walk returns the slots within the bounds of a plan, in its order.
func (ix *ordered) walk(p query.Plan) []int {
	var slots []int
	for _, b := range p.Bounds {
		for _, e := range ix.entries {
			if e.key >= b.Low && (b.High == "" || e.key < b.High) {
				slots = append(slots, e.slot)
			}
		}
	}
	if p.Reverse {
		slices.Reverse(slots)
	}
	return slots
}

// TestPlanAnswersAsScan: whatever plan is chosen, by itself or with one index
// alone, it finds what a scan finds, and in the order it promises.
func TestPlanAnswersAsScan(t *testing.T) {
	met := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		w := world{docs: genDocs(t, 12), indexes: make(map[string]*ordered)}
		text := genSelector(t, 1)
		var all []query.Index
		for range rapid.IntRange(1, 3).Draw(t, "indexes") {
			keys, o := genKeys(t, 3), query.IndexOptions{}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				o.Sparse = true
			case 1:
				filter := genSelector(t, 1)
				if rapid.Bool().Draw(t, "implied") {
					text = `{"$and":[` + text + `,` + filter + `]}`
				}
				o.Partial = mustCompile(t, []byte(filter))
			}
			if len(keys) == 0 {
				continue
			}
			ix, err := buildIndex(w.docs, keys, o)
			if err != nil {
				t.Fatal(err)
			}
			ix.Name = string(rune('A' + len(all)))
			w.indexes[ix.Name] = ix
			all = append(all, ix.Index)
		}
		if len(all) > 1 && rapid.Bool().Draw(t, "cases") {
			var parts []string
			for range rapid.IntRange(1, 4).Draw(t, "parts") {
				path := strings.TrimPrefix(rapid.SampledFrom(all).Draw(t, "by").Key.Keys()[0], "-")
				parts = append(parts, fmt.Sprintf(`{%q:%s}`, path, genCondition(t)))
			}
			text = `{"$or":[` + strings.Join(parts, ",") + `],"$and":[` + text + `]}`
		}
		m := mustCompile(t, []byte(text))
		s, err := query.CompileSort(genKeys(t, 2)...)
		if err != nil {
			t.Fatal(err)
		}
		need := rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "need")
		check := func(p query.Plan) {
			met[p.Access.String()]++
			if ix := w.indexes[p.Index]; ix != nil && ix.Key.Options() != (query.IndexOptions{}) {
				met["by a sparse or partial index"]++
			}
			w.check(t, p, m, s, text)
		}
		check(query.Choose(m, s, need, all))
		for i, ix := range all {
			// An index looks better than it is, so that it is taken.
			ix.Size, ix.Distinct = 1000, 1000
			all[i] = ix
			check(query.Choose(m, s, 1, all[i:i+1]))
			if p, err := query.ChooseWith(m, s, need, all, query.Options{Hint: ix.Name}); err == nil {
				check(p)
			}
		}
		p, err := query.ChooseWith(m, s, need, all, query.Options{Docs: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		check(p)
	})
	t.Log(met)
}

func (w *world) check(t *rapid.T, p query.Plan, m *query.Matcher, s *query.Sorter, text string) {
	docs := w.docs
	var want []int
	for i, d := range docs {
		if m.Match(d) {
			want = append(want, i)
		}
	}
	slots := w.candidates(p)
	if p.Exact() && len(slots) != len(want) {
		t.Fatalf("plan %s of %s is exact, and has %d candidates for %d", p, text, len(slots), len(want))
	}
	for _, part := range p.Parts {
		if found := w.candidates(part); part.Access != query.ByIndex && part.Access != query.ByID || !part.Repeats && len(found) != len(distinct(found)) {
			t.Fatalf("plan %s of %s: a part finds %v", p, text, found)
		}
	}
	seen := make(map[int]bool)
	slots = slices.DeleteFunc(slots, func(i int) bool {
		if seen[i] {
			if !p.Repeats {
				t.Fatalf("plan %s of %s promises no repeats, and has one", p, text)
			}
			return true
		}
		seen[i] = true
		return p.Filter && !m.Match(docs[i])
	})
	got := slices.Clone(slots)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("plan %s of %s\nover %v\nfinds %v, a scan %v", p, text, docs, got, want)
	}
	if !p.Sorted {
		return
	}
	if s == nil {
		if !slices.Equal(slots, want) {
			t.Fatalf("plan %s of %s: order %v, want %v", p, text, slots, want)
		}
		return
	}
	for i := 1; i < len(slots); i++ {
		a, b := docs[slots[i-1]], docs[slots[i]]
		if !s.Same(a, b) && s.Compare(a, b) > 0 {
			t.Fatalf("plan %s of %s: sort %v: %s comes before %s", p, text, s.Keys(), a, b)
		}
	}
}

func distinct(slots []int) []int {
	slots = slices.Clone(slots)
	slices.Sort(slots)
	return slices.Compact(slots)
}

// TestSortKeyAgrees: the bytes of a document's key compare as the document does.
func TestSortKeyAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := genKeys(t, 3)
		if rapid.Bool().Draw(t, "id") {
			keys = append(keys, "-_id")
		}
		s, err := query.CompileSort(keys...)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := query.CompileSort(s.Keys()...); err != nil || !slices.Equal(again.Keys(), s.Keys()) {
			t.Fatalf("keys %v come back as %v", s.Keys(), again.Keys())
		}
		docs := genDocs(t, 6)
		for _, a := range docs {
			for _, b := range docs {
				c := s.Compare(a, b)
				if k := bytes.Compare(s.AppendKey(nil, a), s.AppendKey(nil, b)); k != c {
					t.Fatalf("sort %v: Compare(%s, %s) is %d, keys say %d", keys, a, b, c, k)
				}
				if back := s.Compare(b, a); back != -c {
					t.Fatalf("sort %v: Compare(%s, %s) is %d, the reverse %d", keys, a, b, c, back)
				}
				for _, d := range docs {
					if c <= 0 && s.Compare(b, d) <= 0 && s.Compare(a, d) > 0 {
						t.Fatalf("sort %v: %s <= %s <= %s, and not the first and last", keys, a, b, d)
					}
				}
			}
		}
	})
}

// TestSelectorsSaidOtherwise: a selector gives the same however it is put.
func TestSelectorsSaidOtherwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := genSelector(t, 2)
		a, b := genSelector(t, 1), genSelector(t, 1)
		same := func(x, y string) {
			m, err := query.Compile([]byte(x))
			if err != nil {
				t.Fatalf("%s: %v", x, err)
			}
			n, err := query.Compile([]byte(y))
			if err != nil {
				t.Fatalf("%s: %v", y, err)
			}
			for _, d := range genDocs(t, 6) {
				if m.Match(d) != n.Match(d) {
					t.Fatalf("%s is %v and %s is %v of %s", x, m.Match(d), y, n.Match(d), d)
				}
				if _, ok := m.MatchAt(d); ok != m.Match(d) {
					t.Fatalf("%s: Match and MatchAt differ on %s", x, d)
				}
			}
		}
		same(text, `{"$and":[`+text+`]}`)
		same(text, `{"$nor":[{"$nor":[`+text+`]}]}`)
		same(`{"$and":[`+a+`,`+b+`]}`, `{"$and":[`+b+`,`+a+`]}`)
		same(`{"$or":[`+a+`,`+b+`]}`, `{"$nor":[{"$and":[{"$nor":[`+a+`]},{"$nor":[`+b+`]}]}]}`)
		p, c := genPath(t), genCondition(t)
		if strings.HasPrefix(c, `{"$`) && !strings.Contains(c[:8], "$date") && !strings.Contains(c[:7], "$type") && !strings.Contains(c[:9], "$binary") &&
			!strings.Contains(c[:9], "$regexp") && !strings.Contains(c[:9], "$InfNaN") && !strings.Contains(c[:9], "$escape") {
			same(`{"`+p+`":`+c+`}`, `{"`+p+`":{"$not":{"$not":`+c+`}}}`)
			same(`{"$nor":[{"`+p+`":`+c+`}]}`, `{"`+p+`":{"$not":`+c+`}}`)
		}
	})
}
