package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// The tests in this file hold hot paths to counts that are the same on every
// machine: what is compared, copied, kept and examined.

// TestBlockFitsItsSizeClass holds a block to the memory that the allocator gives it:
// 8 bytes more are its own where an object has pointers.
func TestBlockFitsItsSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(block{}) + 8; size > 1152 {
		t.Errorf("a block of %d entries takes %d bytes", blockMax, size)
	}
}

// indexedDocs returns n documents whose key is spread at random, as inserts.
func indexedDocs(n int) []Change {
	r := rand.New(rand.NewPCG(3, 4))
	changes := make([]Change, n)
	for i := range changes {
		changes[i] = Change{Slot: uint64(i), After: ejson.Make(
			ejson.Field{Name: "_id", Value: fmt.Sprint(i)},
			ejson.Field{Name: "k", Value: float64(r.IntN(1e9))})}
	}
	return changes
}

// TestIndexMemoryADocument bounds the bytes that an entry takes: when it comes in
// batches, one by one, in order, and when the index is built.
func TestIndexMemoryADocument(t *testing.T) {
	const n = 20_000
	bytes := func(x *index) float64 {
		sum := 0
		x.tree.Scan(func(l leaf) bool {
			sum += 1152 + len(l.prefix) + len(l.top) + int(unsafe.Sizeof(l))
			if l.tails != nil {
				sum += int(unsafe.Sizeof(tails{})) + cap(l.tails.data)
			}
			return true
		})
		return float64(sum) / n
	}
	changes := indexedDocs(n)
	batched, single, ordered := testIndex(t), testIndex(t), testIndex(t)
	var b builder
	b.reset(batched)
	for i := 0; i < n; i += 1000 {
		batched.changeMany(changes[i:i+1000], 1, &b)
	}
	b.reset(single)
	for i := range changes {
		single.change(&changes[i], 1, &b)
	}
	b.reset(ordered)
	for i := range changes {
		c := changes[i]
		c.After = c.After.With("k", i)
		ordered.change(&c, 1, &b)
	}
	var p pages
	for _, c := range changes {
		p.set(c.Slot, c.After, 1)
	}
	built := buildIndexes([]*definition{batched.definition}, &p)[0]
	for _, tt := range []struct {
		name string
		x    *index
		most float64
	}{{"batched", batched, 30}, {"single", single, 30}, {"ordered", ordered, 21}, {"built", built, 23}} {
		if got := bytes(tt.x); got > tt.most {
			t.Errorf("%s: %.1f bytes an entry, want at most %v", tt.name, got, tt.most)
		}
	}
}

// counted makes an index count the comparisons of its tree.
func counted(x *index) *int {
	n := new(int)
	tree := btree.NewBTreeGOptions(func(a, b leaf) bool {
		*n++
		return below(a, b)
	}, btree.Options{Degree: degree, NoLocks: true})
	x.tree.Scan(func(l leaf) bool {
		tree.Load(l)
		return true
	})
	x.tree = tree
	return n
}

// TestComparisonsAnEntry bounds the comparisons with leaves that an entry costs: one
// by one twice the logarithm of their number, in a batch a handful.
func TestComparisonsAnEntry(t *testing.T) {
	const n = 20_000
	x := testIndex(t)
	var b builder
	b.reset(x)
	changes := indexedDocs(n)
	x.changeMany(changes, 1, &b)
	var moves []Change
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range changes[:1000] {
		moves = append(moves, Change{Slot: c.Slot, Before: c.After, After: c.After.With("k", r.IntN(1e9))})
	}
	comparisons := counted(x)
	for i := range moves[:500] {
		x.change(&moves[i], 1, &b)
	}
	if got := float64(*comparisons) / 1000; got > 20 {
		t.Errorf("%.1f comparisons for an entry of %d leaves", got, x.tree.Len())
	}
	*comparisons = 0
	x.changeMany(moves[500:], 1, &b)
	if got := float64(*comparisons) / 1000; got > 3 {
		t.Errorf("%.1f comparisons for an entry in a batch", got)
	}
}

