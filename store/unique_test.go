package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
)

func person(id string, fields ...ejson.Field) ejson.Doc {
	return ejson.Make(append([]ejson.Field{{Name: "_id", Value: id}}, fields...)...)
}

func email(v any) ejson.Field { return ejson.Field{Name: "email", Value: v} }

func uniqueEmails(t *testing.T, o IndexOptions) (*Store, Collection[ejson.Doc]) {
	t.Helper()
	s := New(Options{})
	c := s.Collection("users")
	o.Keys, o.Unique = []string{"email"}, true
	if err := c.EnsureIndex(o); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertMany([]ejson.Doc{person("ann", email("a@x")), person("bob", email("b@x"))}); err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestUniqueRefuses(t *testing.T) {
	s, c := uniqueEmails(t, IndexOptions{Name: "mail"})
	before := s.Snapshot()
	for _, tt := range []struct {
		name  string
		write func() error
	}{
		{"insert", func() error { _, err := c.InsertOne(person("cid", email("a@x"))); return err }},
		{"update", func() error { _, err := c.UpdateOne("bob", m{"$set": m{"email": "a@x"}}); return err }},
		{"upsert", func() error { _, _, err := c.UpsertOne(m{"email": "a@x", "n": 1}, m{"$set": m{"k": 1}}); return err }},
		{"replace", func() error { _, err := c.ReplaceOne("bob", person("bob", email("a@x"))); return err }},
		{"one of many", func() error {
			_, err := c.InsertMany([]ejson.Doc{person("cid", email("c@x")), person("dan", email("a@x"))})
			return err
		}},
		{"two of one transaction", func() error {
			_, err := c.InsertMany([]ejson.Doc{person("cid", email("c@x")), person("dan", email("c@x"))})
			return err
		}},
		{"all the same", func() error { _, err := c.UpdateMany(nil, m{"$set": m{"email": "z"}}); return err }},
		{"an element", func() error { _, err := c.InsertOne(person("cid", email(ejson.MakeArray("c", "a@x")))); return err }},
		{"two without", func() error {
			_, err := c.InsertMany([]ejson.Doc{person("cid"), person("dan", email(nil))})
			return err
		}},
	} {
		err := tt.write()
		dup := new(DuplicateKeyError)
		if !errors.Is(err, ErrDuplicateKey) || !errors.As(err, &dup) || dup.Index != "mail" || dup.Collection != "users" {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, part := range []string{dup.ID.String(), dup.Other.String(), dup.Key, `"mail"`, `"users"`, "email = "} {
			if part == "" || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %q", tt.name, part, err)
			}
		}
		if now := s.Snapshot(); now != before {
			t.Errorf("%s: something happened", tt.name)
		}
	}
}

func TestUniqueAllows(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options IndexOptions
		fn      func(tx *Tx) error
	}{
		{"a swap", IndexOptions{}, func(tx *Tx) error {
			return errors.Join(tx.Put("users", person("ann", email("b@x"))), tx.Put("users", person("bob", email("a@x"))))
		}},
		{"a key that was given up", IndexOptions{}, func(tx *Tx) error {
			tx.Delete("users", ejson.StringID("ann"))
			return tx.Put("users", person("cid", email("a@x")))
		}},
		{"the same again", IndexOptions{}, func(tx *Tx) error {
			return tx.Put("users", person("ann", email("a@x"), ejson.Field{Name: "k", Value: 1}))
		}},
		{"a value twice in one document", IndexOptions{}, func(tx *Tx) error {
			return tx.Put("users", person("cid", email(ejson.MakeArray("c", "c"))))
		}},
		{"one without", IndexOptions{}, func(tx *Tx) error { return tx.Put("users", person("cid")) }},
		{"two without, sparse", IndexOptions{Sparse: true}, func(tx *Tx) error {
			return errors.Join(tx.Put("users", person("cid")), tx.Put("users", person("dan")))
		}},
		{"what a filter leaves out", IndexOptions{Partial: m{"email": m{"$lt": "b"}}}, func(tx *Tx) error {
			return tx.Put("users", person("cid", email("b@x")))
		}},
	} {
		s, c := uniqueEmails(t, tt.options)
		if _, err := s.Update(tt.fn); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		want, err := c.Find(nil).Sort("email").Hint("$natural").All()
		if got, err2 := c.Find(nil).Sort("email").All(); err != nil || err2 != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v (%v, %v)", tt.name, got, want, err, err2)
		}
	}
}

