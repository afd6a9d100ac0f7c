package ejson

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// eightDigits returns the eight digits of v, which is less than 1e8, as the bytes
// of a word, the first lowest, each from 0 to 9. It halves what is left of all
// digits three times, with two to four parts side by side in one word.
func eightDigits(v uint64) uint64 {
	x := v/10000 | v%10000<<32
	q := x * 10486 >> 20 & (0x7f<<32 | 0x7f) // each part / 100
	x = q | (x-100*q)<<16
	q = x * 103 >> 10 & (0xf<<48 | 0xf<<32 | 0xf<<16 | 0xf) // each part / 10
	return q | (x-10*q)<<8
}

// appendInt is strconv.AppendInt in base ten, for abs(n) < 1e16 in half the time.
func appendInt(b []byte, n int64) []byte {
	v := uint64(n)
	if n < 0 {
		v = -v
	}
	if v >= 1e16 {
		return strconv.AppendInt(b, n, 10)
	}
	b = slices.Grow(b, 24)
	if n < 0 {
		b = append(b, '-')
	}
	if v == 0 {
		return append(b, '0')
	}
	high := v / 1e8
	if high == 0 {
		return appendLeading(b, v)
	}
	return binary.LittleEndian.AppendUint64(appendLeading(b, high), eightDigits(v-high*1e8)|ones*'0')
}

// appendLeading writes v, from 1 to 99999999. b has room for eight bytes.
func appendLeading(b []byte, v uint64) []byte {
	x := eightDigits(v)
	zeros := bits.TrailingZeros64(x) / 8
	n := len(b)
	binary.LittleEndian.PutUint64(b[n:n+8], (x|ones*'0')>>(8*zeros))
	return b[:n+8-zeros]
}

// appendNumber writes a number as JavaScript does, so -0 is written 0.
func appendNumber(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
		return appendInt(b, n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		b = append(b, `{"$InfNaN":`...)
		b = strconv.AppendInt(b, int64(infSign(f)), 10)
		return append(b, '}')
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		if b, ok := appendDecimal(b, f, 3); ok {
			return b
		}
		if b, ok := appendDecimal(b, f, 7); ok {
			return b
		}
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
		b[n-2] = b[n-1] // e-07 is e-7 in JavaScript
		b = b[:n-1]
	}
	return b
}

// appendDecimal writes f, which is no integer, if it is the float64 nearest to a
// decimal of at most frac digits behind the point and fifteen altogether. There is
// only one such, as no two decimals of fifteen digits have the same nearest
// float64, so it is also the shortest that is read as f.
func appendDecimal(b []byte, f float64, frac int) ([]byte, bool) {
	scaled := f * pow10[frac]
	if math.Abs(scaled) >= 1e15 {
		return b, false
	}
	m := int64(math.Round(scaled))
	if float64(m)/pow10[frac] != f {
		return b, false
	}
	if m < 0 {
		b, m = append(b, '-'), -m
	}
	whole := m / int64(powers[frac])
	rest := uint64(m) - uint64(whole)*powers[frac]
	b = append(appendInt(b, whole), '.')
	x := eightDigits(rest) >> (8 * (8 - frac)) // frac digits
	digits := 8 - bits.LeadingZeros64(x)/8     // less the zeros at the end
	b = slices.Grow(b, 8)
	n := len(b)
	binary.LittleEndian.PutUint64(b[n:n+8], x|ones*'0')
	return b[:n+digits], true
}
