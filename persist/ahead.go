package persist

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Small writes go ahead: into an area of the file that is written in place, in as many
// pages as they need and with one sync. A transaction of bbolt has two, one after the
// other, and writes anew a page of each tree that it touches. When the area is full, or a
// larger write comes, what went ahead becomes one transaction together with it, and
// the area begins anew.
//
// The area is a value of the file, which bbolt never touches again. A record in it is
//
//	checksum(4) length(4) Seq before it, Seq of its last commit, group...
//	group: length of the collection's name, name, number of entries, entry...
//	entry: slot, length+1 of the document, document
//
// with uvarints for numbers, as in a block. It begins on a page of its own, so that no
// page with what was acknowledged is written to again. Its checksum is over the salt that
// the head has, its place, and itself. A transaction that takes up what went ahead has
// a new salt, and with it all records are void, whatever the disk still has of them: what
// counts is the records from the first page on, up to the first that is not whole.
const (
	// aheadPages are 256 KiB: some hundreds of calls of a person's, or some groups of
	// calls of 64 goroutines, share the transaction that takes them up.
	aheadPages = 64

	// aheadMost is the largest record. What is larger is worth a transaction: it would
	// be written twice, and a sync is little beside it.
	aheadMost = 16 * pageSize

	// The value begins behind the heads of its page, of its element, and its key; the
	// area with the next page.
	aheadSkip = pageSize - pageHeader - elementLen - len(aheadMark)
	aheadSize = aheadSkip + aheadPages*pageSize
	aheadMark = "ahead" // key and first bytes of the value
)

var aheadBucket = []byte("ahead")

// ahead is the area, as its writer knows it.
type ahead struct {
	at    int64     // of the area in the file; 0: there is none
	salt  uint64    // that the head has
	used  int       // pages with records that count
	last  store.Seq // what they come to, or the head
	kept  *segment  // what they say; nil: nothing
	fresh bool      // some of it was written since the file was opened
	off   bool      // until a transaction succeeds: nobody knows what the file says
	bytes int64     // that were written
	b     []byte

	mu sync.Mutex // held while a record is written, and while a reader begins
}

// add writes a record of what is in s, and syncs it. It reports whether it has: else s is
// to be written by a transaction, and an error says that the file is in need of one.
func (a *ahead) add(bolt *bbolt.DB, file *os.File, s *segment) (done bool, err error) {
	if a.at == 0 || a.off || s.bytes > aheadMost {
		return false, nil
	}
	a.encode(s)
	n := len(a.b) / pageSize
	if len(a.b) > aheadMost || a.used+n > aheadPages {
		return false, nil
	}
	a.mu.Lock()
	_, err = file.WriteAt(a.b, a.at+int64(a.used)*pageSize)
	a.mu.Unlock()
	if err == nil {
		err = bolt.Sync()
	}
	if err != nil {
		a.off = true
		return false, err
	}
	a.used += n
	a.bytes += int64(len(a.b))
	a.fresh, a.last = true, s.last
	if a.kept == nil {
		a.kept = newSegment()
	}
	a.kept.take(s)
	return true, nil
}

// encode makes the record of a segment in a.b, as whole pages.
func (a *ahead) encode(s *segment) {
	b := append(a.b[:0], make([]byte, 8)...)
	b = binary.AppendUvarint(b, uint64(a.last))
	b = binary.AppendUvarint(b, uint64(s.last))
	for _, g := range s.groups {
		if len(g.changes) == 0 {
			continue
		}
		g.settle()
		b = binary.AppendUvarint(b, uint64(len(g.collection)))
		b = append(b, g.collection...)
		b = binary.AppendUvarint(b, uint64(len(g.changes)))
		for _, c := range g.changes {
			b = binary.AppendUvarint(b, c.slot)
			if c.doc.IsZero() {
				b = append(b, 0)
				continue
			}
			raw := c.doc.Raw()
			b = binary.AppendUvarint(b, uint64(len(raw))+1)
			b = append(b, raw...)
		}
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	binary.LittleEndian.PutUint32(b, aheadSum(a.salt, a.used, b[4:]))
	if n := len(b) % pageSize; n > 0 {
		// Whole pages, so that the system need not read one first.
		b = append(b, make([]byte, pageSize-n)...)
	}
	a.b = b
}

func aheadSum(salt uint64, page int, record []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], salt)
	binary.LittleEndian.PutUint64(place[8:], uint64(page))
	return checksum(aheadBucket, place[:], record)
}