// TestUniqueIsItsTwin refuses what would leave two documents with one key, and
// nothing else, in commits small and large.
func TestUniqueIsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{})
		c := s.Collection("docs")
		o := IndexOptions{Keys: rapid.SampledFrom(twinIndexes).Draw(t, "keys"), Unique: true}
		if o.Sparse = rapid.Bool().Draw(t, "sparse"); !o.Sparse && rapid.Bool().Draw(t, "partial") {
			o.Partial = m{"a": m{"$gte": 2}}
		}
		if err := c.EnsureIndex(o); err != nil {
			t.Fatal(err)
		}
		d, err := o.compile()
		if err != nil {
			t.Fatal(err)
		}
		w := &twin{docs: map[ejson.ID]ejson.Doc{}}
		large := rapid.IntRange(0, 9).Draw(t, "large") == 0
		for range rapid.IntRange(1, 20).Draw(t, "commits") {
			next := w.clone()
			_, err := s.Update(func(tx *Tx) error {
				if large { // these are in no unique index's way
					for i := range bigCommit {
						d := person(fmt.Sprint("many", i), ejson.Field{Name: "c", Value: 2000 + i},
							ejson.Field{Name: "b", Value: -1 - i}, ejson.Field{Name: "a", Value: 10 + i})
						if err := tx.Put("docs", d); err != nil {
							return err
						}
						next.put(d)
					}
					large = false
				}
				for range rapid.IntRange(0, 4).Draw(t, "ops") {
					operate(t, tx, next)
				}
				return nil
			})
			dup := false
			var keys, all [][]byte
			for _, doc := range next.docs {
				keys, _ = d.key.Append(keys[:0], doc)
				for _, k := range keys {
					all = append(all, bytes.Clone(k))
				}
			}
			seen := map[string]bool{}
			for _, k := range all {
				dup = dup || seen[string(k)]
				seen[string(k)] = true
			}
			if errors.Is(err, ErrDuplicateKey) != dup || !dup && err != nil {
				t.Fatalf("%v: %v; two have one key: %v", o, err, dup)
			}
			if err == nil {
				next.settle(w)
				w = next
			}
		}
		compare(t, c, s.Snapshot(), w)
	})
}

func TestUniqueHoldsUnderConcurrentWriters(t *testing.T) {
	s := New(Options{})
	c := s.Collection("users")
	if err := c.EnsureIndex(IndexOptions{Keys: []string{"email"}, Unique: true}); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 4, 200
	var won atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				_, err := c.InsertOne(person(fmt.Sprint(w, "-", i), email(i)))
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrDuplicateKey) {
					t.Error(err)
				}
				s.Snapshot()
			}
		})
	}
	wg.Wait()
	values, err := c.Find(nil).Distinct("email")
	if n := s.Snapshot().Len("users"); won.Load() != rounds || n != rounds || len(values) != rounds || err != nil {
		t.Errorf("%d inserts, %d documents, %d values (%v)", won.Load(), n, len(values), err)
	}
}

func TestUniqueOverDuplicates(t *testing.T) {
	s := New(Options{})
	c := s.Collection("users")
	if _, err := c.InsertMany([]ejson.Doc{person("ann", email("x")), person("bob", email("x")), person("cid", email("y"))}); err != nil {
		t.Fatal(err)
	}
	before := s.Snapshot()
	err := c.EnsureIndex(IndexOptions{Keys: []string{"email"}, Unique: true})
	if dup := new(DuplicateKeyError); !errors.As(err, &dup) || dup.ID.String() != "bob" || dup.Other.String() != "ann" || dup.Key != `email = "x"` {
		t.Errorf("%v", err)
	}
	if s.Snapshot() != before || c.Definitions() != nil {
		t.Errorf("it has left %v", c.Definitions())
	}
	if _, err := c.InsertOne(person("dan", email("y"))); err != nil {
		t.Error(err)
	}
	// More keys than an index tells apart.
	many := make([]any, 2000)
	for i := range many {
		many[i] = i
	}
	wide := s.Collection("wide")
	if err := wide.EnsureIndex(IndexOptions{Keys: []string{"email", "k"}, Unique: true}); err != nil {
		t.Fatal(err)
	}
	_, err = wide.InsertOne(person("ann", email(ejson.MakeArray(many...))))
	if !errors.Is(err, ErrDuplicateKey) || !strings.Contains(err.Error(), "too many keys") {
		t.Errorf("%v", err)
	}
	if err := wide.DropIndex("email", "k"); err != nil {
		t.Fatal(err)
	}
	if _, err = wide.InsertOne(person("ann", email(ejson.MakeArray(many...)))); err != nil {
		t.Fatal(err)
	}
	if err := wide.EnsureIndex(IndexOptions{Keys: []string{"email", "k"}, Unique: true}); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("%v", err)
	}
}

// TestUniqueOfReplicated takes the server's word, and then nobody else's.
func TestUniqueOfReplicated(t *testing.T) {
	s, c := uniqueEmails(t, IndexOptions{})
	owner := new(int)
	s.Claim(owner, "users")
	if _, err := s.UpdateAs(owner, func(tx *Tx) error { return tx.Put("users", person("cid", email("a@x"))) }); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Find(m{"email": "a@x"}).Count(); n != 2 || err != nil {
		t.Errorf("%d documents (%v)", n, err)
	}
	if err := c.EnsureIndex(IndexOptions{Name: "second", Keys: []string{"email", "k"}, Unique: true}); err != nil {
		t.Error(err)
	}
	s.Claim(nil, "users")
	if _, err := c.InsertOne(person("dan", email("a@x"))); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("a third: %v", err)
	}
	if _, err := c.UpdateMany(nil, m{"$set": m{"k": ejson.MakeArray(1, 2)}}); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("two take a new key: %v", err)
	}
	if err := c.DropIndex("second"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.UpdateMany(nil, m{"$set": m{"k": 1}}); n != 3 || err != nil {
		t.Errorf("an update that leaves keys as they are: %d %v", n, err)
	}
}
