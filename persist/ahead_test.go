package persist

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/store"
)

// openImages makes commits and returns what the file was like after each Flush of some,
// while it was open: as a crash would leave it.
func openImages(t *testing.T, seed uint64, n int, fold foldLimits) (*twin, [][]byte, []store.Seq) {
	t.Helper()
	path := tempFile(t)
	tw := newTwin(seed)
	var all [][]byte
	var seqs []store.Seq
	db := mustOpen(t, path, Options{Delay: time.Hour, fold: fold})
	defer mustClose(t, db)
	for range n {
		tw.append(t, db, 2)
		mustFlush(t, db, tw.seq)
		for db.foldingNow() {
			runtime.Gosched()
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all, seqs = append(all, b), append(seqs, tw.seq)
	}
	return tw, all, seqs
}

// foldingNow reports whether the log has a generation that is being folded.
func (db *DB) foldingNow() bool {
	s := db.Stats()
	return s.LogBytes > int64(db.w.limits.after) && s.LogBytes > s.BaseBytes/int64(db.w.limits.share)
}

// noFolds leaves the log alone.
var noFolds = foldLimits{after: 1 << 60, share: 1, step: 1 << 20}

// TestLostTailAhead ends the machine in the midst of every Flush: of the pages that it
// writes before its last sync some are on disk and others not, in any combination. The
// file always opens, to what it held before or after.
func TestLostTailAhead(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 31))
	tw, all, seqs := openImages(t, 31, 45, noFolds)
	path := tempFile(t)
	ahead, whole := 0, 0
	for i := 1; i < len(all); i++ {
		old, new := all[i-1], all[i]
		pages := changedPages(old, new)
		data := pages
		if last := pages[len(pages)-1]; last < 2*pageSize {
			data = pages[:len(pages)-1]
			whole++
		} else {
			ahead++
		}
		if i%3 > 0 && len(data) == len(pages) {
			continue
		}
		try := func(mixed []byte) {
			t.Helper()
			if err := os.WriteFile(path, mixed, 0o600); err != nil {
				t.Fatal(err)
			}
			seq, err := tryFile(t, tw, path)
			if err != nil || seq != seqs[i-1] && seq != seqs[i] {
				t.Fatalf("commit %d: commit %d (%v)", seqs[i], seq, err)
			}
		}
		for range 3 {
			var some []int
			for _, at := range data {
				if r.IntN(2) == 0 {
					some = append(some, at)
				}
			}
			try(with(old, new, some, pageSize))
		}
		try(with(old, new, data[:1], 512))
		if len(data) < len(pages) {
			try(with(old, new, data, pageSize))
		}
		try(new)
	}
	if ahead == 0 || whole == 0 { // the seed is fixed
		t.Errorf("%d went ahead, %d were transactions", ahead, whole)
	}
}

// TestStalePagesAhead is TestStalePages with a file that a crash has left.
func TestStalePagesAhead(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 32))
	tw, all, seqs := openImages(t, 32, 45, smallFolds)
	path := tempFile(t)
	refused, opened := 0, 0
	for i := 0; i < len(all); i += 2 {
		for range 3 {
			from := max(0, i-1-r.IntN(12))
			old, new := all[from], all[i]
			var some []int
			for _, at := range changedPages(old, new) {
				if r.IntN(4) > 0 {
					some = append(some, at)
				}
			}
			mixed := with(old, new, some, pageSize)
			if err := os.WriteFile(path, mixed, 0o600); err != nil {
				t.Fatal(err)
			}
			seq, err := tryFile(t, tw, path)
			switch {
			case err == nil && seq <= seqs[i]:
				opened++
			case errors.Is(err, ErrDamaged):
				refused++
				if now, _ := os.ReadFile(path); !bytes.Equal(now, mixed) {
					t.Fatalf("commit %d: a refused file was changed (%v)", seqs[i], err)
				}
			default:
				t.Fatalf("commit %d: commit %d (%v)", seqs[i], seq, err)
			}
		}
	}
	if refused == 0 || opened == 0 { // the seed is fixed
		t.Errorf("%d refused, %d opened", refused, opened)
	}
}

// small is a commit of one document.
func small(seq store.Seq) *store.Commit {
	return &store.Commit{Seq: seq, Changes: []store.Change{{
		Collection: "c", Slot: uint64(seq), After: makeDoc(rand.New(rand.NewPCG(1, 1)), int(seq)),
	}}}
}

// slots returns what a file has of small commits.
func slots(t *testing.T, db *DB) (n store.Seq) {
	t.Helper()
	for r, err := range db.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; r.Slot != uint64(n) {
			t.Fatalf("slot %d where %d should be", r.Slot, n)
		}
	}
	return n
}

// TestFlushWritesAPage holds a Flush of a small commit to one page, but for the one in
// aheadPages that takes up what went ahead.
func TestFlushWritesAPage(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{Delay: time.Hour})
	for seq := store.Seq(1); seq <= aheadPages; seq++ {
		if err := db.Append(small(seq)); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, db, seq)
		if got := db.Stats().Bytes; got != int64(seq)*pageSize {
			t.Fatalf("%d bytes for %d commits", got, seq)
		}
	}
	if err := db.Append(small(aheadPages + 1)); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, db, aheadPages+1)
	if got := db.Stats().Bytes; got == (aheadPages+1)*pageSize || got > (aheadPages+30)*pageSize {
		t.Errorf("%d bytes, when the pages are used up", got)
	}
	if n := slots(t, db); n != aheadPages+1 {
		t.Errorf("%d documents", n)
	}
	mustClose(t, db)
}