// with returns a segment with what is ahead, and s after it.
func (a *ahead) with(s *segment) *segment {
	if a.kept == nil {
		return s
	}
	all := newSegment()
	all.take(a.kept)
	all.take(s)
	return all
}

// taken begins anew, behind a transaction that took up what was ahead.
func (a *ahead) taken(salt uint64, last store.Seq) {
	a.salt, a.last = salt, last
	a.used, a.kept, a.fresh, a.off = 0, nil, false, false
}

// newSalt returns one that no record was written with.
func newSalt() uint64 { return rand.Uint64() | 1 }

// makeAhead makes the area, if the file has none.
func makeAhead(tx *bbolt.Tx) error {
	if tx.Bucket(aheadBucket) != nil {
		return nil
	}
	b, err := tx.CreateBucket(aheadBucket)
	if err != nil {
		return err
	}
	return b.Put([]byte(aheadMark), append([]byte(aheadMark), make([]byte, aheadSize-len(aheadMark))...))
}

// findAhead returns where in the file the area is; 0: it has none that can be used.
func findAhead(tx *bbolt.Tx, file *os.File) (at int64) {
	b := tx.Bucket(aheadBucket)
	if b == nil {
		return 0
	}
	// Make sure that the value is where the page of its bucket should have it.
	page := int64(b.Root()) * pageSize
	var mark [2 * len(aheadMark)]byte
	if _, err := file.ReadAt(mark[:], page+pageHeader+elementLen); err != nil || string(mark[:]) != aheadMark+aheadMark {
		return 0
	}
	return page + pageSize
}

// readAhead returns what went ahead of a state, nil for nothing, and how many pages
// that takes.
func readAhead(tx *bbolt.Tx, st *state) (s *segment, used int, err error) {
	bucket := tx.Bucket(aheadBucket)
	if bucket == nil || st.salt == 0 {
		return nil, 0, nil
	}
	area := bucket.Get([]byte(aheadMark))
	if len(area) != aheadSize {
		return nil, 0, damaged("what was written ahead has %d bytes of %d", len(area), aheadSize)
	}
	area = area[aheadSkip:]
	last := st.seq
	for used < aheadPages {
		b := area[used*pageSize:]
		n := uint64(binary.LittleEndian.Uint32(b[4:]))
		if n == 0 || n > uint64(len(b))-8 || binary.LittleEndian.Uint32(b) != aheadSum(st.salt, used, b[4:8+n]) {
			break
		}
		if s == nil {
			s = newSegment()
		}
		if err := s.decode(string(b[8:8+n]), last); err != nil {
			return nil, 0, err
		}
		last = s.last
		used += int(8+n+pageSize-1) / pageSize
	}
	return s, used, nil
}

// decode adds what a record says, which is to follow on a commit.
func (s *segment) decode(record string, after store.Seq) error {
	r := reader[string]{b: record}
	good := true
	number := func() uint64 {
		v, ok := r.uvarint()
		good = good && ok
		return v
	}
	part := func(n uint64) (p string) {
		if good = good && n <= uint64(len(r.b)); good {
			p, r.b = r.b[:n], r.b[n:]
		}
		return p
	}
	good = store.Seq(number()) == after
	s.last = store.Seq(number())
	for good = good && s.last > after; good && r.more(); {
		g := s.group(part(number()))
		for n := number(); good && n > 0; n-- {
			slot, size := number(), number()
			var doc ejson.Doc
			if size > 0 {
				raw := part(size - 1)
				if !good {
					break
				}
				var err error
				if doc, err = ejson.FromRaw(raw); err != nil {
					return damaged("document in slot %d of %q, written ahead after commit %d: %v", slot, g.collection, after, err)
				}
			}
			if good {
				s.add(g, slot, doc)
			}
		}
	}
	if !good {
		return damaged("what was written ahead after commit %d has a good checksum and cannot be read", after)
	}
	return nil
}
