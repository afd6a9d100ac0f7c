package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

func numbered(i int) ejson.Doc {
	return ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint("id", i)}, ejson.Field{Name: "n", Value: i})
}

// checkPages holds pages to a map.
func checkPages(t *testing.T, p *pages, want map[uint64]ejson.Doc) {
	t.Helper()
	n, next := 0, uint64(0)
	p.each(func(slot uint64, d ejson.Doc) bool {
		if slot < next || want[slot] != d || p.get(slot) != d {
			t.Fatalf("slot %d: %v, want %v", slot, d, want[slot])
		}
		next = slot + 1
		n++
		return true
	})
	if n != len(want) || p.n != n {
		t.Fatalf("%d documents, counts %d, want %d", n, p.n, len(want))
	}
}

// TestPagesAreAMap sets and removes at random slots of several magnitudes, and
// holds versions to what they were when they were published.
func TestPagesAreAMap(t *testing.T) {
	for _, most := range []uint64{40, 3000, 200_000, 1 << 30, maxSlot} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			r := rand.New(rand.NewPCG(most, 1))
			var p pages
			want := map[uint64]ejson.Doc{}
			var slots []uint64
			type version struct {
				p    pages
				want map[uint64]ejson.Doc
			}
			var kept []version
			stamp := uint64(1)
			for i := range 4000 {
				slot := r.Uint64N(most)
				if len(slots) > 0 && r.IntN(2) == 0 {
					slot = slots[r.IntN(len(slots))]
				}
				if r.IntN(3) > 0 {
					d := numbered(i)
					p.set(slot, d, stamp)
					want[slot] = d
					slots = append(slots, slot)
				} else {
					p.remove(slot, stamp)
					delete(want, slot)
				}
				if r.IntN(500) == 0 {
					c := map[uint64]ejson.Doc{}
					for s, d := range want {
						c[s] = d
					}
					kept = append(kept, version{p, c})
					stamp++
				}
			}
			checkPages(t, &p, want)
			for slot := range want {
				p.remove(slot, stamp)
			}
			if p.root != nil || p.n != 0 {
				t.Fatal("pages that were emptied are not empty")
			}
			for _, v := range kept {
				checkPages(t, &v.p, v.want)
			}
		})
	}
}

// count counts the nodes and shelves and pages below n.
func (n *node) count(shift uint) (all int) {
	for i := range nodeLen {
		if shift > leafBits {
			if n.kids[i] != nil {
				all += 1 + n.kids[i].count(shift-nodeBits)
			}
		} else if s := n.shelves[i]; s != nil {
			all++
			for _, p := range s.pages {
				if p != nil {
					all++
				}
			}
		}
	}
	return all
}

// TestChurnDoesNotGrowPages inserts a billion times' worth of slots, a hundred
// documents at a time.
func TestChurnDoesNotGrowPages(t *testing.T) {
	var p pages
	const alive, step = 100, 20_011
	for i := range 50_000 {
		p.set(uint64(i)*step, numbered(1), 1)
		if i >= alive {
			p.remove(uint64(i-alive)*step, 1)
		}
	}
	// Each document is alone on its page and shelf, and few share a node.
	if n := p.root.count(p.shift); p.n != alive || n > 3*alive {
		t.Fatalf("%d nodes for %d documents", n, p.n)
	}
}
