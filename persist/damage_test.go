package persist

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/store"
)

// sample makes a file with a base, a log and free pages, and returns its bytes.
func sample(t *testing.T, seed uint64) (*twin, []byte) {
	t.Helper()
	path := tempFile(t)
	db := mustOpen(t, path, Options{Delay: -1, fold: smallFolds, Label: "a sample"})
	tw := newTwin(seed)
	for range 10 {
		tw.append(t, db, 12)
		mustFlush(t, db, tw.seq)
	}
	mustClose(t, db)
	// The last transaction is a commit, not a step of folding.
	db = mustOpen(t, path, Options{})
	tw.append(t, db, 1)
	mustClose(t, db)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return tw, b
}

// A file with flipped bits is refused, or it loads as a state that existed. It
// never panics, and a refused file is not touched.
func TestFlippedBits(t *testing.T) {
	// The first cases are one of each.
	if refused, same, older := flipBits(t, randomSeed(t)); refused == 0 || same == 0 || older == 0 {
		t.Errorf("%d refused, %d as they were, %d at an earlier commit", refused, same, older)
	}
}

func flipBits(t *testing.T, seed uint64) (refused, same, older int) {
	r := rand.New(rand.NewPCG(seed, 2))
	tw, good := sample(t, seed)
	path := tempFile(t)
	for i := range 250 {
		bad := append([]byte(nil), good...)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(bad))
			switch i % 5 {
			case 0: // the pages that name the last transaction
				at = r.IntN(2)*pageSize + r.IntN(80)
			case 1: // the head and the elements of a page
				at = at/pageSize*pageSize + r.IntN(100)
			case 2: // the first pages
				at = r.IntN(8 * pageSize)
			}
			bad[at] ^= 1 << r.IntN(8)
		}
		if i < 4 { // nothing, one of the two pages that name the last transaction, or both
			bad = append(bad[:0], good...)
			for page := range 2 {
				if i&(1<<page) != 0 {
					bad[page*pageSize+20] ^= 1
				}
			}
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		seq, err := tryFile(t, tw, path)
		switch {
		case err == nil && seq == tw.seq:
			same++
		case err == nil:
			older++
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrFormat) || errors.Is(err, ErrNotReplica):
			refused++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if now, _ := os.ReadFile(path); string(now) != string(bad) {
				t.Fatalf("seed %d: a refused file was changed (%v)", seed, err)
			}
		default:
			t.Fatalf("seed %d, case %d: %v", seed, i, err)
		}
	}
	t.Logf("%d refused, %d as they were, %d at an earlier commit", refused, same, older)
	return refused, same, older
}

// tryFile opens a file that may be damaged, compares it with the twin, and if
// that went well writes to it and looks again.
func tryFile(t *testing.T, tw *twin, path string) (seq store.Seq, err error) {
	t.Helper()
	db, err := Open(context.Background(), path, Options{Delay: -1, fold: smallFolds})
	if err != nil {
		return 0, err
	}
	for _, err := range db.Records() {
		if err != nil {
			return 0, errors.Join(err, db.Close())
		}
	}
	now := tw.at(db.Seq())
	now.check(t, db)
	seq = db.Seq()
	now.append(t, db, 4)
	if err := db.Close(); err != nil {
		t.Fatalf("written to: %v", err)
	}
	db = mustOpen(t, path, Options{})
	defer db.Close()
	now.check(t, db)
	return seq, nil
}

func TestCutShort(t *testing.T) {
	tw, good := sample(t, 5)
	path := tempFile(t)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 60 {
		n := r.IntN(len(good))
		if i < 10 {
			n = 1 + i*1000
		}
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := tryFile(t, tw, path); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotReplica) {
			t.Errorf("%d of %d bytes: %v", n, len(good), err)
		}
	}
}

// The file is cut while it is open: reading it faults, and says so.
func TestCutWhileOpen(t *testing.T) {
	_, good := sample(t, 6)
	path := tempFile(t)
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, path, Options{})
	if err := os.Truncate(path, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range db.Records() {
		last = err
	}
	if !errors.Is(last, ErrDamaged) {
		t.Errorf("Records: %v", last)
	}
	tw := newTwin(6).at(db.Seq())
	tw.append(t, db, 1)
	if err := db.Flush(context.Background(), tw.seq); err == nil {
		t.Error("Flush succeeded")
	}
	if db.Err() == nil {
		t.Error("Err is nil")
	}
	if err := db.Close(); err == nil {
		t.Error("Close says nothing")
	}
}

// Whatever is at the path that is not ours is refused by name and left alone.
func TestNotOurs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.bolt")
	makeForeign(t, foreign)
	for _, c := range []struct {
		path string
		want string
	}{
		{dir, "is a directory; name a file in it"},
		{write("a.json", `{"a":1}`), `begin with "{\"a\":1}"`},
		{write("b.sqlite", "SQLite format 3\x00"+strings.Repeat("x", 20_000)), `begins with "SQLite format 3`},
		{write("zeros", strings.Repeat("\x00", 40_000)), "not a replicad file"},
		{filepath.Join(dir, "none", "replica.db"), "make it first"},
		{foreign, "another program"},
		{os.DevNull, "not a replicad file but a device"},
		{"", "the path is empty"},
		{filepath.Join(dir, "a.json", "replica.db"), "replica.db\": "},
	} {
		before, _ := os.ReadFile(c.path)
		db, err := Open(context.Background(), c.path, Options{})
		if err == nil {
			db.Close()
			t.Errorf("%s was opened", c.path)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v\nwant %q and the path", c.path, err, c.want)
		}
		if c.path != "" && c.path != dir && strings.Count(err.Error(), c.path) > 1 {
			t.Errorf("the path is named twice: %v", err)
		}
		if _, cerr := Check(context.Background(), c.path); cerr == nil {
			t.Errorf("Check of %s finds nothing", c.path)
		}
		if after, _ := os.ReadFile(c.path); string(before) != string(after) {
			t.Errorf("%s was changed", c.path)
		}
	}
}

