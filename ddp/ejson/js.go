package ejson

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What JavaScript makes of odd values, as far as EJSON shows it.

var zero float64

// jsNumber is JavaScript's Number(v), for what JSON has.
func jsNumber(v Value) float64 {
	switch v.kind {
	case Number:
		return v.Number()
	case Null:
		return 0
	case Bool:
		return float64(v.num)
	case List:
		switch a := v.Array(); a.Len() {
		case 0:
			return 0
		case 1:
			if x := a.At(0); x.kind != Bool {
				return jsNumber(x)
			}
		}
	case String:
		s := strings.TrimSpace(v.s)
		if s == "" {
			return 0
		}
		if strings.TrimLeft(s, "+-0123456789.eE") == "" || strings.TrimLeft(s, "+-") == "Infinity" {
			if f, err := strconv.ParseFloat(s, 64); err == nil || math.IsInf(f, 0) {
				return f
			}
		}
	}
	return math.NaN()
}

// jsDate is the time of JavaScript's new Date(v): fractions are cut, and of
// texts those in the ISO format are read, in UTC where they name no zone.
func jsDate(v Value) int64 {
	switch v.kind {
	case Number, Null, Bool:
		f := math.Trunc(jsNumber(v))
		if math.Abs(f) <= maxDate {
			return int64(f)
		}
	case String:
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00",
			"2006-01-02T15:04", time.DateOnly, "2006-01", "2006"} {
			if t, err := time.Parse(layout, v.s); err == nil {
				return t.UnixMilli()
			}
		}
	}
	return invalidDate
}

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// appendBase64 reads base64 as Meteor does: padding may be missing, and a
// character outside the alphabet counts as zero, or is passed over in the second
// half of a group.
func appendBase64(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf { // as many characters as JavaScript counts
			s = strings.Repeat("!", len(utf16Units(s)))
			break
		}
	}
	n := len(s) * 3 / 4
	if strings.HasSuffix(s, "=") {
		n--
		if strings.HasSuffix(s, "==") {
			n--
		}
	}
	start := len(b)
	b = append(b, make([]byte, max(n, 0))...)
	out := b[start:]
	put := func(c byte) {
		if len(out) > 0 {
			out[0] = c
			out = out[1:]
		}
	}
	var one, two, three byte
	for i := range len(s) {
		v, known := base64Digit[s[i]]&0x3f, base64Digit[s[i]] != 0
		switch i % 4 {
		case 0, 1:
			if s[i] == '=' {
				return b, convertErrorf("invalid base64 in $binary")
			}
			if i%4 == 0 {
				one = v << 2
			} else {
				put(one | v>>4)
				two = v << 4
			}
		case 2:
			if known {
				put(two | v>>2)
				three = v << 6
			}
		case 3:
			if known {
				put(three | v)
			}
		}
	}
	return b, nil
}

// base64Digit is 0x40 + the value of a digit, and 0 for what is none.
var base64Digit = func() (t [256]byte) {
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = 0x40 + byte(i)
	}
	return t
}()

// utf16Units returns the units in which JavaScript counts s.
func utf16Units(s string) []uint16 {
	units := make([]uint16, 0, len(s))
	for s != "" {
		r, n := decodeWTF8(s)
		if r >= 0x10000 {
			r -= 0x10000
			units = append(units, uint16(0xd800+r>>10), uint16(0xdc00+r&0x3ff))
		} else {
			units = append(units, uint16(r))
		}
		s = s[n:]
	}
	return units
}

// decodeWTF8 is utf8.DecodeRuneInString, but knows lone surrogates.
func decodeWTF8(s string) (r rune, n int) {
	r, n = utf8.DecodeRuneInString(s)
	if n == 1 && len(s) >= 3 && s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return r, n
}

// jsSource is the source that JavaScript gives of a regular expression made of
// s: never empty, on one line, and fit to stand between slashes.
func jsSource(s string) string {
	if s == "" {
		return "(?:)"
	}
	if !strings.ContainsAny(s, "/\n\r\u2028\u2029") {
		return s
	}
	var b strings.Builder
	class, escaped := false, false
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			if !escaped {
				b.WriteByte('\\')
			}
			b.WriteString(map[rune]string{'\n': "n", '\r': "r", '\u2028': "u2028", '\u2029': "u2029"}[r])
			escaped = false
			continue
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '[':
			class = true
		case r == ']':
			class = false
		case r == '/' && !class:
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
