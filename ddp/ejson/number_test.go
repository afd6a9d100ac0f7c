package ejson

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestReadNumber compares the numbers that are read with strconv: at the end of a
// text, and followed by what may follow.
func TestReadNumber(t *testing.T) {
	check := func(text string) {
		t.Helper()
		want, _ := strconv.ParseFloat(text, 64)
		for _, tail := range []string{"", " ", ",  ", "]]]]]]]]]]]]"} {
			var d Decoder
			d.Reset([]byte(text + tail))
			v, err := d.Value()
			same := math.Float64bits(v.Number()) == math.Float64bits(want)
			if err != nil || !same || d.Offset() != len(text) {
				t.Fatalf("%q is read as %v up to %d, %v", text+tail, v, d.Offset(), err)
			}
			list := "[" + text + "]" + tail // the short way
			d.Reset([]byte(list))
			a, err := d.ArrayValue()
			if err != nil || math.Float64bits(a.At(0).Number()) != math.Float64bits(want) || d.Offset() != len(text)+2 {
				t.Fatalf("%q is read as %v up to %d, %v", list, a, d.Offset(), err)
			}
		}
	}
	r := rand.New(rand.NewPCG(7, 8))
	for whole := range 20 {
		for frac := range 20 {
			for range 6 {
				text := strconv.Itoa(r.IntN(10))
				if whole > 0 {
					text = strconv.Itoa(1+r.IntN(9)) + randomDigits(r, whole)
				}
				if frac > 0 {
					text += "." + randomDigits(r, frac)
				}
				if r.IntN(2) == 0 {
					text = "-" + text
				}
				check(text)
				check(text + "e" + strconv.Itoa(r.IntN(600)-300))
			}
		}
	}
	for _, text := range []string{"-0", "0", "-0.0", "0.000000000000000000001", "9007199254740992", "9007199254740993", "2147483647", "2147483648",
		"-2147483648", "-2147483649", "99999999", "100000000", "1e400", "-1e400", "5e-324", "1.0", "123.000"} {
		check(text)
	}
	for _, text := range []string{"-", "--1", "01", "-01", "00000000", "000000000", "1.", "1.e5", ".5", "1e", "1e+", "+1", "1..2", "0x1", "1.2.3", "12345678.", "-a", "1234567890123456789."} {
		for _, form := range []string{"%s", "[%s]", `{"a":%s}`, "[%s,          1]"} {
			if v, err := ParseValue(fmt.Appendf(nil, form, text)); err == nil {
				t.Errorf(form+" is read as %v", text, v)
			}
		}
	}
}

func randomDigits(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	return b.String()
}
