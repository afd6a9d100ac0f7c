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
		// Of 5000 documents; a handful for the closures of a query.
		{"scan", 8, func() { scan.Count() }},
		{"index", 8, func() { author.Count() }},
		{"sorted index", 12, func() { room.Count() }},
		{"each", 4, func() {
			for range s.Snapshot().Each("messages") {
			}
		}},
		// The transaction, its part, the commit, the changes, the document and, where
		// somebody reads in between, the copies of page, shelf and nodes.
		{"commit", 12, func() { c.UpdateOne(id, inc) }},
		{"commit and read", 24, func() { c.UpdateOne(id, inc); s.Snapshot() }},
	} {
		tt.do()
		if got := testing.AllocsPerRun(50, tt.do); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}
