package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

type todo struct {
	ID   string   `bson:"_id,omitempty"`
	Text string   `bson:"text"`
	Done bool     `bson:"done"`
	Tags []string `bson:"tags,omitempty"`
}

type m = map[string]any

func TestVerbs(t *testing.T) {
	s := New(Options{})
	c := Of[todo](s, "todos")
	if c.Name() != "todos" || c.Store() != s {
		t.Error("a collection forgot where it is from")
	}
	id, err := c.InsertOne(todo{Text: "milk"})
	if err != nil || len(id.String()) != idLength {
		t.Fatal(id, err)
	}
	ids, err := c.InsertMany([]todo{{ID: "t2", Text: "bread", Tags: []string{"food"}}, {ID: "t3", Text: "soap"}})
	if err != nil || len(ids) != 2 || ids[0] != ejson.StringID("t2") {
		t.Fatal(ids, err)
	}
	if got, err := c.FindOne(id); err != nil || got.Text != "milk" || got.ID != id.String() {
		t.Error(got, err)
	}
	if got, err := c.FindOne(m{"text": "bread"}); err != nil || got.ID != "t2" || len(got.Tags) != 1 {
		t.Error(got, err)
	}
	if got, err := c.FindID(ejson.StringID("t3")); err != nil || got.Text != "soap" {
		t.Error(got, err)
	}
	if changed, err := c.UpdateOne(m{"done": false}, m{"$set": m{"done": true}}); !changed || err != nil {
		t.Error(changed, err)
	}
	if changed, err := c.UpdateOne(id, m{"$set": m{"done": true}}); changed || err != nil {
		t.Error("an update that changes nothing:", changed, err)
	}
	if n, err := c.UpdateMany(m{"done": false}, m{"$set": m{"done": true}}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := c.UpdateMany(nil, m{"$set": m{"done": true}}); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := c.Find(m{"done": true}).Count(); n != 3 || err != nil {
		t.Error(n, err)
	}
	if changed, err := c.ReplaceOne("t2", todo{Text: "butter"}); !changed || err != nil {
		t.Error(changed, err)
	}
	if got, err := c.FindOne("t2"); err != nil || got.Text != "butter" || got.Done || got.Tags != nil {
		t.Error(got, err)
	}
	if changed, err := c.ReplaceOne("t2", todo{ID: "t2", Text: "butter"}); changed || err != nil {
		t.Error("a replacement by itself:", changed, err)
	}
	id, inserted, err := c.UpsertOne(m{"text": "salt"}, m{"$set": m{"done": true}, "$setOnInsert": m{"tags": []any{"new"}}})
	if !inserted || err != nil {
		t.Error(id, inserted, err)
	}
	if got, err := c.FindOne(id); err != nil || got.Text != "salt" || !got.Done || len(got.Tags) != 1 {
		t.Error(got, err)
	}
	again, inserted, err := c.UpsertOne(m{"text": "salt"}, m{"$set": m{"done": false}})
	if again != id || inserted || err != nil {
		t.Error(again, inserted, err)
	}
	if id, inserted, err := c.UpsertOne("t9", m{"$set": m{"text": "tea"}}); id != ejson.StringID("t9") || !inserted || err != nil {
		t.Error(id, inserted, err)
	}
	if deleted, err := c.DeleteOne(m{"text": "tea"}); !deleted || err != nil {
		t.Error(deleted, err)
	}
	if deleted, err := c.DeleteOne("t9"); deleted || err != nil {
		t.Error(deleted, err)
	}
	if n, err := c.DeleteMany(m{"_id": m{"$in": []any{"t2", "t3", "t4"}}}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := c.DeleteMany(m{}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if s.Snapshot().Len("todos") != 0 {
		t.Error("something is left")
	}
}

func TestErrors(t *testing.T) {
	s, c := bank(t)
	typed := Of[todo](s, "accounts")
	var syntax *query.SyntaxError
	var update *query.UpdateError
	seq := s.Snapshot().Seq()
	for _, tt := range []struct {
		name string
		do   func() error
		is   func(error) bool
		text string
	}{
		{"duplicate", func() error { _, err := c.InsertOne(account("a", 1)); return err },
			func(err error) bool { return errors.Is(err, ErrDuplicateID) }, `duplicate _id a in "accounts"`},
		{"duplicate among many", func() error {
			_, err := c.InsertMany([]ejson.Doc{account("c", 1), account("d", 1), account("c", 1)})
			return err
		}, func(err error) bool { return errors.Is(err, ErrDuplicateID) }, `_id c in "accounts"`},
		{"id of no kind", func() error {
			_, err := c.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: ejson.ArrayOf()}))
			return err
		}, func(err error) bool { return errors.Is(err, ErrNoID) }, `"accounts"`},
		{"put without id", func() error {
			_, err := s.Update(func(tx *Tx) error { return tx.Put("accounts", ejson.Make()) })
			return err
		}, func(err error) bool { return errors.Is(err, ErrNoID) }, ""},
		{"put of nothing", func() error {
			_, err := s.Update(func(tx *Tx) error { return tx.Put("accounts", ejson.Doc{}) })
			return err
		}, func(err error) bool { return errors.Is(err, ErrNoID) }, ""},
		{"not found", func() error { _, err := c.FindOne("z"); return err },
			func(err error) bool { return errors.Is(err, ErrNotFound) }, ""},
		{"not found by selector", func() error { _, err := c.FindOne(m{"balance": 17}); return err },
			func(err error) bool { return errors.Is(err, ErrNotFound) }, ""},
		{"not found in no collection", func() error { _, err := s.Collection("nowhere").FindOne("z"); return err },
			func(err error) bool { return errors.Is(err, ErrNotFound) }, ""},
		{"update of nothing", func() error { _, err := c.UpdateOne("z", m{"$set": m{"n": 1}}); return err },
			func(err error) bool { return errors.Is(err, ErrNotFound) }, ""},
		{"replacement of nothing", func() error { _, err := c.ReplaceOne("z", account("z", 1)); return err },
			func(err error) bool { return errors.Is(err, ErrNotFound) }, ""},
		{"replacement by another", func() error { _, err := c.ReplaceOne("a", account("b", 1)); return err },
			func(err error) bool { return errors.Is(err, ErrImmutableID) }, `"accounts"`},
		{"selector", func() error { _, err := c.FindOne(m{"a": m{"$foo": 1}}); return err },
			func(err error) bool { return errors.As(err, &syntax) }, "$foo"},
		{"selector of an update", func() error { _, err := c.UpdateMany(m{"a": m{"$foo": 1}}, m{"$set": m{"n": 1}}); return err },
			func(err error) bool { return errors.As(err, &syntax) }, "$foo"},
		{"selector of a removal", func() error { _, err := c.DeleteMany(m{"a": m{"$foo": 1}}); return err },
			func(err error) bool { return errors.As(err, &syntax) }, "$foo"},
		{"modifier", func() error { _, err := c.UpdateOne("a", m{"$foo": m{"a": 1}}); return err },
			func(err error) bool { return errors.As(err, &syntax) }, "$foo"},
		{"modifier of a document", func() error {
			_, err := c.UpdateMany(nil, m{"$push": m{"balance": 1}})
			return err
		}, func(err error) bool { return errors.As(err, &update) }, "balance"},
		{"sort", func() error { _, err := c.Find(nil).Sort("").All(); return err },
			func(err error) bool { return errors.As(err, &syntax) }, ""},
		{"fields", func() error { _, err := c.Find(nil).Fields("a", "-b").Count(); return err },
			func(err error) bool { return errors.As(err, &syntax) }, ""},
		{"index", func() error { return c.Index() },
			func(err error) bool { return errors.As(err, &syntax) }, ""},
		{"no index", func() error { return c.DropIndex("nothing") },
			func(err error) bool { return errors.Is(err, ErrNoIndex) }, `"nothing" on "accounts"`},
		{"no index in no collection", func() error { return s.Collection("nowhere").DropIndex("nothing") },
			func(err error) bool { return errors.Is(err, ErrNoIndex) }, ""},
		{"decoding", func() error {
			_, err := Of[struct {
				Balance string `bson:"balance"`
			}](s, "accounts").Find(nil).All()
			return err
		}, func(err error) bool { return err != nil }, "balance"},
		{"encoding", func() error {
			_, err := Of[map[string]any](s, "accounts").InsertOne(m{"ch": make(chan int)})
			return err
		}, func(err error) bool { return err != nil }, "ch"},
		{"empty query", func() error { _, err := Query[todo]{}.All(); return err },
			func(err error) bool { return err != nil }, "Find"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); err == nil || !tt.is(err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v", err)
			}
		})
	}
	if s.Snapshot().Seq() != seq || s.Snapshot().Len("accounts") != 2 {
		t.Error("an error left something behind")
	}
	if _, err := typed.FindOne("z"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestIDsAreMade(t *testing.T) {
	seen := map[string]bool{}
	source := new(idSource)
	for range 2000 {
		id := source.next()
		if len(id) != idLength || strings.Trim(id, idLetters) != "" || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	n := 0
	s := New(Options{NewID: func() string { n++; return fmt.Sprint("made", n) }})
	c := s.Collection("a")
	for i, d := range []ejson.Doc{
		ejson.Make(ejson.Field{Name: "n", Value: 1}),
		ejson.Make(ejson.Field{Name: "n", Value: 1}, ejson.Field{Name: "_id", Value: nil}),
		ejson.Make(ejson.Field{Name: "_id", Value: ""}, ejson.Field{Name: "n", Value: 1}),
		{},
	} {
		id, err := c.InsertOne(d)
		if err != nil || id.String() != fmt.Sprint("made", i+1) {
			t.Error(id, err)
		}
		got, err := c.FindOne(id)
		if name, _ := got.At(0); err != nil || name != "_id" || got.Len() != max(1, d.WithoutID().Len()+1) {
			t.Errorf("%v inserted as %v, %v", d, got, err)
		}
	}
}

// TestOrderOfInsertion holds unsorted results to the order of insertion, by scan
// and by index, after updates, removals and a reload.
func TestOrderOfInsertion(t *testing.T) {
	s := New(Options{})
	c := s.Collection("a")
	r := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 500 {
		id := fmt.Sprint("d", r.Uint32())
		want = append(want, id)
		if _, err := c.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: id}, ejson.Field{Name: "k", Value: i % 3})); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Index("k", "_id"); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := c.UpdateOne(want[i*7%500], m{"$set": m{"k": i % 4, "long": strings.Repeat("x", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	// Put back in one transaction keeps the place, in two it goes to the end.
	s.Update(func(tx *Tx) error {
		d, _ := tx.Get("a", ejson.StringID(want[5]))
		tx.Delete("a", d.ID())
		return tx.Put("a", d.With("back", true))
	})
	d, _ := s.Snapshot().Get("a", ejson.StringID(want[6]))
	c.DeleteOne(want[6])
	c.InsertOne(d)
	want = append(append(want[:6:6], want[7:]...), want[6])

	check := func(s *Store) {
		t.Helper()
		c := s.Collection("a")
		for _, sel := range []any{nil, m{"k": m{"$gte": 0}}, m{"k": m{"$in": []any{3, 1, 0, 2}}}} {
			docs, err := c.Find(sel).All()
			if err != nil || len(docs) != len(want) {
				t.Fatal(len(docs), err)
			}
			for i, d := range docs {
				if d.ID().String() != want[i] {
					plan, _ := c.Find(sel).Explain()
					t.Fatalf("%v by %v: place %d has %v, want %v", sel, plan, i, d.ID(), want[i])
				}
			}
		}
		if d, err := c.FindOne(m{"k": m{"$gte": 0}}); err != nil || d.ID().String() != want[0] {
			t.Errorf("first is %v, want %v", d.ID(), want[0])
		}
	}
	check(s)

	again := New(Options{})
	if err := again.Collection("a").Index("k"); err != nil { // an index from before the load
		t.Fatal(err)
	}
	if err := again.Load(s.Snapshot().Seq(), records(s, "a")); err != nil {
		t.Fatal(err)
	}
	check(again)
}

// TestPlaceWithinTransaction holds what a transaction inserts to the order of its
// last insertion of each.
func TestPlaceWithinTransaction(t *testing.T) {
	s := New(Options{})
	_, err := s.Update(func(tx *Tx) error {
		for _, id := range []string{"a", "b", "-a", "c", "a", "-b", "b", "-b"} {
			var err error
			if name, removed := strings.CutPrefix(id, "-"); removed {
				tx.Delete("x", ejson.StringID(name))
			} else {
				err = tx.Put("x", account(id, 1))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for slot, d := range s.Snapshot().Each("x") {
		got = append(got, fmt.Sprint(slot, d.ID()))
	}
	if fmt.Sprint(got) != "[0 c 1 a]" {
		t.Errorf("%v", got)
	}
}

// TestIDsFitTheType: documents that come without an _id are given one that their type
// can be read with.
func TestIDsFitTheType(t *testing.T) {
	type user struct {
		ID   ejson.ObjectID `bson:"_id,omitempty"`
		Name string         `bson:"name"`
	}
	s := New(Options{NewID: func() string { return "drawn" }})
	users := Of[user](s, "users")
	first, err := users.InsertOne(user{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := users.InsertMany([]user{{Name: "Bo"}, {Name: "Cy"}})
	if err != nil {
		t.Fatal(err)
	}
	last, inserted, err := users.UpsertOne(m{"name": "Di"}, m{"$set": m{"name": "Di"}})
	if err != nil || !inserted {
		t.Fatal(inserted, err)
	}
	all, err := users.Find(nil).All()
	if err != nil || len(all) != 4 {
		t.Fatal(all, err)
	}
	for i, id := range []ejson.ID{first, ids[0], ids[1], last} {
		if all[i].ID.ID() != id || all[i].ID == (ejson.ObjectID{}) {
			t.Errorf("document %d is %v, and %v was returned", i, all[i], id)
		}
	}
	for _, insert := range []func() (ejson.ID, error){
		func() (ejson.ID, error) { return Of[m](s, "a").InsertOne(m{"name": "Ed"}) },
		func() (ejson.ID, error) { return s.Collection("b").InsertOne(ejson.Make()) },
		func() (ejson.ID, error) {
			type named struct {
				ID string `bson:"_id,omitempty"`
			}
			return Of[named](s, "c").InsertOne(named{})
		},
	} {
		if id, err := insert(); err != nil || id != ejson.StringID("drawn") {
			t.Errorf("id %v, %v", id, err)
		}
	}
}
