package store

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// An entry of ids is 48 bits of slot+1 and 16 bits of the hash of the id, the
// lowest of which is always set; zero is a free place. 48 bits last for nine years
// at a million inserts a second.
const (
	slotBits = 48
	slotMask = 1<<slotBits - 1
	maxSlot  = slotMask - 1

	// A bucket is a cache line of 64 bytes. All of it is compared at once: where the
	// number of steps is random, the processor guesses it wrong and waits for memory
	// once more.
	bucketLen = 8
)

var seed = maphash.MakeSeed()

func hashID(id ejson.ID) uint64 { return maphash.Comparable(seed, id) }

// ids finds the slot of an id. It is one hash table, shared by the writer and by
// every snapshot since it was made: the writer adds entries, a reader checks what
// it finds against the documents of its own snapshot. An entry that is too new for
// a snapshot, or whose document is gone, thus does no harm; it costs a comparison
// until the writer makes a new table, which the old snapshots do not see.
//
// An entry goes to the bucket of its hash or, where that is full, to the next that
// is not. The writer may put a new entry where one of a removed document with the
// same 16 bits was, so that a document that comes and goes does not fill the table.
// For the snapshots that still hold the removed one, its slot is noted in the list
// that starts at their [version.lost].
type ids struct {
	buckets []bucket
	used    int // places taken; the writer's
}

// bucket is filled from the front. It is read and written with atomics.
type bucket [bucketLen]uint64

// lost is a slot whose entry was overwritten. A snapshot keeps the newest lost of
// its time and follows next to what was overwritten since; what is older than all
// snapshots is garbage.
type lost struct {
	entry uint64
	next  atomic.Pointer[lost]
}

// start is the bucket where the search for a hash starts: any number of buckets
// will do.
func (t *ids) start(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.buckets)))
	return int(hi)
}

func fragment(hash uint64) uint64 { return (hash | 1) << slotBits }

// find returns slot and document of an id in a version of a collection.
func (v *version) find(hash uint64, id ejson.ID) (slot uint64, d ejson.Doc, ok bool) {
	t := v.ids
	if t == nil {
		return 0, ejson.Doc{}, false
	}
	want, newer := fragment(hash), false
	for i := t.start(hash); ; {
		b := &t.buckets[i]
		var entries bucket
		var matches uint64 // a bit for each entry with the fragment
		for k := range b {
			e := atomic.LoadUint64(&b[k])
			entries[k] = e
			matches |= ((e^want)>>slotBits - 1) >> 63 << k
		}
		for ; matches != 0; matches &= matches - 1 {
			slot := entries[bits.TrailingZeros64(matches)]&slotMask - 1
			if d := v.pages.get(slot); !d.IsZero() && d.HasID(id) {
				return slot, d, true
			}
			newer = newer || slot >= v.next
		}
		if entries[bucketLen-1] == 0 {
			break
		}
		if i++; i == len(t.buckets) {
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
			if d := v.pages.get(slot); !d.IsZero() && d.HasID(id) {
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
	for i := t.start(hash); ; {
		b := &t.buckets[i]
		for k := range b {
			e := b[k] // only the writer writes
			if e == 0 {
				atomic.StoreUint64(&b[k], entry)
				t.used++
				return
			}
			if (e^entry)>>slotBits == 0 && v.pages.get(e&slotMask-1).IsZero() {
				// First the note, then the entry: who sees the entry finds the note.
				l := &lost{entry: e}
				v.lost.next.Store(l)
				v.lost = l
				atomic.StoreUint64(&b[k], entry)
				return
			}
		}
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// reserveIDs makes room for n more ids, and drops the entries of removed ones when
// it must make a new table for it. From three quarters on, one search in ten would
// go on to a second bucket.
func (v *version) reserveIDs(n int) {
	if v.ids != nil && v.ids.used+n <= len(v.ids.buckets)*(bucketLen*3/4) {
		return
	}
	v.ids = &ids{buckets: make([]bucket, (v.pages.n+n)*2/bucketLen+1)}
	v.pages.eachPage(func(first uint64, page []ejson.Doc) bool {
		fetchIDs(page)
		for k := range page {
			if d := page[k]; !d.IsZero() {
				v.addID(hashID(d.ID()), first+uint64(k))
			}
		}
		return true
	})
}
