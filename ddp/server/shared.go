package server

import (
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// shared is a document that several holdings hold.
//
// For each top-level field, the client has the value of the holding that was
// the first to give that field. Holdings keep their order of arrival in claims,
// and for nearly every field that is the order in which it was given as well.
// Where it is not (an early holding sets a field that a later one has already)
// the pair is listed in late: for that field, it comes after all holdings that
// are not, and after the pairs of that field before it in late.
//
// Invariant: a pair is in late only while its holding has the field. Two claims
// are always there; when one leaves, the document is no longer shared.
type shared struct {
	claims []claim
	late   []lateField
}

// claim is what one holding says of a shared document.
type claim struct {
	doc ejson.Doc
	by  *holding
	pos uint32 // its place in by.ids
}

type lateField struct {
	name string
	by   *holding
}

// share makes the document of e a shared one, if it is not.
func (s *shelf) share(id ejson.ID, e held) *shared {
	if e.by == nil {
		return s.shared[id]
	}
	sh := &shared{claims: make([]claim, 1, 2)}
	sh.claims[0] = claim(e)
	if s.shared == nil {
		s.shared = make(map[ejson.ID]*shared)
	}
	id = id.Clone()
	e.by.ids[e.pos] = id
	s.shared[id] = sh
	s.docs[id] = held{}
	return sh
}

// part takes a claim away, and makes a document that one holding is left with
// its own again.
func (s *shelf) part(id ejson.ID, c *claim, d *delta) {
	sh := s.shared[id]
	sh.leave(c, d)
	if len(sh.claims) == 1 {
		last := sh.claims[0]
		s.docs[last.by.ids[last.pos]] = held(last)
		delete(s.shared, id)
	}
}

func (sh *shared) claim(h *holding) *claim {
	for i := range sh.claims {
		if sh.claims[i].by == h {
			return &sh.claims[i]
		}
	}
	return nil
}

// join adds a claim: only the fields that nobody has given go to the client.
func (sh *shared) join(c claim, d *delta) {
	for name, v := range c.doc.Fields() {
		if name == idField {
			continue
		}
		if first, _ := sh.first(name); first == nil {
			d.set(name, v)
		} else if sh.isLate(name) {
			sh.late = append(sh.late, lateField{name, c.by})
		}
	}
	sh.claims = append(sh.claims, c)
}

// change sets and unsets fields of one claim. What another claim hides from the
// client is kept, and not told.
func (sh *shared) change(c *claim, set ejson.Doc, unset []string, d *delta) {
	for name, v := range set.Fields() {
		if name == idField {
			continue
		}
		first, shown := sh.first(name)
		switch {
		case first == nil:
			d.set(name, v)
		case first == c:
			if !shown.Same(v) {
				d.set(name, v)
			}
		case c.doc.Field(name).IsMissing() && (sh.isLate(name) || sh.after(c, name)):
			sh.late = append(sh.late, lateField{name, c.by})
		}
	}
	for _, name := range unset {
		if name != idField && set.Field(name).IsMissing() {
			sh.withdraw(c, name, d)
		}
	}
	c.doc = merge(c.doc, set, unset)
}

// leave takes a claim away: what it hid is revealed, what only it had cleared.
func (sh *shared) leave(c *claim, d *delta) {
	for name := range c.doc.Fields() {
		if name != idField {
			sh.withdraw(c, name, d)
		}
	}
	by := c.by
	sh.claims = slices.DeleteFunc(sh.claims, func(c claim) bool { return c.by == by })
}

// withdraw tells what it means that a claim no longer gives a field. The
// claim's document is left for the caller to put right.
func (sh *shared) withdraw(c *claim, name string, d *delta) {
	first, was := sh.first(name)
	if first == c {
		if _, next := sh.firstBut(name, c); next.IsMissing() {
			d.clear(name)
		} else if !next.Same(was) {
			d.set(name, next)
		}
	}
	if len(sh.late) > 0 {
		gone := lateField{name, c.by}
		sh.late = slices.DeleteFunc(sh.late, func(l lateField) bool { return l == gone })
	}
}

// first returns the claim whose value of a field the client has, and the value;
// nil where nobody gives the field.
func (sh *shared) first(name string) (*claim, ejson.Value) { return sh.firstBut(name, nil) }

// firstBut is first with one claim passed over.
func (sh *shared) firstBut(name string, but *claim) (*claim, ejson.Value) {
	late := sh.isLate(name)
	for i := range sh.claims {
		c := &sh.claims[i]
		if c == but || late && slices.Contains(sh.late, lateField{name, c.by}) {
			continue
		}
		if v := c.doc.Field(name); !v.IsMissing() {
			return c, v
		}
	}
	for _, l := range sh.late {
		if l.name == name && (but == nil || l.by != but.by) {
			c := sh.claim(l.by)
			return c, c.doc.Field(name)
		}
	}
	return nil, ejson.Value{}
}

func (sh *shared) isLate(name string) bool {
	for i := range sh.late {
		if sh.late[i].name == name {
			return true
		}
	}
	return false
}

// after reports whether a claim that came after c gives the field.
func (sh *shared) after(c *claim, name string) bool {
	for i := len(sh.claims) - 1; &sh.claims[i] != c; i-- {
		if !sh.claims[i].doc.Field(name).IsMissing() {
			return true
		}
	}
	return false
}

// shown returns the document as the client has it, without its _id.
func (sh *shared) shown() ejson.Doc {
	var b ejson.Builder
	for i := range sh.claims {
		for name := range sh.claims[i].doc.Fields() {
			if name == idField {
				continue
			}
			// A field comes once: with the first claim that has it.
			seen := false
			for j := range i {
				seen = seen || !sh.claims[j].doc.Field(name).IsMissing()
			}
			if !seen {
				_, v := sh.first(name)
				b.Add(name, v)
			}
		}
	}
	return b.Doc()
}
