package ejson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
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
	t := open(d.s)
	i := t.find(idName)
	if i < 0 {
		return appendDoc(dst, d, false)
	}
	if t.n <= 3 { // may look special without its _id
		return appendDoc(dst, d.WithoutID(), false)
	}
	return appendFields(dst, d.s, false, i)
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
		return append(appendFields(b, d.s, false, -1), '}')
	}
	return appendFields(b, d.s, plain, -1)
}

// scalarRoom is as many bytes as anything takes that is not made of bytes itself,
// with what stands around it: {"$date":-8640000000000000} and a comma.
const scalarRoom = 48

// appendFields writes an object less field number skip. Where plain is set, no
// object inside is escaped.
func appendFields(b []byte, s string, plain bool, skip int) []byte {
	b = append(b, '{')
	t := open(s)
	comma := 0
	for i := range t.n {
		e := t.entry(i)
		name, lo := nameAt(s, int(e.off))
		hi := t.at
		if i+1 < t.n {
			hi = int(t.entry(i + 1).off)
		}
		if i == skip {
			continue
		}
		b = slices.Grow(b, len(name)+hi-lo+scalarRoom)
		b = append(b, ',')[:len(b)+comma]
		comma = 1
		b = append(appendASCII(b, s, lo-len(name), lo), ':')
		switch e.tag() {
		case tagString:
			b = appendASCII(b, s, lo, hi)
		case tagInt:
			b = appendInt(b, int64(int32(le32(s, lo))))
		default:
			b = appendAt(b, s, e.tag(), lo, hi, plain)
		}
	}
	return append(b, '}')
}

func appendList(b []byte, a Array, plain bool) []byte {
	b = append(b, '[')
	for t, i := open(a.s), 0; i < t.n; i++ {
		tag, lo, hi := t.element(i)
		b = slices.Grow(b, hi-lo+scalarRoom)
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAt(b, a.s, tag, lo, hi, plain)
	}
	return append(b, ']')
}

// appendAt writes the value that lies in s[lo:hi]. b has room for it.
func appendAt(b []byte, s string, tag uint32, lo, hi int, plain bool) []byte {
	switch tag {
	case tagString:
		return appendASCII(b, s, lo, hi)
	case tagInt:
		return appendInt(b, int64(int32(le32(s, lo))))
	case tagTrue:
		return append(b, "true"...)
	case tagObject:
		return appendDoc(b, Doc{s[lo:hi]}, plain)
	}
	return appendValue(b, view(s, tag, lo, hi), plain)
}

// appendASCII writes s[lo:hi] as a JSON string. b has room for it and for sixteen
// bytes more. Text of ASCII that needs no escapes is looked at and copied in one
// go, eight bytes at a time; what is read behind its end is not looked at.
func appendASCII(b []byte, s string, lo, hi int) []byte {
	n := len(b)
	out := b[:cap(b)]
	out[n] = '"'
	n++
	at := lo
	for ; at < hi; at += 8 {
		if at+8 > len(s) || n+8 > len(out) {
			return AppendString(b, s[lo:hi])
		}
		x := le64(s, at)
		if k := plainBytes(x); k < 8 && at+k < hi {
			return AppendString(b, s[lo:hi])
		}
		binary.LittleEndian.PutUint64(out[n:], x)
		n += 8
	}
	n -= at - hi
	out[n] = '"'
	return out[:n+1]
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
			b = appendInt(b, ms)
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
