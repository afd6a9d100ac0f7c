package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// The tests of this file are named for what must not happen, or what must.

func account(name string, balance int) ejson.Doc {
	return ejson.Make(ejson.Field{Name: "_id", Value: name}, ejson.Field{Name: "balance", Value: balance})
}

func balance(t *testing.T, snap *Snapshot, name string) int {
	t.Helper()
	d, ok := snap.Get("accounts", ejson.StringID(name))
	if !ok {
		t.Fatalf("no account %q", name)
	}
	return int(d.Field("balance").Number())
}

func bank(t *testing.T) (*Store, Collection[ejson.Doc]) {
	t.Helper()
	s := New(Options{})
	c := s.Collection("accounts")
	if err := c.Index("balance"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertMany([]ejson.Doc{account("a", 100), account("b", 0)}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestNoDirtyReadOfTransaction(t *testing.T) {
	s, c := bank(t)
	_, err := s.Update(func(tx *Tx) error {
		if err := tx.Put("accounts", account("a", 1)); err != nil {
			return err
		}
		// Within the transaction, so that no scheduler is needed to get there: a
		// reader sees what was before.
		if got := balance(t, s.Snapshot(), "a"); got != 100 {
			t.Errorf("dirty read: %d", got)
		}
		if n, err := c.Find(map[string]any{"balance": 1}).Count(); n != 0 || err != nil {
			t.Errorf("dirty read by index: %d %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := balance(t, s.Snapshot(), "a"); got != 1 {
		t.Errorf("balance %d after the commit", got)
	}
}

func TestNoDirtyReadOfSnapshot(t *testing.T) {
	s, c := bank(t)
	before := s.Snapshot()
	if _, err := c.UpdateMany(nil, map[string]any{"$inc": map[string]any{"balance": 7}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteOne("b"); err != nil {
		t.Fatal(err)
	}
	if got := balance(t, before, "a"); got != 100 {
		t.Errorf("a snapshot changed: %d", got)
	}
	if _, ok := before.Get("accounts", ejson.StringID("b")); !ok {
		t.Error("a document left a snapshot")
	}
	if n, err := c.Find(map[string]any{"balance": map[string]any{"$gte": 100}}).At(before).Count(); n != 1 || err != nil {
		t.Errorf("an index of a snapshot changed: %d %v", n, err)
	}
}

func TestAbortedWritesAreGone(t *testing.T) {
	s, c := bank(t)
	told := 0
	_, stop := s.Tail("", func(*Commit) { told++ })
	defer stop()
	boom := errors.New("boom")
	seq, err := s.Update(func(tx *Tx) error {
		tx.Delete("accounts", ejson.StringID("a"))
		if err := tx.Put("accounts", account("c", 5)); err != nil {
			return err
		}
		if err := tx.Put("other", account("c", 5)); err != nil {
			return err
		}
		return boom
	})
	if seq != 0 || err != boom {
		t.Errorf("aborted update returned %d %v", seq, err)
	}
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("the panic became %v", r)
			}
		}()
		s.Update(func(tx *Tx) error {
			tx.Clear("accounts")
			panic("boom")
		})
	}()
	snap := s.Snapshot()
	if snap.Seq() != 1 || snap.Len("accounts") != 2 || told != 0 || len(snap.Collections()) != 1 {
		t.Errorf("seq %d, %d documents, told %d times, collections %v", snap.Seq(), snap.Len("accounts"), told, snap.Collections())
	}
	if seq, err := s.Update(func(tx *Tx) error { return tx.Put("accounts", account("c", 1)) }); seq != 2 || err != nil {
		t.Errorf("the next commit is %d %v", seq, err)
	}
	if _, err := c.FindOne("c"); err != nil {
		t.Error(err)
	}
}

func TestReadYourWrites(t *testing.T) {
	s, _ := bank(t)
	_, err := s.Update(func(tx *Tx) error {
		id := ejson.StringID("a")
		if err := tx.Put("accounts", account("a", 42)); err != nil {
			return err
		}
		if d, _ := tx.Get("accounts", id); d != account("a", 42) {
			t.Errorf("get after put: %v", d)
		}
		if n, err := tx.Update("accounts", map[string]any{"balance": 42}, map[string]any{"$inc": map[string]any{"balance": 1}}); n != 1 || err != nil {
			t.Errorf("update of what was put: %d %v", n, err)
		}
		if n, err := tx.Update("accounts", map[string]any{"balance": 100}, map[string]any{"$set": map[string]any{"balance": 1}}); n != 0 || err != nil {
			t.Errorf("update found the document as it was before: %d %v", n, err)
		}
		if !tx.Delete("accounts", id) || tx.Delete("accounts", id) {
			t.Error("delete does not see itself")
		}
		if _, ok := tx.Get("accounts", id); ok {
			t.Error("get after delete")
		}
		var left []string
		for d := range tx.Each("accounts") {
			left = append(left, d.ID().String())
		}
		if fmt.Sprint(left) != "[b]" {
			t.Errorf("each after delete: %v", left)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadYourCommits(t *testing.T) {
	s, c := bank(t)
	for i := range 500 {
		seq, err := s.Update(func(tx *Tx) error { return tx.Put("accounts", account("a", i)) })
		if err != nil {
			t.Fatal(err)
		}
		if snap := s.Snapshot(); snap.Seq() < seq || balance(t, snap, "a") != i {
			t.Fatalf("commit %d is not in the snapshot of %d", seq, snap.Seq())
		}
		if n, err := c.Find(map[string]any{"balance": i}).Count(); n < 1 || err != nil {
			t.Fatalf("commit %d is not in the index: %v", seq, err)
		}
	}
}

func TestNoLostUpdate(t *testing.T) {
	s, c := bank(t)
	const writers, each = 4, 250
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := c.UpdateOne("b", map[string]any{"$inc": map[string]any{"balance": 1}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := balance(t, s.Snapshot(), "b"); got != writers*each {
		t.Errorf("%d of %d updates are left", got, writers*each)
	}
	if seq := s.Snapshot().Seq(); seq != writers*each+1 {
		t.Errorf("seq %d", seq)
	}
}

// TestNoTornRead moves money about while readers count it, by scan, by index and
// by id, and while indexes come and go. No snapshot may show a part of a transfer,
// and none may change while it is looked at.
func TestNoTornRead(t *testing.T) {
	const accounts, total, transfers = 300, 300 * 10, 1500
	s := New(Options{})
	c := s.Collection("accounts")
	var docs []ejson.Doc
	for i := range accounts {
		docs = append(docs, account(fmt.Sprint("acc", i), 10))
	}
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	if err := c.Index("balance"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	count := func(snap *Snapshot) (sum, n int) {
		for _, d := range snap.Each("accounts") {
			sum += int(d.Field("balance").Number())
			n++
		}
		return sum, n
	}
	for reader := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(reader)))
			last := Seq(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				snap := s.Snapshot()
				if snap.Seq() < last {
					t.Errorf("seq %d after %d", snap.Seq(), last)
				}
				last = snap.Seq()
				sum, n := count(snap)
				indexed := 0
				for d, err := range c.Find(map[string]any{"balance": map[string]any{"$gte": 0}}).At(snap).Each() {
					if err != nil {
						t.Error(err)
					}
					indexed += int(d.Field("balance").Number())
				}
				id := ejson.StringID(fmt.Sprint("acc", r.IntN(accounts)))
				one, ok := snap.Get("accounts", id)
				again, _ := snap.Get("accounts", id)
				if sum != total || indexed != total || n != snap.Len("accounts") || one != again || ok == one.IsZero() {
					t.Errorf("seq %d: %d by scan, %d by index, %d documents", snap.Seq(), sum, indexed, n)
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range transfers {
		_, err := s.Update(func(tx *Tx) error {
			// An account may be closed, its money paid out to another, and opened
			// again; its entry is overwritten then.
			from, to := r.IntN(accounts), r.IntN(accounts)
			a, b := ejson.StringID(fmt.Sprint("acc", from)), ejson.StringID(fmt.Sprint("acc", to))
			if from == to {
				return nil
			}
			get := func(id ejson.ID) int {
				d, _ := tx.Get("accounts", id)
				return int(d.Field("balance").Number())
			}
			sum := get(a) + get(b)
			tx.Delete("accounts", a)
			return tx.Put("accounts", account(b.String(), sum))
		})
		if err != nil {
			t.Fatal(err)
		}
		switch i % 100 {
		case 30:
			err = c.DropIndex("balance")
		case 60:
			err = c.Index("balance")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

// slowJournal stands still in the midst of a commit.
type slowJournal struct{ begun, goOn chan struct{} }

func (j slowJournal) Append(*Commit) error {
	j.begun <- struct{}{}
	<-j.goOn
	return nil
}

// TestReadersPassWhileAnIndexIsMade stops the making of an index before its end:
// readers go on, also one who needs a snapshot that nobody has made yet, and the
// index is in none of them.
func TestReadersPassWhileAnIndexIsMade(t *testing.T) {
	j := slowJournal{make(chan struct{}), make(chan struct{})}
	s := New(Options{Journal: j})
	c := s.Collection("docs")
	begin := func(do func() error) chan error {
		done := make(chan error, 1)
		go func() { done <- do() }()
		<-j.begun
		return done
	}
	end := func(done chan error) {
		t.Helper()
		j.goOn <- struct{}{}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	before := s.Snapshot()
	end(begin(func() error { // nobody reads what this leaves before the index is begun
		_, err := c.InsertMany([]ejson.Doc{numbered(1), numbered(2), numbered(3)})
		return err
	}))
	done := begin(func() error { return c.Index("n") })
	during := s.Snapshot()
	sel := m{"n": m{"$gte": 2}}
	if n, err := c.Find(sel).Count(); n != 2 || err != nil {
		t.Errorf("%d documents while an index is made, %v", n, err)
	}
	if list := c.Indexes(); len(list) != 0 {
		t.Errorf("indexes %v before they are there", list)
	}
	end(done)
	if list := c.Indexes(); len(list) != 1 {
		t.Errorf("indexes %v", list)
	}
	for _, tt := range []struct {
		snap *Snapshot
		n    int
		by   query.Access
	}{{before, 0, query.ByScan}, {during, 2, query.ByScan}, {s.Snapshot(), 2, query.ByIndex}} {
		x, err := c.Find(sel).At(tt.snap).ExplainRun()
		if err != nil || x.Returned != tt.n || x.Access != tt.by && tt.n > 0 {
			t.Errorf("%d documents by %v, want %d by %v (%v)", x.Returned, x.Access, tt.n, tt.by, err)
		}
	}
}
