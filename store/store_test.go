package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

type journal struct {
	commits []*Commit
	refuse  error
}

func (j *journal) Append(c *Commit) error {
	if j.refuse != nil {
		return j.refuse
	}
	j.commits = append(j.commits, c)
	return nil
}

func TestCommitsAreMergedAndTold(t *testing.T) {
	j := &journal{}
	s := New(Options{Journal: j})
	var all, some []Seq
	var last *Commit
	_, stopAll := s.Tail("", func(c *Commit) { all = append(all, c.Seq) })
	from, stop := s.Tail("a", func(c *Commit) {
		some = append(some, c.Seq)
		last = c
		if len(j.commits) == 0 || j.commits[len(j.commits)-1] != c {
			t.Error("told before the journal")
		}
		if snap := c.After(); snap == nil || snap.Seq() != c.Seq {
			t.Errorf("after commit %d: %v", c.Seq, snap)
		}
	})
	if from.Seq() != 0 {
		t.Errorf("tail from %d", from.Seq())
	}
	put := func(coll string, docs ...ejson.Doc) Seq {
		seq, err := s.Update(func(tx *Tx) error {
			for _, d := range docs {
				if err := tx.Put(coll, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	x := func(n int) ejson.Doc { return account("x", n) }
	if seq := put("a", x(1), x(2), account("y", 1), x(3)); seq != 1 {
		t.Errorf("seq %d", seq)
	}
	want := []Change{
		{"a", ejson.StringID("x"), 0, ejson.Doc{}, x(3)},
		{"a", ejson.StringID("y"), 1, ejson.Doc{}, account("y", 1)},
	}
	if !slices.Equal(last.Changes, want) {
		t.Errorf("changes %v", last.Changes)
	}
	if seq := put("a", x(4), x(3)); seq != 1 {
		t.Errorf("a transaction that came back to where it began made commit %d", seq)
	}
	put("b", x(1)) // 2
	put("a", x(5)) // 3
	if !last.Changes[0].Before.Equal(x(3)) || !last.Changes[0].After.Equal(x(5)) || last.Changes[0].Slot != 0 {
		t.Errorf("changes %v", last.Changes)
	}
	s.Update(func(tx *Tx) error { tx.Delete("a", ejson.StringID("x")); return tx.Put("b", x(2)) }) // 4
	pinned := last
	put("a", x(6)) // 5
	stop()
	stop()
	put("a", x(7)) // 6
	stopAll()
	put("a", x(8)) // 7
	if fmt.Sprint(all, some, len(j.commits)) != "[1 2 3 4 5 6] [1 3 4 5] 7" {
		t.Errorf("told of %v and %v; %d in the journal", all, some, len(j.commits))
	}
	if snap := pinned.After(); snap.Seq() != 4 || snap.Len("a") != 1 {
		t.Errorf("a pinned snapshot is of %d", snap.Seq())
	}
	if snap := j.commits[6].After(); snap == nil || snap.Seq() != 7 {
		t.Errorf("the last commit's snapshot: %v", snap)
	}
	put("a", x(9))
	if snap := j.commits[5].After(); snap != nil {
		t.Errorf("snapshot of %d for commit 6, which nobody pinned", snap.Seq())
	}
	if (&Commit{Seq: 3}).After() != nil {
		t.Error("a commit made by hand has a snapshot")
	}
}

func TestJournalRefuses(t *testing.T) {
	j := &journal{refuse: errors.New("disk full")}
	s := New(Options{Journal: j})
	c := s.Collection("a")
	if _, err := c.InsertOne(account("x", 1)); !errors.Is(err, j.refuse) || !strings.Contains(err.Error(), "commit 1") {
		t.Errorf("error %v", err)
	}
	if s.Snapshot().Len("a") != 0 || s.Snapshot().Seq() != 0 {
		t.Error("a refused commit happened")
	}
	j.refuse = nil
	if _, err := c.InsertOne(account("x", 1)); err != nil || s.Snapshot().Seq() != 1 {
		t.Errorf("%v, seq %d", err, s.Snapshot().Seq())
	}
}

func TestClaim(t *testing.T) {
	s := New(Options{})
	owner := new(int)
	s.Claim(owner, "a")
	c := s.Collection("a")
	for name, do := range map[string]func() error{
		"InsertOne":  func() error { _, err := c.InsertOne(account("x", 1)); return err },
		"UpdateOne":  func() error { _, err := c.UpdateOne("x", map[string]any{"$set": map[string]any{"n": 1}}); return err },
		"UpdateMany": func() error { _, err := c.UpdateMany(nil, map[string]any{"$set": map[string]any{"n": 1}}); return err },
		"UpsertOne": func() error {
			_, _, err := c.UpsertOne("x", map[string]any{"$set": map[string]any{"n": 1}})
			return err
		},
		"ReplaceOne": func() error { _, err := c.ReplaceOne("x", account("x", 2)); return err },
		"DeleteOne":  func() error { _, err := c.DeleteOne("x"); return err },
		"DeleteMany": func() error { _, err := c.DeleteMany(nil); return err },
		"Tx.Put": func() error {
			_, err := s.Update(func(tx *Tx) error { return tx.Put("a", account("x", 1)) })
			return err
		},
		"Tx.Delete": func() error {
			_, err := s.Update(func(tx *Tx) error { tx.Delete("a", ejson.StringID("x")); return nil })
			return err
		},
		"Tx.Clear": func() error { _, err := s.Update(func(tx *Tx) error { tx.Clear("a"); return nil }); return err },
		"another owner": func() error {
			_, err := s.UpdateAs(1, func(tx *Tx) error { return tx.Put("a", account("x", 1)) })
			return err
		},
	} {
		err := do()
		if !errors.Is(err, ErrReplicated) || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), "stub") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.UpdateAs(owner, func(tx *Tx) error { return tx.Put("a", account("x", 1)) }); err != nil {
		t.Error(err)
	}
	if _, err := s.Collection("b").InsertOne(account("x", 1)); err != nil {
		t.Error(err)
	}
	s.Claim(nil, "a")
	if _, err := c.DeleteOne("x"); err != nil {
		t.Error(err)
	}
}

// wantPanic runs f and wants it to panic with a text.
func wantPanic(t *testing.T, text string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := fmt.Sprint(recover()); !strings.Contains(r, text) {
			t.Errorf("panic %q, wants %q", r, text)
		}
	}()
	f()
}

func TestNestedWritesPanic(t *testing.T) {
	s, other := New(Options{}), New(Options{})
	c := s.Collection("a")
	for name, nested := range map[string]func(){
		"Update": func() { s.Update(func(*Tx) error { return nil }) },
		"Insert": func() { c.InsertOne(account("x", 1)) },
		"Tail":   func() { s.Tail("a", func(*Commit) {}) },
		"Index":  func() { c.Index("n") },
		"Load":   func() { s.Load(1, func(func(Record, error) bool) {}) },
		"Close":  func() { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			wantPanic(t, "inside Update", func() {
				s.Update(func(*Tx) error { nested(); return nil })
			})
			wantPanic(t, "inside Update", func() {
				other.Update(func(*Tx) error {
					_, err := s.Update(func(*Tx) error { nested(); return nil })
					return err
				})
			})
		})
	}
	_, stop := s.Tail("a", func(*Commit) {
		wantPanic(t, "Tail function", func() { c.DeleteOne("x") })
	})
	if _, err := c.InsertOne(account("x", 1)); err != nil {
		t.Fatal(err)
	}
	stop()
	// A store inside another is no fault, also where it must be waited for.
	inside := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Update(func(*Tx) error {
			<-inside
			return nil
		})
	})
	other.Update(func(*Tx) error {
		close(inside)
		_, err := s.Update(func(tx *Tx) error { return tx.Put("a", account("y", 1)) })
		return err
	})
	wg.Wait()
	if s.Snapshot().Len("a") != 2 {
		t.Error("the write inside another store's is lost")
	}
}

