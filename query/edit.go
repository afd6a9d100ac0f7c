package query

import (
	"slices"
	"strconv"

	"github.com/replicad/replicad/ddp/ejson"
)

// An editNode is the edits below one place of a document: a tree, since no path
// of a modifier may be the beginning of another.
type editNode struct {
	segs []segment
	subs []*editNode
	by   map[string]int // places in subs by name, where they are many
	leaf edit
	op   string // of the leaf
	path string // of the leaf
}

// An edit makes the new value of a field. v is Missing where there is none, and
// a Missing result means that there is to be none.
type edit interface {
	apply(e *edition, v ejson.Value) (ejson.Value, error)
}

// edition is one application of a modifier.
type edition struct {
	m      *Modifier
	at     At
	insert bool          // for a new document: $setOnInsert is heard
	lifted []ejson.Value // what each $rename moves; Missing: nothing
}

// add puts an edit at the end of segs.
func (n *editNode) add(op string, p path, segs []segment, leaf edit) error {
	if n.leaf != nil {
		return syntaxError(p.text, op, "in conflict with %s of %q", n.op, n.path)
	}
	if len(segs) == 0 {
		if len(n.subs) > 0 {
			_, first := n.firstLeaf()
			return syntaxError(p.text, op, "in conflict with %s of %q", first.op, first.path)
		}
		n.leaf, n.op, n.path = leaf, op, p.text
		return nil
	}
	sub := n.child(segs[0].text)
	if sub == nil {
		sub = &editNode{}
		n.segs = append(n.segs, segs[0])
		n.subs = append(n.subs, sub)
		if len(n.subs) > fewValues {
			n.index()
		}
	}
	return sub.add(op, p, segs[1:], leaf)
}

// child returns the edits below n at a name, or nil.
func (n *editNode) child(name string) *editNode {
	if n.by != nil {
		if i, ok := n.by[name]; ok {
			return n.subs[i]
		}
		return nil
	}
	for i := range n.segs {
		if n.segs[i].text == name {
			return n.subs[i]
		}
	}
	return nil
}

// index notes the last of subs in by, and all of them the first time.
func (n *editNode) index() {
	from := len(n.subs) - 1
	if n.by == nil {
		n.by, from = make(map[string]int), 0
	}
	for i := from; i < len(n.subs); i++ {
		n.by[n.segs[i].text] = i
	}
}

// firstLeaf returns a leaf below n, to name in an error.
func (n *editNode) firstLeaf() (depth int, leaf *editNode) {
	for n.leaf == nil {
		n, depth = n.subs[0], depth+1
	}
	return depth, n
}

func (n *editNode) fault(msg string) error {
	_, leaf := n.firstLeaf()
	return &UpdateError{Path: leaf.path, Op: leaf.op, Msg: msg}
}

// document applies the edits below n to a document, in one pass.
func (n *editNode) document(e *edition, d ejson.Doc) (ejson.Doc, error) {
	var room [4]ejson.FieldValue
	changes := room[:0]
	values := n.lookup(d)
	for i, sub := range n.subs {
		var before ejson.Value
		if values != nil {
			before = values[i]
		} else {
			before = n.segs[i].place.In(d)
		}
		after, err := sub.value(e, before)
		if err != nil {
			return d, err
		}
		if before.IsMissing() && after.IsMissing() || !after.IsMissing() && after.Equal(before) {
			continue
		}
		changes = append(changes, ejson.FieldValue{Name: n.segs[i].name, Value: after})
	}
	switch {
	case len(changes) == 0:
		return d, nil
	case len(changes) > maxSplices:
		return rebuild(d, changes), nil
	}
	return d.WithFields(changes), nil
}

// maxSplices is the number of changes up to which they are spliced in by one copy.
const maxSplices = 64

// lookup returns the values of the fields to be edited, for many edits: to look
// each of them up would take the square of their number. It is nil for a few.
func (n *editNode) lookup(d ejson.Doc) []ejson.Value {
	if n.by == nil {
		return nil
	}
	values := make([]ejson.Value, len(n.subs))
	for name, v := range d.Fields() {
		if i, ok := n.by[name]; ok {
			values[i] = v
		}
	}
	return values
}

// rebuild makes the document with many changes. New fields go last.
func rebuild(d ejson.Doc, changes []ejson.FieldValue) ejson.Doc {
	places := make(map[string]int, len(changes))
	for i := range changes {
		places[changes[i].Name.String()] = i
	}
	done := make([]bool, len(changes))
	var b ejson.Builder
	for name, v := range d.Fields() {
		if i, ok := places[name]; ok {
			v, done[i] = changes[i].Value, true
		}
		b.Add(name, v)
	}
	for i := range changes {
		if !done[i] {
			b.Add(changes[i].Name.String(), changes[i].Value)
		}
	}
	return b.Doc()
}

// value applies the edits below n to a value.
func (n *editNode) value(e *edition, v ejson.Value) (ejson.Value, error) {
	if n.leaf != nil {
		w, err := n.leaf.apply(e, v)
		if fault, ok := err.(*UpdateError); ok {
			fault.Path, fault.Op = n.path, n.op
		}
		return w, err
	}
	switch v.Kind() {
	case ejson.Object:
		if err := n.noList(e, "there is a document and no list for "); err != nil {
			return v, err
		}
		d, err := n.document(e, v.Doc())
		return d.Value(), err
	case ejson.List:
		return n.list(e, v.Array())
	case ejson.Missing:
		return n.create(e)
	}
	// A scalar on the way: only what would make something there is at fault.
	w, err := n.create(e)
	if err != nil || w.IsMissing() && !n.pops() {
		return v, err
	}
	return v, n.fault("the path leads through " + met(v))
}

