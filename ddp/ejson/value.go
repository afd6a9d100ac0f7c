package ejson

import (
	"math"
	"strings"
	"time"
)

// Kind is what a value is.
type Kind uint8

// The kinds. Missing is the kind of a field that is not there.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Object
	List
	Binary
	OID
	Date
	RegexpKind
	DecimalKind
	CustomKind
)

// String names the kind as an error message would: "a string", "null".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "no kind"
	}
	return kindNames[k]
}

var kindNames = [...]string{
	"nothing", "null", "a boolean", "a number", "a string", "an object", "a list",
	"binary data", "an ObjectID", "a date", "a regular expression", "a decimal", "a custom type",
}

// Value is one value of a document: a view of the document's memory, which it
// keeps alive. It is passed by value and is never changed. The zero Value is
// Missing.
//
// A method that asks for another kind than the value has returns the zero of
// its result; ask Kind first where that could be mistaken for an answer.
type Value struct {
	kind Kind
	num  uint64 // Bool: 0 or 1; Number: float64 bits; Date: int64
	s    string // the bytes of the other kinds, as a run keeps them
}

// Regexp is a JavaScript regular expression, kept as text and not checked.
type Regexp struct{ Source, Flags string }

// Decimal is a Decimal128 of the server, kept as its text.
type Decimal string

// Custom is a user-defined EJSON type that no Go type was registered for. Value
// is its JSON value, as the type's toJSONValue made it: what looks like a date
// in it is an ordinary document, for only the type knows what it means.
type Custom struct {
	Type  string
	Value any
}

// The first byte of the bytes of an ObjectID, which no text begins with.
const oidMark = 0xff

// The dates of JavaScript reach 100,000,000 days to either side of 1970. What is
// beyond is the invalid date, which JavaScript writes as null.
const (
	maxDate     = 8_640_000_000_000_000
	invalidDate = math.MinInt64
)

// NullValue returns null.
func NullValue() Value { return Value{kind: Null} }

// BoolValue returns a boolean.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// NumberValue returns a number, which may be infinite or not a number.
func NumberValue(f float64) Value { return Value{kind: Number, num: math.Float64bits(f)} }

// StringValue returns a string. It keeps s. What is not UTF-8 in it is written
// as U+FFFD, but for lone surrogates, which are written as escapes.
func StringValue(s string) Value { return Value{kind: String, s: s} }

// DateValue returns a date, in milliseconds since 1970, and the invalid date for
// one that JavaScript does not have.
func DateValue(ms int64) Value {
	if ms > maxDate || ms < -maxDate {
		ms = invalidDate
	}
	return Value{kind: Date, num: uint64(ms)}
}

// BinaryValue returns binary data, the bytes of s.
func BinaryValue(s string) Value { return Value{kind: Binary, s: s} }

// OIDValue returns an object id.
func OIDValue(o ObjectID) Value {
	return Value{kind: OID, s: string(append([]byte{oidMark}, o[:]...))}
}

// RegexpValue returns a regular expression, in the spelling of JavaScript: the
// source with slashes escaped and (?:) for nothing, of the flags g, i, m, u and
// y, each once and in this order.
func RegexpValue(r Regexp) Value {
	flags := cleanFlags(r.Flags)
	return Value{kind: RegexpKind, s: string(rune(len(flags))) + flags + jsSource(r.Source)}
}

// DecimalValue returns a decimal.
func DecimalValue(d Decimal) Value { return Value{kind: DecimalKind, s: string(d)} }

// CustomValue returns a value of a custom type. Of v its JSON value is kept: a
// date in it becomes the document {"$date": …}, and so on.
func CustomValue(typ string, v Value) Value {
	var w writer
	w.custom(typ, func() uint32 { return w.plain(v) })
	return Value{kind: CustomKind, s: freeze(w.buf)}
}

// Value returns d as a value. A zero Doc becomes an empty one.
func (d Doc) Value() Value {
	if d.s == "" {
		d.s = emptyRun
	}
	return Value{kind: Object, s: d.s}
}

