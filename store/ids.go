package store

import (
	"hash/maphash"
	"math/bits"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// An entry of ids is 48 bits of slot+1, a bit that says that the entry is not in
// the bucket where its search starts, and 15 bits of the hash of the id, its mark;
// zero is a free place. 48 bits last for nine years at a million inserts a second.
const (
	slotBits = 48
	slotMask = 1<<slotBits - 1
	maxSlot  = slotMask - 1
	displace = 1 << slotBits
	markAt   = slotBits + 1

	// A bucket is a cache line of 64 bytes. All of it is compared at once: where the
	// number of steps is random, the processor guesses it wrong and waits for memory
	// once more.
	bucketLen = 8

	// maxDoubled is how often a table is doubled: then ten bits of the mark are left
	// to tell the ids of a bucket apart.
	maxDoubled = 5
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
// same mark was, so that a document that comes and goes does not fill the table.
// For the snapshots that still hold the removed one, its slot is noted in the list
// that starts at their [version.lost].
//
// A table that has become too small is doubled: bucket i becomes 2i and 2i+1, and
// the next bit of the mark says to which of them an entry goes. To read the ids of
// all documents and hash them again would cost a seventh of a bulk load.
type ids struct {
	buckets []bucket
	first   int  // how many buckets there were before it was doubled
	doubled uint // how often since
	used    int  // places taken; the writer's
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

// start is the bucket where the search for a hash starts. Its highest bits choose
// one of the first buckets, of which there may be any number, and those of the mark
// one of the buckets that this has become.
func (t *ids) start(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(t.first))
	return int(hi<<t.doubled | mark(hash)>>(64-t.doubled))
}

func mark(hash uint64) uint64 { return hash << markAt }

// marked reports whether an entry has a mark.
func marked(entry, mark uint64) bool { return (entry^mark)>>markAt == 0 }

// find returns slot and document of an id in a version of a collection.
func (v *version) find(hash uint64, id ejson.ID) (slot uint64, d ejson.Doc, ok bool) {
	t := v.ids
	if t == nil {
		return 0, ejson.Doc{}, false
	}
	want, newer := mark(hash), false
	for i := t.start(hash); ; {
		b := &t.buckets[i]
		var entries bucket
		var matches uint64 // a bit for each entry with the mark
		for k := range b {
			e := atomic.LoadUint64(&b[k])
			entries[k] = e
			matches |= ((e^want)>>markAt - 1) >> 63 << k
		}
		for ; matches != 0; matches &= matches - 1 {
			e := entries[bits.TrailingZeros64(matches)]
			slot := e&slotMask - 1 // of a free place, one that no document has
			if d := v.pages.get(slot); !d.IsZero() && d.HasID(id) {
				return slot, d, true
			}
			newer = newer || slot >= v.next && e != 0
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
		if marked(l.entry, want) {
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
	entry := mark(hash) | (slot + 1)
	for i := t.start(hash); ; {
		b := &t.buckets[i]
		for k := range b {
			e := b[k] // only the writer writes
			if e == 0 {
				atomic.StoreUint64(&b[k], entry)
				t.used++
				return
			}
			if marked(e, entry) && v.pages.get(e&slotMask-1).IsZero() {
				// First the note, then the entry: who sees the entry finds the note.
				l := &lost{entry: e}
				v.lost.next.Store(l)
				v.lost = l
				atomic.StoreUint64(&b[k], entry)
				return
			}
		}
		entry |= displace
		if i++; i == len(t.buckets) {
			i = 0
		}
	}
}

// fetch touches the buckets of ids that are about to be looked up.
func (t *ids) fetch(hashes []uint64) {
	var sum uint64
	for _, h := range hashes {
		sum += atomic.LoadUint64(&t.buckets[t.start(h)][0])
	}
	runtime.KeepAlive(sum)
}

// prefetched is how many documents are fetched in advance at most: what is fetched has
// to be in the processor's cache when it is looked at.
const prefetched = 1024

// prefetch touches what find will look at for some ids: the buckets of many at once,
// then their places, then the documents. One by one each of these is waited for.
func (v *version) prefetch(ids []ejson.ID) {
	if v.ids == nil {
		return
	}
	var hashes, slots [pageLen]uint64
	var docs [pageLen]ejson.Doc
	for len(ids) > 0 {
		n := min(len(ids), pageLen)
		for i, id := range ids[:n] {
			hashes[i] = hashID(id)
		}
		v.ids.fetch(hashes[:n])
		found := slots[:0]
		for _, h := range hashes[:n] {
			b := &v.ids.buckets[v.ids.start(h)]
			for k := range b {
				if e := atomic.LoadUint64(&b[k]); marked(e, mark(h)) {
					found = append(found, e&slotMask-1)
					break
				}
			}
		}
		v.pages.read(found, &docs)
		fetch(docs[:len(found)])
		ids = ids[n:]
	}
}

// byIDs looks ids up and returns what there is, in the order of insertion and each
// once.
func (v *version) byIDs(ids []ejson.ID) []located {
	found := make([]located, 0, len(ids))
	if len(ids) > 2 {
		v.prefetch(ids[:min(len(ids), prefetched)])
	}
	for _, id := range ids {
		if slot, d, ok := v.find(hashID(id), id); ok {
			found = append(found, located{slot, d})
		}
	}
	bySlot(found)
	return slices.CompactFunc(found, func(a, b located) bool { return a.slot == b.slot })
}

// most is how many places may be taken. From three quarters on, one search in ten
// would go on to a second bucket.
func (t *ids) most() int { return len(t.buckets) * (bucketLen * 3 / 4) }

// reserveIDs makes room for n more ids. Where it must make a new table for it, and
// the old is not good to be doubled, it drops the entries of removed ones.
func (v *version) reserveIDs(n int) {
	t := v.ids
	if t != nil && t.used+n <= t.most() {
		return
	}
	if t != nil && t.doubled < maxDoubled && t.used+n <= 2*t.most() && t.used <= v.pages.n+v.pages.n/8 {
		v.doubleIDs()
		return
	}
	buckets := (v.pages.n+n)*2/bucketLen + 1
	v.ids = &ids{buckets: make([]bucket, buckets), first: buckets}
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

// doubleIDs makes a table with twice the buckets. Only for the entries that are not
// in their own bucket it needs to know the id.
func (v *version) doubleIDs() {
	old := v.ids
	t := &ids{buckets: make([]bucket, 2*len(old.buckets)), first: old.first, doubled: old.doubled + 1}
	v.ids = t
	for i := range old.buckets {
		var n [2]int
		for _, e := range old.buckets[i] {
			if e == 0 {
				break
			}
			if e&displace != 0 {
				continue
			}
			// The two buckets are new: nothing has come into them yet.
			half := e << old.doubled >> 63
			t.buckets[uint64(2*i)|half][n[half]] = e
			n[half]++
		}
		t.used += n[0] + n[1]
	}
	for i := range old.buckets {
		for _, e := range old.buckets[i] {
			if e&displace != 0 {
				if d := v.pages.get(e&slotMask - 1); !d.IsZero() {
					v.addID(hashID(d.ID()), e&slotMask-1)
				}
			}
		}
	}
}
