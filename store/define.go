package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// indexer is the owner of indexCollection.
var indexer any = new(struct{ _ byte })

// EnsureIndex adds an index if it is not there; one of that name with another
// definition, or of another name with the same, is ErrIndexConflict. It reads every
// document once; readers go on meanwhile and see the index when it is whole,
// writers wait. A unique index on a collection that has duplicates is a
// *DuplicateKeyError, and nothing has changed.
//
// In a collection that is replicated the server's word counts: while it is claimed
// ([Store.Claim]) a unique index finds documents and refuses none, and no document
// expires. When it is given back, both hold for what is written from then on.
//
// Where the store has a [Journal] the definition is a document of the collection
// "system.indexes", from which [Store.Load] makes the index again. It is a commit of
// its own or, before the first commit and Load, a part of the first commit.
func (c Collection[T]) EnsureIndex(o IndexOptions) error {
	d, err := o.compile()
	if err != nil {
		return err
	}
	return c.s.ensureIndex(c.name, d)
}

// Index is EnsureIndex for a plain index on keys, as for query.CompileSort. An index
// on these keys that has all documents will do, whatever else it is.
func (c Collection[T]) Index(keys ...string) error {
	d, err := plain(keys)
	if err != nil {
		return err
	}
	return c.s.ensureIndex(c.name, d)
}

// DropIndex removes an index, given by its name or its keys, or returns ErrNoIndex.
// Snapshots made before keep it.
func (c Collection[T]) DropIndex(nameOrKeys ...string) error {
	return c.s.dropIndex(c.name, strings.Join(nameOrKeys, ","))
}

// Definitions returns how the indexes are defined, in the order in which they were
// added: what EnsureIndex takes. Partial is an ejson.Doc there, or nil.
func (c Collection[T]) Definitions() []IndexOptions {
	v := c.version(c.s.Snapshot())
	if v == nil {
		return nil
	}
	var all []IndexOptions
	for _, x := range v.indexes {
		all = append(all, x.options())
	}
	return all
}

func (s *Store) ensureIndex(collection string, d *definition) error {
	_, err := s.update(indexer, func(tx *Tx) error {
		if Reserved(collection) {
			return ErrReserved
		}
		t := s.table(collection)
		for _, x := range t.indexes {
			switch {
			case x.alike(d) && x.name == d.name, x.whole && plainOn(d, x):
				return nil
			case x.alike(d) || x.name == d.name:
				return fmt.Errorf("%w: %q of %q is on %s", ErrIndexConflict, x.name, collection, x.key.Name())
			}
		}
		x := buildIndexes([]*definition{d}, &t.pages)[0]
		if d.key.Options().Unique && t.owner == nil {
			if err := x.checkUnique(t); err != nil {
				return err
			}
		}
		tx.reindex(t, append(slices.Clone(t.indexes), x))
		if s.journal != nil && s.opened {
			o := tx.part(indexCollection)
			id := definitionID(collection, d.name)
			o.set(o.look(hashID(id), id), d.document(collection))
		}
		s.unwritten = s.unwritten || s.journal != nil && !s.opened
		s.log.Debug("index added", "collection", collection, "index", x.name, "entries", x.size)
		return nil
	})
	return err
}

// plainOn reports whether d is a plain index that carries the name of its keys,
// and x is on the same.
func plainOn(d *definition, x *index) bool {
	e, err := plain(d.key.Keys())
	return err == nil && e.name == d.name && e.alike(d) && x.key.Name() == d.name
}

func (s *Store) dropIndex(collection, nameOrKeys string) error {
	_, err := s.update(indexer, func(tx *Tx) error {
		at := -1
		var t *table
		if n, ok := s.numbers[collection]; ok {
			t = s.tables[n]
			at = named(t.indexes, nameOrKeys)
		}
		if at < 0 {
			return fmt.Errorf("%w: %q on %q", ErrNoIndex, nameOrKeys, collection)
		}
		tx.Delete(indexCollection, definitionID(collection, t.indexes[at].name))
		tx.reindex(t, slices.Delete(slices.Clone(t.indexes), at, at+1))
		return nil
	})
	return err
}

// reindex gives a table other indexes when the transaction commits.
func (tx *Tx) reindex(t *table, indexes []*index) { tx.table, tx.indexes = t, indexes }

// writeDefinitions adds the definitions of all indexes to a transaction.
func (tx *Tx) writeDefinitions() {
	owner := tx.owner
	tx.owner = indexer
	o := tx.part(indexCollection)
	tx.owner = owner
	for _, t := range tx.s.tables {
		for _, x := range t.indexes {
			id := definitionID(t.name, x.name)
			if w := o.look(hashID(id), id); !w.after.Same(x.document(t.name)) {
				o.set(w, x.document(t.name))
			}
		}
	}
}

// setIndexes changes which indexes a table has. The caller holds both locks.
func (s *Store) setIndexes(t *table, indexes []*index) {
	t.indexes = indexes
	t.frozen = make([]*index, len(indexes))
	t.plans = nextPlans()
	t.unique = slices.ContainsFunc(indexes, func(x *index) bool { return x.key.Options().Unique })
	s.mark(t)
	s.moment.Add(1)
	s.schedule()
}

// definitions returns what a loaded collection of definitions says, by collection,
// and the collections in order. A definition that this version does not understand
// is told, and left alone: the documents are there without it.
func (s *Store) definitions(v *version) (defs map[string][]*definition, names []string) {
	defs = map[string][]*definition{}
	if v == nil {
		return defs, nil
	}
	v.pages.each(func(_ uint64, doc ejson.Doc) bool {
		collection, d, err := definitionFrom(doc)
		if err == nil && Reserved(collection) {
			err = errors.New("an index on " + indexCollection)
		}
		if err != nil {
			s.log.Warn("index left out", "id", doc.ID(), "err", err)
			return true
		}
		if defs[collection] == nil {
			names = append(names, collection)
		}
		defs[collection] = append(defs[collection], d)
		return true
	})
	return defs, names
}

// defined returns the definitions of the table's indexes, and then those loaded,
// less those that a program defined before it loaded.
func (t *table) defined(loaded []*definition) []*definition {
	var all []*definition
	for _, x := range t.indexes {
		all = append(all, x.definition)
	}
	for _, d := range loaded {
		same := func(e *definition) bool { return e.name == d.name || e.alike(d) }
		if !slices.ContainsFunc(all, same) {
			all = append(all, d)
		}
	}
	return all
}
