package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// The twin of a store is a map and a list: what a store would be that had no
// snapshots, no indexes and no plans.
type twin struct {
	docs  map[ejson.ID]ejson.Doc
	order []ejson.ID // of insertion
}

func (w *twin) clone() *twin {
	c := &twin{docs: map[ejson.ID]ejson.Doc{}, order: slices.Clone(w.order)}
	for id, d := range w.docs {
		c.docs[id] = d
	}
	return c
}

func (w *twin) put(d ejson.Doc) {
	if _, ok := w.docs[d.ID()]; !ok {
		w.order = append(w.order, d.ID())
	}
	w.docs[d.ID()] = d
}

func (w *twin) remove(id ejson.ID) bool {
	_, ok := w.docs[id]
	delete(w.docs, id)
	w.order = slices.DeleteFunc(w.order, func(o ejson.ID) bool { return o == id })
	return ok
}

// settle gives documents that a transaction removed and put back the place that
// they had before it.
func (w *twin) settle(before *twin) {
	var order []ejson.ID
	for _, id := range before.order {
		if _, ok := w.docs[id]; ok {
			order = append(order, id)
		}
	}
	for _, id := range w.order {
		if _, ok := before.docs[id]; !ok {
			order = append(order, id)
		}
	}
	w.order = order
}

func (w *twin) all() []ejson.Doc {
	var docs []ejson.Doc
	for _, id := range w.order {
		docs = append(docs, w.docs[id])
	}
	return docs
}

// ask answers a query by asking every document.
func (w *twin) ask(m *query.Matcher, s *query.Sorter, skip, limit int) []ejson.Doc {
	var docs []ejson.Doc
	for _, d := range w.all() {
		if m.Match(d) {
			docs = append(docs, d)
		}
	}
	if s != nil {
		slices.SortFunc(docs, s.Compare)
	}
	docs = docs[min(skip, len(docs)):]
	if limit > 0 {
		docs = docs[:min(limit, len(docs))]
	}
	return docs
}

// Small domains, so that everything meets everything.
func drawDoc(t *rapid.T, id string) ejson.Doc {
	b := ejson.Builder{}
	b.Add("_id", ejson.StringValue(id))
	if rapid.Bool().Draw(t, "has a") {
		b.Add("a", ejson.NumberValue(float64(rapid.IntRange(0, 4).Draw(t, "a"))))
	}
	switch rapid.IntRange(0, 4).Draw(t, "kind of b") {
	case 0:
		b.Add("b", ejson.StringValue(rapid.SampledFrom([]string{"", "x", "xy", "y"}).Draw(t, "b")))
	case 1:
		b.Add("b", ejson.NullValue())
	case 2:
		var vs []ejson.Value
		for range rapid.IntRange(0, 3).Draw(t, "len b") {
			vs = append(vs, ejson.NumberValue(float64(rapid.IntRange(0, 4).Draw(t, "b[]"))))
		}
		b.Add("b", ejson.ArrayOf(vs...).Value())
	case 3:
		b.Add("b", ejson.NumberValue(float64(rapid.IntRange(0, 4).Draw(t, "b"))))
	}
	b.Add("c", ejson.NumberValue(float64(rapid.IntRange(0, 1000).Draw(t, "c"))))
	return b.Doc()
}

func drawID(t *rapid.T) string {
	return fmt.Sprintf("id%02d", rapid.IntRange(0, 40).Draw(t, "id"))
}

func drawSelector(t *rapid.T) any {
	n := func(label string) int { return rapid.IntRange(0, 4).Draw(t, label) }
	type m = map[string]any
	switch rapid.IntRange(0, 11).Draw(t, "selector") {
	case 0:
		return nil
	case 1:
		return drawID(t)
	case 2:
		return m{"a": n("a")}
	case 3:
		return m{"b": n("b")}
	case 4:
		return m{"a": m{"$gte": n("low"), "$lt": n("high")}}
	case 5:
		return m{"a": m{"$in": []any{n("a"), n("a"), nil}}}
	case 6:
		return m{"b": m{"$in": []any{n("b"), "x"}}, "c": m{"$lt": 500}}
	case 7:
		return m{"_id": m{"$in": []any{drawID(t), drawID(t), drawID(t)}}}
	case 8:
		return m{"a": n("a"), "b": m{"$gt": n("b")}}
	case 9:
		return m{"$or": []any{m{"a": n("a")}, m{"b": "x"}}}
	case 10:
		return m{"b": nil}
	}
	return m{"c": m{"$gt": 200 * n("c")}}
}

