package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// Matcher is a compiled selector. It is immutable; share it freely.
type Matcher struct {
	sel  ejson.Doc
	root node // nil: matches all
	near *near
}

// Compile makes a Matcher. The selector may be nil or empty (matches all), an
// id (a string, a number, an ejson.ID, an ObjectID), or anything ejson.From
// takes: a map[string]any or bson.M, a bson.D, EJSON text, an ejson.Doc. Driver
// types are known by their shape, so this module does not import the driver. An
// EJSON null and false match nothing, as in Meteor; a Go nil matches all. A
// fault is a *SyntaxError.
func Compile(selector any) (*Matcher, error) {
	switch x := selector.(type) {
	case nil:
		return &Matcher{}, nil
	case ejson.Doc:
		return compileDoc(x)
	case ejson.ID:
		return byID(x.Value())
	}
	v, err := valueOf("selector", selector)
	if err != nil {
		return nil, err
	}
	if v.Kind() == ejson.Null && !isEJSON(selector) {
		return &Matcher{}, nil // a nil map or pointer
	}
	return compileValue(v)
}

func compileValue(v ejson.Value) (*Matcher, error) {
	switch v.Kind() {
	case ejson.Object:
		return compileDoc(v.Doc())
	case ejson.String, ejson.Number, ejson.OID:
		return byID(v)
	case ejson.Null:
		return &Matcher{root: never{}}, nil
	case ejson.Bool:
		if !v.Bool() {
			return &Matcher{root: never{}}, nil
		}
	}
	return nil, syntaxError("", "", "a selector is a document or an id, got %s", met(v))
}

func byID(id ejson.Value) (*Matcher, error) {
	var b ejson.Builder
	b.Add("_id", id)
	return compileDoc(b.Doc())
}

func compileDoc(d ejson.Doc) (*Matcher, error) {
	m := &Matcher{sel: d}
	if d.Len() == 0 {
		return m, nil
	}
	var c compiler
	root, err := c.document("", d)
	if err != nil {
		return nil, err
	}
	if all, ok := root.(*conj); !ok || len(all.nodes) > 0 {
		m.root = root
	}
	m.near = c.near
	return m, nil
}

// Match reports whether d is selected. It allocates nothing, but for the rare
// regular expression that looks around or back.
func (m *Matcher) Match(d ejson.Doc) bool {
	return m.root == nil || m.root.match(d.Value())
}

// MatchAt is Match for an update with the positional operator: at is the
// position of the list element through which d matched, and -1 where no list
// took part.
func (m *Matcher) MatchAt(d ejson.Doc) (at int, ok bool) {
	if m.root == nil {
		return -1, true
	}
	return m.root.find(d.Value())
}

// All reports whether the selector selects every document.
func (m *Matcher) All() bool { return m.root == nil }

// None reports whether the selector can select no document.
func (m *Matcher) None() bool {
	_, none := m.root.(never)
	return none
}

// Selector returns what was compiled, in canonical form: a bare id is
// {_id: id}. It is the zero Doc for nil, and where nothing can match.
func (m *Matcher) Selector() ejson.Doc { return m.sel }

// Paths returns the top-level fields that the selector looks at, sorted. A
// change that touches none of them cannot change what Match says.
func (m *Matcher) Paths() []string {
	var paths []string
	walkFields(m.root, func(f *field) { paths = append(paths, f.path.top()) })
	slices.Sort(paths)
	return slices.Compact(paths)
}

// walkFields calls fn for the fields of the document itself, not for those of
// list elements within $elemMatch.
func walkFields(n node, fn func(*field)) {
	switch n := n.(type) {
	case *field:
		fn(n)
	case *conj:
		for _, sub := range n.nodes {
			walkFields(sub, fn)
		}
	case *disj:
		for _, sub := range n.nodes {
			walkFields(sub, fn)
		}
	}
}

