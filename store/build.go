package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// builder gathers the entries of an index in the making.
type builder struct {
	x       *index
	chunk   []byte  // of keys: entries keep what lies before it
	entries []built // by slot
	several [][]byte
	refs    []ref // to entries; see order
}

// ref stands for an entry while entries are sorted: the eight bytes after those in
// which all keys are alike, where most comparisons end, and its place, which is
// also the order of slots.
type ref struct {
	head uint64
	i    uint32
}

type built struct {
	key  []byte
	slot uint64
}

// buildIndexes makes indexes of all documents in one walk. The entries of each are
// then sorted and laid into blocks, on as many processors as there are.
func buildIndexes(defs []*definition, p *pages) []*index {
	builders := make([]builder, len(defs))
	for i, d := range defs {
		builders[i] = builder{x: newIndex(d), entries: make([]built, 0, p.n)}
	}
	p.eachPage(func(first uint64, page []ejson.Doc) bool {
		fetch(page)
		for k := range page {
			if d := page[k]; !d.IsZero() {
				for i := range builders {
					builders[i].add(first+uint64(k), d)
				}
			}
		}
		return true
	})
	var wg sync.WaitGroup
	indexes := make([]*index, len(defs))
	for i := range builders {
		b := &builders[i]
		indexes[i] = b.x
		if i == len(defs)-1 || len(b.entries) < bulk {
			b.finish()
		} else {
			wg.Go(b.finish)
		}
	}
	wg.Wait()
	return indexes
}

func (b *builder) add(slot uint64, d ejson.Doc) {
	if cap(b.chunk)-len(b.chunk) < 256 {
		b.chunk = make([]byte, 0, 64<<10)
	}
	from := len(b.chunk)
	var one, multi bool
	if b.chunk, one = b.x.key.AppendOne(b.chunk, d); one {
		b.entries = append(b.entries, built{b.chunk[from:len(b.chunk):len(b.chunk)], slot})
		return
	}
	if b.several, multi = b.x.key.Append(b.several[:0], d); multi {
		b.x.multi++
	}
	for _, k := range b.several {
		b.entries = append(b.entries, built{k, slot})
	}
}

// finish fills the index.
func (b *builder) finish() {
	b.order()
	sorted := make([]built, len(b.refs))
	for i, r := range b.refs {
		sorted[i] = b.entries[r.i]
	}
	b.x.fill(sorted)
}

// order fills refs in the order of entries.
func (b *builder) order() {
	b.refs = b.refs[:0]
	if len(b.entries) == 0 {
		return
	}
	alike := len(b.entries[0].key)
	for i := range b.entries {
		alike = min(alike, common(view(b.entries[0].key), view(b.entries[i].key)))
	}
	b.refs = slices.Grow(b.refs, len(b.entries))
	for i := range b.entries {
		var head [8]byte
		copy(head[:], b.entries[i].key[alike:])
		b.refs = append(b.refs, ref{binary.BigEndian.Uint64(head[:]), uint32(i)})
	}
	slices.SortFunc(b.refs, func(p, q ref) int {
		if p.head != q.head {
			return cmp.Compare(p.head, q.head)
		}
		if n := bytes.Compare(b.entries[p.i].key, b.entries[q.i].key); n != 0 {
			return n
		}
		return cmp.Compare(p.i, q.i)
	})
}

// manyInserts are so many that it pays to sort their keys first.
const manyInserts = 64

// insertMany adds the entries of the documents that are new, in the order of keys:
// what is next is near.
func (x *index) insertMany(changes []Change, s *Store) {
	b := &s.scratch.builder
	b.x = x
	for k := range changes {
		if c := &changes[k]; c.Before.IsZero() {
			b.add(c.Slot, c.After)
		}
	}
	b.order()
	l := leaf{block: &block{}}
	for _, r := range b.refs {
		e := &b.entries[r.i]
		if at := (leaf{top: view(e.key), slot: e.slot}); below(l, at) {
			l = x.home(at.top, at.slot)
		}
		l = x.insertAt(l, e.key, e.slot, s.stamp)
	}
	b.reset()
}

// reset empties the builder and keeps its memory, if it is not much.
func (b *builder) reset() {
	if cap(b.entries) > spareWrites {
		*b = builder{}
		return
	}
	clear(b.entries)
	clear(b.several)
	*b = builder{chunk: b.chunk[:0], entries: b.entries[:0], several: b.several[:0], refs: b.refs}
}

// fill lays sorted entries into the leaves of an empty index. They are left with
// an eighth to spare, so that the first inserts do not split all of them.
func (x *index) fill(entries []built) {
	const most = blockMax - blockMax/8
	x.size = len(entries)
	for len(entries) > 0 {
		n, size := 1, len(entries[0].key)
		for n < min(most, len(entries)) && size+len(entries[n].key) <= blockData {
			size += len(entries[n].key)
			n++
		}
		b := blockOf(entries[:n])
		x.keys += b.keys
		if entries = entries[n:]; len(entries) == 0 {
			x.tree.Set(leaf{slot: noTop, block: b})
			break
		}
		top := b.entry(n - 1)
		x.tree.Set(leaf{top.key, top.slot, b})
	}
}

// blockOf returns a block of sorted entries.
func blockOf(entries []built) *block {
	first, last := view(entries[0].key), view(entries[len(entries)-1].key)
	n := common(first, last) // keys in between share it too
	size := 0
	for i := range entries {
		size += len(entries[i].key) - n
	}
	b := &block{
		prefix: strings.Clone(first[:n]),
		data:   make([]byte, 0, size),
		ends:   make([]uint32, len(entries)),
		slots:  make([]uint64, len(entries)),
	}
	for i := range entries {
		b.data = append(b.data, entries[i].key[n:]...)
		b.ends[i], b.slots[i] = uint32(len(b.data)), entries[i].slot
		if i == 0 || !b.same(i-1, i) {
			b.keys++
		}
	}
	return b
}