func TestVoidTx(t *testing.T) {
	s := New(Options{})
	var kept *Tx
	s.Update(func(tx *Tx) error { kept = tx; return nil })
	wantPanic(t, "Tx was used after", func() { kept.Get("a", ejson.StringID("x")) })
}

func TestClose(t *testing.T) {
	s := New(Options{})
	c := s.Collection("a")
	if _, err := c.InsertOne(account("x", 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(account("y", 1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := c.Index("n"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := s.Load(1, func(func(Record, error) bool) {}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if d, err := c.FindOne("x"); err != nil || d != account("x", 1) {
		t.Errorf("read after close: %v %v", d, err)
	}
}

func TestBigCommitLetsReadersPass(t *testing.T) {
	s := New(Options{})
	c := s.Collection("a")
	if _, err := c.InsertOne(account("x", 1)); err != nil {
		t.Fatal(err)
	}
	docs := make([]ejson.Doc, bigCommit)
	for i := range docs {
		docs[i] = numbered(i)
	}
	if snap := s.current.Load(); snap.Seq() != 0 {
		t.Fatalf("published commit %d, which nobody read", snap.Seq())
	}
	// What readers get while the big one is applied is there before, and fresh.
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	if snap := s.current.Load(); snap.Seq() != 1 || snap.Len("a") != 1 {
		t.Errorf("before a big commit the store was not published: seq %d", snap.Seq())
	}
	if s.Snapshot().Len("a") != 1+bigCommit {
		t.Error("a big commit is lost")
	}
}

// TestReadersFindSnapshotsMade: who has read the snapshot before a commit finds the next
// one made, and need not take the mutex that it is made behind; commits that nobody
// reads make one snapshot, not one each.
func TestReadersFindSnapshotsMade(t *testing.T) {
	s := New(Options{})
	c := s.Collection("a")
	for i := range 10 {
		if _, err := c.InsertOne(numbered(i)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			s.Snapshot() // from here on each is asked for
			continue
		}
		if made := s.current.Load(); made.Seq() != Seq(i+1) || s.Snapshot() != made || made.Len("a") != i+1 {
			t.Errorf("after commit %d there is a snapshot of %d, with %d documents", i+1, made.Seq(), made.Len("a"))
		}
	}
	last := s.Snapshot().Seq()
	for i := range 10 {
		if _, err := c.InsertOne(numbered(100 + i)); err != nil {
			t.Fatal(err)
		}
	}
	if made := s.current.Load(); made.Seq() != last+1 {
		t.Errorf("nobody reads after commit %d, and commit %d was published", last, made.Seq())
	}
	if snap := s.Snapshot(); snap.Seq() != last+10 || snap.Len("a") != 20 {
		t.Errorf("reads commit %d with %d documents", snap.Seq(), snap.Len("a"))
	}
}

func TestMatcherAndModifierMayBeCompiled(t *testing.T) {
	s, c := bank(t)
	m, err := query.Compile(map[string]any{"balance": map[string]any{"$gt": 50}})
	if err != nil {
		t.Fatal(err)
	}
	mod, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"balance": 1}})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.UpdateMany(m, mod); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := c.Find(m).Count(); n != 1 || err != nil || balance(t, s.Snapshot(), "a") != 101 {
		t.Fatal(n, err)
	}
}

// TestTransactionOfManyCollections writes to more collections than a transaction looks
// through one by one, in turn.
func TestTransactionOfManyCollections(t *testing.T) {
	s := New(Options{})
	name := func(i int) string { return fmt.Sprint("c", i) }
	const collections = 3 * fewParts
	if _, err := s.Update(func(tx *Tx) error {
		for round := range 2 {
			for i := range collections {
				id := ejson.StringID(fmt.Sprint(round))
				if err := tx.Put(name(i), ejson.Make(ejson.Field{Name: "_id", Value: id.String()}, ejson.Field{Name: "n", Value: i})); err != nil {
					return err
				}
			}
		}
		for i := range collections {
			if n := tx.Len(name(i)); n != 2 {
				t.Errorf("%s: %d documents in the transaction", name(i), n)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	snap := s.Snapshot()
	for i := range collections {
		if d, ok := snap.Get(name(i), ejson.StringID("1")); !ok || d.Field("n").Number() != float64(i) || snap.Len(name(i)) != 2 {
			t.Errorf("%s: %v", name(i), d)
		}
	}
}
