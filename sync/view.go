package sync

import (
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// view is the documents of a session as the server has sent them so far.
type view struct {
	base        *store.Snapshot // the store when the session began
	collections map[string]*viewed
	names       []string // of collections, in order of appearance
}

// viewed is one collection of a view, in order of appearance.
type viewed struct {
	place map[ejson.ID]int
	docs  []ejson.Doc // zero where one was removed
	gone  int         // number of zeros
}

func newView(base *store.Snapshot) *view {
	return &view{base: base, collections: map[string]*viewed{}}
}

// apply takes a data message.
func (v *view) apply(m ddp.Message) {
	switch m := m.(type) {
	case ddp.Added:
		v.put(m.Collection, m.ID, m.Fields, nil)
	case ddp.Changed:
		v.put(m.Collection, m.ID, m.Fields, m.Cleared)
	case ddp.Removed:
		v.remove(m.Collection, m.ID)
	}
}

// put applies added or changed.
func (v *view) put(collection string, id ejson.ID, set ejson.Doc, unset []string) {
	c := v.collections[collection]
	if c == nil {
		c = &viewed{place: map[ejson.ID]int{}}
		v.collections[collection] = c
		v.names = append(v.names, collection)
	}
	if at, ok := c.place[id]; ok {
		c.docs[at] = merge(c.docs[at], id, set, unset)
		return
	}
	doc := merge(ejson.Doc{}, id, set, unset)
	// Most documents are as they were, and then need no memory of their own.
	if old, ok := v.base.Get(collection, id); ok && old.Same(doc) {
		doc, id = old, old.ID()
	}
	c.place[id] = len(c.docs)
	c.docs = append(c.docs, doc)
}

// remove applies removed.
func (v *view) remove(collection string, id ejson.ID) {
	c := v.collections[collection]
	if !c.has(id) {
		return
	}
	c.docs[c.place[id]] = ejson.Doc{}
	delete(c.place, id)
	c.gone++
	if c.gone > 64 && c.gone > len(c.docs)/2 {
		c.compact()
	}
}

func (c *viewed) has(id ejson.ID) bool {
	if c == nil {
		return false
	}
	_, ok := c.place[id]
	return ok
}

func (c *viewed) compact() {
	kept := c.docs[:0]
	for _, doc := range c.docs {
		if !doc.IsZero() {
			c.place[doc.ID()] = len(kept)
			kept = append(kept, doc)
		}
	}
	clear(c.docs[len(kept):])
	c.docs, c.gone = kept, 0
}

// staleSet is a set of documents. The zero value is empty.
type staleSet struct {
	ids map[string]map[ejson.ID]struct{}
	n   int
}

func (s *staleSet) add(collection string, id ejson.ID) {
	ids := s.ids[collection]
	if ids == nil {
		if s.ids == nil {
			s.ids = map[string]map[ejson.ID]struct{}{}
		}
		ids = map[ejson.ID]struct{}{}
		s.ids[collection] = ids
	}
	ids[id] = struct{}{}
	s.n++
}

// confirm takes a document out and reports whether it was in.
func (s *staleSet) confirm(collection string, id ejson.ID) bool {
	if s.n == 0 {
		return false
	}
	ids := s.ids[collection]
	if _, ok := ids[id]; !ok {
		return false
	}
	delete(ids, id)
	s.n--
	return true
}

func (s *staleSet) each(fn func(collection string, id ejson.ID)) {
	for collection, ids := range s.ids {
		for id := range ids {
			fn(collection, id)
		}
	}
}
