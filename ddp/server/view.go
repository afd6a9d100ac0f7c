package server

import (
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// view is the merge box of one session: every document that the client has, and
// on behalf of which publications. It belongs to Session.mu.
//
// A document that one publication holds, which is nearly all of them, is an
// entry in a map and a place in a list; its fields stay in the document that
// the publication gave, which nobody copies. Only a document that several hold
// has a record of its own (see shared).
type view struct {
	shelves    map[string]*shelf
	strategies map[string]Strategy // of collections; never changed
	before     *view               // at a change of user, what the client has
}

// shelf is one collection of a view.
//
// The ids of docs and of the holdings lie in the memory of the documents that they
// name, which are kept in any case, so that a document costs no allocation. When
// it is replaced, its id is, too (see replace): otherwise it would keep the old one
// alive. The id of a document that several hold, each in a form of its own, is a
// copy.
type shelf struct {
	name     string
	docs     map[ejson.ID]held
	shared   map[ejson.ID]*shared // those of docs whose by is nil
	holdings []*holding           // in the order in which they began

	// The rest is for strategies other than ServerMerge, which need no docs.
	how     Strategy
	holders map[ejson.ID]int // of NoMergeMulti: how many holdings hold a document
	before  *shelf           // the same shelf of view.before
}

// held is a document of a shelf.
type held struct {
	doc ejson.Doc // what by gave, its _id included; unset when by is nil
	by  *holding  // who holds it; nil: several, see shelf.shared
	pos uint32    // its place in by.ids
}

// holding is what one run of one publication holds of one collection.
//
// Invariant: ids[i] is live exactly if the shelf's record of it for this
// holding has pos i. The rest are gaps, at most half of the list.
type holding struct {
	shelf *shelf
	ids   []ejson.ID // in the order of their arrival
	live  int

	passed passed // instead, where the shelf's strategy is not ServerMerge
}

func newView() *view { return &view{shelves: make(map[string]*shelf)} }

// hold begins a holding of a collection.
func (v *view) hold(collection string) *holding {
	s := v.shelves[collection]
	if s == nil {
		s = &shelf{name: collection, docs: make(map[ejson.ID]held), how: v.strategies[collection]}
		if v.before != nil {
			s.before = v.before.shelves[collection]
		}
		v.shelves[collection] = s
	}
	h := &holding{shelf: s}
	s.holdings = append(s.holdings, h)
	return h
}

// add gives the holding a document. One that it holds already is replaced: the
// document is then exactly doc. d is set to what the client must be told.
func (h *holding) add(id ejson.ID, doc ejson.Doc, d *delta) {
	s := h.shelf
	if s.how != ServerMerge {
		h.passAdd(id, doc, d)
		return
	}
	e, ok := s.docs[id]
	switch {
	case !ok:
		s.docs[id] = held{doc: doc, by: h, pos: h.note(id)}
		d.added(s.name, id, doc)
	case e.by == h:
		d.changed(s.name, id)
		d.diff(e.doc, doc)
		e.doc = doc
		s.replace(id, e)
	default:
		d.changed(s.name, id)
		sh := s.share(id, e)
		if c := sh.claim(h); c != nil {
			set, unset := ejson.Diff(c.doc, doc)
			sh.change(c, set, unset, d)
		} else {
			sh.join(claim{doc: doc, by: h, pos: h.note(id.Clone())}, d)
		}
	}
}

// change sets and unsets fields of a document, and reports false, with nothing
// done, if the holding does not hold it.
func (h *holding) change(id ejson.ID, set ejson.Doc, unset []string, d *delta) bool {
	s := h.shelf
	if s.how != ServerMerge {
		return h.passChange(id, set, unset, d)
	}
	e, ok := s.docs[id]
	if !ok || e.by != nil && e.by != h {
		return false
	}
	d.changed(s.name, id)
	if e.by == nil {
		sh := s.shared[id]
		c := sh.claim(h)
		if c == nil {
			return false
		}
		sh.change(c, set, unset, d)
		return true
	}
	for name, v := range set.Fields() {
		if name != idField && !e.doc.Field(name).Same(v) {
			d.set(name, v)
		}
	}
	for _, name := range unset {
		if name != idField && !e.doc.Field(name).IsMissing() && set.Field(name).IsMissing() {
			d.clear(name)
		}
	}
	if len(d.fields)+len(d.cleared) > 0 {
		e.doc = merge(e.doc, set, unset)
		s.replace(id, e)
	}
	return true
}

// replace keeps another version of a document that one holding holds, and with it
// the id that lies in that version: to assign to a map's element of equal key
// replaces a key that has a string in it.
func (s *shelf) replace(id ejson.ID, e held) {
	if own := e.doc.ID(); own == id {
		id = own
		e.by.ids[e.pos] = own
	}
	s.docs[id] = e
}

// remove takes a document from the holding, and reports false if it does not
// hold it.
func (h *holding) remove(id ejson.ID, d *delta) bool {
	s := h.shelf
	if s.how != ServerMerge {
		return h.passRemove(id, d)
	}
	e, ok := s.docs[id]
	if !ok || e.by != nil && e.by != h {
		return false
	}
	if e.by == nil {
		c := s.shared[id].claim(h)
		if c == nil {
			return false
		}
		d.changed(s.name, id)
		s.part(id, c, d)
	} else {
		s.drop(id)
		d.removed(s.name, id)
	}
	h.forget()
	return true
}

// end takes every document from the holding, in the order in which they came,
// and calls tell with each difference. The holding must not be used again.
func (v *view) end(h *holding, d *delta, tell func(*delta)) {
	s := h.shelf
	if s.how != ServerMerge {
		h.passEnd(d, tell)
	}
	for i, id := range h.ids {
		e, ok := s.docs[id]
		if !ok {
			continue
		}
		if e.by == h && e.pos == uint32(i) {
			s.drop(id)
			d.removed(s.name, id)
			tell(d)
		} else if e.by == nil {
			if c := s.shared[id].claim(h); c != nil && c.pos == uint32(i) {
				d.changed(s.name, id)
				s.part(id, c, d)
				tell(d)
			}
		}
	}
	h.ids, h.live = nil, 0
	s.holdings = slices.DeleteFunc(s.holdings, func(o *holding) bool { return o == h })
	if len(s.holdings) == 0 {
		delete(v.shelves, s.name)
	}
}

// note gives a new document its place in the list.
func (h *holding) note(id ejson.ID) uint32 {
	h.ids = append(h.ids, id)
	h.live++
	return uint32(len(h.ids) - 1)
}

// forget counts a document out, and closes the gaps once they are the larger
// part, so that a set that only turns over does not grow the list.
func (h *holding) forget() {
	h.live--
	// Below 32 places the list costs less than looking every document up again.
	if len(h.ids) < 32 || h.live > len(h.ids)/2 {
		return
	}
	kept := h.ids[:0]
	for i, id := range h.ids {
		e, ok := h.shelf.docs[id]
		switch {
		case ok && e.by == h && e.pos == uint32(i):
			e.pos = uint32(len(kept))
			h.shelf.docs[id] = e
		case ok && e.by == nil:
			c := h.shelf.shared[id].claim(h)
			if c == nil || c.pos != uint32(i) {
				continue
			}
			c.pos = uint32(len(kept))
		default:
			continue
		}
		kept = append(kept, id)
	}
	clear(h.ids[len(kept):])
	h.ids = kept
}

// drop forgets a document that nobody holds any more.
func (s *shelf) drop(id ejson.ID) {
	delete(s.docs, id)
	if len(s.docs) == 0 {
		// A map never shrinks: a client that once had a million documents of a
		// collection and has none now must not go on paying for them.
		s.docs = make(map[ejson.ID]held)
	}
}

// shown yields the documents of a shelf as the client has them, in the order in
// which they came to each holding.
func (s *shelf) shown(yield func(ejson.ID, ejson.Doc) bool) {
	for _, h := range s.holdings {
		for i, id := range h.ids {
			e, ok := s.docs[id]
			if !ok {
				continue
			}
			doc := e.doc
			if e.by == nil {
				sh := s.shared[id]
				if first := &sh.claims[0]; first.by != h || first.pos != uint32(i) {
					continue
				}
				doc = sh.shown()
			} else if e.by != h || e.pos != uint32(i) {
				continue
			}
			if !yield(id, doc) {
				return
			}
		}
	}
}

// doc returns a document as the client has it.
func (s *shelf) doc(id ejson.ID) (ejson.Doc, bool) {
	if s == nil {
		return ejson.Doc{}, false
	}
	e, ok := s.docs[id]
	if ok && e.by == nil {
		return s.shared[id].shown(), true
	}
	return e.doc, ok
}

// differences calls tell with what makes old into v for a client: removals
// first, collection by collection.
func (v *view) differences(old *view, d *delta, tell func(*delta)) {
	for _, name := range old.names() {
		if before := old.shelves[name]; before.how != ServerMerge {
			v.passDifferences(before, d, tell)
			continue
		}
		now := v.shelves[name]
		for id := range old.shelves[name].shown {
			if _, ok := now.doc(id); !ok {
				d.removed(name, id)
				tell(d)
			}
		}
	}
	for _, name := range v.names() {
		before := old.shelves[name]
		for id, doc := range v.shelves[name].shown {
			if was, ok := before.doc(id); ok {
				d.changed(name, id)
				d.diff(was, doc)
			} else {
				d.added(name, id, doc)
			}
			tell(d)
		}
	}
}

func (v *view) names() []string {
	names := make([]string, 0, len(v.shelves))
	for name := range v.shelves {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// merge is Doc.Merge with the _id left as it is, and a field that is both set and
// unset set.
func merge(doc, set ejson.Doc, unset []string) ejson.Doc {
	if !set.Field(idField).IsMissing() {
		set = set.WithoutID()
	}
	odd := func(n string) bool { return n == idField || !set.Field(n).IsMissing() }
	if slices.ContainsFunc(unset, odd) {
		unset = slices.DeleteFunc(slices.Clone(unset), odd)
	}
	return doc.Merge(set, unset)
}
