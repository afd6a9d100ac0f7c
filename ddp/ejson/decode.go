package ejson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// release gives a Decoder back, unless one huge text has made it huge.
func (d *Decoder) release() {
	d.text = nil
	if cap(d.w.buf) <= 1<<20 && cap(d.w.ents) <= 1<<16 {
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

	text  []byte
	pos   int
	first bool // nothing has been read since the last BeginObject
	w     writer
	str   []byte // a string with escapes, or bytes that are not UTF-8
}

// Reset begins to read a text. It is not copied, and must not change until it
// has been read.
func (d *Decoder) Reset(text []byte) {
	d.text, d.pos, d.first = text, 0, false
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
	if _, err := d.value(true, 1); err != nil {
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
	tag, err := d.value(raw, 0)
	if err != nil {
		return Value{}, err
	}
	switch tag {
	case tagNull, tagFalse, tagTrue, tagInt, tagFloat, tagDate:
		return view(peek(d.w.buf), tag, 0, len(d.w.buf)), nil
	}
	s := string(d.w.buf)
	return view(s, tag, 0, len(s)), nil
}

// value reads a value in depth containers, writes its bytes and returns its
// tag. Where raw is set, objects have no special meaning.
func (d *Decoder) value(raw bool, depth int) (uint32, error) {
	switch c := d.space(); c {
	case '"':
		s, err := d.string()
		if err != nil {
			return 0, err
		}
		d.w.buf = append(d.w.buf, s...)
		return tagString, nil
	case '{':
		return d.object(raw, depth+1)
	case '[':
		return d.list(raw, depth+1)
	case 't':
		return tagTrue, d.word("true")
	case 'f':
		return tagFalse, d.word("false")
	case 'n':
		return tagNull, d.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return 0, d.unexpected("a value")
		}
		f, err := d.number()
		if err != nil {
			return 0, err
		}
		return d.w.number(f), nil
	}
}

func (d *Decoder) object(raw bool, depth int) (uint32, error) {
	if depth > MaxDepth {
		return 0, d.fail(ErrTooDeep)
	}
	if !raw {
		if tag, ok := d.shortcut(); ok {
			return tag, nil
		}
	}
	from := d.pos
	d.pos++
	f := d.w.open()
	c := d.space()
	if c == '}' {
		d.pos++
		d.w.close(&f)
		return tagObject, nil
	}
	special := false
	for {
		if c != '"' {
			return 0, d.unexpected("a name in quotes")
		}
		name, err := d.string()
		if err != nil {
			return 0, err
		}
		if !raw && len(d.w.ents) == f.base && isSpecial(name) {
			// The object may stand for a value. Whether it does, all its names
			// tell; until then its members are read as they are.
			special, raw = true, true
		}
		d.w.name(&f, peek(name))
		if c = d.space(); c != ':' {
			return 0, d.unexpected("':'")
		}
		d.pos++
		at := len(d.w.ents) - 1
		tag, err := d.value(raw, depth)
		if err != nil {
			name, _ := nameAt(peek(d.w.buf), f.start+int(d.w.ents[at].off))
			return 0, under(err, strings.Clone(name))
		}
		d.w.tag(tag)
		if c = d.space(); c == '}' {
			break
		}
		if c != ',' {
			return 0, d.unexpected("',' or '}'")
		}
		d.pos++
		c = d.space()
	}
	d.pos++
	d.w.close(&f)
	if special {
		end := d.pos
		d.pos = from // of the errors
		tag, err := d.interpret(f.start)
		if err != nil {
			return 0, err
		}
		d.pos = end
		return tag, nil
	}
	return tagObject, nil
}

func (d *Decoder) list(raw bool, depth int) (uint32, error) {
	if depth > MaxDepth {
		return 0, d.fail(ErrTooDeep)
	}
	d.pos++
	f := d.w.open()
	if d.space() == ']' {
		d.pos++
		d.w.close(&f)
		return tagList, nil
	}
	for i := 0; ; i++ {
		d.w.element(&f)
		tag, err := d.value(raw, depth)
		if err != nil {
			return 0, under(err, strconv.Itoa(i))
		}
		d.w.tag(tag)
		c := d.space()
		d.pos++
		if c == ']' {
			break
		}
		if c != ',' {
			d.pos--
			return 0, d.unexpected("',' or ']'")
		}
	}
	d.w.close(&f)
	return tagList, nil
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