// Value returns a as a value.
func (a Array) Value() Value {
	if a.s == "" {
		a.s = emptyRun
	}
	return Value{kind: List, s: a.s}
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// IsMissing reports whether there is no value.
func (v Value) IsMissing() bool { return v.kind == Missing }

// Bool returns a boolean.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Number returns a number.
func (v Value) Number() float64 {
	if v.kind != Number {
		return 0
	}
	return math.Float64frombits(v.num)
}

// Str returns a string, which shares memory with the document. A lone surrogate
// of JavaScript is in it as the three bytes that UTF-8 would give it.
func (v Value) Str() string {
	if v.kind != String {
		return ""
	}
	return v.s
}

// Millis returns a date in milliseconds since 1970, and math.MinInt64 for the
// invalid date.
func (v Value) Millis() int64 {
	if v.kind != Date {
		return 0
	}
	return int64(v.num)
}

// Time returns a date in UTC, and the zero Time for the invalid date.
func (v Value) Time() time.Time {
	if v.kind != Date || int64(v.num) == invalidDate {
		return time.Time{}
	}
	return time.UnixMilli(int64(v.num)).UTC()
}

// Binary returns the bytes of binary data, as a string that shares memory with
// the document.
func (v Value) Binary() string {
	if v.kind != Binary {
		return ""
	}
	return v.s
}

// ObjectID returns an object id.
func (v Value) ObjectID() (o ObjectID) {
	if v.kind == OID {
		copy(o[:], v.s[1:])
	}
	return o
}

// Regexp returns a regular expression.
func (v Value) Regexp() Regexp {
	if v.kind != RegexpKind {
		return Regexp{}
	}
	n := 1 + int(v.s[0])
	return Regexp{Source: v.s[n:], Flags: v.s[1:n]}
}

// Decimal returns a decimal.
func (v Value) Decimal() Decimal {
	if v.kind != DecimalKind {
		return ""
	}
	return Decimal(v.s)
}

// Custom returns the name and the JSON value of a custom type.
func (v Value) Custom() (typ string, val Value) {
	if v.kind != CustomKind {
		return "", Value{}
	}
	typ, at := nameAt(v.s, 0)
	return typ, view(v.s, uint32(v.s[at]), at+1, len(v.s))
}

// Doc returns an object.
func (v Value) Doc() Doc {
	if v.kind != Object {
		return Doc{}
	}
	return Doc{v.s}
}

// Array returns a list.
func (v Value) Array() Array {
	if v.kind != List {
		return Array{}
	}
	return Array{v.s}
}

// Any returns v as a Go value: nil, bool, float64, string, [Doc], [Array],
// []byte (a copy), [ObjectID], [time.Time], [Regexp], [Decimal], a Go type that
// was registered, or [Custom]. Strings share memory with the document.
func (v Value) Any() any {
	switch v.kind {
	case Bool:
		return v.Bool()
	case Number:
		return v.Number()
	case String:
		return v.s
	case Object:
		return Doc{v.s}
	case List:
		return Array{v.s}
	case Binary:
		return []byte(v.s)
	case OID:
		return v.ObjectID()
	case Date:
		return v.Time()
	case RegexpKind:
		return v.Regexp()
	case DecimalKind:
		return Decimal(v.s)
	case CustomKind:
		return customAny(v)
	}
	return nil
}

// plain writes the JSON value of v: what EJSON writes for it, less the escapes.
func (w *writer) plain(v Value) uint32 {
	wrap := func(name string, v Value) uint32 {
		f := w.open()
		w.name(&f, name)
		w.tag(w.value(v))
		w.close(&f)
		return tagObject
	}
	switch v.kind {
	case Object, List:
		f := w.open()
		for t, i := open(v.s), 0; i < t.n; i++ {
			var tag uint32
			var lo, hi int
			if v.kind == Object {
				var name string
				name, tag, lo, hi = t.field(i)
				w.name(&f, name)
			} else {
				tag, lo, hi = t.element(i)
				w.element(&f)
			}
			w.tag(w.plain(view(t.s, tag, lo, hi)))
		}
		w.close(&f)
		return tagOf[v.kind]
	case Number:
		if f := v.Number(); math.IsInf(f, 0) || math.IsNaN(f) {
			return wrap("$InfNaN", NumberValue(infSign(f)))
		}
	case Date:
		if v.Millis() == invalidDate {
			return wrap("$date", NullValue())
		}
		return wrap("$date", NumberValue(float64(v.Millis())))
	case Binary:
		return wrap("$binary", StringValue(encodeBase64(v.s)))
	case OID, RegexpKind, DecimalKind, CustomKind:
		f := w.open()
		var first, second string
		var a, b Value
		switch v.kind {
		case OID:
			first, a, second, b = "$type", StringValue("oid"), "$value", StringValue(v.ObjectID().String())
		case RegexpKind:
			r := v.Regexp()
			first, a, second, b = "$regexp", StringValue(r.Source), "$flags", StringValue(r.Flags)
		case DecimalKind:
			first, a, second, b = "$type", StringValue("Decimal"), "$value", StringValue(v.s)
		case CustomKind:
			typ, val := v.Custom()
			first, a, second, b = "$type", StringValue(typ), "$value", val
		}
		w.name(&f, first)
		w.tag(w.value(a))
		w.name(&f, second)
		w.tag(w.value(b))
		w.close(&f)
		return tagObject
	}
	return w.value(v)
}

// custom writes a custom type whose JSON value is written by val.
func (w *writer) custom(typ string, val func() uint32) uint32 {
	w.buf = append(appendName(w.buf, typ), 0)
	at := len(w.buf) - 1
	tag := val()
	w.buf[at] = byte(tag)
	return tagCustom
}

// infSign returns what $InfNaN says of f.
func infSign(f float64) float64 {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}

// cleanFlags does what Meteor does to the flags of a regular expression.
func cleanFlags(flags string) string {
	flags = flags[:min(len(flags), 50)]
	var b []byte
	for _, c := range []byte("gimuy") {
		if strings.IndexByte(flags, c) >= 0 {
			b = append(b, c)
		}
	}
	return string(b)
}
