package sync

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// Stub foretells what a method will do. What it writes shows at once, and is put
// right when the server has answered: only the server's word stays. It runs once for
// each call, in one transaction with the call, on a goroutine of the replica: it
// must not wait, and must not use the replica or its store but through what it is
// given. An error refuses the call, which is then not sent, and nothing of what the
// stub wrote is seen. A panic goes to who made the call.
type Stub func(tx *Tx, in Invocation) error

// Invocation is what a stub is given beside the transaction.
type Invocation struct {
	Params ejson.Array
	UserID string // who is logged in, "" for nobody

	sim *simulated
}

// NewID returns the id of a new document, as the server's method will make it if it
// makes the same documents of that collection in the same order.
func (in Invocation) NewID(collection string) string { return in.sim.streams().DocumentID(collection) }

// Random returns the stream of random values of that name that the server's method
// draws from too; "" is the default one.
func (in Invocation) Random(name string) *ddp.Random { return in.sim.streams().Stream(name) }

// Call runs the stub of another method as a part of this one. Nothing is sent for
// it: the server's method calls the other by itself. A method without a stub does
// nothing.
func (in Invocation) Call(name string, params ...any) error {
	list, err := arrayOf(params)
	if err != nil {
		return err
	}
	return in.sim.call(name, list)
}

// Stub sets the stub of a method, nil for none. Set it before the method is called:
// what is called without one shows nothing until the server has answered. A stub is
// not run again when its call is sent again, or after a restart.
func (r *Replica) Stub(name string, fn Stub) {
	// An error says that the replica is closed, and nothing will be called.
	_ = r.do(context.Background(), func(l *loop) {
		if fn == nil {
			delete(l.stubs, name)
			return
		}
		l.stubs[name] = fn
	})
}

// Tx is the transaction of a stub, or of Options.Migrate: the store as it is, with what
// was written in it. It is void when the stub has returned.
type Tx struct {
	tx     *store.Tx
	l      *loop
	sim    *simulated
	writes []written
	known  map[docRef]struct{} // of writes
	moved  []docRef            // changed by the transaction before the stub
	err    error               // why the stub has failed, whatever it returns
}

// written is a document that a stub wrote, and what it was before.
type written struct {
	docRef
	before ejson.Doc // zero: there was none
}

// Get returns a document.
func (tx *Tx) Get(collection string, id ejson.ID) (ejson.Doc, bool) {
	return tx.tx.Get(collection, id)
}

// Each yields the documents of a collection as they are when the loop begins, in the
// order of insertion.
func (tx *Tx) Each(collection string) iter.Seq[ejson.Doc] { return tx.tx.Each(collection) }

// Len returns the number of documents of a collection.
func (tx *Tx) Len(collection string) int { return tx.tx.Len(collection) }

// Insert adds a document and returns its id. One without _id is given the one that
// the server's method will make (see Invocation.NewID). Errors are those of
// store.Tx.Insert.
func (tx *Tx) Insert(collection string, doc ejson.Doc) (ejson.ID, error) {
	switch v := doc.Field("_id"); {
	case v.IsMissing(), v.Kind() == ejson.Null, v.Kind() == ejson.String && v.Str() == "":
		doc = doc.WithID(ejson.StringID(tx.sim.streams().DocumentID(collection)))
	}
	if err := tx.touch(collection, doc.ID()); err != nil {
		return ejson.ID{}, err
	}
	return tx.tx.Insert(collection, doc)
}

// Put inserts or replaces a document, which must have an _id.
func (tx *Tx) Put(collection string, doc ejson.Doc) error {
	if err := tx.touch(collection, doc.ID()); err != nil {
		return err
	}
	return tx.tx.Put(collection, doc)
}

// Delete removes a document and reports whether it was there.
func (tx *Tx) Delete(collection string, id ejson.ID) bool {
	if err := tx.touch(collection, id); err != nil {
		tx.err = errors.Join(tx.err, err)
		return false
	}
	return tx.tx.Delete(collection, id)
}

// Update modifies all documents that a selector finds, and returns how many it
// changed. Selector, modifier and errors are those of store.Tx.Update.
func (tx *Tx) Update(collection string, selector, modifier any) (int, error) {
	m, err := tx.find(collection, selector, func(id ejson.ID) error { return tx.touch(collection, id) })
	if err != nil {
		return 0, err
	}
	return tx.tx.Update(collection, m, modifier)
}

