package query

import (
	"fmt"
	"strings"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxResult bounds the bytes of a document that a modifier makes, as
	// MongoDB does.
	maxResult = 16 << 20
	// maxLevels bounds how deep such a document is nested: ejson reads no
	// deeper.
	maxLevels = 200
	// maxBackfill bounds the nulls that are put before a new element whose
	// position lies beyond the end of a list.
	maxBackfill = 100_000
)

// Modifier is a compiled update: operators, or a whole replacement. It is
// immutable; share it freely.
type Modifier struct {
	replaces   bool
	with       ejson.Doc // the replacement
	root       editNode
	alone      *alone // the only edit, where it is a simple one
	renames    []rename
	filters    map[string]node // by identifier, on {identifier: element}
	positional bool
	dated      bool
}

// A rename is the two ends of a $rename; its edits are at both of them.
type rename struct{ from, to path }

// At is what an update knows besides the document.
type At struct {
	Index int       // from Matcher.MatchAt, for the positional operator; -1: none
	Now   time.Time // for $currentDate
}

// CompileModifier takes the shapes that [Compile] takes. arrayFilters are the
// conditions of $[name] in paths, in the same shapes: {"name.field": 5}. A fault
// is a *SyntaxError.
func CompileModifier(mod any, arrayFilters ...any) (*Modifier, error) {
	if mod == nil {
		return nil, syntaxError("", "", "a modifier is a document, got nil")
	}
	v, err := documentOf("modifier", mod)
	if err != nil {
		return nil, err
	}
	m := &Modifier{}
	operators, err := isModifier(v)
	if err != nil {
		return nil, err
	}
	if !operators {
		if len(arrayFilters) > 0 {
			return nil, syntaxError("", "", "a replacement has no use for array filters")
		}
		m.replaces, m.with = true, v
		return m, checkStored("", "", v.Value(), 1)
	}
	if err := m.compileFilters(arrayFilters); err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for op, fields := range v.Fields() {
		if fields.Kind() != ejson.Object {
			if !isModifierOperator(op) {
				return nil, unknownOperator("", op, modifierOperators)
			}
			return nil, syntaxError("", op, "wants a document of fields, got %s", met(fields))
		}
		for name, operand := range fields.Doc().Fields() {
			if err := m.compileEdit(op, name, operand, used); err != nil {
				return nil, err
			}
		}
		if fields.Doc().Len() == 0 && !isModifierOperator(op) {
			return nil, unknownOperator("", op, modifierOperators)
		}
	}
	m.findAlone()
	for id := range m.filters {
		if !used[id] {
			return nil, syntaxError(id, "", "an array filter that no $[%s] asks for", id)
		}
	}
	return m, nil
}

// isModifier reports whether d holds operators. A mixture has no meaning.
func isModifier(d ejson.Doc) (bool, error) {
	operator, plain := "", ""
	for name := range d.Fields() {
		if strings.HasPrefix(name, "$") {
			operator = name
		} else {
			plain = name
		}
	}
	if operator != "" && plain != "" {
		return false, syntaxError(plain, "", "a field beside the operator %s; put it under $set, or replace the whole document", operator)
	}
	return operator != "", nil
}

// compileEdit compiles one field of one operator.
func (m *Modifier) compileEdit(op, name string, operand ejson.Value, used map[string]bool) error {
	p, err := m.updatePath(op, name, used)
	if err != nil {
		return err
	}
	if op == "$rename" {
		return m.compileRename(p, operand)
	}
	e, err := newEdit(op, name, operand, len(p.segs))
	if err != nil {
		return err
	}
	if _, ok := e.(currentDate); ok {
		m.dated = true
	}
	return m.root.add(op, p, p.segs, e)
}

func (m *Modifier) compileRename(from path, operand ejson.Value) error {
	const op = "$rename"
	if operand.Kind() != ejson.String {
		return syntaxError(from.text, op, "wants the new path, got %s", met(operand))
	}
	to, err := m.updatePath(op, operand.Str(), nil)
	if err != nil {
		return err
	}
	for _, p := range []path{from, to} {
		if strings.Contains(p.text, "$") {
			return syntaxError(p.text, op, "cannot take a position")
		}
	}
	n := len(m.renames)
	m.renames = append(m.renames, rename{from, to})
	if err := m.root.add(op, from, from.segs, renamed{n, true}); err != nil {
		return err
	}
	return m.root.add(op, to, to.segs, renamed{n, false})
}

// updatePath takes the path of an edit apart and checks its names. used notes
// the array filters that it asks for; it is nil where no position can be.
func (m *Modifier) updatePath(op, name string, used map[string]bool) (path, error) {
	p, err := makePath(name)
	if err != nil {
		return p, err
	}
	dollars := 0
	for i, s := range p.segs {
		switch {
		case s.text == "":
			return p, syntaxError(name, op, "the path has an empty name")
		case strings.ContainsRune(s.text, 0):
			return p, syntaxError(name, op, "a name has a zero byte in it")
		case !strings.HasPrefix(s.text, "$"):
			continue
		case i == 0:
			return p, syntaxError(name, op, "a position cannot come first")
		case s.text == "$":
			if dollars++; dollars > 1 {
				return p, syntaxError(name, op, "the positional $ may stand once")
			}
			m.positional = true
		case s.text == "$[]":
		case strings.HasPrefix(s.text, "$[") && strings.HasSuffix(s.text, "]"):
			id := s.text[2 : len(s.text)-1]
			if m.filters[id] == nil {
				return p, syntaxError(name, op, "there is no array filter for %q", id)
			}
			if used != nil {
				used[id] = true
			}
		default:
			return p, syntaxError(name, op, "the name %q begins with $", s.text)
		}
	}
	return p, nil
}