func drawSort(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{
		nil, nil, {"a"}, {"-a"}, {"b"}, {"-b"}, {"a", "c"}, {"a", "-c"}, {"-a", "-c"}, {"c"}, {"-_id"}, {"b", "a"},
	}).Draw(t, "sort")
}

var twinIndexes = [][]string{{"a"}, {"b"}, {"a", "c"}, {"-a", "c"}, {"c"}, {"b", "a"}, {"a", "b"}}

var (
	errOnPurpose   = errors.New("on purpose")
	panicOnPurpose = "panic on purpose"
)

// TestStoreIsItsTwin runs random transactions, some of which fail or panic, with
// indexes that come and go, against a store and its twin. Snapshots kept from
// earlier, and the sum of what Tail told, must agree too.
func TestStoreIsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{})
		c := s.Collection("docs")
		w := &twin{docs: map[ejson.ID]ejson.Doc{}}

		told := &twin{docs: map[ejson.ID]ejson.Doc{}}
		slots := map[ejson.ID]uint64{}
		var last Seq
		_, stop := s.Tail("docs", func(c *Commit) {
			if c.Seq != last+1 {
				t.Errorf("told of commit %d after %d", c.Seq, last)
			}
			last = c.Seq
			for _, ch := range c.Changes {
				if told.docs[ch.ID] != ch.Before || ch.Before == ch.After {
					t.Errorf("change of %v from %v to %v, had %v", ch.ID, ch.Before, ch.After, told.docs[ch.ID])
				}
				if slot, ok := slots[ch.ID]; ok && slot != ch.Slot {
					t.Errorf("%v moved from slot %d to %d", ch.ID, slot, ch.Slot)
				}
				slots[ch.ID] = ch.Slot
				if ch.After.IsZero() {
					told.remove(ch.ID)
					delete(slots, ch.ID)
				} else {
					told.put(ch.After)
				}
			}
		})
		defer stop()

		type moment struct {
			snap *Snapshot
			twin *twin
		}
		var kept []moment
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				if err := c.Index(rapid.SampledFrom(twinIndexes).Draw(t, "index")...); err != nil {
					t.Fatal(err)
				}
			case 1:
				err := c.DropIndex(rapid.SampledFrom(twinIndexes).Draw(t, "drop")...)
				if err != nil && !errors.Is(err, ErrNoIndex) {
					t.Fatal(err)
				}
			default:
				w = runTwice(t, s, w)
			}
			if rapid.IntRange(0, 3).Draw(t, "keep") == 0 {
				kept = append(kept, moment{s.Snapshot(), w})
			}
		}
		for _, k := range append(kept, moment{s.Snapshot(), w}) {
			compare(t, c, k.snap, k.twin)
		}
		if !slices.Equal(told.all(), w.all()) {
			t.Fatalf("told %v, have %v", told.all(), w.all())
		}
	})
}

// runTwice runs one random transaction on the store and on a copy of the twin, and
// returns the twin that holds afterwards.
func runTwice(t *rapid.T, s *Store, w *twin) *twin {
	next := w.clone()
	end := rapid.IntRange(0, 5).Draw(t, "end") // 0: an error, 1: a panic
	var got error
	func() {
		defer func() {
			if r := recover(); r != nil && r != panicOnPurpose {
				panic(r)
			}
		}()
		_, got = s.Update(func(tx *Tx) error {
			for range rapid.IntRange(0, 12).Draw(t, "ops") {
				operate(t, tx, next)
			}
			switch end {
			case 0:
				return errOnPurpose
			case 1:
				panic(panicOnPurpose)
			}
			return nil
		})
	}()
	if end == 0 && got != errOnPurpose || end > 1 && got != nil {
		t.Fatalf("update returned %v", got)
	}
	if end < 2 {
		return w
	}
	next.settle(w)
	return next
}

