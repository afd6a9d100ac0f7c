package observe

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// check proves the invariants of a tree and returns its keys.
func (t *tree) check(tb testing.TB) (keys []string) {
	tb.Helper()
	if t.root == nil {
		return nil
	}
	if t.root.size == 0 || len(t.root.kids) == 1 {
		tb.Fatalf("a root of %d items and %d children", t.root.size, len(t.root.kids))
	}
	depth := -1
	var walk func(n *node, level int, low, high string) int
	walk = func(n *node, level int, low, high string) int {
		if n != t.root && n.fill() < minFill || n.fill() >= maxFill {
			tb.Fatalf("a node of %d entries", n.fill())
		}
		size := 0
		keysOf := append([]string(nil), n.seps...)
		for _, it := range n.items {
			keysOf = append(keysOf, it.key)
		}
		if !slices.Equal(n.heads, headsOf(keysOf)) {
			tb.Fatalf("heads %x of keys %q", n.heads, keysOf)
		}
		if n.kids == nil {
			if depth >= 0 && depth != level {
				tb.Fatalf("leaves at depths %d and %d", depth, level)
			}
			depth = level
			for _, it := range n.items {
				if it.key < low || high != "" && it.key >= high {
					tb.Fatalf("key %q is outside of [%q, %q)", it.key, low, high)
				}
				if len(keys) > 0 && keys[len(keys)-1] >= it.key {
					tb.Fatalf("key %q is after %q", it.key, keys[len(keys)-1])
				}
				keys = append(keys, it.key)
			}
			size = len(n.items)
		} else {
			for i, kid := range n.kids {
				lo, hi := n.seps[i], high
				if i+1 < len(n.kids) {
					hi = n.seps[i+1]
				}
				if n.sizes[i] != kid.size {
					tb.Fatalf("size %d of a child of %d", n.sizes[i], kid.size)
				}
				size += walk(kid, level+1, lo, hi)
			}
		}
		if size != n.size {
			tb.Fatalf("a node counts %d items and has %d", n.size, size)
		}
		return size
	}
	walk(t.root, 0, "", "")
	return keys
}

func TestTreeAgainstSlice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 12 {
		space := []int{8, 200, 5000, 40000}[round%4]
		// Keys of less than eight bytes, of eight, and such that begin alike.
		format := []string{"%06d", "%08d", "%013d"}[round/4]
		var tr tree
		var twin []string
		if round%3 == 2 { // start from a bulk load
			n := r.IntN(space)
			for i := range n {
				twin = append(twin, fmt.Sprintf(format, i*2))
			}
			items := make([]item, n)
			for i, k := range twin {
				items[i].key = k
			}
			tr = bulk(items)
			tr.check(t)
		}
		for step := range 6000 {
			key := fmt.Sprintf(format, r.IntN(space))
			at, have := slices.BinarySearch(twin, key)
			// The share of insertions swings, so that trees grow and shrink.
			if (step/1500+round)%2 == 0 == (r.IntN(10) < 8) {
				doc := ejson.Make(ejson.Field{Name: "n", Value: step})
				if have {
					if rank, old := tr.replace(key, doc); rank != at || old.key != key {
						t.Fatalf("replace %q: rank %d, want %d", key, rank, at)
					}
				}
				if rank := tr.put(item{key, doc}); rank != at {
					t.Fatalf("put %q: rank %d, want %d", key, rank, at)
				}
				if !have {
					twin = slices.Insert(twin, at, key)
				}
				if got := tr.at(at); got.key != key || got.doc != doc {
					t.Fatalf("at(%d) = %q after put of %q", at, got.key, key)
				}
			} else {
				rank, _, ok := tr.cut(key)
				if ok != have || ok && rank != at {
					t.Fatalf("cut %q: %d, %v; want %d, %v", key, rank, ok, at, have)
				}
				if have {
					twin = slices.Delete(twin, at, at+1)
				}
			}
			if tr.len() != len(twin) {
				t.Fatalf("%d items, want %d", tr.len(), len(twin))
			}
			if probe := fmt.Sprintf(format, r.IntN(space)); true {
				want, _ := slices.BinarySearch(twin, probe)
				if got := tr.rank(probe); got != want {
					t.Fatalf("rank(%q) = %d, want %d", probe, got, want)
				}
			}
			if step%500 == 0 {
				if got := tr.check(t); !slices.Equal(got, twin) {
					t.Fatalf("%d keys, want %d", len(got), len(twin))
				}
				from, to := r.IntN(len(twin)+1), r.IntN(len(twin)+3)
				var part []string
				tr.each(from, to, func(it item) { part = append(part, it.key) })
				if want := twin[min(from, len(twin)):max(from, min(to, len(twin)))]; !slices.Equal(part, want) {
					t.Fatalf("each(%d, %d): %d items, want %d", from, to, len(part), len(want))
				}
			}
		}
	}
}

// TestHeads: heads compare as their keys do, or are equal.
func TestHeads(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	random := func() string {
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = []byte{0, 1, 'a', 0xff}[r.IntN(4)]
		}
		return string(b)
	}
	for range 20_000 {
		a, b := random(), random()
		if x, y := headOf(a), headOf(b); x < y && a >= b || x > y && a <= b || x == y && len(a) >= 8 && len(b) >= 8 && a[:8] != b[:8] {
			t.Fatalf("%q has %x, %q has %x", a, x, b, y)
		}
	}
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		items := make([]item, n)
		for i := range items {
			items[i].key = fmt.Sprintf("a key of the usual length %09d", i)
		}
		tr := bulk(items)
		r := rand.New(rand.NewPCG(1, 2))
		b.Run(fmt.Sprintf("move/N=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				it := items[r.IntN(n)]
				tr.cut(it.key)
				tr.put(it)
			}
		})
		b.Run(fmt.Sprintf("rank/N=%d", n), func(b *testing.B) {
			for b.Loop() {
				tr.rank(items[r.IntN(n)].key)
			}
		})
	}
}