// Remove removes all documents that a selector finds, and returns how many.
func (tx *Tx) Remove(collection string, selector any) (n int, err error) {
	_, err = tx.find(collection, selector, func(id ejson.ID) error {
		if err := tx.touch(collection, id); err != nil {
			return err
		}
		tx.tx.Delete(collection, id)
		n++
		return nil
	})
	return n, err
}

// find calls fn for the documents that a selector finds.
func (tx *Tx) find(collection string, selector any, fn func(ejson.ID) error) (*query.Matcher, error) {
	m, err := query.Compile(selector)
	if err != nil {
		return nil, err
	}
	var ids []ejson.ID
	look := func(ref docRef) {
		if ref.collection != collection {
			return
		}
		if doc, _ := tx.tx.Get(collection, ref.id); !doc.IsZero() && m.Match(doc) {
			ids = append(ids, ref.id)
		}
	}
	// The snapshot has indexes, but not what was written in this transaction.
	for _, w := range tx.writes {
		look(w.docRef)
	}
	for _, ref := range tx.moved {
		if _, known := tx.known[ref]; !known {
			look(ref)
		}
	}
	for doc, err := range tx.l.store.Collection(collection).Find(m).Each() {
		if err != nil {
			return nil, err
		}
		ref := docRef{collection, doc.ID()}
		if _, known := tx.known[ref]; !known && !slices.Contains(tx.moved, ref) {
			ids = append(ids, doc.ID())
		}
	}
	for _, id := range ids {
		if err := fn(id); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// touch notes a document before it is written.
func (tx *Tx) touch(collection string, id ejson.ID) error {
	if isReserved(collection) {
		return fmt.Errorf("sync: collection %q: %w", collection, store.ErrReplicated)
	}
	if id.IsZero() {
		return store.ErrNoID
	}
	ref := docRef{collection, id}
	if _, ok := tx.known[ref]; ok {
		return nil
	}
	before, _ := tx.tx.Get(collection, id)
	tx.known[ref] = struct{}{}
	tx.writes = append(tx.writes, written{ref, before})
	return nil
}

// simulated is a method call as stubs run it: the one that is sent, or one that it
// calls.
type simulated struct {
	l     *loop
	tx    *Tx
	user  string
	seed  string // "" until it is drawn
	drawn *ddp.Streams
	outer *simulated // nil: this is the call that is sent
	name  string
	depth int
}

// maxDepth is how deep stubs may call each other: deeper is a circle.
const maxDepth = 100

func (sim *simulated) streams() *ddp.Streams {
	if sim.drawn == nil {
		switch {
		case sim.outer != nil:
			sim.seed = sim.outer.streams().CallSeed(sim.name)
		case sim.seed == "":
			sim.seed = ddp.NewSeed()
		}
		sim.drawn = ddp.NewStreams(sim.seed)
	}
	return sim.drawn
}

// call runs the stub of a method that this one calls.
func (sim *simulated) call(name string, params ejson.Array) error {
	fn := sim.l.stubOf(name)
	if fn == nil {
		return nil
	}
	if sim.depth == maxDepth {
		return fmt.Errorf("sync: stub of %q: calls are nested more than %d deep", name, maxDepth)
	}
	inner := &simulated{l: sim.l, tx: sim.tx, user: sim.user, outer: sim, name: name, depth: sim.depth + 1}
	return inner.run(fn, params)
}

// run runs a stub. What it draws for ids is drawn from its own call's seed, also
// where it is not the call that is sent.
func (sim *simulated) run(fn Stub, params ejson.Array) error {
	before := sim.tx.sim
	sim.tx.sim = sim
	defer func() { sim.tx.sim = before }()
	return fn(sim.tx, Invocation{Params: params, UserID: sim.user, sim: sim})
}

// stubPanic carries a panic of a stub to who made the call.
type stubPanic struct {
	value any
	stack []byte
}

func (p *stubPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// simulate runs the stub of a call within a transaction, and returns the documents
// that it wrote. It draws a seed if the stub needs one and the call has none.
// moved are documents that the transaction has changed already.
func (l *loop) simulate(tx *store.Tx, c *call, fn Stub, moved []docRef) (refs []docRef, err error) {
	defer func() {
		if p := recover(); p != nil {
			refs, err = nil, &stubPanic{p, debug.Stack()}
		}
	}()
	sim := &simulated{l: l, user: c.user, seed: c.seed, name: c.method.Name}
	sim.tx = &Tx{tx: tx, l: l, known: map[docRef]struct{}{}, moved: moved}
	if err := errors.Join(sim.run(fn, c.params), sim.tx.err); err != nil {
		return nil, err
	}
	c.seed = sim.seed
	return l.foretell(tx, c, sim.tx.writes), nil
}
