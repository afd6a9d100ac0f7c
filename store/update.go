package store

import (
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// Update modifies the documents that a selector finds, as the transaction sees
// them, and returns how many it changed. Selector and modifier are anything that
// query.Compile and query.CompileModifier take, or what these returned. An error
// (*query.SyntaxError, *query.UpdateError, ErrImmutableID, ErrReplicated) leaves
// the writes made so far in the transaction: return it, and nothing will have
// happened.
func (tx *Tx) Update(collection string, selector, modifier any) (n int, err error) {
	u, err := newUpdate(selector, modifier)
	if err != nil {
		return 0, err
	}
	_, n, err = tx.modify(tx.part(collection), u, 0)
	return n, err
}

// UpdateID is Update for the one document of that id.
func (tx *Tx) UpdateID(collection string, id ejson.ID, modifier *query.Modifier) (changed bool, err error) {
	_, n, err := tx.modify(tx.part(collection), &update{id: id, mod: modifier}, 1)
	return n == 1, err
}

// update is a compiled update.
type update struct {
	id  ejson.ID       // not zero: the only document selected, and m may be nil
	m   *query.Matcher // what is selected
	mod *query.Modifier
}

func newUpdate(selector, modifier any) (*update, error) {
	u := &update{}
	var err error
	if u.mod, err = compileModifier(modifier); err != nil {
		return nil, err
	}
	if id, ok := idOf(selector); ok {
		u.id = id
		return u, nil
	}
	u.m, err = compile(selector)
	return u, err
}

// matcher returns the selector compiled, also where an id was enough so far.
func (u *update) matcher() (*query.Matcher, error) {
	if u.m == nil {
		m, err := query.Compile(u.id)
		if err != nil {
			return nil, err
		}
		u.m = m
	}
	return u.m, nil
}

// modify applies an update to at most limit documents; 0 is all.
func (tx *Tx) modify(o *overlay, u *update, limit int) (matched, changed int, err error) {
	if o.denied != nil {
		return 0, 0, o.denied
	}
	if !u.id.IsZero() {
		w := o.look(hashID(u.id), u.id)
		if w.after.IsZero() {
			return 0, 0, nil
		}
		ok, err := tx.modifyOne(o, w, u)
		if ok {
			changed = 1
		}
		return 1, changed, err
	}
	for _, l := range tx.find(o, u.m, limit) {
		ok, err := tx.modifyOne(o, o.lookDoc(l.doc), u)
		if err != nil {
			return matched, changed, err
		}
		matched++
		if ok {
			changed++
		}
	}
	return matched, changed, nil
}

// modifyOne applies an update to a document that was found.
func (tx *Tx) modifyOne(o *overlay, w write, u *update) (changed bool, err error) {
	d, after := w.after, ejson.Doc{}
	if u.mod.Positional() || u.mod.Dated() {
		m, err := u.matcher()
		if err != nil {
			return false, err
		}
		at, _ := m.MatchAt(d)
		after, err = u.mod.ApplyAt(d, query.At{Index: at, Now: time.Now()})
		if err != nil {
			return false, err
		}
	} else if after, err = u.mod.Apply(d); err != nil {
		return false, err
	}
	if after == d {
		return false, nil
	}
	if !after.HasID(w.id) {
		return false, immutableID(o.name, w.id)
	}
	o.set(w, after)
	return true, nil
}

// find returns the documents that a selector finds in the transaction, in the
// order of insertion, at most limit; 0 is all.
func (tx *Tx) find(o *overlay, m *query.Matcher, limit int) []located {
	n := len(o.writes)
	found := o.written(m.Match)
	if o.table == nil {
		return first(found, limit)
	}
	changed := len(found) > 0
	sp := Spec{Matcher: m}
	if n == 0 {
		sp.Limit = limit
	}
	taken := 0
	sp.run(tx.base(o.table), func(slot uint64, d ejson.Doc) bool {
		if !o.touched(d, n) {
			found = append(found, located{slot, d})
			taken++
		}
		return limit == 0 || taken < limit
	})
	if changed {
		bySlot(found)
	}
	return first(found, limit)
}

// base returns a collection as it was before the transaction, to run a query on.
// The writer's own trees must not be read while a reader publishes, for that copies
// them; without an index there is none.
func (tx *Tx) base(t *table) *version {
	if len(t.indexes) == 0 {
		return &t.version
	}
	return tx.s.Snapshot().versions[t.number]
}

// lookDoc is look for a document that was found.
func (o *overlay) lookDoc(d ejson.Doc) write {
	id := d.ID()
	return o.look(hashID(id), id)
}

func first(l []located, limit int) []located {
	if limit > 0 && len(l) > limit {
		return l[:limit]
	}
	return l
}

// upsert is modify of one document, which is inserted where there is none.
func (tx *Tx) upsert(o *overlay, u *update, newID func() ejson.ID) (id ejson.ID, inserted bool, err error) {
	m, err := u.matcher()
	if err != nil {
		return ejson.ID{}, false, err
	}
	if o.denied != nil {
		return ejson.ID{}, false, o.denied
	}
	if found := tx.find(o, m, 1); len(found) > 0 {
		w := o.lookDoc(found[0].doc)
		_, err = tx.modifyOne(o, w, u)
		return w.id, false, err
	}
	doc, err := u.mod.Upsert(m, query.At{Index: -1, Now: time.Now()})
	if err != nil {
		return ejson.ID{}, false, err
	}
	id, err = tx.insert(o, doc, newID)
	return id, err == nil, err
}

// replace puts doc in the place of the first document that a selector finds.
func (tx *Tx) replace(o *overlay, selector any, doc ejson.Doc) (changed bool, err error) {
	if o.denied != nil {
		return false, o.denied
	}
	m, err := compile(selector)
	if err != nil {
		return false, err
	}
	found := tx.find(o, m, 1)
	if len(found) == 0 {
		return false, ErrNotFound
	}
	w := o.lookDoc(found[0].doc)
	id := w.id
	if has := doc.ID(); !has.IsZero() && has != id && has != ejson.StringID("") {
		return false, immutableID(o.name, id)
	}
	after := doc.WithID(id)
	if after.Equal(found[0].doc) {
		return false, nil
	}
	o.set(w, after)
	return true, nil
}

// remove takes away at most limit documents that a selector finds; 0 is all.
func (tx *Tx) remove(o *overlay, selector any, limit int) (n int, err error) {
	if o.denied != nil {
		return 0, o.denied
	}
	if id, ok := idOf(selector); ok {
		w := o.look(hashID(id), id)
		if w.after.IsZero() {
			return 0, nil
		}
		o.set(w, ejson.Doc{})
		return 1, nil
	}
	m, err := compile(selector)
	if err != nil {
		return 0, err
	}
	found := tx.find(o, m, limit)
	for _, l := range found {
		o.set(o.lookDoc(l.doc), ejson.Doc{})
	}
	return len(found), nil
}

// compile takes a selector that may be compiled already.
func compile(selector any) (*query.Matcher, error) {
	if m, ok := selector.(*query.Matcher); ok && m != nil {
		return m, nil
	}
	return query.Compile(selector)
}

// compileModifier takes a modifier that may be compiled already.
func compileModifier(modifier any) (*query.Modifier, error) {
	if m, ok := modifier.(*query.Modifier); ok && m != nil {
		return m, nil
	}
	return query.CompileModifier(modifier)
}

// idOf returns the id that a selector consists of, for the forms that need no
// compiling to see it: an id, or {_id: id} as a map.
func idOf(selector any) (id ejson.ID, ok bool) {
	switch sel := selector.(type) {
	case string:
		return ejson.StringID(sel), true
	case ejson.ID:
		return sel, !sel.IsZero()
	case ejson.ObjectID:
		return sel.ID(), true
	case map[string]any:
		if len(sel) == 1 {
			switch v := sel["_id"].(type) {
			case string:
				return ejson.StringID(v), true
			case ejson.ID:
				return v, !v.IsZero()
			case ejson.ObjectID:
				return v.ID(), true
			}
		}
	}
	return ejson.ID{}, false
}
