package store

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
)

// builder gathers entries that go into an index, or out of it.
type builder struct {
	x       *index
	chunk   []byte // of keys: entries keep what lies before it
	entries []built
	olds    [][]byte
	news    [][]byte
	refs    []uint64 // to entries; see order
	spare   []uint64 // for sort
	groups  []group

	multi   int  // x.multi at reset
	changed bool // there were entries since
}

type built struct {
	key  []byte
	slot uint64
	out  bool // is to be taken out, not put in
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

// add gathers the entries of a document.
func (b *builder) add(slot uint64, d ejson.Doc) {
	if key, one := b.one(d); one {
		b.entries = append(b.entries, built{key: key, slot: slot})
		return
	}
	var multi bool
	if b.news, multi = b.x.key.Append(b.news[:0], d); multi {
		b.x.multi++
	}
	for _, k := range b.news {
		b.entries = append(b.entries, built{key: k, slot: slot})
	}
}

// one returns the only key of a document. It stays good when others are read.
func (b *builder) one(d ejson.Doc) (key []byte, ok bool) {
	if cap(b.chunk)-len(b.chunk) < 256 {
		b.chunk = make([]byte, 0, 64<<10)
	}
	from := len(b.chunk)
	b.chunk, ok = b.x.key.AppendOne(b.chunk, d)
	return b.chunk[from:len(b.chunk):len(b.chunk)], ok
}

// change gathers the entries that before has and after has not, to be taken out,
// and those that after has and before has not. Either may be the zero Doc.
func (b *builder) change(slot uint64, before, after ejson.Doc) {
	if !b.x.whole {
		// What the index has no entries for is not there.
		if !before.IsZero() && !b.x.key.Has(before) {
			before = ejson.Doc{}
		}
		if !after.IsZero() && !b.x.key.Has(after) {
			after = ejson.Doc{}
		}
	}
	var old, now []byte
	oldOne, nowOne := true, true
	if !before.IsZero() {
		old, oldOne = b.one(before)
	}
	if !after.IsZero() {
		now, nowOne = b.one(after)
	}
	if !oldOne || !nowOne {
		b.changeMany(slot, before, after)
		return
	}
	if !before.IsZero() && !after.IsZero() && bytes.Equal(old, now) {
		return
	}
	if !before.IsZero() {
		b.entries = append(b.entries, built{old, slot, true})
	}
	if !after.IsZero() {
		b.entries = append(b.entries, built{now, slot, false})
	}
}

// changeMany is change for documents with several keys.
func (b *builder) changeMany(slot uint64, before, after ejson.Doc) {
	b.olds, b.news = b.olds[:0], b.news[:0]
	if !before.IsZero() {
		var multi bool
		if b.olds, multi = b.x.key.Append(b.olds, before); multi {
			b.x.multi--
		}
	}
	if !after.IsZero() {
		var multi bool
		if b.news, multi = b.x.key.Append(b.news, after); multi {
			b.x.multi++
		}
	}
	slices.SortFunc(b.olds, bytes.Compare)
	slices.SortFunc(b.news, bytes.Compare)
	i, j := 0, 0
	for i < len(b.olds) || j < len(b.news) {
		n := 0
		switch {
		case i == len(b.olds):
			n = 1
		case j == len(b.news):
			n = -1
		default:
			n = bytes.Compare(b.olds[i], b.news[j])
		}
		if n < 0 {
			b.entries = append(b.entries, built{b.olds[i], slot, true})
		} else if n > 0 {
			b.entries = append(b.entries, built{b.news[j], slot, false})
		}
		if n <= 0 {
			i++
		}
		if n >= 0 {
			j++
		}
	}
}

// finish fills the index, which is empty.
func (b *builder) finish() {
	b.order()
	b.x.fill(b)
}

// reset makes an empty builder ready for an index.
func (b *builder) reset(x *index) { b.x, b.multi, b.changed = x, x.multi, false }

// clear empties the builder and keeps its memory, if it is not much.
func (b *builder) clear() {
	b.changed = b.changed || len(b.entries) > 0
	if cap(b.entries) > 2*spareWrites {
		*b = builder{x: b.x, multi: b.multi, changed: b.changed}
		return
	}
	clear(b.entries)
	clear(b.olds)
	clear(b.news)
	clear(b.groups)
	b.chunk, b.entries, b.olds, b.news, b.groups = b.chunk[:0], b.entries[:0], b.olds[:0], b.news[:0], b.groups[:0]
}

// fill lays the entries of a builder, in their order, into the leaves of an empty
// index. They are left with an eighth to spare, so that the first inserts do not
// split all of them.
func (x *index) fill(b *builder) {
	const most = blockMax - blockMax/8
	x.size = len(b.refs)
	for refs := b.refs; len(refs) > 0; {
		n, size := 1, len(b.at(refs[0]).key)
		for n < min(most, len(refs)) && size+len(b.at(refs[n]).key) <= blockData {
			size += len(b.at(refs[n]).key)
			n++
		}
		made := b.block(refs[:n])
		x.keys += int(made.keys)
		if refs = refs[n:]; len(refs) == 0 {
			x.tree.Set(leaf{slot: noTop, block: made})
			break
		}
		top := made.entry(n - 1)
		x.tree.Set(leaf{top.key, top.slot, made})
	}
}

func (b *builder) at(ref uint64) *built { return &b.entries[uint32(ref)] }

// block returns a block of some entries.
func (b *builder) block(refs []uint64) *block {
	first, last := view(b.at(refs[0]).key), view(b.at(refs[len(refs)-1]).key)
	n := common(first, last) // keys in between share it too
	made := &block{prefix: strings.Clone(first[:n])}
	for _, r := range refs {
		made.push(b.at(r).key, b.at(r).slot)
	}
	return made
}
