package observe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// apply applies events to the list of documents before them, and fails where a
// place or a neighbour is not as an event says.
func apply(tb testing.TB, list []ejson.Doc, events []docEvent) []ejson.Doc {
	tb.Helper()
	list = slices.Clone(list)
	for _, e := range events {
		fail := func() {
			tb.Helper()
			tb.Fatalf("event %v does not fit the list\n%v\nof %v", e, list, events)
		}
		if e.Kind != Added {
			if e.From < 0 || e.From >= len(list) || list[e.From].ID() != e.ID {
				fail()
			}
			if e.Kind != Moved && !list[e.From].Same(e.Old) {
				fail()
			}
		}
		switch e.Kind {
		case Changed:
			if e.From != e.To || !e.Old.Merge(e.Set, e.Unset).Same(e.New) {
				fail()
			}
			list[e.To] = e.New
		case Removed:
			list = slices.Delete(list, e.From, e.From+1)
		case Moved:
			if e.From == e.To || !list[e.From].Same(e.New) {
				fail()
			}
			list = slices.Delete(list, e.From, e.From+1)
			fallthrough
		case Added:
			if e.To < 0 || e.To > len(list) {
				fail()
			}
			before := ejson.ID{}
			if e.To < len(list) {
				before = list[e.To].ID()
			}
			if e.Before != before {
				fail()
			}
			list = slices.Insert(list, e.To, e.New)
		}
	}
	return list
}

// TestPlace checks the events of random differences: they lead from the sequence
// before to the one after, and no more documents move than must.
func TestPlace(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range 4000 {
		n := 1 + r.IntN(11)
		shown := func(id, rev int) ejson.Doc {
			return ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint("d", id)}, ejson.Field{Name: "rev", Value: rev})
		}
		var olds, news []item
		var deltas []delta
		for id := range n {
			var d delta
			key := fmt.Sprintf("%03d-%d", r.IntN(n*2), id)
			inOld, inNew := r.IntN(5) > 0, r.IntN(5) > 0
			if inOld {
				d.old = item{key, shown(id, 0)}
			}
			if inNew {
				d.new = item{key, shown(id, 0)}
				if r.IntN(2) == 0 {
					d.new.key = fmt.Sprintf("%03d-%d", r.IntN(n*2), id)
				}
				if r.IntN(2) == 0 {
					d.new.doc = shown(id, 1)
				}
			}
			if inOld {
				olds = append(olds, d.old)
			}
			if inNew {
				news = append(news, d.new)
			}
			if d.old != d.new {
				d.id = ejson.StringID(fmt.Sprint("d", id))
				deltas = append(deltas, d)
			}
		}
		r.Shuffle(len(deltas), func(i, j int) { deltas[i], deltas[j] = deltas[j], deltas[i] })
		byKey := func(a, b item) int { return map[bool]int{true: -1, false: 1}[a.key < b.key] }
		slices.SortFunc(olds, byKey)
		slices.SortFunc(news, byKey)
		// Around them, documents outside of the window.
		skip := r.IntN(3)
		var all []item
		for i := range skip {
			all = append(all, item{fmt.Sprint("   ", i), shown(100+i, 0)})
		}
		all = append(all, news...)
		limit := 0
		if len(news) > 0 && r.IntN(2) == 0 {
			limit = len(news)
			all = append(all, item{"zzz", shown(200, 0)})
		}
		res := &result{order: &order{tree: bulk(all), scratch: new(scratch)}, skip: skip, limit: limit}
		events := res.events(nil, deltas)

		var before, after []ejson.Doc
		for _, it := range olds {
			before = append(before, it.doc)
		}
		for _, it := range news {
			after = append(after, it.doc)
		}
		if got := apply(t, before, events); !slices.Equal(got, after) {
			t.Fatalf("events %v\nlead from %v\nto   %v\nnot %v", events, before, got, after)
		}
		moved := 0
		for _, e := range events {
			if e.Kind == Moved {
				moved++
			}
		}
		if most := fewestMoves(olds, news, deltas); moved > most {
			t.Fatalf("%d moves where %d suffice: %v\nfrom %v\nto   %v", moved, most, events, before, after)
		}
	}
}

// fewestMoves tries every set of documents with a delta that could stay.
func fewestMoves(olds, news []item, deltas []delta) int {
	var both []ejson.ID
	for _, d := range deltas {
		if !d.old.none() && !d.new.none() {
			both = append(both, d.id)
		}
	}
	best := len(both)
	for set := range 1 << len(both) {
		gone := map[ejson.ID]bool{}
		for i, id := range both {
			gone[id] = set>>i&1 == 1
		}
		order := func(list, other []item) (ids []ejson.ID) {
			for _, it := range list {
				if id := it.doc.ID(); !gone[id] && slices.ContainsFunc(other, func(o item) bool { return o.doc.ID() == id }) {
					ids = append(ids, id)
				}
			}
			return ids
		}
		moves := 0
		for _, g := range gone {
			if g {
				moves++
			}
		}
		if moves < best && slices.Equal(order(olds, news), order(news, olds)) {
			best = moves
		}
	}
	return best
}
