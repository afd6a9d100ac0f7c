package store

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestOldSnapshotsFindRemovedDocuments lets one document come and go, so that its
// entry is overwritten time and again, and asks all the snapshots in between.
func TestOldSnapshotsFindRemovedDocuments(t *testing.T) {
	s := New(Options{})
	c := s.Collection("docs")
	var others []ejson.Doc
	for i := range 500 {
		others = append(others, numbered(i))
	}
	if _, err := c.InsertMany(others); err != nil {
		t.Fatal(err)
	}
	flapping := func(i int) ejson.Doc {
		return ejson.Make(ejson.Field{Name: "_id", Value: "flapping"}, ejson.Field{Name: "round", Value: i})
	}
	id := ejson.StringID("flapping")
	var with, without []*Snapshot
	for i := range 300 {
		if _, err := c.InsertOne(flapping(i)); err != nil {
			t.Fatal(err)
		}
		with = append(with, s.Snapshot())
		if ok, err := c.DeleteOne("flapping"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		without = append(without, s.Snapshot())
	}
	for i := range with {
		if d, ok := with[i].Get("docs", id); !ok || d != flapping(i) {
			t.Fatalf("round %d: %v %v", i, d, ok)
		}
		if d, ok := without[i].Get("docs", id); ok {
			t.Fatalf("round %d: %v after it was removed", i, d)
		}
		for k := range 10 {
			if _, ok := with[i].Get("docs", others[(i+k*50)%500].ID()); !ok {
				t.Fatalf("round %d: document %d is lost", i, (i+k*50)%500)
			}
		}
	}
	table := s.tables[0]
	if used := table.ids.used; used > 600 {
		t.Errorf("%d entries for 500 documents: a document that comes and goes fills the table", used)
	}
}

// TestChurnDoesNotGrowTheStore replaces the documents of a collection many times
// over and wants no more memory than at first.
func TestChurnDoesNotGrowTheStore(t *testing.T) {
	s := New(Options{})
	c := s.Collection("docs")
	if err := c.Index("n"); err != nil {
		t.Fatal(err)
	}
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	const alive = 2000
	n := 0
	round := func() {
		_, err := s.Update(func(tx *Tx) error {
			for range alive / 2 {
				if err := tx.Put("docs", numbered(n)); err != nil {
					return err
				}
				if n >= alive {
					tx.Delete("docs", ejson.StringID(fmt.Sprint("id", n-alive)))
				}
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Snapshot()
	}
	for range 4 {
		round()
	}
	before := heap()
	for range 100 {
		round()
	}
	if after := heap(); after > before+before/4+64<<10 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
	}
	if got := s.Snapshot().Len("docs"); got != alive {
		t.Errorf("%d documents, want %d", got, alive)
	}
	runtime.KeepAlive(s)
}

// TestDoubledTableFindsAll lets a collection grow a few documents at a time, so that
// its table of ids is doubled again and again, and asks for all of them by way of
// snapshots that have tables of their own.
func TestDoubledTableFindsAll(t *testing.T) {
	s := New(Options{})
	doubled := map[uint]bool{}
	var snaps []*Snapshot
	for n := 0; n < 6000; n += 60 {
		if _, err := s.Update(func(tx *Tx) error {
			for i := n; i < n+60; i++ {
				if err := tx.Put("docs", numbered(i)); err != nil {
					return err
				}
			}
			if n%600 == 0 && n > 0 { // entries of documents that are gone
				tx.Delete("docs", numbered(n-1).ID())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		table := s.tables[0].ids
		if table.used > table.most() || len(table.buckets) != table.first<<table.doubled {
			t.Fatalf("%d entries in %d buckets, which were %d", table.used, len(table.buckets), table.first)
		}
		if doubled[table.doubled] = true; n%900 == 0 {
			snaps = append(snaps, s.Snapshot())
		}
	}
	for d := range uint(maxDoubled) {
		if !doubled[d] {
			t.Errorf("no table that was doubled %d times", d)
		}
	}
	for k, snap := range snaps {
		met := 0
		for i := range 6000 {
			id := numbered(i).ID()
			d, ok := snap.Get("docs", id)
			if ok && d != numbered(i) {
				t.Fatalf("snapshot %d: %v for %v", k, d, id)
			}
			if ok {
				met++
			}
		}
		if met != snap.Len("docs") {
			t.Errorf("snapshot %d finds %d documents of %d", k, met, snap.Len("docs"))
		}
	}
}

// TestPrefetchChangesNothing names ids that are there, are gone, never were or are
// written already, and more of them than are fetched.
func TestPrefetchChangesNothing(t *testing.T) {
	s := New(Options{})
	c := s.Collection("docs")
	var ids []ejson.ID
	for i := range 2 * prefetched {
		ids = append(ids, numbered(i).ID())
	}
	want := map[ejson.ID]bool{}
	if _, err := s.Update(func(tx *Tx) error {
		tx.Prefetch("docs", ids) // there is no such collection
		for i := range 100 {
			tx.Put("docs", numbered(i))
			want[ids[i]] = i%3 != 0
		}
		tx.Prefetch("docs", ids)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(func(tx *Tx) error {
		tx.Prefetch("docs", nil)
		tx.Prefetch("docs", ids[:50])
		for i := 0; i < 100; i += 3 {
			tx.Prefetch("docs", ids[i:i+1])
			tx.Delete("docs", ids[i])
		}
		tx.Prefetch("docs", ids)
		for _, id := range ids {
			if _, ok := tx.Get("docs", id); ok != want[id] {
				t.Errorf("in the transaction: %v is there: %v", id, ok)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// A query by ids does the same.
	list := make([]any, len(ids))
	for i, id := range ids {
		list[len(ids)-1-i] = id
	}
	docs, err := c.Find(m{"_id": m{"$in": list}}).All()
	if err != nil || len(docs) != 66 || docs[0] != numbered(1) || docs[65] != numbered(98) {
		t.Errorf("%d documents, %v", len(docs), err)
	}
	if snap := s.Snapshot(); snap.Seq() != 2 || snap.Len("docs") != 66 {
		t.Errorf("commit %d, %d documents", snap.Seq(), snap.Len("docs"))
	}
}
