package ejson

import "encoding/binary"

// AppendKey appends to dst bytes that stand for v in an index: comparing the
// bytes of two values gives what [Compare] gives for the values, and the reverse
// of it where desc is set. No key is the beginning of another, so keys that are
// put behind each other compare as the list of their values does.
//
// A number takes ten bytes, a date nine, a string of n bytes n+2, save that the
// characters U+0000 and U+0001 take two.
func AppendKey(dst []byte, v Value, desc bool) []byte {
	from := len(dst)
	if v.kind == String { // most keys are
		dst = appendText(append(dst, rankString), v.s)
	} else {
		rank := v.rank()
		dst = appendPayload(append(dst, rank), v, rank)
	}
	if desc {
		invert(dst[from:])
	}
	return dst
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// The byte after the float64 of a number.
const (
	keyExact = 1 // nothing follows
	keyAbove = 2 // the digits of a decimal that lies before the next float64
)

func appendPayload(b []byte, v Value, rank byte) []byte {
	switch rank {
	case rankNumber:
		x := v.exact()
		b = binary.BigEndian.AppendUint64(b, orderedBits(x.floor))
		if x.rest == nil {
			return append(b, keyExact)
		}
		return x.rest.appendKey(append(b, keyAbove))
	case rankString:
		return appendText(b, v.s)
	case rankObject:
		for t, i := open(v.s), 0; i < t.n; i++ {
			name, tag, lo, hi := t.field(i)
			x := view(v.s, tag, lo, hi)
			r := x.rank()
			b = appendText(append(b, r), name)
			b = appendPayload(b, x, r)
		}
		return append(b, 0)
	case rankList:
		for t, i := open(v.s), 0; i < t.n; i++ {
			tag, lo, hi := t.element(i)
			x := view(v.s, tag, lo, hi)
			r := x.rank()
			b = appendPayload(append(b, r), x, r)
		}
		return append(b, 0)
	case rankBinary:
		b = binary.BigEndian.AppendUint32(b, uint32(len(v.s)))
		return append(b, v.s...)
	case rankOID:
		return append(b, v.s[1:]...)
	case rankBool:
		return append(b, byte(v.num))
	case rankDate:
		return binary.BigEndian.AppendUint64(b, v.num^1<<63)
	case rankRegexp:
		r := v.Regexp()
		return appendText(appendText(b, r.Source), r.Flags)
	case rankCustom:
		typ, val := v.asCustom()
		r := val.rank()
		b = append(appendText(b, typ), r)
		return appendPayload(b, val, r)
	}
	return b
}

// appendText appends s and a zero byte. The bytes 0 and 1 of s become 1 1 and
// 1 2, so that no byte of it is 0, and the order stays.
func appendText(b []byte, s string) []byte {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		if belowTwo(le64(s, i)) {
			return appendEscapedText(b, s)
		}
	}
	switch rest := len(s) - i; {
	case rest == 0:
	case i > 0:
		if belowTwo(le64(s, len(s)-8)) {
			return appendEscapedText(b, s)
		}
	case rest >= 4:
		if belowTwo(uint64(le32(s, 0)) | uint64(le32(s, rest-4))<<32) {
			return appendEscapedText(b, s)
		}
	default:
		if s[0] < 2 || s[rest/2] < 2 || s[rest-1] < 2 {
			return appendEscapedText(b, s)
		}
	}
	return append(append(b, s...), 0)
}

// belowTwo reports whether one of eight bytes is 0 or 1.
func belowTwo(x uint64) bool { return (x-ones*2)&^x&highs != 0 }

func appendEscapedText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 2 {
			b = append(b, 1, c+1)
		} else {
			b = append(b, c)
		}
	}
	return append(b, 0)
}
