package persist

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/replicad/replicad/store"
)

// After random commits, flushes and restarts the file has what a map has.
func TestReopenEqualsTwin(t *testing.T) {
	for _, folding := range []bool{false, true} {
		name := "log"
		if folding {
			name = "folding"
		}
		t.Run(name, func(t *testing.T) {
			seed := randomSeed(t)
			r := rand.New(rand.NewPCG(seed, 0))
			path := tempFile(t)
			tw := newTwin(seed)
			opts := Options{Delay: time.Millisecond}
			if folding {
				opts.fold = smallFolds
			}
			var folds int64
			for round := range 12 {
				db := mustOpen(t, path, opts)
				if db.Seq() != tw.seq || db.Durable() != tw.seq {
					t.Fatalf("Seq %d, Durable %d, want %d", db.Seq(), db.Durable(), tw.seq)
				}
				tw.check(t, db)
				for range 1 + r.IntN(6) {
					tw.append(t, db, r.IntN(60))
					if r.IntN(2) == 0 {
						mustFlush(t, db, tw.seq)
						tw.check(t, db)
					}
				}
				mustClose(t, db)
				folds += db.Stats().Folds
				if round%4 == 3 {
					if err := Compact(context.Background(), path); err != nil {
						t.Fatal(err)
					}
				}
			}
			if (folds > 0) != folding {
				t.Errorf("%d folds", folds)
			}
			rep, err := Check(context.Background(), path)
			if err != nil || rep.Seq != tw.seq {
				t.Fatalf("Check: %+v, %v", rep, err)
			}
		})
	}
}

// smallFolds makes the log be folded after some kilobytes, in small steps.
var smallFolds = foldLimits{after: 20_000, share: 1 << 40, step: 10_000}

func TestAppendRefuses(t *testing.T) {
	path := tempFile(t)
	db := mustOpen(t, path, Options{})
	tw := newTwin(1)
	tw.append(t, db, 3)
	if err := db.Append(&store.Commit{Seq: 3}); err == nil {
		t.Error("commit 3 was taken twice")
	}
	mustClose(t, db)
	if err := db.Append(tw.next()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := db.Flush(context.Background(), 3); err != nil {
		t.Errorf("Flush of what Close wrote: %v", err)
	}
	if err := db.Flush(context.Background(), 4); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for _, err := range db.Records() {
		if err == nil {
			t.Error("Records of a closed DB")
		}
	}
	db = mustOpen(t, path, Options{})
	defer db.Close()
	if err := db.Append(&store.Commit{Seq: 1}); err == nil {
		t.Error("a store that was not loaded could write")
	}
}

func TestFlushWaits(t *testing.T) {
	db := mustOpen(t, tempFile(t), Options{Delay: time.Hour})
	defer db.Close()
	tw := newTwin(2)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Flush(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush of a commit to come: %v", err)
	}
	// A Flush for a commit that comes later is answered when it has.
	got := make(chan error)
	go func() { got <- db.Flush(context.Background(), 2) }()
	tw.append(t, db, 2)
	if err := <-got; err != nil {
		t.Error(err)
	}
	if db.Durable() != 2 {
		t.Errorf("Durable = %d", db.Durable())
	}
	if s := db.Stats(); s.Waiting != 0 || s.Records == 0 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
	// Close writes what waits, and ends Flushes of what will never come.
	go func() { got <- db.Flush(context.Background(), 99) }()
	for waiting := 0; waiting == 0; {
		db.mu.Lock()
		waiting = len(db.waiters)
		db.mu.Unlock()
	}
	tw.append(t, db, 1)
	mustClose(t, db)
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("Flush at Close: %v", err)
	}
	if db.Durable() != 3 {
		t.Errorf("Durable = %d", db.Durable())
	}
}

// A slot above all others may be used again after its document was removed: a
// store that loads the file cannot know that it was taken.
func TestSlotUsedAgain(t *testing.T) {
	doc := func(n int) store.Change {
		return store.Change{Collection: "c", Slot: 100, After: makeDoc(rand.New(rand.NewPCG(uint64(n), 0)), n)}
	}
	for _, fold := range []bool{false, true} {
		path := tempFile(t)
		var seq store.Seq
		write := func(changes ...store.Change) {
			opts := Options{}
			if fold {
				opts.fold = foldLimits{after: 1, share: 1 << 40, step: 1 << 20}
			}
			db := mustOpen(t, path, opts)
			seq++
			if err := db.Append(&store.Commit{Seq: seq, Changes: changes}); err != nil {
				t.Fatal(err)
			}
			mustFlush(t, db, seq)
			for fold && db.Stats().LogBytes > 0 {
				runtime.Gosched()
			}
			mustClose(t, db)
		}
		bulk := []store.Change{}
		for i := range 99 {
			ch := doc(i)
			ch.Slot = uint64(i + 1)
			bulk = append(bulk, ch)
		}
		write(append(bulk, doc(100))...)
		write(store.Change{Collection: "c", Slot: 100})
		last := doc(101)
		write(last)
		db := mustOpen(t, path, Options{})
		n := 0
		for r, err := range db.Records() {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if r.Slot == 100 && r.Doc != last.After {
				t.Errorf("slot 100 has %v", r.Doc)
			}
		}
		if n != 100 {
			t.Errorf("%d documents", n)
		}
		mustClose(t, db)
	}
}
