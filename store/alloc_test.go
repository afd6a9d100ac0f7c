//go:build !race

package store

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// TestHotPathsDoNotAllocate counts allocations where the work per document should
// have none.
func TestHotPathsDoNotAllocate(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	docs := dataSet(5000, 9)
	if _, err := c.InsertMany(docs); err != nil {
		t.Fatal(err)
	}
	id := docs[17].ID()
	for _, name := range []string{"b", "c"} {
		if _, err := s.Collection(name).InsertOne(docs[17]); err != nil {
			t.Fatal(err)
		}
	}
	byID := any(id.String())
	byMap := any(m{"_id": id.String()})
	author := c.Find(m{"author": "author0007"})
	scan := c.Find(m{"flag": true, "nested.a.b": m{"$gt": 500}})
	room := c.Find(m{"room": "room07"}).Sort("-ts").Limit(20)
	inc, err := query.CompileModifier(m{"$inc": m{"score": 1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		most float64
		do   func()
	}{
		{"Snapshot", 0, func() { s.Snapshot() }},
		{"Snapshot.Get", 0, func() { s.Snapshot().Get("messages", id) }},
		{"FindID", 0, func() { c.FindID(id) }},
		{"FindOne by id", 0, func() { c.FindOne(byID) }},
		{"FindOne by {_id: id}", 0, func() { c.FindOne(byMap) }},
		{"FindOne of none", 0, func() { c.FindID(ejson.ID{}) }},
		// Of 5000 documents.
		{"scan", 0, func() { scan.Count() }},
		{"index", 0, func() { author.Count() }},
		{"sorted index", 1, func() { room.Count() }},
		{"each of index", 0, func() {
			for range author.Each() {
			}
		}},
		{"each of sorted index", 0, func() {
			for range room.Each() {
			}
		}},
		{"each", 4, func() {
			for range s.Snapshot().Each("messages") {
			}
		}},
		// The transaction, its part, the commit, the changes, the document and, where
		// somebody reads in between, the copies of page, shelf and nodes.
		{"commit", 7, func() { c.UpdateOne(id, inc) }},
		// Three documents, and the transaction, the commit and the changes.
		{"commit to three collections", 6, func() {
			s.Update(func(tx *Tx) error {
				for _, name := range []string{"messages", "b", "c"} {
					tx.UpdateID(name, id, inc)
				}
				return nil
			})
		}},
		{"commit and read", 16, func() { c.UpdateOne(id, inc); s.Snapshot() }},
	} {
		tt.do()
		if got := testing.AllocsPerRun(50, tt.do); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

// TestBatchesAllocateLittle counts allocations of transactions of many documents,
// for each document: its new bytes and hardly more, however many indexes change.
func TestBatchesAllocateLittle(t *testing.T) {
	const size, runs = 500, 20
	s := New(Options{})
	c := s.Collection("messages")
	withIndexes(t, c)
	docs := dataSet(5000+size*(runs+2), 9)
	if _, err := c.InsertMany(docs[:5000]); err != nil {
		t.Fatal(err)
	}
	update := func(field string) func() {
		inc, err := query.CompileModifier(m{"$inc": m{field: 1}})
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]ejson.ID, size)
		for i := range ids {
			ids[i] = docs[i*7].ID()
		}
		return func() {
			if _, err := s.Update(func(tx *Tx) error {
				tx.Prefetch("messages", ids)
				for _, id := range ids {
					if _, err := tx.UpdateID("messages", id, inc); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := docs[5000:]
	for _, tt := range []struct {
		name string
		most float64 // for a document
		do   func()
	}{
		{"insert with three indexes", 0.6, func() {
			if _, err := s.Update(func(tx *Tx) error {
				for _, d := range fresh[:size] {
					if err := tx.Put("messages", d); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			fresh = fresh[size:]
		}},
		{"update beside three indexes", 1.05, update("nested.likes")},
		{"update of an indexed field", 1.3, func() func() {
			if err := c.Index("score"); err != nil {
				t.Fatal(err)
			}
			return update("score")
		}()},
	} {
		tt.do()
		if got := testing.AllocsPerRun(runs, tt.do) / size; got > tt.most {
			t.Errorf("%s: %.2f allocations a document, want at most %v", tt.name, got, tt.most)
		} else {
			t.Logf("%s: %.2f allocations a document", tt.name, got)
		}
	}
}
