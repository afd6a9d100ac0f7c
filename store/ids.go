package store

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// An entry of ids is 48 bits of slot+1 and 16 bits of the hash of the id; zero
// is a free place. 48 bits last for nine years at a million inserts a second.
const (
	slotBits  = 48
	slotMask  = 1<<slotBits - 1
	maxSlot   = slotMask - 1
	fewestIDs = 32 // places of the smallest table
)

var seed = maphash.MakeSeed()

func hashID(id ejson.ID) uint64 { return maphash.Comparable(seed, id) }

// ids finds the slot of an id. It is one open-addressing table, shared by the
// writer and by every snapshot since it was made: the writer adds entries, a
// reader checks what it finds against the documents of its own snapshot. An entry
// that is too new for a snapshot, or whose document is gone, thus does no harm; it
// costs a comparison until the writer makes a new table, which the old snapshots
// do not see.
//
// The writer may put a new entry where one of a removed document with the same
// 16 bits was, so that a document that comes and goes does not fill the table. For
// the snapshots that still hold the removed one, its slot is noted in the list
// that starts at their [version.lost].
type ids struct {
	places []uint64 // read and written with atomics
	used   int      // places taken; the writer's
}

// lost is a slot whose entry was overwritten. A snapshot keeps the newest lost of
// its time and follows next to what was overwritten since; what is older than all
// snapshots is garbage.
type lost struct {
	entry uint64
	next  atomic.Pointer[lost]
}

func newIDs(n int) *ids {
	return &ids{places: make([]uint64, max(fewestIDs, n+n/2))}
}

// place is where the search for a hash starts: any number of places will do.
func (t *ids) place(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.places)))
	return int(hi)
}

func fragment(hash uint64) uint64 { return hash << slotBits }

// full reports whether n more entries would make searches long. At three
// quarters a hit takes 2.5 places on average.
func (t *ids) full(n int) bool {
	return t.used+n > len(t.places)-len(t.places)/4
}

// find returns slot and document of an id in a version of a collection.
func (v *version) find(hash uint64, id ejson.ID) (slot uint64, d ejson.Doc, ok bool) {
	t := v.ids
	if t == nil {
		return 0, ejson.Doc{}, false
	}
	want, newer := fragment(hash), false
	for i := t.place(hash); ; {
		e := atomic.LoadUint64(&t.places[i])
		if e == 0 {
			break
		}
		if e&^slotMask == want {
			slot := e&slotMask - 1
			if d := v.pages.get(slot); !d.IsZero() && d.ID() == id {
				return slot, d, true
			}
			newer = newer || slot >= v.next
		}
		if i++; i == len(t.places) {
			i = 0
		}
	}
	if !newer {
		return 0, ejson.Doc{}, false
	}
	// Something was written here after this version: it may have replaced the
	// entry that is sought.
	for l := v.lost.next.Load(); l != nil; l = l.next.Load() {
		if l.entry&^slotMask == want {
			slot := l.entry&slotMask - 1
			if d := v.pages.get(slot); !d.IsZero() && d.ID() == id {
				return slot, d, true
			}
		}
	}
	return 0, ejson.Doc{}, false
}

// addID enters the slot of an id that the version does not have.
func (v *version) addID(hash, slot uint64) {
	t := v.ids
	entry := fragment(hash) | (slot + 1)
	for i := t.place(hash); ; {
		e := t.places[i] // only the writer writes
		if e == 0 {
			atomic.StoreUint64(&t.places[i], entry)
			t.used++
			return
		}
		if e&^slotMask == entry&^slotMask && v.pages.get(e&slotMask-1).IsZero() {
			// First the note, then the entry: who sees the entry finds the note.
			l := &lost{entry: e}
			v.lost.next.Store(l)
			v.lost = l
			atomic.StoreUint64(&t.places[i], entry)
			return
		}
		if i++; i == len(t.places) {
			i = 0
		}
	}
}

// reserveIDs makes room for n more ids, and drops the entries of removed ones when
// it must make a new table for it.
func (v *version) reserveIDs(n int) {
	if v.ids != nil && !v.ids.full(n) {
		return
	}
	v.ids = newIDs((v.pages.n + n) * 4 / 3)
	v.pages.each(0, func(slot uint64, d ejson.Doc) bool {
		v.addID(hashID(d.ID()), slot)
		return true
	})
}