// operate does one random thing in a transaction and its twin.
func operate(t *rapid.T, tx *Tx, w *twin) {
	switch rapid.IntRange(0, 8).Draw(t, "op") {
	case 0, 1:
		d := drawDoc(t, drawID(t))
		if err := tx.Put("docs", d); err != nil {
			t.Fatal(err)
		}
		w.put(d)
	case 2:
		d := drawDoc(t, drawID(t))
		_, there := w.docs[d.ID()]
		if _, err := tx.Insert("docs", d); errors.Is(err, ErrDuplicateID) != there || !there && err != nil {
			t.Fatal(err)
		} else if err == nil {
			w.put(d)
		}
	case 3, 4:
		id := ejson.StringID(drawID(t))
		if got, want := tx.Delete("docs", id), w.remove(id); got != want {
			t.Fatalf("delete %v: %v, want %v", id, got, want)
		}
	case 5:
		sel, mod := drawSelector(t), map[string]any{"$inc": map[string]any{"c": 1}}
		m, _ := query.Compile(sel)
		mm, _ := query.CompileModifier(mod)
		n, err := tx.Update("docs", sel, mod)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range w.all() {
			if m.Match(d) {
				after, _ := mm.Apply(d)
				w.put(after)
				n--
			}
		}
		if n != 0 {
			t.Fatalf("update of %v: %d too many", sel, n)
		}
	case 6:
		sel := drawSelector(t)
		m, _ := query.Compile(sel)
		n, err := tx.remove(tx.part("docs"), sel, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range w.all() {
			if m.Match(d) {
				w.remove(d.ID())
				n--
			}
		}
		if n != 0 {
			t.Fatalf("remove of %v: %d too many", sel, n)
		}
	case 7:
		if rapid.IntRange(0, 5).Draw(t, "clear") == 0 {
			if got := tx.Clear("docs"); got != len(w.order) {
				t.Fatalf("cleared %d, want %d", got, len(w.order))
			}
			w.docs, w.order = map[ejson.ID]ejson.Doc{}, nil
		}
	case 8:
		id := ejson.StringID(drawID(t))
		if got, _ := tx.Get("docs", id); got != w.docs[id] {
			t.Fatalf("get %v: %v, want %v", id, got, w.docs[id])
		}
		n := 0
		for d := range tx.Each("docs") {
			if w.docs[d.ID()] != d {
				t.Fatalf("each: %v, want %v", d, w.docs[d.ID()])
			}
			n++
		}
		if n != len(w.order) || tx.Len("docs") != n {
			t.Fatalf("each: %d documents, len %d, want %d", n, tx.Len("docs"), len(w.order))
		}
	}
}

// compare holds a snapshot to its twin.
func compare(t *rapid.T, c Collection[ejson.Doc], snap *Snapshot, w *twin) {
	var docs []ejson.Doc
	previous := -1
	for slot, d := range snap.Each("docs") {
		if int(slot) <= previous {
			t.Fatalf("slot %d after %d", slot, previous)
		}
		previous = int(slot)
		docs = append(docs, d)
		if got, ok := snap.Slot("docs", slot); !ok || got != d {
			t.Fatalf("slot %d: %v, want %v", slot, got, d)
		}
	}
	if want := w.all(); !slices.Equal(docs, want) || snap.Len("docs") != len(want) {
		t.Fatalf("snapshot %v (len %d)\nwant %v", docs, snap.Len("docs"), want)
	}
	for i := range 41 {
		id := ejson.StringID(fmt.Sprintf("id%02d", i))
		if got, ok := snap.Get("docs", id); got != w.docs[id] || ok != !got.IsZero() {
			t.Fatalf("get %v: %v, want %v", id, got, w.docs[id])
		}
	}
	for range 12 {
		sel, sort := drawSelector(t), drawSort(t)
		skip, limit := rapid.IntRange(0, 3).Draw(t, "skip"), rapid.IntRange(0, 6).Draw(t, "limit")
		m, err := query.Compile(sel)
		if err != nil {
			t.Fatal(err)
		}
		s, err := query.CompileSort(sort...)
		if err != nil {
			t.Fatal(err)
		}
		q := c.Find(sel).Sort(sort...).Skip(skip).Limit(limit).At(snap)
		got, err := q.All()
		if err != nil {
			t.Fatal(err)
		}
		plan, _ := q.Explain()
		want := w.ask(m, s, skip, limit)
		if !slices.Equal(got, want) {
			t.Fatalf("find %v sort %v skip %d limit %d by %v:\n got %v\nwant %v", sel, sort, skip, limit, plan, got, want)
		}
		if n, err := q.Count(); n != len(want) || err != nil {
			t.Fatalf("count %v: %d (%v), want %d by %v", sel, n, err, len(want), plan)
		}
	}
}
