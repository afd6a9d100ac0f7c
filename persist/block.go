package persist

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/bbolt"
)

// A block is one value of the file: a run of entries in the order of slots,
//
//	checksum(4) [collection id, in a log only] entry...
//	entry: slot minus the one before, length+1 of the document, document
//
// with uvarints for numbers. Length+1 of 0 says that the document was removed,
// which only a log can say. The first slot of a block in a base is its key.

// entrySize is an upper bound of what an entry takes, but for absurd slots.
func entrySize(n int) int { return 2*binary.MaxVarintLen32 + n }

// arena is memory for the values of one transaction, which bbolt keeps until it
// ends.
type arena struct{ b []byte }

func (a *arena) reset() {
	if cap(a.b) > 16<<20 {
		a.b = nil // one large commit; the next will hardly be so
	}
	a.b = a.b[:0]
}

// blocks cuts entries into blocks and puts them into a bucket.
type blocks struct {
	bucket *bbolt.Bucket
	name   []byte // of the bucket
	sums   *sums
	arena  *arena

	// For a log only: the collection of the entries and what begins the key.
	log        bool
	collection uint32
	prefix     []byte

	start  int // of the open block in the arena; -1: none is open
	first  uint64
	last   uint64
	failed error
}

// newBlocks begins to write to the bucket of that name, which is made if need
// be. Its keys come in ascending order, so pages are filled nearly whole.
func newBlocks(tx *bbolt.Tx, name []byte, s *sums, a *arena) (*blocks, error) {
	bucket, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return nil, err
	}
	bucket.FillPercent = 0.95
	return &blocks{bucket: bucket, name: name, sums: s, arena: a, start: -1}, nil
}

// add appends a document. Slots ascend until end is called.
func add[T text](w *blocks, slot uint64, raw T) {
	b := w.begin(slot, len(raw))
	b = binary.AppendUvarint(b, uint64(len(raw))+1)
	w.arena.b = append(b, raw...)
}

// remove appends that the document of a slot is gone.
func (w *blocks) remove(slot uint64) {
	w.arena.b = append(w.begin(slot, 0), 0)
}

// begin appends the slot of an entry, in a new block if it does not fit into
// the open one.
func (w *blocks) begin(slot uint64, n int) []byte {
	b := w.arena.b
	if w.start >= 0 && len(b)-w.start+entrySize(n) > blockSize {
		w.end()
	}
	delta := slot - w.last
	if w.start < 0 {
		w.start, w.first = len(b), slot
		b = append(b, 0, 0, 0, 0)
		delta = 0
		if w.log {
			b = binary.AppendUvarint(b, uint64(w.collection))
			delta = slot
		}
	}
	w.last = slot
	return binary.AppendUvarint(b, delta)
}

// end closes the open block, if there is one.
func (w *blocks) end() {
	if w.start < 0 {
		return
	}
	b := w.arena.b
	value := b[w.start:len(b):len(b)]
	w.start = -1
	key := slotKey(w.first)
	if w.log {
		key = binary.BigEndian.AppendUint32(slices.Clip(w.prefix), uint32(w.sums.values))
	}
	binary.LittleEndian.PutUint32(value, checksum(w.name, key, value[4:]))
	w.sums.add(value)
	if err := w.bucket.Put(key, value); err != nil && w.failed == nil {
		w.failed = err
	}
}

// text is what both a string and a byte slice can be read as.
type text interface{ ~string | ~[]byte }

// reader takes a block apart. Documents are parts of the block's memory.
type reader[T text] struct {
	b    T
	slot uint64
	some bool // an entry has been read
}

// openBase checks a block of a base and returns its entries.
func openBase(name, key, value []byte) (reader[[]byte], error) {
	if len(key) != 8 || len(value) < 5 || binary.LittleEndian.Uint32(value) != checksum(name, key, value[4:]) {
		return reader[[]byte]{}, damaged("chunk %x of base %x does not match its checksum", key, name[1:])
	}
	return reader[[]byte]{b: value[4:], slot: binary.BigEndian.Uint64(key)}, nil
}

// openLog checks a block of a log and returns its collection and entries.
func openLog(name, key, value []byte) (collection uint32, r reader[[]byte], err error) {
	if len(key) != 12 || len(value) < 5 || binary.LittleEndian.Uint32(value) != checksum(name, key, value[4:]) {
		return 0, r, damaged("block %x of log %x does not match its checksum", key, name[1:])
	}
	r.b = value[4:]
	id, ok := r.uvarint()
	if !ok || id == 0 || id >= 1<<32 {
		return 0, r, damaged("block %x of log %x names no collection", key, name[1:])
	}
	return uint32(id), r, nil
}

// more reports whether there is another entry.
func (r *reader[T]) more() bool { return len(r.b) > 0 }

// next returns the next slot and its document, or that the document is gone.
func (r *reader[T]) next() (slot uint64, raw T, gone bool, err error) {
	delta, ok := r.uvarint()
	n, ok2 := r.uvarint()
	slot = r.slot + delta
	if !ok || !ok2 || (r.some && slot <= r.slot) || slot < r.slot || n > uint64(len(r.b))+1 {
		return 0, raw, false, damaged("a block with a good checksum has a bad entry after slot %d", r.slot)
	}
	r.slot, r.some = slot, true
	if n == 0 {
		return slot, raw, true, nil
	}
	raw, r.b = r.b[:n-1], r.b[n-1:]
	return slot, raw, false, nil
}

func (r *reader[T]) uvarint() (v uint64, ok bool) {
	for i := 0; i < len(r.b) && i < binary.MaxVarintLen64; i++ {
		c := r.b[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.b = r.b[i+1:]
			return v, i < 9 || c <= 1
		}
	}
	return 0, false
}
