package ejson

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ID is the id of a document: a string or an ObjectID, rarely a number or
// another value. IDs are equal by == exactly if their values are, so they may be
// keys of a map, and one string inside makes that a fast one. The zero ID is no
// id; the id "" is not zero.
type ID struct{ s string }

// The first byte of the s of an ID that is not simply the string. No UTF-8
// begins with one of them; an ObjectID has oidMark.
const (
	stringMark = 0xfd // the string follows: it is empty, or begins with a mark
	textMark   = 0xfe // EJSON text follows
)

// StringID returns the id s.
func StringID(s string) ID {
	if s == "" || s[0] >= stringMark {
		return ID{string([]byte{stringMark}) + s}
	}
	return ID{s}
}

var errNoID = errors.New("ejson: there is no id")

// IDOf returns the id that a value is. Lists, regular expressions and missing
// values are none, as in MongoDB. The ID of a string or an ObjectID shares memory
// with its document and costs nothing; see [ID.Clone].
func IDOf(v Value) (ID, error) {
	switch v.kind {
	case String:
		return StringID(v.s), nil
	case OID:
		return ID{v.s}, nil
	case Missing:
		return ID{}, errNoID
	case List, RegexpKind:
		return ID{}, fmt.Errorf("ejson: %v cannot be an id", v.kind)
	case Number:
		if v.Number() == 0 {
			v.num = 0
		}
	}
	return ID{string(v.AppendJSON([]byte{textMark}))}, nil
}

// IsZero reports whether there is no id.
func (id ID) IsZero() bool { return id.s == "" }

// Clone returns the same id in memory of its own. An id that outlives the
// document it was taken from would keep all of it alive.
func (id ID) Clone() ID { return ID{strings.Clone(id.s)} }

// Value returns the id as a value: Missing for the zero ID.
func (id ID) Value() Value {
	if id.s == "" {
		return Value{}
	}
	switch id.s[0] {
	case oidMark:
		return Value{kind: OID, s: id.s}
	case stringMark:
		return StringValue(id.s[1:])
	case textMark:
		v, err := ParseValue([]byte(id.s[1:]))
		if err != nil {
			panic(err) // the text is our own
		}
		return v
	}
	return StringValue(id.s)
}

// String returns a string id as it is and any other as text, for people. It does
// not tell a string from an ObjectID of the same digits; [ID.Wire] does.
func (id ID) String() string {
	switch v := id.Value(); v.kind {
	case String:
		return v.s
	case OID:
		return v.ObjectID().String()
	case Missing:
		return ""
	}
	return id.s[1:]
}

// Wire returns the id as DDP writes it: a string as it is, an ObjectID as 24 hex
// digits, a string that could be mistaken for something else with "-" before it,
// other values as "~" and their JSON. The zero ID is "-", JavaScript's undefined.
func (id ID) Wire() string {
	if id.s != "" && id.s[0] < stringMark && !mistakable(id.s) {
		return id.s
	}
	return string(id.appendWire(nil))
}

// AppendWireJSON appends the id as DDP writes it, as a JSON string.
func (id ID) AppendWireJSON(dst []byte) []byte {
	if id.s != "" && id.s[0] == oidMark {
		return append(id.appendWire(append(dst, '"')), '"')
	}
	return AppendString(dst, id.Wire())
}

func (id ID) appendWire(b []byte) []byte {
	switch v := id.Value(); v.kind {
	case Missing:
		return append(b, '-')
	case OID:
		for _, c := range []byte(v.s[1:]) {
			b = append(b, lowerHex[c>>4], lowerHex[c&15])
		}
		return b
	case String:
		if mistakable(v.s) {
			b = append(b, '-')
		}
		return append(b, v.s...)
	}
	return append(append(b, '~'), id.s[1:]...)
}

// mistakable reports whether ParseWireID would not read s as the string s.
func mistakable(s string) bool {
	return s != "" && (s[0] == '-' || s[0] == '~') || looksLikeOID(s)
}

func looksLikeOID(s string) bool {
	if len(s) != 24 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ParseWireID reads an id as DDP writes it. The id undefined, "-", is the zero ID
// and no error. The ID of a string shares memory with s.
func ParseWireID(s string) (ID, error) {
	switch {
	case s == "":
		return StringID(""), nil
	case s == "-":
		return ID{}, nil
	case s[0] == '-':
		return StringID(s[1:]), nil
	case s[0] == '~':
		v, err := ParseValue([]byte(s[1:]))
		if err != nil {
			return ID{}, fmt.Errorf("ejson: id %.40q: %w", s, err)
		}
		return IDOf(v)
	case looksLikeOID(s):
		o, err := ParseObjectID(s)
		return o.ID(), err
	}
	return StringID(s), nil
}

// MarshalJSON returns the value of the id as EJSON text.
func (id ID) MarshalJSON() ([]byte, error) { return id.Value().AppendJSON(nil), nil }

// UnmarshalJSON sets id to the value that the text has; null makes it zero.
func (id *ID) UnmarshalJSON(text []byte) error {
	v, err := ParseValue(text)
	if err != nil {
		return err
	}
	if v.kind == Null {
		*id = ID{}
		return nil
	}
	x, err := IDOf(v)
	if err == nil {
		*id = x
	}
	return err
}

// CompareID orders ids as [Compare] orders their values.
func CompareID(a, b ID) int {
	if a.s != "" && b.s != "" && a.s[0] < stringMark && b.s[0] < stringMark {
		return strings.Compare(a.s, b.s)
	}
	return Compare(a.Value(), b.Value())
}

// maxExact is the largest integer below which a float64 holds all of them.
const maxExact = 1 << 53

// exactInt reports whether f, as JavaScript would count, is an integer of int64.
func exactInt(f float64) bool {
	return f == math.Trunc(f) && f >= -1<<63 && f < 1<<63
}
