package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// file is a journal that keeps what a file would.
type file struct {
	seq  Seq
	docs map[string]map[uint64]ejson.Doc
	full atomic.Bool // refuse everything
}

var errFull = errors.New("the disk is full")

func (f *file) Append(c *Commit) error {
	if f.full.Load() {
		return errFull
	}
	f.seq = c.Seq
	for _, ch := range c.Changes {
		if f.docs == nil {
			f.docs = map[string]map[uint64]ejson.Doc{}
		}
		if f.docs[ch.Collection] == nil {
			f.docs[ch.Collection] = map[uint64]ejson.Doc{}
		}
		f.docs[ch.Collection][ch.Slot] = ch.After
	}
	return nil
}

// open returns a store with what the file holds.
func (f *file) open(t *testing.T, before ...func(s *Store)) *Store {
	t.Helper()
	s := New(Options{Journal: f})
	for _, fn := range before {
		fn(s)
	}
	err := s.Load(f.seq, func(yield func(Record, error) bool) {
		for name, docs := range f.docs {
			var slots []uint64
			for slot, d := range docs {
				if !d.IsZero() {
					slots = append(slots, slot)
				}
			}
			slices.Sort(slots)
			for _, slot := range slots {
				if !yield(Record{name, slot, docs[slot]}, nil) {
					return
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// everyKind is one index of each kind.
var everyKind = []IndexOptions{
	{Name: "room,-ts", Keys: []string{"room", "-ts"}},
	{Name: "mail", Keys: []string{"email"}, Unique: true, Sparse: true},
	{Name: "open", Keys: []string{"nested.a.b"}, Partial: m{"flag": true, "n": m{"$gte": 5}}},
	{Name: "gone", Keys: []string{"-seen"}, Expire: true},
	{Name: "old/er", Keys: []string{"ts"}, TTL: 90 * time.Minute, Expire: true},
}

func defineEvery(t *testing.T, c Collection[ejson.Doc]) {
	t.Helper()
	for _, o := range everyKind {
		if err := c.EnsureIndex(o); err != nil {
			t.Fatal(err)
		}
	}
}

// checkEvery holds definitions to everyKind, in any order.
func checkEvery(t *testing.T, got []IndexOptions) {
	t.Helper()
	if len(got) != len(everyKind) {
		t.Errorf("%d definitions, want %d", len(got), len(everyKind))
	}
	for _, o := range everyKind {
		i := slices.IndexFunc(got, func(g IndexOptions) bool { return g.Name == o.Name })
		if i < 0 {
			t.Errorf("no index %q", o.Name)
			continue
		}
		g := got[i]
		if p, ok := g.Partial.(ejson.Doc); ok {
			if want, _ := query.Compile(o.Partial); !p.Same(want.Selector()) {
				t.Errorf("%q is partial by %v", o.Name, p)
			}
			g.Partial = o.Partial
		}
		if !reflect.DeepEqual(g, o) {
			t.Errorf("got %+v, want %+v", g, o)
		}
	}
}

func TestDefinitionsAreKept(t *testing.T) {
	f := &file{}
	s := f.open(t)
	c := s.Collection("a/b c")
	defineEvery(t, c)
	if got := s.Snapshot().Seq(); got != Seq(len(everyKind)) {
		t.Errorf("seq %d", got)
	}
	defineEvery(t, c) // again
	if got := s.Snapshot().Seq(); got != Seq(len(everyKind)) {
		t.Errorf("to define again is a commit: %d", got)
	}
	checkEvery(t, c.Definitions())
	if _, err := c.InsertOne(person("ann", email("x"))); err != nil {
		t.Fatal(err)
	}
	if names := s.Snapshot().Collections(); !slices.Equal(names, []string{"a/b c"}) {
		t.Errorf("collections %v", names)
	}

	again := f.open(t).Collection("a/b c")
	checkEvery(t, again.Definitions())
	if _, err := again.InsertOne(person("bob", email("x"))); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("after a restart: %v", err)
	}
	if err := again.DropIndex("mail"); err != nil {
		t.Fatal(err)
	}
	if err := again.DropIndex("room", "-ts"); err != nil {
		t.Fatal(err)
	}
	third := f.open(t)
	if got := third.Collection("a/b c").Definitions(); len(got) != len(everyKind)-2 {
		t.Errorf("after two were dropped: %+v", got)
	}
	if n := third.Snapshot().Len("system.indexes"); n != len(everyKind)-2 {
		t.Errorf("%d definitions in the file", n)
	}
}

// TestDefinitionsBeforeTheFirstCommit go with it, or join those of a file.
func TestDefinitionsBeforeTheFirstCommit(t *testing.T) {
	f := &file{}
	s := New(Options{Journal: f})
	var told *Commit
	_, stop := s.Tail("", func(c *Commit) { told = c })
	defer stop()
	c := s.Collection("users")
	if err := errors.Join(c.Index("k"), c.Index("l"), c.DropIndex("l")); err != nil || s.Snapshot().Seq() != 0 || told != nil {
		t.Fatalf("seq %d, told %v (%v)", s.Snapshot().Seq(), told, err)
	}
	if _, err := c.InsertOne(person("ann")); err != nil {
		t.Fatal(err)
	}
	if told.Seq != 1 || len(told.Changes) != 2 || told.Changes[0].Collection != "users" {
		t.Errorf("told %+v", told)
	}
	s = f.open(t, func(s *Store) {
		if err := s.Collection("users").EnsureIndex(IndexOptions{Keys: []string{"k"}, Sparse: true}); err != nil {
			t.Fatal(err)
		}
	})
	c = s.Collection("users")
	if got := c.Definitions(); len(got) != 1 || !got[0].Sparse {
		t.Errorf("the program's word, then the file's: %+v", got)
	}
	if _, err := c.InsertOne(person("bob")); err != nil {
		t.Fatal(err)
	}
	if got := f.open(t).Collection("users").Definitions(); len(got) != 1 || !got[0].Sparse {
		t.Errorf("in the file: %+v", got)
	}
}

func TestDefinitionsThatAreNone(t *testing.T) {
	var said strings.Builder
	s := New(Options{Logger: textLogger(&said)})
	doc := func(text string) ejson.Doc {
		d, err := ejson.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	texts := []string{
		`{"_id":"1"}`,
		`{"_id":"users/k","collection":"users","name":"k","keys":["k"],"hashed":true}`,
		`{"_id":"users/l","collection":"users","name":"l","keys":["l"],"unique":1}`,
		`{"_id":"other","collection":"users","name":"l","keys":["l"]}`,
		`{"_id":"users/x","collection":"users","name":"x","keys":["x"],"expireAfterSeconds":-1}`,
		`{"_id":"users/y","collection":"users","name":"y","keys":["y"],"partial":{"$where":"1"}}`,
		`{"_id":"system.indexes/z","collection":"system.indexes","name":"z","keys":["z"]}`,
		`{"_id":"users/good","collection":"users","name":"good","keys":["-good"]}`,
	}
	var rs []Record
	for i, text := range texts {
		rs = append(rs, Record{"system.indexes", uint64(i), doc(text)})
	}
	if err := s.Load(3, listed(rs...)); err != nil {
		t.Fatal(err)
	}
	if got := s.Collection("users").Definitions(); len(got) != 1 || got[0].Name != "good" {
		t.Errorf("definitions %+v", got)
	}
	if n := strings.Count(said.String(), "index left out"); n != len(texts)-1 {
		t.Errorf("%d of %d were told:\n%s", n, len(texts)-1, said.String())
	}
}

func TestDefineRefuses(t *testing.T) {
	f := &file{}
	s := f.open(t)
	c := s.Collection("users")
	defineEvery(t, c)
	for _, tt := range []struct {
		o    IndexOptions
		is   error
		text string
	}{
		{IndexOptions{}, nil, "no keys"},
		{IndexOptions{Keys: []string{"email"}, Name: "open"}, ErrIndexConflict, `"open" of "users" is on nested.a.b`},
		{IndexOptions{Keys: []string{"room", "-ts"}, Name: "again"}, ErrIndexConflict, `"room,-ts"`},
		{IndexOptions{Keys: []string{"k"}, Sparse: true, Partial: m{"a": 1}}, nil, "partial"},
		{IndexOptions{Keys: []string{"k"}, Partial: m{"$in": 1}}, nil, "$in"},
		{IndexOptions{Keys: []string{"k", "l"}, TTL: time.Second}, nil, "one date"},
		{IndexOptions{Keys: []string{"k"}, TTL: -1}, nil, "TTL"},
		{IndexOptions{Keys: []string{"k"}, Name: "$natural"}, nil, "hint"},
	} {
		err := c.EnsureIndex(tt.o)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
	// A unique index will do where a plain one is asked for; a sparse one will not.
	if err := c.EnsureIndex(IndexOptions{Keys: []string{"n"}, Unique: true}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Index("n"), c.Index("room", "-ts")); err != nil {
		t.Error(err)
	}
	if err := c.Index("email"); err != nil {
		t.Error(err)
	}
	if got := len(c.Definitions()); got != len(everyKind)+2 {
		t.Errorf("%d indexes", got)
	}
	if err := c.DropIndex("nowhere"); !errors.Is(err, ErrNoIndex) {
		t.Error(err)
	}
	for _, err := range []error{
		s.Collection("system.indexes").Index("name"),
		func() error { _, err := s.Collection("system.indexes").InsertOne(person("x")); return err }(),
		func() error { _, err := s.Collection("system.indexes").DeleteMany(nil); return err }(),
		func() error {
			_, err := s.UpdateAs(t, func(tx *Tx) error { tx.Clear("system.indexes"); return nil })
			return err
		}(),
	} {
		if !errors.Is(err, ErrReserved) {
			t.Errorf("a write to the store's own collection: %v", err)
		}
	}
	// What the journal refuses has not happened.
	f.full.Store(true)
	before := c.Definitions()
	if err := c.Index("z"); !errors.Is(err, errFull) || len(c.Definitions()) != len(before) {
		t.Errorf("%v: %+v", err, c.Definitions())
	}
	if err := c.DropIndex("n"); !errors.Is(err, errFull) || len(c.Definitions()) != len(before) {
		t.Errorf("%v: %+v", err, c.Definitions())
	}
	f.full.Store(false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Index("z")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestIndexOnALiveCollection builds and drops indexes while others read and write.
// No reader waits for the end of it, and no snapshot moves.
func TestIndexOnALiveCollection(t *testing.T) {
	s := New(Options{})
	c := s.Collection("messages")
	if _, err := c.InsertMany(dataSet(3000, 3)); err != nil {
		t.Fatal(err)
	}
	start := s.Snapshot()
	ask := func(snap *Snapshot) string {
		q := c.Find(m{"author": m{"$gte": "author0100", "$lt": "author0110"}, "flag": true}).At(snap)
		docs, err := q.Sort("-n").All()
		if err != nil {
			t.Error(err)
		}
		n, err := q.Count()
		if n != len(docs) || err != nil {
			t.Errorf("counts %d of %d (%v)", n, len(docs), err)
		}
		return fmt.Sprint(docs)
	}
	want := ask(start)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := ask(start); got != want {
					t.Error("a snapshot moved")
				}
				now := s.Snapshot()
				if first, second := ask(now), ask(now); first != second {
					t.Error("a snapshot moved while it was read")
				}
			}
		})
	}
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := c.UpdateMany(m{"n": m{"$gte": i % 3000, "$lt": i%3000 + 5}}, m{"$set": m{"author": "author0105"}}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 10 {
		for _, o := range []IndexOptions{
			{Keys: []string{"author"}}, {Keys: []string{"author", "-n"}, Unique: true}, {Name: "p", Keys: []string{"author"}, Partial: m{"flag": true}},
		} {
			if err := c.EnsureIndex(o); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"author", "author,-n", "p"} {
			if err := c.DropIndex(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	wg.Wait()
	if got := ask(start); got != want {
		t.Error("a snapshot moved")
	}
}