// compileFilters compiles conditions such as {"id.field": 5, "id.other": 6}.
func (m *Modifier) compileFilters(list []any) error {
	for i, x := range list {
		what := fmt.Sprintf("arrayFilters.%d", i)
		d, err := documentOf("array filter", x)
		if err != nil {
			return err
		}
		var c compiler
		n, err := c.document(what, d)
		if err != nil {
			return err
		}
		id := ""
		walkFields(n, func(f *field) {
			if id == "" {
				id = f.path.top()
			} else if id != f.path.top() {
				err = syntaxError(what, "", "conditions on both %q and %q; give each a filter of its own", id, f.path.top())
			}
		})
		switch {
		case err != nil:
			return err
		case id == "":
			return syntaxError(what, "", "an array filter without a name: {\"name\": condition}")
		case !isIdentifier(id):
			return syntaxError(what, "", "%q is no name: a lower-case letter, then letters and digits", clip(id))
		case m.filters[id] != nil:
			return syntaxError(what, "", "a second filter for %q", id)
		}
		if m.filters == nil {
			m.filters = make(map[string]node)
		}
		m.filters[id] = n
	}
	return nil
}

// isIdentifier reports whether an array filter may be called id.
func isIdentifier(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'):
		default:
			return false
		}
	}
	return id != ""
}

// Replaces reports whether the modifier is a whole replacement. A replacement
// is for one document; to update many with it is an error of the caller's.
func (m *Modifier) Replaces() bool { return m.replaces }

// Positional reports whether the modifier has a positional $ in a path, so that
// the caller must find At.Index with Matcher.MatchAt.
func (m *Modifier) Positional() bool { return m.positional }

// Dated reports whether the modifier has a $currentDate and so needs At.Now.
func (m *Modifier) Dated() bool { return m.dated }

// Apply returns the modified document, and d itself where nothing changed. The
// error is an *UpdateError; then d is returned.
func (m *Modifier) Apply(d ejson.Doc) (ejson.Doc, error) { return m.ApplyAt(d, At{Index: -1}) }

// ApplyAt is Apply for a modifier that is Positional or Dated.
func (m *Modifier) ApplyAt(d ejson.Doc, at At) (ejson.Doc, error) {
	if m.alone != nil {
		if out, ok := m.alone.apply(d); ok {
			return out, nil
		}
	}
	e := &plainEdition
	if m.positional || m.dated || len(m.renames) > 0 || len(m.filters) > 0 {
		e = &edition{m: m, at: at}
	}
	out, err := m.apply(d, e)
	if err != nil {
		return d, err
	}
	return out, nil
}

// plainEdition serves modifiers that ask nothing of it. It is never written.
var plainEdition = edition{at: At{Index: -1}}

func (m *Modifier) apply(d ejson.Doc, e *edition) (ejson.Doc, error) {
	if m.replaces {
		return m.replace(d)
	}
	if len(m.renames) > 0 {
		if err := e.lift(d); err != nil {
			return d, err
		}
	}
	out, err := m.root.document(e, d)
	if err != nil {
		return d, err
	}
	return out, checkResult(d, out)
}

func (m *Modifier) replace(d ejson.Doc) (ejson.Doc, error) {
	id := d.Lookup(idName)
	if id.IsMissing() {
		return m.with, nil
	}
	out := m.with
	if own := m.with.Lookup(idName); own.IsMissing() {
		var b ejson.Builder
		b.Add("_id", id)
		for name, v := range m.with.Fields() {
			b.Add(name, v)
		}
		out = b.Doc()
	}
	if out.Equal(d) {
		return d, nil
	}
	return out, checkResult(d, out)
}

// checkResult refuses what must not come of any modifier.
func checkResult(before, after ejson.Doc) error {
	if id := before.Lookup(idName); !id.IsMissing() {
		own := after.Lookup(idName)
		if own.IsMissing() || ejson.Compare(own, id) != 0 {
			return &UpdateError{Path: "_id", Msg: "cannot be changed; remove the document and insert another"}
		}
	}
	if n := after.Size(); n > maxResult {
		return &UpdateError{Msg: fmt.Sprintf("the document would have %d bytes, and %d are the most", n, maxResult)}
	}
	return nil
}

// checkStored refuses names that a stored document cannot have, and values
// nested too deep when they lie at the given level.
func checkStored(name, op string, v ejson.Value, level int) error {
	if level > maxLevels {
		return syntaxError(name, op, "the document would be nested more than %d levels deep", maxLevels)
	}
	switch v.Kind() {
	case ejson.Object:
		for field, e := range v.Doc().Fields() {
			switch {
			case strings.HasPrefix(field, "$"):
				return syntaxError(name, op, "the name %q of a stored field begins with $", clip(field))
			case strings.ContainsAny(field, ".\x00"):
				return syntaxError(name, op, "the name %q of a stored field has a dot or a zero byte in it", clip(field))
			}
			if err := checkStored(name, op, e, level+1); err != nil {
				return err
			}
		}
	case ejson.List:
		for _, e := range v.Array().All() {
			if err := checkStored(name, op, e, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}