// required calls fn for the conditions that every selected document meets.
func (m *Matcher) required(fn func(*field, *clause)) {
	parts := []node{m.root}
	if all, ok := m.root.(*conj); ok {
		parts = all.nodes
	}
	for _, p := range parts {
		if f, ok := p.(*field); ok {
			for i := range f.clauses {
				fn(f, &f.clauses[i])
			}
		}
	}
}

// Pin is a field that a selector pins to one of a few values. Values are equal
// where their ejson.AppendKey is: a decimal may be equal to a number.
type Pin struct {
	Path   string
	Values []ejson.Value
}

// Pins returns the fields pinned by equality or $in at the top level or inside
// $and: a selected document has, at Path, one of Values, or a list with one of
// them as an element. What null, lists and regular expressions ask for is no
// pin: a missing field equals null, too.
func (m *Matcher) Pins() []Pin {
	var pins []Pin
	m.required(func(f *field, c *clause) {
		if values, ok := c.pinned(); ok {
			pins = append(pins, Pin{Path: f.path.text, Values: slices.Clone(values)})
		}
	})
	return pins
}

// pinned returns the values of which one is at the clause's path.
func (c *clause) pinned() ([]ejson.Value, bool) {
	if c.deny {
		return nil, false
	}
	if c.pred == nil {
		for i := range c.all { // $all: each of them has to be there
			if values, ok := c.all[i].pinned(); ok {
				return values, true
			}
		}
		return nil, false
	}
	switch p := c.pred.(type) {
	case eqBool, eqNumber, eqNaN, eqString, eqValue:
		v := operandOf(p)
		return []ejson.Value{v}, v.Kind() != ejson.List
	case ordNumber:
		return []ejson.Value{p.v}, p.o == equal
	case fewStrings:
		values := make([]ejson.Value, len(p.list))
		for i, s := range p.list {
			values[i] = ejson.StringValue(s)
		}
		return values, true
	case *oneOf:
		return p.pinned()
	}
	return nil, false
}

// IDs returns the only ids that the selector can select, each once; ok is false
// where the selector does not say.
func (m *Matcher) IDs() (ids []ejson.ID, ok bool) {
	return idsOf(m.root)
}

func idsOf(n node) (ids []ejson.ID, ok bool) {
	switch n := n.(type) {
	case never:
		return nil, true
	case *conj:
		for _, sub := range n.nodes {
			if ids, ok := idsOf(sub); ok {
				return ids, true
			}
		}
	case *disj:
		if n.deny {
			return nil, false
		}
		for _, sub := range n.nodes {
			some, ok := idsOf(sub)
			if !ok {
				return nil, false
			}
			ids = append(ids, some...)
		}
		return distinctIDs(ids), true
	case *field:
		if n.path.text != "_id" {
			return nil, false
		}
		for i := range n.clauses {
			if ids, ok := n.clauses[i].ids(); ok {
				return ids, true
			}
		}
	}
	return nil, false
}

// ids returns the ids that a clause on _id lets through.
func (c *clause) ids() (ids []ejson.ID, ok bool) {
	if _, none := c.pred.(noValue); none && !c.deny {
		return nil, true
	}
	values, ok := c.pinned()
	if !ok {
		return nil, false
	}
	for _, v := range values {
		if v.Kind() == ejson.DecimalKind || v.Kind() == ejson.Number && math.IsNaN(v.Number()) {
			return nil, false // equal to ids of another form
		}
		id, err := ejson.IDOf(v)
		if err != nil {
			return nil, false // a document as an id: let the matcher find it
		}
		ids = append(ids, id)
	}
	return distinctIDs(ids), true
}

func distinctIDs(ids []ejson.ID) []ejson.ID {
	if len(ids) < 2 {
		return ids
	}
	seen := make(map[ejson.ID]bool, len(ids))
	return slices.DeleteFunc(ids, func(id ejson.ID) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

// Order returns the order that the selector itself asks for: nearest first,
// where it has a $near; nil otherwise. It holds where the query has no sort.
func (m *Matcher) Order() *Sorter {
	if m.near == nil {
		return nil
	}
	return &Sorter{near: m.near}
}