// TestAheadFlipped flips bits in what went ahead: the file opens to what was before it.
func TestAheadFlipped(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{Delay: time.Hour})
	at := db.w.ahead.at
	const n = 20
	for seq := store.Seq(1); seq <= n; seq++ {
		if err := db.Append(small(seq)); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, db, seq)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
	copied := tempFile(t)
	for i := range n + 1 {
		bad := bytes.Clone(good)
		bad[int(at)+i*pageSize+i] ^= 4
		if err := os.WriteFile(copied, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db := mustOpen(t, copied, Options{})
		if got := slots(t, db); got != store.Seq(i) || db.Seq() != got || db.Durable() != got {
			t.Errorf("record %d: %d documents, commit %d", i, got, db.Seq())
		}
		mustClose(t, db)
		if now, _ := os.ReadFile(copied); !bytes.Equal(now, bad) {
			t.Errorf("record %d: the file was changed by looking at it", i)
		}
		rep, err := Check(context.Background(), copied)
		if err != nil || rep.Seq != store.Seq(i) || rep.Documents != i {
			t.Errorf("record %d: %+v, %v", i, rep, err)
		}
	}
}

// TestAheadUnreadable has records with good checksums that make no sense.
func TestAheadUnreadable(t *testing.T) {
	doc := makeDoc(rand.New(rand.NewPCG(1, 1)), 1).Raw()
	number := binary.AppendUvarint
	start := number(number(nil, 0), 1)
	group := append(number(bytes.Clone(start), 1), 'c')
	entry := append(number(number(number(bytes.Clone(group), 1), 7), uint64(len(doc))+1), doc...)
	for _, c := range []struct {
		name   string
		record []byte
		good   bool
	}{
		{"whole", entry, true},
		{"nothing but its commits", start, true},
		{"of a later commit", append(number(number(nil, 5), 6), entry[len(start):]...), false},
		{"of no commit", append(number(number(nil, 0), 0), entry[len(start):]...), false},
		{"cut", entry[:len(entry)-1], false},
		{"cut in the name", number(bytes.Clone(start), 9), false},
		{"cut in a number", append(bytes.Clone(group), 0x80), false},
		{"more entries than there are", append(number(bytes.Clone(group), 1<<60), 1), false},
		{"a document that is none", append(number(number(number(bytes.Clone(group), 1), 7), 3), 1, 2), false},
	} {
		path := tempFile(t)
		db := mustOpen(t, path, Options{})
		at, salt := db.w.ahead.at, db.w.ahead.salt
		mustClose(t, db)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := b[at:]
		copy(r[8:], c.record)
		binary.LittleEndian.PutUint32(r[4:], uint32(len(c.record)))
		binary.LittleEndian.PutUint32(r, aheadSum(salt, 0, r[4:8+len(c.record)]))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err = Open(context.Background(), path, Options{})
		if err == nil {
			if db.Seq() != 1 {
				t.Errorf("%s: commit %d", c.name, db.Seq())
			}
			mustClose(t, db)
		}
		if (err == nil) != c.good || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestAheadFails has the write of a record fail: what waits is written by a transaction.
func TestAheadFails(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{Delay: time.Hour})
	if err := db.Append(small(1)); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, db, 1)
	reader, err := os.Open(path) // to write to it is an error
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	db.w.file = reader
	if err := db.Append(small(2)); err != nil {
		t.Fatal(err)
	}
	if err := db.Flush(context.Background(), 2); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Flush: %v", err)
	}
	if db.Err() == nil || db.Durable() != 1 {
		t.Errorf("%v, durable %d", db.Err(), db.Durable())
	}
	mustFlush(t, db, 2)
	if n := slots(t, db); n != 2 || db.Err() != nil {
		t.Errorf("%d documents, %v", n, db.Err())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
	copied := tempFile(t)
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, copied, Options{})
	defer db.Close()
	if n := slots(t, db); n != 2 {
		t.Errorf("%d documents in a copy", n)
	}
}

// TestFormatOne opens a file in which nothing goes ahead. Looking at it does not change
// it; the first transaction does.
func TestFormatOne(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{})
	tw := newTwin(33)
	tw.append(t, db, 20)
	mustClose(t, db)
	edit(t, path, func(tx *bbolt.Tx) error {
		st, err := loadState(tx)
		if err != nil {
			return err
		}
		st.salt = 0
		return errors.Join(st.save(tx.Bucket(metaBucket)), tx.DeleteBucket(aheadBucket))
	})
	setFormat(t, path, 1, 1)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Check(context.Background(), path)
	if err != nil || rep.Format != 1 || rep.Seq != tw.seq {
		t.Errorf("%+v, %v", rep, err)
	}
	db = mustOpen(t, path, Options{})
	tw.check(t, db)
	mustClose(t, db)
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file was changed by looking at it")
	}
	for range 3 {
		db = mustOpen(t, path, Options{})
		tw.append(t, db, 1)
		mustFlush(t, db, tw.seq)
		tw.append(t, db, 1)
		mustFlush(t, db, tw.seq)
		tw.check(t, db)
		mustClose(t, db)
	}
	if rep, err := Check(context.Background(), path); err != nil || rep.Format != formatNumber || rep.Seq != tw.seq {
		t.Errorf("%+v, %v", rep, err)
	}
}