// TestCommitCopiesFewLeaves changes one document of many: an index that this does not
// touch is the same object in both snapshots, and one that it touches shares all
// leaves but two.
func TestCommitCopiesFewLeaves(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	docs := dataSet(5000, 9)
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	blocks := func(snap *Snapshot, i int) map[*block]bool {
		all := map[*block]bool{}
		snap.version("messages").indexes[i].tree.Scan(func(l leaf) bool {
			all[l.block] = true
			return true
		})
		return all
	}
	before := s.Snapshot()
	if _, err := c.UpdateOne(docs[7].ID(), m{"$set": m{"author": "author0042", "score": -1}}); err != nil {
		t.Fatal(err)
	}
	after := s.Snapshot()
	if before.version("messages").indexes[1] != after.version("messages").indexes[1] {
		t.Error("an index was published again that the commit did not touch")
	}
	old, fresh := blocks(before, 0), 0
	for b := range blocks(after, 0) {
		if !old[b] {
			fresh++
		}
	}
	if fresh == 0 || fresh > 2 || len(old) < 50 {
		t.Errorf("%d of %d leaves are new", fresh, len(old))
	}
	shared := 0
	before.version("messages").pages.eachPage(func(first uint64, page []ejson.Doc) bool {
		i := 0
		after.version("messages").pages.eachPage(func(f uint64, p []ejson.Doc) bool {
			if f == first && &p[0] == &page[0] {
				shared++
			}
			i++
			return f < first
		})
		return true
	})
	if pages := 5000 / pageLen; shared < pages-1 {
		t.Errorf("%d of %d pages are shared", shared, pages)
	}
}

// TestDocumentsExamined counts the documents that queries look at.
func TestDocumentsExamined(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	if _, err := c.InsertMany(dataSet(5000, 9)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		q    Query[ejson.Doc]
		most func(returned int) int
	}{
		{"by id", c.Find("none"), func(int) int { return 0 }},
		{"equality", c.Find(m{"author": "author0007"}), func(n int) int { return n }},
		{"range", c.Find(m{"author": m{"$gte": "author0007", "$lt": "author0010"}}), func(n int) int { return n }},
		{"sorted window", c.Find(m{"room": "room07"}).Sort("-ts").Limit(20), func(n int) int { return n + 1 }},
		{"skipped", c.Find(m{"room": "room07"}).Sort("ts").Skip(5).Limit(5), func(n int) int { return n + 6 }},
		{"union", c.Find(m{"$or": []any{m{"author": "author0007"}, m{"room": "room07"}}}), func(n int) int { return n }},
		{"limited scan", c.Find(nil).Limit(10), func(n int) int { return n }},
		{"scan", c.Find(m{"flag": true}), func(int) int { return 5000 }},
	} {
		x, err := tt.q.ExplainRun()
		if err != nil {
			t.Fatal(err)
		}
		if x.Examined > tt.most(x.Returned) {
			t.Errorf("%s: %d documents examined for %d\n%v", tt.name, x.Examined, x.Returned, x.Plan)
		}
	}
}

// TestUpdatesLeaveOtherIndexesAlone counts the keys that are made of documents: none
// where a commit changes no field of an index.
func TestUpdatesLeaveOtherIndexesAlone(t *testing.T) {
	x := testIndex(t)
	var b builder
	b.reset(x)
	d := ejson.Make(ejson.Field{Name: "_id", Value: "a"}, ejson.Field{Name: "k", Value: 1}, ejson.Field{Name: "n", Value: 1})
	inc, err := query.CompileModifier(m{"$inc": m{"n": 1}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := inc.Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	if x.touches(d, e) || !x.touches(d, d.With("k", 2)) || !x.touches(d, d.Without("k")) || !x.touches(ejson.Doc{}, d) || !x.touches(d, ejson.Doc{}) {
		t.Error("an index does not know which changes touch it")
	}
	x.change(&Change{Before: d, After: e}, 1, &b)
	if b.changed || cap(b.chunk) > 0 {
		t.Error("keys were made for a change that does not touch the index")
	}
}
