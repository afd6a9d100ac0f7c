package ejson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends d as EJSON text. A zero Doc is an empty object. Keys come
// in the order of the document; JavaScript would put those that look like
// integers first. An object that looks like a special value is escaped.
func (d Doc) AppendJSON(dst []byte) []byte { return appendDoc(dst, d, false) }

// AppendFieldsJSON is AppendJSON of d less its _id, without making a document of
// it: the fields of a DDP message.
func (d Doc) AppendFieldsJSON(dst []byte) []byte {
	if d.Lookup(idName).IsMissing() {
		return appendDoc(dst, d, false)
	}
	if d.Len() <= 3 { // may look special without its _id
		return appendDoc(dst, d.WithoutID(), false)
	}
	return appendFields(dst, d, false, idName.s)
}

// AppendJSON appends a as EJSON text.
func (a Array) AppendJSON(dst []byte) []byte { return appendList(dst, a, false) }

// AppendJSON appends v as EJSON text. Missing is written as null.
func (v Value) AppendJSON(dst []byte) []byte { return appendValue(dst, v, false) }

// AppendPlainJSON appends v as JSON in which no object is escaped: what
// [Decoder.PlainValue] reads.
func (v Value) AppendPlainJSON(dst []byte) []byte { return appendValue(dst, v, true) }

// String returns d as EJSON text.
func (d Doc) String() string { return string(d.AppendJSON(nil)) }

// String returns a as EJSON text.
func (a Array) String() string { return string(a.AppendJSON(nil)) }

// String returns v as EJSON text, and "" for Missing.
func (v Value) String() string {
	if v.IsMissing() {
		return ""
	}
	return string(v.AppendJSON(nil))
}

// MarshalJSON returns d as EJSON text.
func (d Doc) MarshalJSON() ([]byte, error) { return d.AppendJSON(nil), nil }

// MarshalJSON returns a as EJSON text.
func (a Array) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

// MarshalJSON returns v as EJSON text.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON sets d to the document that text has; null makes it zero.
func (d *Doc) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*d = Doc{}
		return nil
	}
	doc, err := Parse(text)
	if err == nil {
		*d = doc
	}
	return err
}

// UnmarshalJSON sets a to the list that text has; null makes it empty.
func (a *Array) UnmarshalJSON(text []byte) error {
	v, err := ParseValue(text)
	if err != nil {
		return err
	}
	if v.kind != List && v.kind != Null {
		return &DecodeError{Err: convertErrorf("want a list, got %v", v.kind)}
	}
	*a = v.Array()
	return nil
}

// UnmarshalJSON sets v to the value that text has.
func (v *Value) UnmarshalJSON(text []byte) error {
	x, err := ParseValue(text)
	if err == nil {
		*v = x
	}
	return err
}

func appendDoc(b []byte, d Doc, plain bool) []byte {
	if !plain && d.marker() != "" {
		b = append(b, `{"$escape":`...)
		return append(appendFields(b, d, false, noField), '}')
	}
	return appendFields(b, d, plain, noField)
}

// noField is the name of a field that is not there: no text has that byte.
const noField = "\xff"

// appendFields writes an object less the field skip. Where plain is set, no
// object inside is escaped.
func appendFields(b []byte, d Doc, plain bool, skip string) []byte {
	b = append(b, '{')
	comma := false
	for t, i := open(d.s), 0; i < t.n; i++ {
		name, tag, lo, hi := t.field(i)
		if name == skip {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(AppendString(b, name), ':')
		b = appendValue(b, view(d.s, tag, lo, hi), plain)
	}
	return append(b, '}')
}

func appendList(b []byte, a Array, plain bool) []byte {
	b = append(b, '[')
	for t, i := open(a.s), 0; i < t.n; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		tag, lo, hi := t.element(i)
		b = appendValue(b, view(a.s, tag, lo, hi), plain)
	}
	return append(b, ']')
}

