package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// note is a document of the typed tests.
type note struct {
	ID   string `bson:"_id"`
	N    int    `bson:"n"`
	Room string `bson:"room"`
}

// script makes some changes and returns the Seq of the last.
func script(t *testing.T, s *store.Store) store.Seq {
	putDoc(t, s, thing(3, 30)) // changes and moves
	putDoc(t, s, thing(9, -1)) // enters
	return put(t, s, func(tx *store.Tx) error {
		tx.Delete("c", ejson.StringID("d0"))
		return nil
	})
}

func TestDocs(t *testing.T) {
	s, _ := fixture(t, 5)
	q := store.Of[note](s, "c").Find(object{"room": "r0"}).Sort("n")
	var plain, placed []string
	h1, err := Docs(q, Callbacks[note]{
		Added:   func(n note) { plain = append(plain, "+"+n.ID) },
		Changed: func(old, n note) { plain = append(plain, fmt.Sprint(old.N, "→", n.N)) },
		Removed: func(n note) { plain = append(plain, "-"+n.ID) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h1.Stop()
	h2, err := Docs(q, Callbacks[note]{
		AddedAt: func(n note, at int, before ejson.ID) {
			placed = append(placed, fmt.Sprintf("+%s at %d before %v", n.ID, at, before))
		},
		ChangedAt: func(old, n note, at int) { placed = append(placed, fmt.Sprintf("%d→%d at %d", old.N, n.N, at)) },
		MovedTo: func(n note, from, to int, before ejson.ID) {
			placed = append(placed, fmt.Sprintf("%s %d→%d before %v", n.ID, from, to, before))
		},
		RemovedAt: func(n note, at int) { placed = append(placed, fmt.Sprintf("-%s at %d", n.ID, at)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Stop()
	if h1.res.order != nil || h2.res.order == nil {
		t.Error("a result has an order that nobody asks for, or none")
	}
	seq := script(t, s)
	wait(t, h1, seq)
	wait(t, h2, seq)
	if got, want := strings.Join(plain, " "), "+d0 +d3 3→30 +d9 -d0"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	want := "+d0 at 0 before ; +d3 at 1 before ; 3→30 at 1; +d9 at 0 before d0; -d0 at 1"
	if got := strings.Join(placed, "; "); got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
	if _, err := Docs(q, Callbacks[note]{Moved: func(note, int, int) {}, MovedTo: func(note, int, int, ejson.ID) {}}); !errors.Is(err, ErrBothForms) {
		t.Errorf("error %v", err)
	}
	if _, err := Docs(q.Fields("-_id"), Callbacks[note]{}); !errors.Is(err, ErrNoID) {
		t.Errorf("error %v", err)
	}
}

func TestCount(t *testing.T) {
	s, c := fixture(t, 7)
	var all, window []int
	h1, err := Count(c.Find(object{"room": "r0"}), func(n int) { all = append(all, n) })
	if err != nil {
		t.Fatal(err)
	}
	defer h1.Stop()
	h2, err := Count(c.Find(object{"room": "r0"}).Skip(1).Limit(2), func(n int) { window = append(window, n) })
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Stop()
	script(t, s)
	seq := put(t, s, func(tx *store.Tx) error {
		tx.Delete("c", ejson.StringID("d3"))
		return nil
	})
	wait(t, h1, seq)
	wait(t, h2, seq)
	if !slices.Equal(all, []int{3, 4, 3, 2}) || !slices.Equal(window, []int{2, 1}) {
		t.Errorf("counts %v and %v", all, window)
	}
}

// sink is a Sink that keeps the documents and a protocol of the calls.
type sink struct {
	docs  map[ejson.ID]ejson.Doc
	calls []string
}

func (k *sink) Added(collection string, doc ejson.Doc) {
	k.docs[doc.ID()] = doc
	k.calls = append(k.calls, fmt.Sprint(collection, " added ", doc.ID()))
}

func (k *sink) Changed(collection string, id ejson.ID, set ejson.Doc, unset []string) {
	k.docs[id] = k.docs[id].Merge(set, unset)
	k.calls = append(k.calls, fmt.Sprint(collection, " changed ", id, " ", set, unset))
}

func (k *sink) Removed(collection string, id ejson.ID) {
	delete(k.docs, id)
	k.calls = append(k.calls, fmt.Sprint(collection, " removed ", id))
}

func TestFeed(t *testing.T) {
	s, c := fixture(t, 4)
	k := &sink{docs: map[ejson.ID]ejson.Doc{}}
	h, err := Feed(c.Find(nil).Sort("-n").Limit(2), "shown", k)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	putDoc(t, s, thing(3, 4))
	wait(t, h, putDoc(t, s, thing(0, 9)))
	want := []string{"shown added d3", "shown added d2", `shown changed d3 {"n":4} []`, "shown removed d2", "shown added d0"}
	if !slices.Equal(k.calls, want) {
		t.Errorf("told %q", k.calls)
	}
	if len(k.docs) != 2 || !k.docs[ejson.StringID("d0")].Same(thing(0, 9)) {
		t.Errorf("the sink has %v", k.docs)
	}
}

func TestBatches(t *testing.T) {
	s, _ := fixture(t, 4)
	q := store.Of[note](s, "c").Find(nil).Sort("-n").Limit(1)
	var seen []string
	for b, err := range Batches(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Events {
			seen = append(seen, fmt.Sprint(e.Kind, " ", e.Old.N, " ", e.New.N))
		}
		if len(seen) == 1 {
			putDoc(t, s, thing(1, 100)) // from within the loop
			continue
		}
		break
	}
	if want := []string{"added 0 3", "removed 3 0", "added 0 100"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q", seen)
	}
	for _, err := range Batches(t.Context(), q.Sort("$bad")) {
		if err == nil {
			t.Error("no error")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range Batches(ctx, q) {
		n++
		cancel()
	}
	for range Batches(ctx, q) {
		n++
	}
	if n != 1 {
		t.Errorf("%d batches though ctx was done", n)
	}
}

func TestResults(t *testing.T) {
	s, _ := fixture(t, 4)
	q := store.Of[note](s, "c").Find(object{"room": "r0"})
	steps := []func(){
		func() { script(t, s) },
		func() { t.Error("one too many") },
	}
	var last []note
	for list, err := range Results(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		last = list
		want, _ := q.All()
		if len(last) > 0 && slices.Equal(list, want) && len(steps) == 1 {
			break
		}
		if len(steps) == 2 {
			steps[0]()
			steps = steps[1:]
		}
	}
	if want := []note{{"d3", 30, "r0"}, {"d9", -1, "r0"}}; !slices.Equal(last, want) {
		t.Errorf("finally %v", last)
	}
	type narrow struct {
		N string `bson:"n"`
	}
	n := 0
	for _, err := range Results(t.Context(), store.Of[narrow](s, "c").Find(nil)) {
		if n++; err == nil {
			t.Error("no error")
		}
	}
	if n != 1 {
		t.Errorf("%d results with an error", n)
	}
}

func TestChan(t *testing.T) {
	s, _ := fixture(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := store.Of[note](s, "c").Find(nil).Sort("-n")
	results, err := Chan(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 { // nobody reads meanwhile
		putDoc(t, s, thing(i%3, i))
	}
	want, _ := q.All()
	for list := range results {
		if slices.Equal(list, want) {
			break
		}
	}
	cancel()
	for range results {
		t.Log("an unread result")
	}
	if _, err := Chan(ctx, q.Sort("$bad")); err == nil {
		t.Error("no error")
	}
}
