package persist

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Folding brings what the log says into the base. The log then begins a new
// generation; the old one is frozen, and its entries are merged into the base
// in the order of collections and slots, a bounded piece at a time, between the
// writer's other work. When all are merged its bucket is dropped.
//
// Nothing has to be noted on the way. Loading lays the whole log over the base,
// old generation first, and an entry that is in the base already changes nothing
// there. So a fold that is cut off by a crash simply begins again.

// foldLimits says when and in what steps; tests have smaller ones.
type foldLimits struct {
	// after is the size of a log that is folded, if the base is small. 4 MiB take
	// some 5ms to load.
	after uint64

	// A log is folded when it exceeds the base's size divided by share. A fold
	// may rewrite the whole base: at a half, each byte that is logged costs at
	// most two more. A smaller log costs more writing, a larger one makes loading
	// slower.
	share uint64

	// step is about how many bytes one step writes: a few milliseconds.
	step int
}

var defaultFold = foldLimits{after: 4 << 20, share: 2, step: 1 << 20}

// fold is one under way.
type fold struct {
	gen   uint64 // being folded
	keys  [][]byte
	parts []foldPart // that remain
}

// foldPart is what the log says of one collection.
type foldPart struct {
	collection uint32
	entries    []foldEntry // by slot; that remain
}

// foldEntry is the place of the latest entry of a slot.
type foldEntry struct {
	slot uint64
	key  uint32 // index of keys
	at   uint32 // of the document in the block
	n    uint32 // its length+1; 0: the document is gone
}

// foldDue reports whether there is a step of folding to be done now.
func (w *writer) foldDue(now time.Time) bool {
	if w.foldOff || w.foldAt.After(now) {
		return false
	}
	if w.fold != nil {
		return true
	}
	st := w.state
	return st != nil && (w.count > 0 || w.ahead.fresh) &&
		(len(st.gens) > 1 || st.gens[0].bytes > max(w.limits.after, st.baseBytes()/w.limits.share))
}

// step does a bounded piece of folding, and reports whether it was the last.
func (w *writer) step() (whole bool, err error) {
	w.foldTurn = false
	err = w.update(func(tx *bbolt.Tx, st *state) error {
		if w.fold == nil {
			return w.beginFold(tx, st)
		}
		// As the log grows by a byte, the fold must get on by more than it and
		// its part of the base.
		budget := max(w.limits.step, 2*(int(w.limits.share)+1)*w.lately)
		for budget > 0 && len(w.fold.parts) > 0 {
			p := &w.fold.parts[0]
			n, err := w.mergeNext(tx, st.collections[p.collection-1], p)
			if err != nil {
				return err
			}
			budget -= n
			if len(p.entries) == 0 {
				w.fold.parts = w.fold.parts[1:]
			}
		}
		if len(w.fold.parts) > 0 {
			return nil
		}
		whole = true
		st.gens = slices.Clone(st.gens[1:])
		return tx.DeleteBucket(logName(w.fold.gen))
	})
	w.lately = 0
	if err != nil || whole {
		w.fold = nil
	}
	return whole && err == nil, err
}

// beginFold freezes the log and finds the latest entry of each slot in it.
func (w *writer) beginFold(tx *bbolt.Tx, st *state) error {
	if len(st.gens) == 1 {
		st.gens = append(slices.Clone(st.gens), generation{number: st.gens[0].number + 1})
	}
	gen := &st.gens[0]
	f := &fold{gen: gen.number}
	byID := make([][]foldEntry, len(st.collections))
	var found sums
	err := eachValue(tx, logName(gen.number), &found, func(name, k, v []byte) error {
		id, r, err := openLog(name, k, v)
		if err != nil {
			return err
		}
		if int(id) > len(byID) {
			return damaged("log %d has collection %d of %d", gen.number, id, len(byID))
		}
		for r.more() {
			slot, raw, gone, err := r.next()
			if err != nil {
				return err
			}
			e := foldEntry{slot: slot, key: uint32(len(f.keys)), at: uint32(len(v) - len(r.b) - len(raw)), n: uint32(len(raw)) + 1}
			if gone {
				e.n = 0
			}
			byID[id-1] = append(byID[id-1], e)
		}
		f.keys = append(f.keys, slices.Clone(k))
		return nil
	})
	if err != nil {
		return err
	}
	if found != gen.sums {
		return damaged("log %d has %v, its head says %v", gen.number, found, gen.sums)
	}
	for i, entries := range byID {
		slices.SortFunc(entries, func(a, b foldEntry) int {
			switch {
			case a.slot != b.slot && a.slot < b.slot, a.slot == b.slot && a.key > b.key:
				return -1
			case a.slot == b.slot && a.key == b.key:
				return 0
			}
			return 1
		})
		// The latest of a slot is now its first.
		entries = slices.CompactFunc(entries, func(a, b foldEntry) bool { return a.slot == b.slot })
		if len(entries) > 0 {
			f.parts = append(f.parts, foldPart{uint32(i) + 1, entries})
		}
	}
	w.fold = f
	return nil
}

