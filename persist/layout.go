package persist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// The file is a bbolt file with these buckets at its root:
//
//	meta        "format": magic, layout format, ejson format, checksum
//	            "head":   Seq, the generations of the log, the salt of what goes ahead
//	            "label":  words for people
//	            "c"+id4:  a collection: name, top slot, sums over its base
//	"b"+id4     the base of a collection: first slot (8 bytes) → chunk
//	"l"+gen8    a generation of the log: Seq (8) and number (4) → block
//	ahead       one value, in which small writes go ahead of all that
//
// Numbers in keys are big-endian, so that bbolt's order is ours. Every value
// carries a checksum over its bucket, its key and itself; and as a page of an
// older state could take the place of a newer one without breaking any of
// these, the head and the collections hold sums over all of them.
const (
	// Format 1 has nothing that goes ahead.
	formatNumber = 2

	// pageSize is the same on every machine, so that a file can be carried.
	pageSize = 4096

	// blockSize is the largest value made of several documents. bbolt puts at
	// least two values on a leaf: two of these with their keys fill four pages.
	// Larger ones make a small transaction rewrite more of the last leaf (up to
	// four values), smaller ones leave more elements to check at every start.
	blockSize = 8152

	magic = "replicad"
)

var (
	metaBucket = []byte("meta")
	formatKey  = []byte("format")
	headKey    = []byte("head")
	labelKey   = []byte("label")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum binds a value to its place.
func checksum(bucket, key, value []byte) uint32 {
	return crc32.Update(crc32.Update(crc32.Checksum(bucket, castagnoli), castagnoli, key), castagnoli, value)
}

func baseName(id uint32) []byte      { return binary.BigEndian.AppendUint32([]byte{'b'}, id) }
func logName(gen uint64) []byte      { return binary.BigEndian.AppendUint64([]byte{'l'}, gen) }
func collectionKey(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'c'}, id) }
func slotKey(slot uint64) []byte     { return binary.BigEndian.AppendUint64(nil, slot) }

// sums is what the file says of a set of values beside the values themselves.
type sums struct {
	values uint64 // how many
	bytes  uint64 // their length together
	crc    uint64 // their checksums added up
}

func (s *sums) add(value []byte) {
	s.values++
	s.bytes += uint64(len(value))
	s.crc += uint64(binary.LittleEndian.Uint32(value))
}

func (s *sums) remove(value []byte) {
	s.values--
	s.bytes -= uint64(len(value))
	s.crc -= uint64(binary.LittleEndian.Uint32(value))
}

// generation is one bucket of the log.
type generation struct {
	number uint64
	sums
}

// collection is a collection in the file.
type collection struct {
	id   uint32
	name string

	// top is the highest slot that was ever written, in the base or in a log.
	// It never falls: a slot above it is certain to be nowhere in the file.
	top uint64

	base  sums
	dirty bool // differs from the file; belongs to the writer
}

// state is what the meta bucket says.
type state struct {
	seq         store.Seq
	salt        uint64        // of what has gone ahead; 0: the file is of format 1
	gens        []generation  // oldest first; the last one is written to
	collections []*collection // by id
	byName      map[string]*collection
}

func newState() *state {
	return &state{gens: []generation{{number: 1}}, byName: map[string]*collection{}}
}

// collection returns the collection of that name, which is made if need be.
func (s *state) collection(name string) *collection {
	if c := s.byName[name]; c != nil {
		return c
	}
	c := &collection{id: uint32(len(s.collections)) + 1, name: name, dirty: true}
	s.collections = append(s.collections, c)
	s.byName[name] = c
	return c
}

func (s *state) logBytes() (n uint64) {
	for i := range s.gens {
		n += s.gens[i].bytes
	}
	return n
}

func (s *state) baseBytes() (n uint64) {
	for _, c := range s.collections {
		n += c.base.bytes
	}
	return n
}

// save writes what differs from the file. The head always does.
func (s *state) save(meta *bbolt.Bucket) error {
	b := binary.AppendUvarint(nil, uint64(s.seq))
	b = binary.AppendUvarint(b, uint64(len(s.collections)))
	b = binary.AppendUvarint(b, uint64(len(s.gens)))
	for i := range s.gens {
		b = binary.AppendUvarint(b, s.gens[i].number)
		b = s.gens[i].append(b)
	}
	if s.salt != 0 {
		b = binary.AppendUvarint(b, s.salt)
	}
	if err := putSealed(meta, headKey, b); err != nil {
		return err
	}
	for _, c := range s.collections {
		if !c.dirty {
			continue
		}
		b := binary.AppendUvarint(nil, c.top)
		b = c.base.append(b)
		b = append(b, c.name...)
		if err := putSealed(meta, collectionKey(c.id), b); err != nil {
			return err
		}
		c.dirty = false
	}
	return nil
}

