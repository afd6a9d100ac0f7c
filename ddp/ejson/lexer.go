package ejson

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// space passes white space and returns the character behind it, 0 at the end.
func (d *Decoder) space() (c byte) {
	c, d.pos = spaceAt(d.text, d.pos)
	return c
}

// charAt is text[p], and 0 behind the end.
func charAt(text []byte, p int) byte {
	if p < len(text) {
		return text[p]
	}
	return 0
}

// wordAt returns the eight bytes of text at p; those behind its end are 0.
func wordAt(text []byte, p int) uint64 {
	if len(text)-p >= 8 {
		return binary.LittleEndian.Uint64(text[p:])
	}
	return lastWord(text, p)
}

func lastWord(text []byte, p int) (x uint64) {
	if len(text) >= 8 && p < len(text) {
		return binary.LittleEndian.Uint64(text[len(text)-8:]) >> (8 * (8 - (len(text) - p)))
	}
	for i := len(text) - 1; i >= p; i-- {
		x = x<<8 | uint64(text[i])
	}
	return x
}

// spaceAt is space from p, which it moves.
func spaceAt(text []byte, p int) (byte, int) {
	for p < len(text) {
		c := text[p]
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, p
		}
		p++
	}
	return 0, p
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

// plainBytes returns how many of eight bytes stand before the first that is a
// quote, a backslash, a control character or not ASCII. Where a byte of x, xored
// with 2, is below 0x21, it was one of the control characters or a quote.
func plainBytes(x uint64) int {
	low, slash := (x^ones*2)-ones*0x21, (x^ones*'\\')-ones
	return bits.TrailingZeros64((low|slash|x)&highs) / 8
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
