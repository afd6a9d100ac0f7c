package ejson

import (
	"math/bits"
	"strconv"
)

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// digits reads the digits, at most eight, at the start of x, and returns how many
// they are. It takes the same time for one and for eight, so that no branch has to
// foresee their number.
func digits(x uint64) (v uint64, n int) {
	const zeros, high = ones * '0', ones * 0xf0
	// Digits are the bytes whose upper half is 3, also after 6 has been added.
	n = bits.TrailingZeros64((x&high^zeros)|((x+ones*6)&high^zeros)) / 8
	x <<= 64 - 8*n // what is shifted in counts as leading zeros
	x &= ones * 0x0f
	x = x * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	x = x * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return x * (10000<<32 + 1) >> 32, n
}

var powers = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// exact reads the number at p if it is written without exponent, with less than
// sixteen digits before the point and behind it, and exact: it is m divided by the
// power frac of ten, and one division gives the nearest float64. Where it is
// anything else, also -0 or broken, end is 0.
func exact(text []byte, p int) (m int64, frac, end int) {
	negative := text[p] == '-'
	if negative {
		p++
	}
	var v uint64
	all := 0
	for from := p; ; {
		part, n := digits(wordAt(text, p))
		v = v*powers[n] + part
		p += n
		if n < 8 {
			all = p - from
			if all == 0 || text[from] == '0' && all > 1 {
				return 0, 0, 0
			}
			break
		}
		if p-from > 8 {
			return 0, 0, 0
		}
	}
	if charAt(text, p) == '.' {
		p++
		for from := p; ; {
			part, n := digits(wordAt(text, p))
			if all += n; all > 18 {
				return 0, 0, 0
			}
			v = v*powers[n] + part
			p += n
			if n < 8 {
				frac = p - from
				break
			}
		}
		if frac == 0 {
			return 0, 0, 0
		}
	}
	if v > 1<<53 || charAt(text, p)|0x20 == 'e' || v == 0 && negative {
		return 0, 0, 0
	}
	if negative {
		return -int64(v), frac, p
	}
	return int64(v), frac, p
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
	short := n+frac <= 19 && m <= 1<<53 && frac < len(pow10)
	if p < len(b) && b[p]|0x20 == 'e' {
		short = false
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
	if !short {
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
