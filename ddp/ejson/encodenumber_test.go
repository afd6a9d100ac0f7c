package ejson

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// plainNumber is appendNumber without its short ways.
func plainNumber(f float64) string {
	if f == 0 {
		return "0"
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	if n := len(s); s[n-2] == '0' && (s[n-3] == '-' || s[n-3] == '+') {
		s = s[:n-2] + s[n-1:]
	}
	return s
}

// TestAppendNumber compares what is written with strconv, and what is read of it
// with what was written.
func TestAppendNumber(t *testing.T) {
	check := func(f float64) {
		t.Helper()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return
		}
		got := string(appendNumber(nil, f))
		if got != plainNumber(f) {
			t.Fatalf("%v is written %q", f, got)
		}
		if v, err := ParseValue([]byte(got)); err != nil || v.Number() != f {
			t.Fatalf("%q is read as %v, %v", got, v, err)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 3_000 {
		digits := r.Uint64N(uint64(1) << r.IntN(64))
		for frac := range 20 {
			f, err := strconv.ParseFloat(strconv.FormatUint(digits, 10)+"e-"+strconv.Itoa(frac), 64)
			if err != nil {
				t.Fatal(err)
			}
			check(f)
			check(-f)
			check(math.Nextafter(f, 0))
			check(math.Nextafter(f, math.Inf(1)))
		}
		check(math.Float64frombits(r.Uint64()))
	}
	for e := range 23 {
		for d := range 5 {
			f := math.Pow10(e) + float64(d-2)
			check(f)
			check(-f)
			check(f / 1000)
			check(f / 1e7)
		}
	}
}

// TestAppendInt compares integers of all lengths with strconv.
func TestAppendInt(t *testing.T) {
	check := func(n int64) {
		t.Helper()
		if got, want := string(appendInt([]byte("x"), n)), "x"+strconv.FormatInt(n, 10); got != want {
			t.Fatalf("%d is written %s", n, got)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for power := int64(1); power < 1e18; power *= 10 {
		for d := int64(-2); d <= 2; d++ {
			check(power + d)
			check(-power + d)
		}
		for range 2000 {
			check(r.Int64N(power) - power/2)
		}
	}
	for n := int64(-11_000); n <= 11_000; n++ {
		check(n)
	}
	check(math.MinInt64)
	check(math.MaxInt64)
}
