package store

import (
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func at(t time.Time) ejson.Field { return ejson.Field{Name: "at", Value: t} }

// TestExpire lets time go by, which costs none in a bubble.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		c := s.Collection("visits")
		now := time.Now()
		docs := []ejson.Doc{
			person("past", at(now.Add(-time.Hour))), person("soon", at(now.Add(-50*time.Second))),
			person("later", at(now.Add(time.Hour))), person("none"), person("text", ejson.Field{Name: "at", Value: "1970"}),
			person("list", ejson.Field{Name: "at", Value: ejson.MakeArray(now.Add(time.Hour), now.Add(-time.Hour))}),
		}
		if _, err := c.InsertMany(docs); err != nil {
			t.Fatal(err)
		}
		if err := c.EnsureIndex(IndexOptions{Keys: []string{"at"}, TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		want := func(after time.Duration, ids string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			got := ""
			for _, d := range s.Snapshot().Each("visits") {
				got += d.ID().String() + " "
			}
			if got != ids {
				t.Errorf("there are %q, want %q", got, ids)
			}
		}
		want(0, "past soon later none text list ")
		want(1500*time.Millisecond, "soon later none text ")
		want(10*time.Second, "later none text ")
		want(62*time.Minute, "none text ")

		// Many go in several commits.
		var many []ejson.Doc
		for range 2*sweepMost + 7 {
			many = append(many, ejson.Make(at(now)))
		}
		if _, err := c.InsertMany(many); err != nil {
			t.Fatal(err)
		}
		before := s.Snapshot().Seq()
		want(2*time.Second, "none text ")
		if n := s.Snapshot().Seq() - before; n != 3 {
			t.Errorf("in %d commits", n)
		}

		// What a server owns is the server's to remove.
		if _, err := c.InsertOne(docs[0]); err != nil {
			t.Fatal(err)
		}
		s.Claim(t, "visits")
		want(time.Hour, "none text past ")
		s.Claim(nil, "visits")
		want(2*time.Second, "none text ")

		// The goroutine ends with the last index that wants it, starts again, and
		// ends with the store: the bubble waits for it.
		if err := c.DropIndex("at"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.InsertOne(docs[0]); err != nil {
			t.Fatal(err)
		}
		want(time.Hour, "none text past ")
		if err := c.EnsureIndex(IndexOptions{Keys: []string{"-at"}, Expire: true, Partial: m{"_id": "past"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.InsertOne(docs[1]); err != nil {
			t.Fatal(err)
		}
		want(time.Hour, "none text soon ")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s.Close() != nil {
			t.Error("a second Close")
		}
	})
}

// TestExpireAfterLoad starts with an index that a file defines, and a journal that
// refuses for a while.
func TestExpireAfterLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &file{}
		s := f.open(t)
		c := s.Collection("visits")
		if err := c.EnsureIndex(IndexOptions{Keys: []string{"at"}, Expire: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.InsertOne(person("ann", at(time.Now()))); err != nil {
			t.Fatal(err)
		}
		s.Close()
		again := f.open(t)
		f.full.Store(true)
		time.Sleep(5 * time.Second)
		if again.Snapshot().Len("visits") != 1 {
			t.Error("removed, though the journal refuses")
		}
		f.full.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if again.Snapshot().Len("visits") != 0 {
			t.Error("not removed")
		}
		again.Close()
	})
}
