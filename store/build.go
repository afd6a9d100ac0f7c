package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// addIndex builds an index and adds it. It holds the writer's lock all the time,
// and that of readers only to put the index in place.
func (s *Store) addIndex(collection string, keys []string) error {
	key, err := query.CompileIndex(keys...)
	if err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	t := s.table(collection)
	if t.indexNamed(key.Name()) >= 0 {
		return nil
	}
	x := buildIndex(key, &t.pages)
	s.view.Lock()
	defer s.view.Unlock()
	s.setIndexes(t, append(slices.Clone(t.indexes), x))
	s.log.Debug("index added", "collection", collection, "index", x.name, "entries", x.size)
	return nil
}

func (s *Store) dropIndex(collection string, keys []string) error {
	key, err := query.CompileIndex(keys...)
	if err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	at := -1
	var t *table
	if n, ok := s.numbers[collection]; ok {
		t = s.tables[n]
		at = t.indexNamed(key.Name())
	}
	if at < 0 {
		return fmt.Errorf("%w: %q on %q", ErrNoIndex, key.Name(), collection)
	}
	s.view.Lock()
	defer s.view.Unlock()
	s.setIndexes(t, slices.Delete(slices.Clone(t.indexes), at, at+1))
	return nil
}

// setIndexes changes which indexes a table has. The caller holds both locks.
func (s *Store) setIndexes(t *table, indexes []*index) {
	t.indexes = indexes
	t.frozen = make([]*index, len(indexes))
	t.plans = s.nextPlans()
	s.mark(t)
	s.moment.Add(1)
}

// built is an entry of an index in the making. Most comparisons end at the first
// eight bytes in which the keys are not all alike.
type built struct {
	head uint64
	key  []byte
	slot uint64
}

// buildIndex makes an index of all documents: the entries are sorted and laid
// into full blocks.
func buildIndex(key *query.IndexKey, p *pages) *index {
	x := newIndex(key)
	if p.n == 0 {
		return x
	}
	entries := make([]built, 0, p.n)
	var chunk []byte // of keys: entries keep what lies before it
	room := func() {
		if cap(chunk)-len(chunk) < 256 {
			chunk = make([]byte, 0, 64<<10)
		}
	}
	var several [][]byte
	p.each(func(slot uint64, d ejson.Doc) bool {
		room()
		from := len(chunk)
		var one, multi bool
		if chunk, one = key.AppendOne(chunk, d); one {
			entries = append(entries, built{key: chunk[from:len(chunk):len(chunk)], slot: slot})
			return true
		}
		if several, multi = key.Append(several[:0], d); multi {
			x.multi++
		}
		for _, k := range several {
			entries = append(entries, built{key: k, slot: slot})
		}
		return true
	})
	alike := len(entries[0].key)
	for i := range entries {
		alike = min(alike, common(view(entries[0].key), view(entries[i].key)))
	}
	for i := range entries {
		var head [8]byte
		copy(head[:], entries[i].key[alike:])
		entries[i].head = binary.BigEndian.Uint64(head[:])
	}
	slices.SortFunc(entries, func(a, b built) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if n := bytes.Compare(a.key, b.key); n != 0 {
			return n
		}
		return cmp.Compare(a.slot, b.slot)
	})
	x.fill(entries)
	return x
}

// fill lays sorted entries into the leaves of an empty index, and builds the
// levels above. Blocks are left with an eighth to spare, so that the first inserts
// do not split all of them.
func (x *index) fill(entries []built) {
	const most = blockMax - blockMax/8
	var level []*block
	var borders []entry // borders[i] is between level[i] and level[i+1]
	all := block{}
	close := func() {
		leaf := all.cut(0, all.len(), 0)
		level = append(level, leaf)
		x.leaves, x.keys, x.size = x.leaves+1, x.keys+leaf.keys, x.size+leaf.len()
		all = block{slots: all.slots[:0], ends: all.ends[:0], data: all.data[:0]}
	}
	x.leaves = 0
	for i := range entries {
		e := &entries[i]
		if all.len() >= most || all.full(e.key) {
			borders = append(borders, all.entry(all.len()-1))
			close()
		}
		all.insert(all.len(), e.key, e.slot)
	}
	close()
	for len(level) > 1 {
		var up []*block
		var upBorders []entry
		b := &block{kids: level[:1:1]}
		for i, border := range borders {
			if b.len() >= most || b.full([]byte(border.key)) {
				up = append(up, b)
				upBorders = append(upBorders, border)
				b = &block{kids: level[i+1 : i+2 : i+2]}
				continue
			}
			b.insert(b.len(), []byte(border.key), border.slot)
			b.kids = append(b.kids, level[i+1])
		}
		level, borders = append(up, b), upBorders
	}
	x.root = level[0]
}
