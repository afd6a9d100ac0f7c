package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func compareEntries(a, b entry) int {
	return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.slot, b.slot))
}

func testIndex(t *testing.T) *index {
	t.Helper()
	d, err := plain([]string{"k"})
	if err != nil {
		t.Fatal(err)
	}
	return newIndex(d)
}

// entriesOf reads a range in both directions and checks that they agree.
func entriesOf(t *testing.T, x *index, low, high string) []entry {
	t.Helper()
	var up, down []entry
	x.walk(low, high, func(b *block, i, j int) bool {
		for ; i < j; i++ {
			up = append(up, b.entry(i))
		}
		return true
	})
	x.walkBack(low, high, func(b *block, i, j int) bool {
		for j--; j >= i; j-- {
			down = append(down, b.entry(j))
		}
		return true
	})
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Fatalf("[%q, %q) upwards %v, downwards %v", low, high, up, down)
	}
	return up
}

// check holds the leaves to their invariants.
func (x *index) check(t *testing.T, seen func(leaf)) {
	t.Helper()
	var last *entry // what is below
	covered := false
	x.tree.Scan(func(l leaf) bool {
		n := 0
		for i := range l.len() {
			e := l.entry(i)
			if last != nil && compareEntries(*last, e) >= 0 {
				t.Fatalf("entry %v after %v", e, *last)
			}
			if l.slot != noTop && compareEntries(e, entry{l.top, l.slot}) > 0 {
				t.Fatalf("entry %v above %q %d", e, l.top, l.slot)
			}
			if i == 0 || !l.same(i-1, i) {
				n++
			}
			last = &e
		}
		if l.len() > blockMax || n != int(l.keys) {
			t.Fatalf("block of %d entries counts %d distinct, has %d", l.len(), l.keys, n)
		}
		last = &entry{l.top, l.slot}
		covered = l.slot == noTop
		seen(l)
		return true
	})
	if !covered {
		t.Fatal("the leaves do not cover all keys")
	}
}

// checkIndex holds an index to the entries that it should have, and to its own
// invariants.
func checkIndex(t *testing.T, x *index, want []entry, r *rand.Rand) {
	t.Helper()
	if got := entriesOf(t, x, "", ""); !slices.Equal(got, want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	leaves, keys, distinct := 0, 0, 0
	x.check(t, func(l leaf) {
		leaves++
		keys += int(l.keys)
	})
	for i := range want {
		if i == 0 || want[i].key != want[i-1].key {
			distinct++
		}
	}
	if x.size != len(want) || x.keys != keys {
		t.Fatalf("size %d keys %d, want %d, %d", x.size, x.keys, len(want), keys)
	}
	if got := x.info().Distinct; got > distinct || got < distinct-leaves {
		t.Fatalf("%d distinct keys, says %d", distinct, got)
	}
	for range 10 {
		if len(want) == 0 {
			break
		}
		low, high := want[r.IntN(len(want))].key, want[r.IntN(len(want))].key
		if r.IntN(2) == 0 {
			low = low[:len(low)/2]
		}
		if r.IntN(3) == 0 {
			high += "\x00"
		}
		var in []entry
		for _, e := range want {
			if e.key >= low && e.key < high {
				in = append(in, e)
			}
		}
		if got := entriesOf(t, x, low, high); !slices.Equal(got, in) {
			t.Fatalf("[%q, %q): %d entries, want %d", low, high, len(got), len(in))
		}
		one := true
		for _, e := range in {
			one = one && e.key == in[0].key
		}
		if x.oneKey(low, high) != one {
			t.Fatalf("[%q, %q): oneKey %v", low, high, !one)
		}
	}
}

// Keys of an index do not begin with one another; a zero byte ends those here.
var keyShapes = map[string]func(r *rand.Rand, i int) string{
	"few":        func(r *rand.Rand, i int) string { return fmt.Sprintf("author%d\x00", r.IntN(7)) },
	"many":       func(r *rand.Rand, i int) string { return fmt.Sprintf("%x\x00", r.Uint32()) },
	"ascending":  func(r *rand.Rand, i int) string { return fmt.Sprintf("%08d\x00", i) },
	"descending": func(r *rand.Rand, i int) string { return fmt.Sprintf("%08d\x00", 1e6-i) },
	"pairs":      func(r *rand.Rand, i int) string { return fmt.Sprintf("room%02d\x00%08d\x00", r.IntN(20), i) },
	"long": func(r *rand.Rand, i int) string {
		return strings.Repeat("abc", r.IntN(3000)) + fmt.Sprintf("%d\x00", r.IntN(100))
	},
	"one": func(*rand.Rand, int) string { return "\x00" },
}

// TestIndexIsASortedList changes an index and a sorted list at random, through
// growth and decline, and holds published versions to what they were.
func TestIndexIsASortedList(t *testing.T) {
	for name, shape := range keyShapes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			x := testIndex(t)
			var want []entry
			type version struct {
				x    *index
				want []entry
			}
			var kept []version
			stamp := uint64(1)
			most := 3000
			if name == "long" {
				most = 600
			}
			step := func(grow bool, i int) {
				e := entry{shape(r, i), uint64(i)}
				if grow {
					x.insert([]byte(e.key), e.slot, stamp)
				} else if len(want) > 0 {
					e = want[r.IntN(len(want))]
					x.remove([]byte(e.key), e.slot, stamp)
				}
				k, found := slices.BinarySearchFunc(want, e, compareEntries)
				if grow && !found {
					want = slices.Insert(want, k, e)
				} else if !grow && found {
					want = slices.Delete(want, k, k+1)
				}
				if r.IntN(200) == 0 {
					kept = append(kept, version{x.publish(), slices.Clone(want)})
					stamp++
				}
			}
			for i := range most {
				step(r.IntN(4) > 0, i)
			}
			checkIndex(t, x, want, r)
			for i := range 3 * most {
				step(r.IntN(4) == 0, most+i)
			}
			checkIndex(t, x, want, r)
			for len(want) > 0 {
				step(false, 0)
			}
			checkIndex(t, x, nil, r)
			if n := x.tree.Len(); n != 1 {
				t.Fatalf("%d leaves in an empty index", n)
			}
			for _, v := range kept {
				checkIndex(t, v.x, v.want, r)
			}
		})
	}
}

