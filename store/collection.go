package store

import (
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// Collection is a name and a store; copy it freely. Reads take no context, for
// they never wait. Each write is a transaction of its own, and waits for other
// writers; several in one are a [Store.Update].
//
// Selectors and modifiers are anything that query.Compile and
// query.CompileModifier take, or what these returned, which saves compiling them.
// Errors are *query.SyntaxError for those that have no meaning,
// *query.UpdateError for documents that a modifier cannot be applied to,
// ErrReplicated, ErrClosed, and what the journal returns.
type Collection[T any] struct {
	s     *Store
	name  string
	place int // 1 + its place in Snapshot.versions; 0: not known when it was made
}

// Of returns the collection of that name with its documents as T: a struct with
// bson or json tags, a map[string]any, or ejson.Doc itself, which costs nothing.
func Of[T any](s *Store, name string) Collection[T] {
	c := Collection[T]{s: s, name: name}
	// A snapshot would tell, but the next write would pay for it; and whoever holds
	// the lock for long is not waited for.
	if s.view.TryLock() {
		if i, ok := s.numbers[name]; ok {
			c.place = i + 1
		}
		s.view.Unlock()
	}
	return c
}

// Name returns the name of the collection.
func (c Collection[T]) Name() string { return c.name }

// Store returns the store of the collection.
func (c Collection[T]) Store() *Store { return c.s }

// Find starts a query. A bad selector is reported by the query's first use. The
// selector is kept until then and must not be changed.
func (c Collection[T]) Find(selector any) Query[T] {
	return Query[T]{s: c.s, name: c.name, selector: selector, compiled: new(compiled)}
}

// FindOne returns the first match in the order of insertion, or ErrNotFound. By id
// (a string, an ejson.ID, an ObjectID, or a map {_id: one of these}) it is one
// lookup without a plan.
func (c Collection[T]) FindOne(selector any) (T, error) {
	if id, ok := idOf(selector); ok {
		return c.FindID(id)
	}
	return c.Find(selector).Limit(1).One()
}

// FindID returns the document of that id, or ErrNotFound. With T = ejson.Doc it
// allocates nothing.
func (c Collection[T]) FindID(id ejson.ID) (T, error) {
	if v := c.version(c.s.Snapshot()); v != nil {
		if _, d, ok := v.find(hashID(id), id); ok {
			return decode[T](d)
		}
	}
	var none T
	return none, ErrNotFound
}

// version returns the collection in a snapshot of its store, or nil.
func (c *Collection[T]) version(s *Snapshot) *version {
	if c.place > 0 && c.place <= len(s.versions) {
		return s.versions[c.place-1]
	}
	return s.version(c.name)
}

// InsertOne inserts doc and returns its id, which is made up where doc has none
// (no _id, null, or an empty string): a string or, where T can only be read with one,
// an ObjectID. The error may be ErrDuplicateID or ErrNoID, or one of ejson.From.
func (c Collection[T]) InsertOne(doc T) (id ejson.ID, err error) {
	d, err := encode(&doc)
	if err != nil {
		return ejson.ID{}, err
	}
	_, err = c.s.Update(func(tx *Tx) error {
		id, err = tx.insert(tx.part(c.name), d, c.newID)
		return err
	})
	if err != nil {
		return ejson.ID{}, err
	}
	return id.Clone(), nil // who keeps an id need not keep the document
}

// InsertMany inserts all of docs in one commit, or none, and returns their ids.
func (c Collection[T]) InsertMany(docs []T) ([]ejson.ID, error) {
	ids := make([]ejson.ID, len(docs))
	_, err := c.s.Update(func(tx *Tx) error {
		o := tx.part(c.name)
		o.expect(len(docs))
		for i := range docs {
			d, err := encode(&docs[i])
			if err != nil {
				return err
			}
			id, err := tx.insert(o, d, c.newID)
			if err != nil {
				return err
			}
			ids[i] = id.Clone()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// UpdateOne applies a modifier to the first match and reports whether it
// changed anything. ErrNotFound where nothing matched.
func (c Collection[T]) UpdateOne(selector, modifier any) (changed bool, err error) {
	u, err := newUpdate(selector, modifier)
	if err != nil {
		return false, err
	}
	_, err = c.s.Update(func(tx *Tx) error {
		matched, n, err := tx.modify(tx.part(c.name), u, 1)
		if err == nil && matched == 0 {
			err = ErrNotFound
		}
		changed = n == 1
		return err
	})
	return changed && err == nil, err
}

// UpdateMany applies a modifier to every match and returns how many changed: all
// that match, or with an error none.
func (c Collection[T]) UpdateMany(selector, modifier any) (changed int, err error) {
	u, err := newUpdate(selector, modifier)
	if err != nil {
		return 0, err
	}
	_, err = c.s.Update(func(tx *Tx) error {
		_, changed, err = tx.modify(tx.part(c.name), u, 0)
		return err
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// UpsertOne applies a modifier to the first match. Where there is none it inserts
// a document of what the selector pins and the modifier sets, $setOnInsert
// included. It returns the id of the document that there is now.
func (c Collection[T]) UpsertOne(selector, modifier any) (id ejson.ID, inserted bool, err error) {
	u, err := newUpdate(selector, modifier)
	if err != nil {
		return ejson.ID{}, false, err
	}
	_, err = c.s.Update(func(tx *Tx) error {
		id, inserted, err = tx.upsert(tx.part(c.name), u, c.newID)
		return err
	})
	if err != nil {
		return ejson.ID{}, false, err
	}
	return id.Clone(), inserted, nil
}

// ReplaceOne puts doc in the place of the first match, whose _id it takes over;
// if it has one itself, they must be equal (ErrImmutableID). It reports whether
// that changed anything. ErrNotFound where nothing matched.
func (c Collection[T]) ReplaceOne(selector any, doc T) (changed bool, err error) {
	d, err := encode(&doc)
	if err != nil {
		return false, err
	}
	_, err = c.s.Update(func(tx *Tx) error {
		changed, err = tx.replace(tx.part(c.name), selector, d)
		return err
	})
	return changed && err == nil, err
}

// DeleteOne removes the first match and reports whether there was one.
func (c Collection[T]) DeleteOne(selector any) (deleted bool, err error) {
	n, err := c.delete(selector, 1)
	return n == 1, err
}

// DeleteMany removes every match and returns how many there were.
func (c Collection[T]) DeleteMany(selector any) (deleted int, err error) {
	return c.delete(selector, 0)
}

func (c Collection[T]) delete(selector any, limit int) (n int, err error) {
	_, err = c.s.Update(func(tx *Tx) error {
		n, err = tx.remove(tx.part(c.name), selector, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Indexes describes the indexes to a planner, with their sizes, in the order in which
// they were added.
func (c Collection[T]) Indexes() []query.Index {
	v := c.s.Snapshot().version(c.name)
	if v == nil {
		return nil
	}
	return v.infos()
}
