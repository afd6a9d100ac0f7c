package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// Values of a field whose keys put the leaves of an index to the test.
var valueShapes = map[string]func(r *rand.Rand) any{
	"few":    func(r *rand.Rand) any { return fmt.Sprint("author", r.IntN(7)) },
	"many":   func(r *rand.Rand) any { return r.Float64() },
	"pairs":  func(r *rand.Rand) any { return fmt.Sprintf("room%d-%08d", r.IntN(20), r.IntN(1e6)) },
	"long":   func(r *rand.Rand) any { return strings.Repeat("abc", r.IntN(3000)) + fmt.Sprint(r.IntN(100)) },
	"zeros":  func(r *rand.Rand) any { return strings.Repeat("\x00", r.IntN(12)) + strings.Repeat("\x01", r.IntN(3)) },
	"lists":  func(r *rand.Rand) any { return []any{r.IntN(9), r.IntN(300), fmt.Sprint(r.IntN(3000))} },
	"mixed":  func(r *rand.Rand) any { return []any{nil, true, "x", r.IntN(50), []any{}, r.Float64()}[r.IntN(6)] },
	"equal":  func(r *rand.Rand) any { return "equal" },
	"growth": func(r *rand.Rand) any { return strings.Repeat("a", r.IntN(90)) + "b" },
}

// TestBatchedIndexIsASortedList makes batches of inserts, updates and removals, and
// holds the index, and the versions that were published in between, to what the
// documents say.
func TestBatchedIndexIsASortedList(t *testing.T) {
	for name, shape := range valueShapes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(len(name))))
			x := testIndex(t)
			b := builder{x: x}
			stamp := uint64(1)
			docs := map[uint64]ejson.Doc{}
			next := uint64(0)
			type version struct {
				x    *index
				want []entry
			}
			var kept []version
			for round := range 24 {
				size, grow := 1+r.IntN(300), 4
				if name == "long" {
					size = 1 + r.IntN(60)
				}
				if round >= 12 {
					grow = 1 // of 6: more go than come
				}
				var changes []Change
				slots := make([]uint64, 0, len(docs))
				for slot := range docs {
					slots = append(slots, slot)
				}
				slices.Sort(slots)
				r.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
				for range size {
					c := Change{Slot: next}
					kind := r.IntN(6)
					if kind < grow || len(slots) == 0 {
						next++
					} else {
						c.Slot, slots = slots[0], slots[1:]
						c.Before = docs[c.Slot]
					}
					if kind < 5 {
						c.After = ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint(c.Slot)}, ejson.Field{Name: "k", Value: shape(r)})
						docs[c.Slot] = c.After
					} else {
						delete(docs, c.Slot)
					}
					changes = append(changes, c)
				}
				x.changeMany(changes, stamp, &b)
				want := entriesIn(x, docs)
				checkIndex(t, x, want, r)
				if r.IntN(3) == 0 {
					kept = append(kept, version{x.publish(), want})
					stamp++
				}
			}
			var changes []Change
			for slot, d := range docs {
				changes = append(changes, Change{Slot: slot, Before: d})
			}
			x.changeMany(changes, stamp, &b)
			checkIndex(t, x, nil, r)
			if x.multi != 0 {
				t.Errorf("%d documents with several keys in an empty index", x.multi)
			}
			for _, v := range kept {
				checkIndex(t, v.x, v.want, r)
			}
		})
	}
}

// entriesIn returns the entries that an index should have for documents.
func entriesIn(x *index, docs map[uint64]ejson.Doc) []entry {
	var want []entry
	var keys [][]byte
	for slot, d := range docs {
		keys, _ = x.key.Append(keys[:0], d)
		for _, k := range keys {
			want = append(want, entry{string(k), slot})
		}
	}
	slices.SortFunc(want, compareEntries)
	return want
}

// TestRemovedBatchLeavesNoLeaves takes nearly all documents out at once.
func TestRemovedBatchLeavesNoLeaves(t *testing.T) {
	x := testIndex(t)
	b := builder{x: x}
	var in, out []Change
	for i := range 20_000 {
		d := ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint(i)}, ejson.Field{Name: "k", Value: i * 7919 % 20_000})
		in = append(in, Change{Slot: uint64(i), After: d})
		if i%100 != 0 {
			out = append(out, Change{Slot: uint64(i), Before: d})
		}
	}
	x.changeMany(in, 1, &b)
	if n := x.tree.Len(); n > 20_000/(blockMax/2)+1 {
		t.Errorf("%d leaves for 20,000 entries", n)
	}
	x.changeMany(out, 1, &b)
	if n := x.tree.Len(); x.size != 200 || n > 40 {
		t.Errorf("%d entries in %d leaves", x.size, n)
	}
}

// TestListOfOneMakesAnIndexMultikey puts a list in the place of its only element,
// which leaves the entries as they are, and then a longer list: plans that were made
// in between must know that a document may come twice. Alone and among many changes.
func TestListOfOneMakesAnIndexMultikey(t *testing.T) {
	for _, others := range []int{0, 2 * manyChanges, 2 * parallel} {
		s := New(Options{})
		c := s.Collection("docs")
		for _, keys := range []string{"k", "n"} {
			if err := c.Index(keys); err != nil {
				t.Fatal(err)
			}
		}
		all := c.Find(m{"k": m{"$gte": 0}}).Sort("k")
		for round, k := range []any{1, []any{1}, []any{1, 2, 3}, []any{2}, 2} {
			if _, err := s.Update(func(tx *Tx) error {
				for i := range others {
					if err := tx.Put("docs", numbered(i).With("round", round)); err != nil {
						return err
					}
				}
				return tx.Put("docs", ejson.Make(ejson.Field{Name: "_id", Value: "list"}, ejson.Field{Name: "k", Value: k}))
			}); err != nil {
				t.Fatal(err)
			}
			if docs, err := all.All(); len(docs) != 1 || err != nil {
				t.Fatalf("%d others: %v comes %d times, %v", others, k, len(docs), err)
			}
		}
	}
}
