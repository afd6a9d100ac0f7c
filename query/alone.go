package query

import "github.com/replicad/replicad/ddp/ejson"

// alone is the one edit of a modifier that has no other, at a path of plain
// names: $inc of a counter, $set of a state. Where the new value takes the room of
// the old the document is copied and the value overwritten, however deep it lies.
type alone struct {
	segs  []segment
	names []ejson.Name
	leaf  edit
}

// findAlone sets m.alone, if there is such an edit.
func (m *Modifier) findAlone() {
	n := &m.root
	var a alone
	for n.leaf == nil {
		if len(n.subs) != 1 || n.segs[0].text[0] == '$' || a.segs == nil && n.segs[0].text == "_id" {
			return
		}
		a.segs = append(a.segs, n.segs[0])
		a.names = append(a.names, n.segs[0].name)
		n = n.subs[0]
	}
	switch n.leaf.(type) {
	case set, inc, mul, extreme, bit:
		a.leaf = n.leaf
		m.alone = &a
	}
}

// apply returns the modified document. ok is false where it takes the long way:
// something is not there, in a list, at fault, or of another size.
func (a *alone) apply(d ejson.Doc) (out ejson.Doc, ok bool) {
	v := d.Value()
	for i := range a.segs {
		v = a.segs[i].place.In(v.Doc()) // Missing, if v is no document
	}
	if v.IsMissing() {
		return d, false
	}
	w, err := a.leaf.apply(&plainEdition, v)
	if err != nil {
		return d, false
	}
	if w.Equal(v) {
		return d, true
	}
	return d.Overwrite(a.names, w)
}