// pops reports whether a $pop is below n: it makes nothing where there is
// nothing, but unlike $unset and $pull it wants a way there.
func (n *editNode) pops() bool {
	if _, ok := n.leaf.(pop); ok {
		return true
	}
	return slices.ContainsFunc(n.subs, (*editNode).pops)
}

// create makes a document where there is nothing, if an edit puts something
// into it.
func (n *editNode) create(e *edition) (ejson.Value, error) {
	if err := n.noList(e, "there is no list for "); err != nil {
		return ejson.Value{}, err
	}
	d, err := n.document(e, ejson.Doc{})
	if err != nil || d.Len() == 0 {
		return ejson.Value{}, err
	}
	return d.Value(), nil
}

// noList finds fault with positions where there is no list. What makes nothing
// passes by a position that is known.
func (n *editNode) noList(e *edition, fault string) error {
	for i, s := range n.segs {
		if s.text[0] != '$' {
			continue
		}
		if s.text == "$" && e.at.Index >= 0 {
			if w, err := n.subs[i].value(e, ejson.Value{}); err == nil && w.IsMissing() {
				continue
			}
		}
		return n.fault(fault + s.text)
	}
	return nil
}

// list applies the edits below n to the elements of a list.
func (n *editNode) list(e *edition, list ejson.Array) (ejson.Value, error) {
	elements := make([]ejson.Value, list.Len())
	for i, v := range list.All() {
		elements[i] = v
	}
	changed := false
	for k, sub := range n.subs {
		first, end, filter, err := n.elements(e, n.segs[k], len(elements))
		if err != nil {
			return list.Value(), err
		}
		for i := first; i < end; i++ {
			before := ejson.Value{}
			if i < len(elements) {
				before = elements[i]
			}
			if filter != nil {
				var b ejson.Builder
				b.Add(n.segs[k].filter(), before)
				if !filter.match(b.Doc().Value()) {
					continue
				}
			}
			after, err := sub.value(e, before)
			switch {
			case err != nil:
				return list.Value(), err
			case before.IsMissing() && after.IsMissing():
				continue
			case i-len(elements) > maxBackfill:
				return list.Value(), sub.fault("the position lies more than " + strconv.Itoa(maxBackfill) + " behind the end of the list")
			case after.IsMissing():
				after = ejson.NullValue() // an element is not taken out by $unset
			}
			for len(elements) <= i {
				elements = append(elements, ejson.NullValue())
			}
			changed = changed || before.IsMissing() || !after.Equal(before)
			elements[i] = after
		}
	}
	if !changed {
		return list.Value(), nil
	}
	return ejson.ArrayOf(elements...).Value(), nil
}

// elements returns the range of positions that a segment stands for, and what
// an element there has to match.
func (n *editNode) elements(e *edition, s segment, size int) (first, end int, filter node, err error) {
	switch {
	case s.index >= 0:
		return s.index, s.index + 1, nil, nil
	case s.odd >= 0:
		return s.odd, s.odd + 1, nil, nil
	case s.text == "$":
		if e.at.Index < 0 {
			return 0, 0, nil, n.fault("the selector matched through no list, so there is no position for $")
		}
		return e.at.Index, e.at.Index + 1, nil, nil
	case s.text == "$[]":
		return 0, size, nil, nil
	case s.text[0] == '$':
		return 0, size, e.m.filters[s.filter()], nil
	}
	// What makes nothing passes by.
	sub := n.child(s.text)
	if w, err := sub.value(e, ejson.Value{}); err != nil || w.IsMissing() && !sub.pops() {
		return 0, 0, nil, err
	}
	return 0, 0, nil, n.fault("a list has no field " + strconv.Quote(clip(s.text)))
}

// filter returns the identifier of $[identifier].
func (s segment) filter() string { return s.text[2 : len(s.text)-1] }

// lift notes what each $rename moves, before anything is changed.
func (e *edition) lift(d ejson.Doc) error {
	e.lifted = make([]ejson.Value, len(e.m.renames))
	for i, r := range e.m.renames {
		v := d.Value()
		for _, s := range r.from.segs {
			if v.Kind() == ejson.List {
				return &UpdateError{Path: r.from.text, Op: "$rename", Msg: "cannot take an element out of a list"}
			}
			v = s.place.In(v.Doc())
		}
		e.lifted[i] = v
		if v.IsMissing() {
			continue
		}
		w := d.Value()
		for _, s := range r.to.segs {
			if w.Kind() == ejson.List {
				return &UpdateError{Path: r.to.text, Op: "$rename", Msg: "cannot put an element into a list"}
			}
			w = s.place.In(w.Doc())
		}
		if depth(v)+len(r.to.segs) > maxLevels {
			return &UpdateError{Path: r.to.text, Op: "$rename", Msg: "the document would be nested more than " + strconv.Itoa(maxLevels) + " levels deep"}
		}
	}
	return nil
}

// depth returns how deep v is nested; a scalar is 0 deep.
func depth(v ejson.Value) int {
	deepest := -1
	switch v.Kind() {
	case ejson.Object:
		for _, e := range v.Doc().Fields() {
			deepest = max(deepest, depth(e))
		}
	case ejson.List:
		for _, e := range v.Array().All() {
			deepest = max(deepest, depth(e))
		}
	default:
		return 0
	}
	return max(deepest, 0) + 1
}
