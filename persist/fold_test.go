package persist

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Under a steady load of updates the log stays within its bound of the base, the
// file does not grow without end, and Compact gives its room back.
func TestLogIsBounded(t *testing.T) {
	seed := randomSeed(t)
	r := rand.New(rand.NewPCG(seed, 4))
	path := tempFile(t)
	const docs = 3000
	const after = 100_000
	db := mustOpen(t, path, Options{Delay: -1, fold: foldLimits{after: after, share: 2, step: 50_000}})
	latest := map[uint64]ejson.Doc{}
	var seq store.Seq
	commit := func(n int, slot func() uint64) {
		seq++
		c := &store.Commit{Seq: seq}
		for range n {
			s := slot()
			before := latest[s]
			doc := makeDoc(r, int(s))
			if r.IntN(50) == 0 && !before.IsZero() {
				doc = ejson.Doc{}
			}
			latest[s] = doc
			c.Changes = append(c.Changes, store.Change{Collection: "c", Slot: s, Before: before, After: doc})
		}
		if err := db.Append(c); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, db, seq)
	}
	var next uint64
	commit(docs, func() uint64 { next++; return next })
	var most, size int64
	for i := range 160 {
		commit(100, func() uint64 { return 1 + r.Uint64N(docs) })
		st := db.Stats()
		most = max(most, st.LogBytes)
		if bound := max(st.BaseBytes, 2*after) + segmentBytes/8; st.LogBytes > bound {
			t.Fatalf("seed %d: a log of %d bytes on a base of %d", seed, st.LogBytes, st.BaseBytes)
		}
		if info, err := os.Stat(path); err == nil && i == 60 {
			size = info.Size()
		}
	}
	mustClose(t, db)
	info, _ := os.Stat(path)
	if st := db.Stats(); st.Folds < 3 || info.Size() > 2*size {
		t.Errorf("%d folds, %d bytes after %d: %+v", st.Folds, info.Size(), size, st)
	}
	if err := Compact(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	small, _ := os.Stat(path)
	rep, err := Check(context.Background(), path)
	if err != nil || small.Size() >= info.Size() || rep.Seq != seq {
		t.Errorf("%d bytes, %d before: %+v, %v", small.Size(), info.Size(), rep, err)
	}
	db = mustOpen(t, path, Options{})
	defer db.Close()
	n := 0
	for rec, err := range db.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Doc != latest[rec.Slot] {
			t.Fatalf("slot %d", rec.Slot)
		}
		n++
	}
	for _, doc := range latest {
		if doc.IsZero() {
			n++
		}
	}
	if n != docs {
		t.Errorf("%d documents", n)
	}
	t.Logf("%d folds, log at most %d, base %d", db.Stats().Folds, most, rep.Collections[0].Bytes)
}

// Leaving an iteration, or panicking in it, leaves nothing behind.
func TestRecordsLeft(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{})
	tw := newTwin(9)
	tw.append(t, db, 200)
	mustFlush(t, db, tw.seq)
	for range db.Records() {
		break
	}
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic was lost")
			}
		}()
		for range db.Records() {
			panic("mine")
		}
	}()
	tw.check(t, db)
	mustClose(t, db)
}