// TestIndexDropsNearlyEmptyBlocks keeps one entry in fifty.
func TestIndexDropsNearlyEmptyBlocks(t *testing.T) {
	x := testIndex(t)
	key := func(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }
	for i := range 50_000 {
		x.insert(key(i), uint64(i), 1)
	}
	if x.tree.Len() > 50_000/blockMax*3/2 {
		t.Errorf("%d blocks for ascending keys", x.tree.Len())
	}
	for i := range 50_000 {
		if i%50 != 0 {
			x.remove(key(i), uint64(i), 1)
		}
	}
	if x.size != 1000 || x.tree.Len() > 200 {
		t.Errorf("%d entries in %d blocks", x.size, x.tree.Len())
	}
}

// TestBuiltIndexIsAGrownOne builds indexes from documents in one go, and by
// inserting them one by one.
func TestBuiltIndexIsAGrownOne(t *testing.T) {
	docs := dataSet(3000, 5)
	docs[7] = docs[7].Without("tags", "room")
	for _, keys := range [][]string{{"author"}, {"room", "ts"}, {"-ts"}, {"tags"}, {"tags", "-n"}, {"nested.a.b", "text"}} {
		t.Run(strings.Join(keys, ","), func(t *testing.T) {
			key, err := plain(keys)
			if err != nil {
				t.Fatal(err)
			}
			grown := newIndex(key)
			var p pages
			w := builder{x: grown}
			for i, d := range docs {
				p.set(uint64(i), d, 1)
				grown.change(&Change{Slot: uint64(i), After: d}, 1, &w)
			}
			built := buildIndexes([]*definition{key}, &p)[0]
			want := entriesOf(t, grown, "", "")
			if len(want) < len(docs) || grown.multi != built.multi {
				t.Fatalf("%d entries; %d and %d documents with several", len(want), grown.multi, built.multi)
			}
			r := rand.New(rand.NewPCG(1, 2))
			checkIndex(t, built, want, r)
			checkIndex(t, grown, want, r)
			w.reset(built)
			for i, d := range docs {
				built.change(&Change{Slot: uint64(i), Before: d}, 1, &w)
			}
			checkIndex(t, built, nil, r)
			if built.multi != 0 {
				t.Fatalf("%d documents with several keys in an empty index", built.multi)
			}
		})
	}
}

// TestLargeCommitsKeepIndexes makes commits that build the indexes anew and such
// that do not, and holds the indexes to those of a store that is made at the end.
func TestLargeCommitsKeepIndexes(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	for _, keys := range [][]string{{"author"}, {"room", "ts"}, {"tags"}} {
		if err := c.Index(keys...); err != nil {
			t.Fatal(err)
		}
	}
	docs := dataSet(5000, 11)
	if _, err := c.InsertMany(docs[:2000]); err != nil {
		t.Fatal(err)
	}
	old := s.Snapshot()
	if _, err := c.InsertMany(docs[2000:2500]); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertMany(docs[2500:]); err != nil { // as many as there were
		t.Fatal(err)
	}
	if n, err := c.UpdateMany(nil, m{"$set": m{"author": "author0001"}, "$unset": m{"tags": 1}}); n != 5000 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := c.UpdateMany(m{"flag": true}, m{"$set": m{"author": "author0002", "tags": []any{"a", "b"}}}); n < 2000 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := c.DeleteMany(m{"n": m{"$lt": 4000}}); n != 4000 || err != nil {
		t.Fatal(n, err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, snap := range []*Snapshot{s.Snapshot(), old} {
		v := snap.version("messages")
		for _, x := range v.indexes {
			made := buildIndexes([]*definition{x.definition}, &v.pages)[0]
			checkIndex(t, x, entriesOf(t, made, "", ""), r)
			if x.multi != made.multi {
				t.Errorf("%s: %d documents with several keys, want %d", x.name, x.multi, made.multi)
			}
		}
	}
	if n := old.Len("messages"); n != 2000 {
		t.Errorf("an old snapshot has %d documents", n)
	}
}
