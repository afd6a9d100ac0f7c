package sync

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// world is the data of a simulated server, and what it publishes:
//
//	a            every document of a
//	group N      those of a whose group is N
//	b            every document of b, unless it refuses
//	never        every document of c, and never ready
//	universal    every document of u
//
// All but the universal one may stall for a while before they begin.
type world struct {
	mu      sync.Mutex // guards the rest
	docs    map[string]map[string]ejson.Doc
	order   map[string][]string
	history map[string][]ejson.Doc // all that a document ever was, by collection/id
	next    float64                // incarnation of the next document
	feeds   map[*feed]struct{}
	runs    map[string]int     // of calls of the outbox, by id
	lanes   map[string]float64 // of each entity, the latest call that was run
	orders  []string           // faults in the order of an entity, and of calls that were run twice
	refuses bool
	stalls  time.Duration // how long publications hesitate
	srv     *server.Server
	resumed uint64 // sessions taken up, by servers before this one

	tokens map[string]time.Time // until when they hold
	given  int                  // so many
	hangs  bool                 // logins are not answered

	// What stays as it is: how long sessions are kept and tokens hold, and whether calls
	// are remembered for ever; then answers are those of the outbox, by key of the call.
	grace, lifetime time.Duration
	remembers       bool
	answers         map[string]ejson.Doc
}

// feed is one running publication.
type feed struct {
	p          *server.Publication
	collection string
	match      func(ejson.Doc) bool
	has        map[string]bool
}

func newWorld() *world {
	return &world{
		docs:    map[string]map[string]ejson.Doc{"a": {}, "b": {}, "c": {}, "u": {}},
		order:   map[string][]string{},
		history: map[string][]ejson.Doc{},
		feeds:   map[*feed]struct{}{},
		runs:    map[string]int{},
		lanes:   map[string]float64{},
		tokens:  map[string]time.Time{},
		answers: map[string]ejson.Doc{},
	}
}

// stalled is publish, when the world likes.
func (w *world) stalled(ctx context.Context, p *server.Publication, collection string, match func(ejson.Doc) bool) error {
	w.mu.Lock()
	stalls := w.stalls
	w.mu.Unlock()
	if stalls > 0 {
		p.Unblock()
		select {
		case <-time.After(stalls):
		case <-ctx.Done():
			return nil
		}
	}
	return w.publish(p, collection, match)
}

func (w *world) publish(p *server.Publication, collection string, match func(ejson.Doc) bool) error {
	f := &feed{p: p, collection: collection, match: match, has: map[string]bool{}}
	w.mu.Lock()
	for _, id := range w.order[collection] {
		f.tell(id, w.docs[collection][id])
	}
	w.feeds[f] = struct{}{}
	w.mu.Unlock()
	p.OnStop(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.feeds, f)
	})
	return nil
}

// tell makes the client's document what it is now; the zero Doc: gone.
func (f *feed) tell(id string, doc ejson.Doc) {
	want := !doc.IsZero() && f.match(doc)
	switch {
	case want:
		f.p.Added(f.collection, doc) // replaces what was
	case f.has[id]:
		f.p.Removed(f.collection, ejson.StringID(id))
	}
	f.has[id] = want
}

// set puts, or with the zero Doc removes, a document.
func (w *world) set(collection, id string, doc ejson.Doc) {
	_, was := w.docs[collection][id]
	switch {
	case doc.IsZero():
		delete(w.docs[collection], id)
		w.order[collection] = slices.DeleteFunc(w.order[collection], func(s string) bool { return s == id })
	case !was:
		w.order[collection] = append(w.order[collection], id)
		fallthrough
	default:
		w.docs[collection][id] = doc
		w.history[collection+"/"+id] = append(w.history[collection+"/"+id], doc)
	}
	for f := range w.feeds {
		if f.collection == collection {
			f.tell(id, doc)
		}
	}
}

