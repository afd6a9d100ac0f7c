package query

import (
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// Fields is a compiled projection. A nil Fields keeps everything.
type Fields struct {
	spec       ejson.Doc
	keep       bool // the tree names what is kept, and not what is dropped
	dropID     bool
	tree       fieldTree
	names      []string // to drop, where all of them are of the top level
	plain      bool     // names to keep are all of the top level, and kept whole
	positional bool
}

// fieldTree is the paths of a projection, name by name. A leaf has no sub.
type fieldTree struct {
	names []string
	subs  []*fieldTree
	by    map[string]*fieldTree // subs by name, where they are many
	leaf  bool
	shape shaper // of a leaf: what becomes of a list
}

// CompileFields takes a projection document ({a: 1}, {a: 0}, with $slice,
// $elemMatch or a positional path "a.$"), or a []string of names, of which "-"
// before them drops. nil, an empty spec, false, 0 and "" give a nil Fields.
func CompileFields(spec any) (*Fields, error) {
	switch x := spec.(type) {
	case nil:
		return nil, nil
	case *Fields:
		return x, nil
	case []string:
		return fieldsOfNames(x)
	}
	v, err := valueOf("projection", spec)
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case ejson.Null:
		return nil, nil
	case ejson.Bool, ejson.Number, ejson.String:
		// Without one, as in Meteor.
		if !truthy(v) || v.Kind() == ejson.String && v.Str() == "" {
			return nil, nil
		}
	case ejson.Object:
		return compileFields(v.Doc())
	}
	return nil, syntaxError("", "", "a projection is a document {field: 1} or {field: 0}, got %s", met(v))
}

func fieldsOfNames(names []string) (*Fields, error) {
	var b ejson.Builder
	for _, n := range names {
		name, drop := strings.CutPrefix(n, "-")
		b.Add(name, ejson.BoolValue(!drop))
	}
	return compileFields(b.Doc())
}

func compileFields(d ejson.Doc) (*Fields, error) {
	if d.Len() == 0 {
		return nil, nil
	}
	f := &Fields{}
	var keeps, drops, matches *string // a name of each, which may be empty
	idKept, idSays, sliced := true, false, false
	for name, v := range d.Fields() {
		p, err := fieldPath(name)
		if err != nil {
			return nil, err
		}
		shape, on, err := f.shaper(name, v)
		if err != nil {
			return nil, err
		}
		last := len(p.segs) - 1
		if p.segs[last].text == "$" {
			if !on || last == 0 || shape != nil || f.positional {
				return nil, syntaxError(name, "", `the position of the match is shown once, as {"list.$": 1}`)
			}
			f.positional = true
			p.segs, shape = p.segs[:last], matched{}
		}
		switch shape.(type) {
		case slice: // these two neither keep nor drop
			sliced = true
		case firstMatch:
			matches = &name
		default:
			if name == "_id" {
				idKept, idSays = on, true
				continue
			}
			if on {
				keeps = &name
			} else {
				drops = &name
			}
		}
		if err := f.tree.add(name, p.segs, shape); err != nil {
			return nil, err
		}
	}
	switch {
	case keeps != nil && drops != nil:
		return nil, syntaxError(*drops, "", "a projection either keeps fields or drops them, and %q is kept", *keeps)
	case drops != nil && idSays && idKept:
		return nil, syntaxError("_id", "", "a projection either keeps fields or drops them, and %q is dropped", *drops)
	case f.positional && matches != nil:
		return nil, syntaxError(*matches, "$elemMatch", "beside the position of the match, which shows an element, too")
	}
	// Alone, $elemMatch keeps, but not beside $slice.
	alone := keeps != nil || drops == nil && !sliced && matches != nil
	f.keep = alone || drops == nil && idSays && idKept
	f.dropID = !idKept
	switch names := f.tree.topNames(f.dropID); {
	case !f.keep:
		f.names = names
	case names != nil:
		f.plain = true
	}
	f.spec = canonical(d, alone)
	return f, nil
}

func fieldPath(name string) (path, error) {
	p, err := makePath(name)
	if err != nil {
		return p, err
	}
	for i, s := range p.segs {
		if strings.HasPrefix(s.text, "$") && (s.text != "$" || i < len(p.segs)-1) {
			return p, syntaxError(name, s.text, "has no meaning in a projection")
		}
	}
	return p, nil
}

// shaper reads the value of one field of a projection.
func (f *Fields) shaper(name string, v ejson.Value) (s shaper, on bool, err error) {
	switch v.Kind() {
	case ejson.Bool:
		return nil, v.Bool(), nil
	case ejson.Number:
		if n := v.Number(); n == 0 || n == 1 {
			return nil, n == 1, nil
		}
	case ejson.Object:
		if v.Doc().Len() != 1 {
			break
		}
		switch op, operand := v.Doc().At(0); op {
		case "$slice":
			s, err := newSlice(name, operand)
			return s, true, err
		case "$elemMatch":
			if strings.Contains(name, ".") {
				return nil, false, syntaxError(name, op, "shows an element of a list at the top of the document, and not below")
			}
			var c compiler
			m, err := c.elemMatch(name, operand)
			return firstMatch{m}, true, err
		default:
			if strings.HasPrefix(op, "$") {
				return nil, false, unknownOperator(name, op, []string{"$slice", "$elemMatch"})
			}
		}
	}
	return nil, false, syntaxError(name, "", "wants 1, 0, true, false, $slice or $elemMatch, got %s", metNumber(v))
}

