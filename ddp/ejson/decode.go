package ejson

import (
	"errors"
	"fmt"
	"sync"
)

// Parse reads EJSON text that is one object, and returns it as a document. It
// keeps nothing of text. Every error is a [*DecodeError].
//
// Numbers are read as JavaScript reads them: those beyond the range of a float64
// become infinite. Bytes that are not UTF-8 are read as U+FFFD. Of equal names
// in an object the last value counts, at the place of the first. A custom type
// that is not registered is kept as it is; see [Decoder.Strict].
func Parse(text []byte) (Doc, error) {
	d := decoders.Get().(*Decoder)
	defer d.release()
	d.Reset(text)
	doc, err := d.DocValue()
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return Doc{}, err
	}
	return doc, nil
}

// ParseValue is Parse for a text that is any value.
func ParseValue(text []byte) (Value, error) {
	d := decoders.Get().(*Decoder)
	defer d.release()
	d.Reset(text)
	v, err := d.Value()
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// hugeBuffer is what a Decoder does not keep for long.
const hugeBuffer = 1 << 20

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// release gives a Decoder back, unless one huge text has made it huge.
func (d *Decoder) release() {
	d.text = nil
	if cap(d.w.buf) <= hugeBuffer && cap(d.w.ents) <= 1<<16 {
		decoders.Put(d)
	}
}

// Decoder reads JSON text piece by piece. It is for messages, whose outermost
// object is better read field by field into a struct:
//
//	d.Reset(frame)
//	err := d.BeginObject()
//	for err == nil {
//		key, ok, err := d.NextKey()
//		if !ok { break }
//		switch string(key) {
//		case "msg":    m.Kind, err = d.StringValue()
//		case "fields": m.Fields, err = d.DocValue()
//		default:       _, err = d.Skip()
//		}
//	}
//
// The zero Decoder is ready after Reset. It keeps its buffers, so a Decoder that
// is used again allocates the values that it returns and nothing else. Nothing
// that it returns shares memory with the text, unless it says so. Every error is
// a [*DecodeError], and ends the reading.
type Decoder struct {
	// Strict makes a custom type that is not registered an *UnknownTypeError, as
	// it is to Meteor, instead of a value of CustomKind.
	Strict bool

	// Arena, where it is set, takes the documents and lists that are read. Then
	// they lie one behind the other, and cost no allocation of their own.
	Arena *Arena

	text  []byte
	pos   int
	first bool // nothing has been read since the last BeginObject
	w     writer
	str   []byte // a string with escapes, or bytes that are not UTF-8
	known shapes // the names that came before, where they came
}

// Reset begins to read a text. It is not copied, and must not change until it
// has been read.
func (d *Decoder) Reset(text []byte) {
	d.text, d.pos, d.first = text, 0, false
	if cap(d.w.buf) > hugeBuffer && len(text) < cap(d.w.buf)/16 {
		d.w.buf = nil // it was for one huge text
	}
	d.w.reset()
}

// Offset returns how many bytes have been read.
func (d *Decoder) Offset() int { return d.pos }

// Kind tells what comes next, by its first character: Null, Bool, Number,
// String, Object or List, and Missing for anything else.
func (d *Decoder) Kind() Kind {
	switch c := d.space(); {
	case c == '{':
		return Object
	case c == '[':
		return List
	case c == '"':
		return String
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || '0' <= c && c <= '9':
		return Number
	}
	return Missing
}

// BeginObject reads the brace that opens an object.
func (d *Decoder) BeginObject() error {
	if len(d.text) > MaxSize {
		return d.fail(ErrTooLarge)
	}
	if c := d.space(); c != '{' {
		return d.unexpected("an object")
	}
	d.pos++
	d.first = true
	return nil
}

// NextKey reads the next name of the object, up to its value, which is to be
// read next. At the end of the object ok is false. The key is good until the
// Decoder is used again; of equal keys each is returned.
func (d *Decoder) NextKey() (key []byte, ok bool, err error) {
	c := d.space()
	first := d.first
	d.first = false
	if c == '}' {
		d.pos++
		return nil, false, nil
	}
	if !first {
		if c != ',' {
			return nil, false, d.unexpected("',' or '}'")
		}
		d.pos++
		c = d.space()
	}
	if c != '"' {
		return nil, false, d.unexpected("a name in quotes")
	}
	key, err = d.string()
	if err != nil {
		return nil, false, err
	}
	if c := d.space(); c != ':' {
		return nil, false, d.unexpected("':'")
	}
	d.pos++
	return key, true, nil
}

// Value reads a value.
func (d *Decoder) Value() (Value, error) { return d.top(false) }

// PlainValue reads a value as JSON: what looks like a date is an ordinary
// object. DDP has such values in the details of an error, and in ids.
func (d *Decoder) PlainValue() (Value, error) { return d.top(true) }

// DocValue reads a value that must be an object.
func (d *Decoder) DocValue() (Doc, error) {
	v, err := d.wants(Object)
	return v.Doc(), err
}

// Document reads the fields of a document whose id DDP writes as wire, and
// returns the document that [Doc.WithID] would make of both, and its id. It makes
// it in one piece: the id shares the memory of the document, and nothing is copied
// twice. The id undefined, "-", leaves a document without an _id.
func (d *Decoder) Document(wire []byte) (Doc, ID, error) {
	from := d.pos
	if len(wire) > 0 && wire[0] < stringMark && !mistakable(peek(wire)) && len(d.text) <= MaxSize && d.space() == '{' {
		d.w.reset()
		f := d.w.open()
		d.w.name(&f, idName.s)
		d.w.buf = append(d.w.buf, wire...)
		d.w.tag(tagString)
		special, err := d.members(&f, false, 1, &d.known.whole)
		if err == nil && !special && !f.dup && len(d.w.ents) <= manyFields {
			d.w.finish(&f)
			doc := Doc{d.keep(d.w.buf)}
			at := 1 + len(idName.s)
			return doc, ID{doc.s[at : at+len(wire)]}, nil
		}
		d.pos = from // an _id among the fields, or a fault
	}
	fields, err := d.DocValue()
	if err != nil {
		return Doc{}, ID{}, err
	}
	id, err := ParseWireID(string(wire))
	if err != nil {
		return Doc{}, ID{}, d.fail(err)
	}
	return fields.WithID(id), id, nil
}

// ArrayValue reads a value that must be a list.
func (d *Decoder) ArrayValue() (Array, error) {
	v, err := d.wants(List)
	return v.Array(), err
}

// StringValue reads a value that must be a string.
func (d *Decoder) StringValue() (string, error) {
	if c := d.space(); c != '"' {
		return "", d.unexpected("a string")
	}
	s, err := d.string()
	return string(s), err
}

// Skip reads a value and returns its text, which is a part of what Reset was
// given.
func (d *Decoder) Skip() (raw []byte, err error) {
	d.space()
	from := d.pos
	d.w.reset()
	if _, err := d.value(true, 1, nil); err != nil {
		return nil, err
	}
	return d.text[from:d.pos], nil
}

// End reports an error if anything but white space is left.
func (d *Decoder) End() error {
	if d.space(); d.pos < len(d.text) {
		return d.unexpected("the end of the text")
	}
	return nil
}

func (d *Decoder) wants(k Kind) (Value, error) {
	d.space()
	from := d.pos
	v, err := d.top(false)
	if err == nil && v.kind != k {
		d.pos = from
		return Value{}, d.fail(fmt.Errorf("want %v, got %v", k, v.kind))
	}
	return v, err
}

func (d *Decoder) top(raw bool) (Value, error) {
	if len(d.text) > MaxSize {
		return Value{}, d.fail(ErrTooLarge)
	}
	d.w.reset()
	tag, err := d.value(raw, 0, &d.known.root)
	if err != nil {
		return Value{}, err
	}
	switch tag {
	case tagNull, tagFalse, tagTrue, tagInt, tagFloat, tagDate:
		return view(peek(d.w.buf), tag, 0, len(d.w.buf)), nil
	}
	s := d.keep(d.w.buf)
	return view(s, tag, 0, len(s)), nil
}

// keep returns what has been written, in memory of its own.
func (d *Decoder) keep(b []byte) string {
	if d.Arena != nil {
		return d.Arena.keep(peek(b))
	}
	return string(b)
}

func (d *Decoder) fail(err error) error {
	return &DecodeError{Offset: int64(d.pos), Err: err}
}

var errUnexpectedEnd = errors.New("unexpected end of the text")

// unexpected reports that something else than the next character was wanted.
func (d *Decoder) unexpected(want string) error {
	if d.pos >= len(d.text) {
		return d.fail(errUnexpectedEnd)
	}
	return d.fail(fmt.Errorf("want %s, got %q", want, d.text[d.pos]))
}