// mutate makes one random change.
func (w *world) mutate(rng *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	collection := []string{"a", "a", "a", "b", "c", "u"}[rng.IntN(6)]
	id := fmt.Sprint("d", rng.IntN(30))
	doc, ok := w.docs[collection][id]
	switch {
	case !ok:
		w.next++
		w.set(collection, id, ejson.Make(
			ejson.Field{Name: "_id", Value: id},
			ejson.Field{Name: "inc", Value: w.next},
			ejson.Field{Name: "v", Value: 1},
			ejson.Field{Name: "group", Value: rng.IntN(3)},
			ejson.Field{Name: "text", Value: fmt.Sprint(collection, " ", id)},
		))
	case rng.IntN(4) == 0:
		w.set(collection, id, ejson.Doc{})
	default:
		doc = doc.With("v", doc.Field("v").Number()+1)
		switch rng.IntN(4) {
		case 0:
			doc = doc.With("group", rng.IntN(3))
		case 1:
			doc = doc.With("extra", []any{rng.IntN(9), map[string]any{"x": "y"}})
		case 2:
			doc = doc.Without("extra")
		}
		w.set(collection, id, doc)
	}
}

// bump raises the version of a document, which it makes if need be, and returns it. mu is
// held.
func (w *world) bump(collection, id string) ejson.Doc {
	doc, ok := w.docs[collection][id]
	if !ok {
		w.next++
		doc = ejson.Make(
			ejson.Field{Name: "_id", Value: id},
			ejson.Field{Name: "inc", Value: w.next},
			ejson.Field{Name: "v", Value: 0},
			ejson.Field{Name: "group", Value: 0},
		)
	}
	doc = doc.With("v", doc.Field("v").Number()+1)
	w.set(collection, id, doc)
	return doc
}

// run notes a call of the outbox: bump(id, number of the call, entity, user). Some are
// refused for now. mu is held.
func (w *world) run(c *server.Call) error {
	if c.Params.Len() < 3 {
		return nil
	}
	id, retry, _ := strings.Cut(c.ID(), again)
	if retry == "" && id[len(id)-1] == '7' {
		return &ddp.Error{Code: "too-many-requests"}
	}
	if w.runs[id]++; w.remembers && w.runs[id] > 1 {
		w.orders = append(w.orders, fmt.Sprintf("call %s was run %d times", id, w.runs[id]))
	}
	n, entity := c.Params.At(1).Number(), c.Params.At(2).Str()
	if user := c.Params.At(3).Str(); user != c.UserID && user != "?" {
		w.orders = append(w.orders, fmt.Sprintf("call %v of %q run for %q", n, user, c.UserID))
	}
	// Calls that are parked hold up those of their own user only.
	entity = strings.TrimPrefix(entity+"/"+c.UserID, "/"+c.UserID)
	if entity != "" && w.runs[id] == 1 && n < w.lanes[entity] {
		w.orders = append(w.orders, fmt.Sprintf("call %v of %s run after %v", n, entity, w.lanes[entity]))
	}
	w.lanes[entity] = max(n, w.lanes[entity])
	return nil
}

// said reports whether a document was ever just like that.
func (w *world) said(collection string, doc ejson.Doc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.history[collection+"/"+doc.ID().String()], doc.Same)
}

// alive reports whether this very document is still there.
func (w *world) alive(collection string, doc ejson.Doc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, ok := w.docs[collection][doc.ID().String()]
	return ok && now.Field("inc").Equal(doc.Field("inc"))
}

// published returns what a client with these subscriptions has.
func (w *world) published(groups []int, a, b, never bool) map[string]ejson.Doc {
	w.mu.Lock()
	defer w.mu.Unlock()
	want := map[string]ejson.Doc{}
	for collection, docs := range w.docs {
		for id, doc := range docs {
			in := collection == "u" || collection == "b" && b || collection == "c" && never || collection == "a" && a
			if collection == "a" && slices.Contains(groups, int(doc.Field("group").Number())) {
				in = true
			}
			if in {
				want[collection+"/"+id] = doc
			}
		}
	}
	return want
}
