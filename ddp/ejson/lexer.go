package ejson

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// space passes white space and returns the character behind it, 0 at the end.
func (d *Decoder) space() byte {
	for d.pos < len(d.text) {
		c := d.text[d.pos]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		d.pos++
	}
	return 0
}

func (d *Decoder) word(w string) error {
	rest := d.text[d.pos:]
	if len(rest) >= len(w) && string(rest[:len(w)]) == w {
		d.pos += len(w)
		return nil
	}
	for i := 0; i < len(w) && d.pos < len(d.text) && d.text[d.pos] == w[i]; i++ {
		d.pos++
	}
	return d.unexpected(w)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops has a bit set for each of eight bytes that is a quote, a backslash or a
// control character, in the manner of "find a zero byte" of Bit Twiddling Hacks.
// Above the lowest set bit there may be others that mean nothing.
func stops(x uint64) uint64 {
	q, s := x^ones*'"', x^ones*'\\'
	return ((q-ones)&^q | (s-ones)&^s | (x-ones*' ')&^x) & highs
}

// quoted finds the end of a run of characters that stand for themselves: the
// first quote, backslash or control character of b, or its end. high has bits
// set if the run is not ASCII. It looks at eight bytes at a time.
func quoted(b []byte) (n int, high uint64) {
	for len(b)-n >= 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		if stop := stops(x); stop != 0 {
			k := bits.TrailingZeros64(stop)
			return n + k/8, high | x&highs&(1<<k-1)
		}
		high |= x & highs
		n += 8
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		high |= uint64(c & 0x80)
	}
	return n, high
}

// string reads a string. What it returns lies in the text, or in d.str.
func (d *Decoder) string() ([]byte, error) {
	from := d.pos + 1
	n, high := quoted(d.text[from:])
	end := from + n
	if end < len(d.text) && d.text[end] == '"' && (high == 0 || utf8.Valid(d.text[from:end])) {
		d.pos = end + 1
		return d.text[from:end], nil
	}
	d.str = d.str[:0]
	for d.pos = from; ; {
		n, high := quoted(d.text[d.pos:])
		plain := d.text[d.pos : d.pos+n]
		if high == 0 || utf8.Valid(plain) {
			d.str = append(d.str, plain...)
		} else {
			d.str = append(d.str, replaceEach(plain)...)
		}
		d.pos += n
		if d.pos == len(d.text) {
			return nil, d.fail(errUnexpectedEnd)
		}
		switch d.text[d.pos] {
		case '"':
			d.pos++
			return d.str, nil
		case '\\':
			if err := d.escape(); err != nil {
				return nil, err
			}
		default:
			return nil, d.fail(errControl)
		}
	}
}

var (
	errControl = errors.New("a control character in a string must be escaped")
	errEscape  = errors.New("invalid escape in a string")
	errNumber  = errors.New("invalid number")
)

// replaceEach replaces each byte that is not part of UTF-8 by U+FFFD.
func replaceEach(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// escape reads what follows a backslash, and appends it to d.str. A surrogate
// without its partner is kept as three bytes, which UTF-8 has for no character.
func (d *Decoder) escape() error {
	if d.pos+1 >= len(d.text) {
		d.pos = len(d.text)
		return d.fail(errUnexpectedEnd)
	}
	c := d.text[d.pos+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := d.hex4(d.pos + 2)
		if !ok {
			return d.fail(errEscape)
		}
		d.pos += 6
		if isHigh(r) && d.pos+1 < len(d.text) && d.text[d.pos] == '\\' && d.text[d.pos+1] == 'u' {
			if low, ok := d.hex4(d.pos + 2); ok && isLow(low) {
				d.pos += 6
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			}
		}
		d.str = appendWTF8(d.str, r)
		return nil
	default:
		return d.fail(errEscape)
	}
	d.pos += 2
	d.str = append(d.str, c)
	return nil
}

func isHigh(r rune) bool { return r >= 0xd800 && r < 0xdc00 }
func isLow(r rune) bool  { return r >= 0xdc00 && r < 0xe000 }

func appendWTF8(b []byte, r rune) []byte {
	if isHigh(r) || isLow(r) {
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(b, r)
}

func (d *Decoder) hex4(at int) (r rune, ok bool) {
	if at+4 > len(d.text) {
		return 0, false
	}
	for _, c := range d.text[at : at+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// number reads a number. Most are an exact integer of at most 2^53, divided by a
// power of ten that is exact too: then one division gives the nearest float64.
func (d *Decoder) number() (float64, error) {
	b, p := d.text, d.pos
	negative := b[p] == '-'
	if negative {
		p++
	}
	var m uint64 // the digits, while there are at most 19
	digits := func() int {
		from := p
		for p < len(b) && b[p]-'0' <= 9 {
			m = 10*m + uint64(b[p]-'0')
			p++
		}
		return p - from
	}
	bad := func() (float64, error) {
		d.pos = p
		if p >= len(b) {
			return 0, d.fail(errUnexpectedEnd)
		}
		return 0, d.fail(errNumber)
	}
	zero := p < len(b) && b[p] == '0'
	n := digits()
	if n == 0 || zero && n > 1 {
		return bad()
	}
	frac := 0
	if p < len(b) && b[p] == '.' {
		p++
		if frac = digits(); frac == 0 {
			return bad()
		}
	}
	exact := n+frac <= 19 && m <= 1<<53 && frac < len(pow10)
	if p < len(b) && b[p]|0x20 == 'e' {
		exact = false
		p++
		if p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		if digits() == 0 {
			return bad()
		}
	}
	text := b[d.pos:p]
	d.pos = p
	if !exact {
		f, _ := strconv.ParseFloat(peek(text), 64) // out of range: infinite
		return f, nil
	}
	f := float64(m)
	if frac > 0 {
		f /= pow10[frac]
	}
	if negative {
		f = -f
	}
	return f, nil
}