// add puts a path into the tree.
func (t *fieldTree) add(name string, segs []segment, shape shaper) error {
	if t.leaf {
		return syntaxError(name, "", "stands beside a path that it lies within")
	}
	if len(segs) == 0 {
		if len(t.names) > 0 {
			return syntaxError(name, "", "stands beside a path within it")
		}
		t.leaf, t.shape = true, shape
		return nil
	}
	sub := t.sub(segs[0].text)
	if sub == nil {
		sub = &fieldTree{}
		t.names = append(t.names, segs[0].text)
		t.subs = append(t.subs, sub)
		t.index()
	}
	return sub.add(name, segs[1:], shape)
}

// index keeps by, where the names are many.
func (t *fieldTree) index() {
	switch {
	case len(t.names) <= fewValues:
		return
	case t.by == nil:
		t.by = make(map[string]*fieldTree)
		for i, n := range t.names {
			t.by[n] = t.subs[i]
		}
	}
	t.by[t.names[len(t.names)-1]] = t.subs[len(t.subs)-1]
}

func (t *fieldTree) sub(name string) *fieldTree {
	if t.by != nil {
		return t.by[name]
	}
	for i, n := range t.names {
		if n == name {
			return t.subs[i]
		}
	}
	return nil
}

// topNames returns the names to drop, or nil where more than names of the top
// level is asked for.
func (t *fieldTree) topNames(id bool) []string {
	for _, s := range t.subs {
		if !s.leaf || s.shape != nil {
			return nil
		}
	}
	names := append([]string(nil), t.names...)
	if id {
		names = append(names, "_id")
	}
	return names
}

// Spec returns the projection as a document in canonical form, and the zero Doc
// for nil. Projections that are the same but for the order of their names, the
// spelling of 1, 0 and $slice, or an _id that says nothing have equal specs; and
// a spec compiles to the same projection.
func (f *Fields) Spec() ejson.Doc {
	if f == nil {
		return ejson.Doc{}
	}
	return f.spec
}

// Positional reports whether the projection shows the element that matched, so
// that the caller should use ApplyAt.
func (f *Fields) Positional() bool { return f != nil && f.positional }

// Apply returns what the projection leaves of d, and d itself where that is all.
// Fields stay in the order of d.
func (f *Fields) Apply(d ejson.Doc) ejson.Doc { return f.ApplyAt(d, -1) }

// ApplyAt is Apply with the position of Matcher.MatchAt, for a projection with
// "list.$"; where no list took part in the match, the list is left out.
func (f *Fields) ApplyAt(d ejson.Doc, at int) ejson.Doc {
	switch {
	case f == nil:
		return d
	case f.names != nil:
		return d.Without(f.names...)
	case f.plain:
		if out, ok := f.keepNames(d); ok {
			return out
		}
	}
	var b ejson.Builder
	for name, v := range d.Fields() {
		if name == "_id" {
			if !f.dropID {
				b.Add(name, v)
			}
			continue
		}
		f.field(&b, &f.tree, name, v, at)
	}
	out := b.Doc()
	if out.Len() == d.Len() && out.Equal(d) {
		return d
	}
	return out
}

// keepNames keeps fields of the top level by dropping the others, which takes one
// allocation. ok is false where they are too many for that.
func (f *Fields) keepNames(d ejson.Doc) (out ejson.Doc, ok bool) {
	var room [16]string
	drop := room[:0]
	for i := range d.Len() {
		name, _ := d.At(i)
		if name == "_id" {
			if !f.dropID {
				continue
			}
		} else if f.tree.sub(name) != nil {
			continue
		}
		if len(drop) == len(room) {
			return d, false
		}
		drop = append(drop, name)
	}
	if len(drop) == 0 {
		return d, true
	}
	return d.Without(drop...), true
}

// field adds to b what is left of one field of a document under t.
func (f *Fields) field(b *ejson.Builder, t *fieldTree, name string, v ejson.Value, at int) {
	sub := t.sub(name)
	switch {
	case sub == nil:
		if !f.keep {
			b.Add(name, v)
		}
	case sub.leaf && sub.shape != nil:
		if v.Kind() == ejson.List {
			w, keep := sub.shape.list(v, at)
			if keep {
				b.Add(name, w)
			}
		} else if _, match := sub.shape.(firstMatch); !match {
			b.Add(name, v)
		}
	case sub.leaf:
		if f.keep {
			b.Add(name, v)
		}
	default:
		if w, ok := f.within(sub, v, at); ok {
			b.Add(name, w)
		}
	}
}

// within returns what is left of v under t; ok is false for a value that the
// paths of a keeping projection do not lead into.
func (f *Fields) within(t *fieldTree, v ejson.Value, at int) (ejson.Value, bool) {
	switch v.Kind() {
	case ejson.Object:
		var b ejson.Builder
		for name, e := range v.Doc().Fields() {
			f.field(&b, t, name, e, at)
		}
		return b.Doc().Value(), true
	case ejson.List:
		var b ejson.ListBuilder
		for _, e := range v.Array().All() {
			if w, ok := f.within(t, e, at); ok {
				b.Append(w)
			}
		}
		return b.Array().Value(), true
	}
	return v, !f.keep
}