// mergeNext merges what the log says of one chunk of the base, or a few small
// ones, and returns about how many bytes it has written.
func (w *writer) mergeNext(tx *bbolt.Tx, c *collection, p *foldPart) (written int, err error) {
	out, err := newBlocks(tx, baseName(c.id), &c.base, &w.arena)
	if err != nil {
		return 0, err
	}
	m := merge{fold: w.fold, limit: w.limits.step, journal: tx.Bucket(logName(w.fold.gen)), part: p}
	if m.journal == nil {
		return 0, damaged("log %d is gone", w.fold.gen)
	}
	var olds [][]byte
	cursor := out.bucket.Cursor()
	k, v := find(cursor, p.entries[0].slot)
	for {
		var chunk reader[[]byte]
		if k != nil {
			if chunk, err = openBase(out.name, k, v); err != nil {
				return 0, err
			}
			olds = append(olds, slices.Clone(k))
			c.base.remove(v)
			k, v = cursor.Next()
		}
		below := uint64(math.MaxUint64)
		if k != nil {
			below = binary.BigEndian.Uint64(k)
		}
		if err := m.add(chunk, below); err != nil {
			return 0, err
		}
		// A chunk that has become small takes the next one in.
		if k == nil || m.size >= blockSize/4 {
			break
		}
	}
	c.dirty = true
	for _, k := range olds {
		if err := out.bucket.Delete(k); err != nil {
			return 0, err
		}
	}
	// Chunks of equal size, so that each has room to grow.
	pieces := (m.size + blockSize - 1) / blockSize
	n := 0
	for _, d := range m.docs {
		size := entrySize(len(d.raw))
		if n > 0 && n+size > m.size/pieces+blockSize/16 {
			out.end()
			n = 0
		}
		add(out, d.slot, d.raw)
		n += size
	}
	out.end()
	return m.size + pageSize, out.failed
}

// find returns the chunk in which a slot is or would be; nil in an empty base.
// The cursor is left there.
func find(cursor *bbolt.Cursor, slot uint64) (k, v []byte) {
	k, v = cursor.Seek(slotKey(slot))
	if k == nil {
		return cursor.Last()
	}
	if binary.BigEndian.Uint64(k) == slot {
		return k, v
	}
	if k, v := cursor.Prev(); k != nil {
		return k, v
	}
	return cursor.First()
}

// foldDoc is a document in the memory of the file, or of this transaction.
type foldDoc struct {
	slot uint64
	raw  []byte
}

// merge gathers what becomes of some neighbouring chunks.
type merge struct {
	fold    *fold
	journal *bbolt.Bucket
	part    *foldPart

	docs  []foldDoc
	size  int
	limit int // size from which entries are left for another time

	key   uint32 // of the block that was looked up last
	block []byte
}

// add merges a chunk with the entries of the log that are below a slot. It may
// leave some of them for another time.
func (m *merge) add(chunk reader[[]byte], below uint64) error {
	for m.size < m.limit && len(m.part.entries) > 0 && m.part.entries[0].slot < below {
		e := m.part.entries[0]
		if err := m.keep(&chunk, e.slot); err != nil {
			return err
		}
		raw, err := m.raw(e)
		if err != nil {
			return err
		}
		m.part.entries = m.part.entries[1:]
		if e.n > 0 {
			m.put(e.slot, raw)
		}
	}
	return m.keep(&chunk, below)
}

// keep takes over the documents of a chunk below a slot, and drops that in it.
func (m *merge) keep(chunk *reader[[]byte], below uint64) error {
	for chunk.more() {
		before := *chunk
		slot, raw, _, err := chunk.next()
		if err != nil {
			return err
		}
		if slot > below {
			*chunk = before
			return nil
		}
		if slot < below {
			m.put(slot, raw)
		}
	}
	return nil
}

func (m *merge) put(slot uint64, raw []byte) {
	m.docs = append(m.docs, foldDoc{slot, raw})
	m.size += entrySize(len(raw))
}

// raw returns the document of an entry, in the memory of the file.
func (m *merge) raw(e foldEntry) ([]byte, error) {
	if e.n == 0 {
		return nil, nil
	}
	if m.block == nil || m.key != e.key {
		m.key, m.block = e.key, m.journal.Get(m.fold.keys[e.key])
	}
	if uint64(e.at)+uint64(e.n)-1 > uint64(len(m.block)) {
		return nil, damaged("block %x of log %d is gone", m.fold.keys[e.key], m.fold.gen)
	}
	return m.block[e.at : e.at+e.n-1], nil
}
