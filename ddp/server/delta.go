package server

import (
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// idField names the field that a document's id is kept in. It travels as the id
// of a message and never among its fields.
const idField = "_id"

// delta is what one step means for the client: nothing, or one message. It is
// scratch, used again for each step.
type delta struct {
	kind       deltaKind
	collection string
	id         ejson.ID
	doc        ejson.Doc // of an added: all fields; an _id among them does not count
	fields     []field   // of a changed
	cleared    []string  // of a changed
	direct     bool      // to be told also while a change of user holds the rest back
}

type deltaKind uint8

const (
	deltaChanged deltaKind = iota // nothing, if there are neither fields nor cleared
	deltaAdded
	deltaRemoved
)

type field struct {
	name  string
	value ejson.Value
}

func (d *delta) added(collection string, id ejson.ID, doc ejson.Doc) {
	d.kind, d.collection, d.id, d.doc, d.direct = deltaAdded, collection, id, doc, false
}

func (d *delta) removed(collection string, id ejson.ID) {
	d.kind, d.collection, d.id, d.direct = deltaRemoved, collection, id, false
}

// changed begins a changed; what it says is given with set and clear.
func (d *delta) changed(collection string, id ejson.ID) {
	d.kind, d.collection, d.id, d.direct = deltaChanged, collection, id, false
	d.fields, d.cleared = d.fields[:0], d.cleared[:0]
}

func (d *delta) set(name string, v ejson.Value) { d.fields = append(d.fields, field{name, v}) }

func (d *delta) clear(name string) { d.cleared = append(d.cleared, name) }

// diff says all that makes old into new, the _id aside.
func (d *delta) diff(old, new ejson.Doc) {
	if old == new {
		return
	}
	for name, v := range new.Fields() {
		if name != idField && !old.Field(name).Same(v) {
			d.set(name, v)
		}
	}
	for name := range old.Fields() {
		if name != idField && new.Field(name).IsMissing() {
			d.clear(name)
		}
	}
}

// empty reports whether there is nothing to tell.
func (d *delta) empty() bool {
	return d.kind == deltaChanged && len(d.fields)+len(d.cleared) == 0
}

// append writes the message at the end of b.
func (d *delta) append(b []byte) []byte {
	switch d.kind {
	case deltaAdded:
		b = d.head(append(b, `{"msg":"added","collection":`...))
		b = append(b, `,"fields":`...)
		b = appendFields(b, d.doc)
	case deltaRemoved:
		b = d.head(append(b, `{"msg":"removed","collection":`...))
	default:
		b = d.head(append(b, `{"msg":"changed","collection":`...))
		if len(d.fields) > 0 {
			b = append(b, `,"fields":`...)
			b = appendSet(b, d.fields)
		}
		if len(d.cleared) > 0 {
			b = append(b, `,"cleared":[`...)
			for i, name := range d.cleared {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendText(b, name)
			}
			b = append(b, ']')
		}
	}
	return append(b, '}')
}

func (d *delta) head(b []byte) []byte {
	b = appendText(b, d.collection)
	b = append(b, `,"id":`...)
	return appendText(b, d.id.Wire())
}

// appendFields writes the fields of a document but its _id.
func appendFields(b []byte, doc ejson.Doc) []byte {
	b = append(b, '{')
	start := len(b)
	for name, v := range doc.Fields() {
		if name == idField {
			continue
		}
		if strings.HasPrefix(name, "$") {
			// It may look like one of EJSON's own objects, and then has to be wrapped.
			return doc.WithoutID().AppendJSON(b[:start-1])
		}
		b = appendField(b, start, name, v)
	}
	return append(b, '}')
}

// appendSet writes an object of these fields.
func appendSet(b []byte, fields []field) []byte {
	b = append(b, '{')
	start := len(b)
	for _, f := range fields {
		if strings.HasPrefix(f.name, "$") {
			var doc ejson.Builder
			for _, f := range fields {
				doc.Add(f.name, f.value)
			}
			return doc.Doc().AppendJSON(b[:start-1])
		}
		b = appendField(b, start, f.name, f.value)
	}
	return append(b, '}')
}

func appendField(b []byte, start int, name string, v ejson.Value) []byte {
	if len(b) > start {
		b = append(b, ',')
	}
	b = appendText(b, name)
	b = append(b, ':')
	return v.AppendJSON(b)
}

func appendText(b []byte, s string) []byte { return ejson.AppendString(b, s) }