func (s *sums) append(b []byte) []byte {
	b = binary.AppendUvarint(b, s.values)
	b = binary.AppendUvarint(b, s.bytes)
	return binary.AppendUvarint(b, s.crc)
}

// loadState reads the meta bucket of a file whose format has been checked.
func loadState(tx *bbolt.Tx) (*state, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return nil, damaged("its meta bucket is gone")
	}
	b, err := getSealed(meta, headKey)
	if err != nil {
		return nil, err
	}
	s := &state{byName: map[string]*collection{}}
	r := fields{b: b}
	s.seq = store.Seq(r.uvarint())
	collections, gens := r.uvarint(), r.uvarint()
	for range min(gens, 3) {
		s.gens = append(s.gens, generation{number: r.uvarint(), sums: r.sums()})
	}
	if len(r.b) > 0 {
		s.salt = r.uvarint()
	}
	if r.bad || len(r.b) > 0 || gens == 0 || gens > 2 || collections >= 1<<32 {
		return nil, damaged("its head cannot be read")
	}
	for id := uint32(1); uint64(id) <= collections; id++ {
		b, err := getSealed(meta, collectionKey(id))
		if err != nil {
			return nil, err
		}
		r := fields{b: b}
		c := &collection{id: id, top: r.uvarint(), base: r.sums(), name: ""}
		c.name = string(r.b)
		if r.bad || s.byName[c.name] != nil {
			return nil, damaged("collection %d cannot be read", id)
		}
		s.collections = append(s.collections, c)
		s.byName[c.name] = c
	}
	return s, nil
}

// checkFormat reads the format of a file. fresh reports one with nothing in it:
// an empty file that bbolt has formatted, and we not yet.
func checkFormat(tx *bbolt.Tx) (fresh bool, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k == nil {
			return true, nil
		} else {
			return false, errNotOurs("a bbolt file with a bucket %q", k)
		}
	}
	b := meta.Get(formatKey)
	if b == nil || !bytes.HasPrefix(b, []byte(magic)) {
		return false, errNotOurs("a bbolt file of another program")
	}
	b, err = getSealed(meta, formatKey)
	if err != nil {
		return false, err
	}
	r := fields{b: b[len(magic):]}
	layout, docs := r.uvarint(), r.uvarint()
	if r.bad {
		return false, damaged("its format cannot be read")
	}
	return false, migrate(layout, docs)
}

// initialise makes the meta bucket of a new file.
func initialise(tx *bbolt.Tx, label string) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	if err := putSealed(meta, labelKey, []byte(label)); err != nil {
		return err
	}
	st := newState()
	if err := st.upgrade(tx); err != nil {
		return err
	}
	return st.save(meta)
}

// upgrade makes a file, or a new one, one of this format. What it takes over of an older
// one needs no change.
func (s *state) upgrade(tx *bbolt.Tx) error {
	b := binary.AppendUvarint([]byte(magic), formatNumber)
	b = binary.AppendUvarint(b, ejson.Format)
	s.salt = newSalt()
	return errors.Join(putSealed(tx.Bucket(metaBucket), formatKey, b), makeAhead(tx))
}

// putSealed stores a value of the meta bucket with its checksum behind it.
func putSealed(meta *bbolt.Bucket, key, value []byte) error {
	return meta.Put(key, binary.LittleEndian.AppendUint32(slices.Clip(value), checksum(metaBucket, key, value)))
}

// getSealed returns a copy of a value that putSealed stored.
func getSealed(meta *bbolt.Bucket, key []byte) ([]byte, error) {
	b := meta.Get(key)
	if len(b) < 4 {
		return nil, damaged("meta %q is gone", key)
	}
	value := b[:len(b)-4]
	if binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(metaBucket, key, value) {
		return nil, damaged("meta %q does not match its checksum", key)
	}
	return bytes.Clone(value), nil
}

// fields reads numbers; bad is set by the first that is not there.
type fields struct {
	b   []byte
	bad bool
}

func (r *fields) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *fields) sums() sums {
	return sums{values: r.uvarint(), bytes: r.uvarint(), crc: r.uvarint()}
}
