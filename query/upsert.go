package query

import (
	"github.com/replicad/replicad/ddp/ejson"
)

// Upsert returns the document to insert where the selector matched none: the
// fields that the selector demands by equality (at the top level, in $and, in an
// $or of one part, in $all), then what the modifier makes of them, $setOnInsert
// included. It has an _id only if the selector or the modifier gives one.
func (m *Modifier) Upsert(selector *Matcher, at At) (ejson.Doc, error) {
	if selector.None() {
		return ejson.Doc{}, &UpdateError{Msg: "no document can be inserted for a selector that matches nothing"}
	}
	var seed editNode
	if selector.root != nil {
		if err := seedOf(selector.root, &seed); err != nil {
			return ejson.Doc{}, err
		}
	}
	base, err := seed.document(&plainEdition, ejson.Doc{})
	if err != nil {
		return ejson.Doc{}, err
	}
	if m.replaces {
		if id := seed.child("_id"); id != nil && id.leaf == nil {
			_, leaf := id.firstLeaf()
			return ejson.Doc{}, &UpdateError{Path: leaf.path, Msg: "is a part of an _id, and a replacement wants the whole"}
		}
		var b ejson.Builder
		b.Add("_id", base.Lookup(idName))
		return m.replace(b.Doc())
	}
	at.Index = -1
	return m.apply(base, &edition{m: m, at: at, insert: true})
}

// seedOf gathers the equalities of a selector as edits of a new document.
func seedOf(n node, seed *editNode) error {
	switch n := n.(type) {
	case *conj:
		for _, sub := range n.nodes {
			if err := seedOf(sub, seed); err != nil {
				return err
			}
		}
	case *disj:
		if len(n.nodes) == 1 && !n.deny {
			return seedOf(n.nodes[0], seed)
		}
	case *field:
		for i := range n.clauses {
			if err := n.clauses[i].seed(n.path, seed); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *clause) seed(p path, seed *editNode) error {
	if c.deny || c.pred != nil && c.op != "$eq" {
		return nil
	}
	for i := range c.all {
		if err := c.all[i].seed(p, seed); err != nil {
			return err
		}
	}
	var v ejson.Value
	switch q := c.pred.(type) {
	case eqNull:
		v = ejson.NullValue()
	case eqBool, eqNumber, eqNaN, eqString, eqValue:
		v = operandOf(q)
	case ordNumber:
		if q.o != equal {
			return nil
		}
		v = q.v
	default:
		return nil
	}
	if err := checkStored(p.text, "", v, len(p.segs)+1); err != nil {
		return unstorable(p, err)
	}
	for _, s := range p.segs {
		if s.text == "" || s.text[0] == '$' {
			return &UpdateError{Path: p.text, Msg: "the selector's path cannot be stored in a new document"}
		}
	}
	if err := seed.add("", p, p.segs, set{v}); err != nil {
		return &UpdateError{Path: p.text, Msg: "the selector demands a value twice, and a new document can have one"}
	}
	return nil
}

func unstorable(p path, err error) error {
	msg := err.Error()
	if fault, ok := err.(*SyntaxError); ok {
		msg = fault.Msg
	}
	return &UpdateError{Path: p.text, Msg: msg}
}