func TestNewerFormat(t *testing.T) {
	path := tempFile(t)
	mustClose(t, mustOpen(t, path, Options{}))
	setFormat(t, path, formatNumber+1, 7)
	_, err := Open(context.Background(), path, Options{})
	var f *FormatError
	if !errors.Is(err, ErrFormat) || !errors.As(err, &f) || f.Format != formatNumber+1 || f.Docs != 7 || f.Path != path {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "newer replicad") {
		t.Error(err)
	}
	setFormat(t, path, 0, 0)
	if _, err := Open(context.Background(), path, Options{}); !errors.Is(err, ErrFormat) || strings.Contains(err.Error(), "newer") {
		t.Fatalf("%v", err)
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	path := tempFile(t)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, path, Options{Label: "made in place"})
	tw := newTwin(1)
	tw.append(t, db, 5)
	mustClose(t, db)
	db = mustOpen(t, path, Options{Label: "not this"})
	defer db.Close()
	tw.check(t, db)
	if db.Label() != "made in place" || db.Path() != path {
		t.Errorf("%q, %q", db.Label(), db.Path())
	}
}

func TestLocked(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, path, Options{})
	if !errors.Is(err, ErrLocked) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
		t.Fatalf("%v", err)
	}
	if lockHolder(path) != 0 && !strings.Contains(err.Error(), "this process") {
		t.Errorf("the holder is not named: %v", err)
	}
	if _, err := Check(ctx, path); !errors.Is(err, ErrLocked) {
		t.Errorf("Check: %v", err)
	}
	if err := Compact(ctx, path); !errors.Is(err, ErrLocked) {
		t.Errorf("Compact: %v", err)
	}
	// Another process is named as well.
	other := tempFile(t)
	cmd, lines := startChild(t, "crash", 1, other)
	lines.Scan()
	_, err = Open(ctx, other, Options{})
	if want := fmt.Sprintf("process %d", cmd.Process.Pid); !errors.Is(err, ErrLocked) ||
		lockHolder(other) != 0 && !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	cmd.Process.Kill()
	cmd.Wait()
	// Whoever waits gets it when it is free.
	opened := make(chan *DB)
	go func() {
		db, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Error(err)
		}
		opened <- db
	}()
	tw := newTwin(1)
	tw.append(t, db, 5)
	mustClose(t, db)
	db = <-opened
	defer db.Close()
	tw.check(t, db)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A part of the file as it was before, with good checksums, is still noticed.
func TestOlderPart(t *testing.T) {
	tw, good := sample(t, 8)
	path := tempFile(t)
	for _, c := range []struct {
		name string
		edit func(tx *bbolt.Tx) error
	}{
		{"a chunk is missing", func(tx *bbolt.Tx) error {
			b := tx.Bucket(baseName(1))
			k, _ := b.Cursor().First()
			return b.Delete(k)
		}},
		{"the last block of the log is missing", func(tx *bbolt.Tx) error {
			st, err := loadState(tx)
			if err != nil {
				return err
			}
			b := tx.Bucket(logName(st.gens[len(st.gens)-1].number))
			k, _ := b.Cursor().Last()
			return b.Delete(k)
		}},
		{"a chunk is older", func(tx *bbolt.Tx) error {
			b := tx.Bucket(baseName(1))
			k, v := b.Cursor().First()
			k, v = bytes.Clone(k), bytes.Clone(v[:len(v)-1])
			r := reader[[]byte]{b: v[4:], slot: binary.BigEndian.Uint64(k)}
			_, first, _, _ := r.next()
			v = append([]byte{0, 0, 0, 0, 0}, binary.AppendUvarint(nil, uint64(len(first)+1))...)
			v = append(v, first...)
			binary.LittleEndian.PutUint32(v, checksum(baseName(1), k, v[4:]))
			return b.Put(k, v)
		}},
		{"the head is gone", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(headKey) }},
		{"a collection is gone", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(collectionKey(2)) }},
		{"all is gone", func(tx *bbolt.Tx) error { return tx.DeleteBucket(metaBucket) }},
		{"a document is not one", func(tx *bbolt.Tx) error {
			st, err := loadState(tx)
			if err != nil {
				return err
			}
			c := st.collections[0]
			b, err := newBlocks(tx, baseName(c.id), &c.base, new(arena))
			if err != nil {
				return err
			}
			c.top, c.dirty = c.top+1, true
			add(b, c.top, "nonsense")
			b.end()
			return st.save(tx.Bucket(metaBucket))
		}},
	} {
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		edit(t, path, c.edit)
		_, err := Check(context.Background(), path)
		if c.name == "all is gone" && errors.Is(err, ErrNotReplica) {
			continue
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := tryFile(t, tw, path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