func appendValue(b []byte, v Value, plain bool) []byte {
	switch v.kind {
	case Missing, Null:
		return append(b, "null"...)
	case Bool:
		return strconv.AppendBool(b, v.Bool())
	case Number:
		return appendNumber(b, v.Number())
	case String:
		return AppendString(b, v.s)
	case Object:
		return appendDoc(b, v.Doc(), plain)
	case List:
		return appendList(b, v.Array(), plain)
	case Date:
		b = append(b, `{"$date":`...)
		if ms := v.Millis(); ms != invalidDate {
			b = strconv.AppendInt(b, ms, 10)
		} else {
			b = append(b, "null"...)
		}
	case Binary:
		b = append(b, `{"$binary":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(v.s))
		b = append(b, '"')
	case OID:
		b = append(b, `{"$type":"oid","$value":"`...)
		b = hex.AppendEncode(b, []byte(v.s[1:]))
		b = append(b, '"')
	case RegexpKind:
		r := v.Regexp()
		b = AppendString(append(b, `{"$regexp":`...), r.Source)
		b = AppendString(append(b, `,"$flags":`...), r.Flags)
	case DecimalKind:
		b = AppendString(append(b, `{"$type":"Decimal","$value":`...), v.s)
	case CustomKind:
		typ, val := v.Custom()
		b = AppendString(append(b, `{"$type":`...), typ)
		b = appendValue(append(b, `,"$value":`...), val, true)
	}
	return append(b, '}')
}

// appendNumber writes a number as JavaScript does, so -0 is written 0.
func appendNumber(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
		return strconv.AppendInt(b, n, 10)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		b = append(b, `{"$InfNaN":`...)
		b = strconv.AppendInt(b, int64(infSign(f)), 10)
		return append(b, '}')
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
		b[n-2] = b[n-1] // e-07 is e-7 in JavaScript
		b = b[:n-1]
	}
	return b
}

// AppendString appends s as a JSON string, in the spelling of JSON.stringify. A
// lone surrogate is written as an escape; any other byte that is not UTF-8 is
// written as U+FFFD.
func AppendString(dst []byte, s string) []byte {
	b := append(slices.Grow(dst, len(s)+2), '"')
	n, high := quotedString(s)
	if n == len(s) && (high == 0 || utf8.ValidString(s)) {
		return append(append(b, s...), '"')
	}
	for {
		plain := s[:n]
		if high == 0 || utf8.ValidString(plain) {
			b = append(b, plain...)
		} else {
			b = appendRepaired(b, plain)
		}
		if n == len(s) {
			return append(b, '"')
		}
		b = appendEscape(b, s[n])
		s = s[n+1:]
		n, high = quotedString(s)
	}
}

// quotedString is quoted for a string, of which the end is known: what is left
// of eight bytes is looked at once more together with what stands before it, and
// a short string is put together of its ends.
func quotedString(s string) (n int, high uint64) {
	for len(s)-n >= 8 {
		x := le64(s, n)
		if stop := stops(x); stop != 0 {
			k := bits.TrailingZeros64(stop)
			return n + k/8, high | x&highs&(1<<k-1)
		}
		high |= x & highs
		n += 8
	}
	var x uint64
	switch m := len(s); {
	case n == m:
		return n, high
	case m >= 8:
		x = le64(s, m-8)
	case m >= 4:
		x = uint64(le32(s, 0)) | uint64(le32(s, m-4))<<32
	default:
		x = uint64(s[0])*(ones&^0xffffff) | uint64(s[m/2])<<16 | uint64(s[0])<<8 | uint64(s[m-1])
	}
	if stops(x) == 0 {
		return len(s), high | x&highs
	}
	for ; n < len(s); n++ {
		c := s[n]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		high |= uint64(c & 0x80)
	}
	return n, high
}

const lowerHex = "0123456789abcdef"

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
}

func appendRepaired(b []byte, s string) []byte {
	for s != "" {
		r, n := decodeWTF8(s)
		if isHigh(r) || isLow(r) {
			b = append(b, `\u`...)
			b = hex.AppendEncode(b, binary.BigEndian.AppendUint16(nil, uint16(r)))
		} else {
			b = utf8.AppendRune(b, r)
		}
		s = s[n:]
	}
	return b
}
