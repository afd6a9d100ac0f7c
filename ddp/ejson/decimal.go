package ejson

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// decimal is a decimal number: ±0.digits × 10^exp. digits has no zeros at its
// ends; zero has none at all.
type decimal struct {
	negative bool
	special  float64 // NaN or an infinity, else 0
	exp      int
	digits   string
}

// maxDecimalExp bounds exponents; those of Decimal128 end at 6144.
const maxDecimalExp = 1 << 20

// decimal reads the text of a decimal, as MongoDB and Decimal.js write it.
func (v Value) decimal() (decimal, bool) { return parseDecimal(v.s) }

func parseDecimal(s string) (d decimal, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	switch {
	case strings.EqualFold(s, "nan"):
		return decimal{special: math.NaN()}, true
	case strings.EqualFold(s, "infinity"), strings.EqualFold(s, "inf"):
		d.special = math.Inf(1)
		if d.negative {
			d.special = math.Inf(-1)
		}
		return d, true
	}
	exp := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxDecimalExp || e < -maxDecimalExp {
			return decimal{}, false
		}
		exp, s = e, s[:i]
	}
	whole, frac, _ := strings.Cut(s, ".")
	digits := whole + frac
	if digits == "" || len(digits) > maxDecimalExp || strings.Trim(digits, "0123456789") != "" ||
		strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		return decimal{}, false
	}
	exp += len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	exp -= len(digits) - len(trimmed)
	d.digits = strings.TrimRight(trimmed, "0")
	d.exp = exp
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// exact returns the largest float64 that is not above d.
func (d decimal) exact() exactNumber {
	if d.special != 0 {
		return exactNumber{floor: d.special}
	}
	if d.digits == "" {
		return exactNumber{}
	}
	text := "0." + d.digits + "e" + strconv.Itoa(d.exp)
	if d.negative {
		text = "-" + text
	}
	f, _ := strconv.ParseFloat(text, 64) // the nearest; out of range: infinite
	switch d.compareFloat(f) {
	case 0:
		return exactNumber{floor: f}
	case -1:
		f = math.Nextafter(f, math.Inf(-1))
	}
	return exactNumber{floor: f, rest: &d}
}

// compareFloat compares d with a float64, exactly.
func (d decimal) compareFloat(f float64) int {
	if math.IsInf(f, 0) {
		return cmp.Compare(0, f)
	}
	if f == 0 {
		f = 0
	}
	// No float64 has more than 767 digits.
	e, _ := parseDecimal(strconv.FormatFloat(f, 'e', 766, 64))
	return d.compare(&e)
}

// compare compares two finite decimals.
func (d *decimal) compare(e *decimal) int {
	if c := cmp.Compare(d.sign(), e.sign()); c != 0 {
		return c
	}
	c := cmp.Or(cmp.Compare(d.exp, e.exp), strings.Compare(d.digits, e.digits))
	if d.negative {
		return -c
	}
	return c
}

func (d *decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// appendKey appends bytes in the order of compare. They end themselves.
func (d *decimal) appendKey(b []byte) []byte {
	from := len(b)
	e := uint32(d.exp + 1<<30)
	b = append(b, byte(e>>24), byte(e>>16), byte(e>>8), byte(e))
	b = append(append(b, d.digits...), 0)
	if d.negative {
		invert(b[from:])
	}
	return b
}
