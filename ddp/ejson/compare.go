package ejson

import (
	"cmp"
	"math"
	"strings"
)

// The ranks of kinds in MongoDB's order. Each is also the byte with which a key
// of that kind begins; 0 ends a list of values.
const (
	rankNull    = 0x08
	rankNumber  = 0x10
	rankString  = 0x18
	rankObject  = 0x20
	rankList    = 0x28
	rankBinary  = 0x30
	rankOID     = 0x38
	rankBool    = 0x40
	rankDate    = 0x48
	rankRegexp  = 0x50
	rankCustom  = 0x58
	rankInvalid = 0
)

var rankOf = [...]byte{
	Missing: rankNull, Null: rankNull, Bool: rankBool, Number: rankNumber, String: rankString,
	Object: rankObject, List: rankList, Binary: rankBinary, OID: rankOID, Date: rankDate,
	RegexpKind: rankRegexp, DecimalKind: rankInvalid, CustomKind: rankCustom,
}

// rank returns the rank of v. A decimal that is a number is one; one that is not
// is a custom type.
func (v Value) rank() byte {
	if v.kind == DecimalKind {
		if _, ok := v.decimal(); ok {
			return rankNumber
		}
		return rankCustom
	}
	return rankOf[v.kind]
}

// Compare orders values as MongoDB does, and returns -1, 0 or +1: null and what
// is missing (which are equal), numbers and decimals (by value; NaN first),
// strings (by their UTF-8), objects, lists, binary data (by length, then bytes),
// ObjectIDs, booleans, dates (the invalid date first), regular expressions (by
// source, then flags), custom types (by name, then JSON value).
//
// Objects compare field by field: kind of value, then name, then value; a list
// element by element. Where all are equal, the shorter comes first.
//
// Compare returns 0 for values that Equal holds equal. The reverse does not hold
// for null and missing, for the invalid date, and for a decimal that has the
// value of a number.
func Compare(a, b Value) int {
	if a.kind == b.kind {
		switch a.kind {
		case Number:
			return compareNumbers(a.Number(), b.Number())
		case String, OID:
			return strings.Compare(a.s, b.s)
		case Date:
			return cmp.Compare(int64(a.num), int64(b.num))
		}
	}
	ra, rb := a.rank(), b.rank()
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	return compareRanked(a, b, ra)
}

func compareRanked(a, b Value, rank byte) int {
	switch rank {
	case rankNumber:
		return compareDecimals(a, b)
	case rankObject:
		return compareObjects(a.s, b.s)
	case rankList:
		return compareLists(a.s, b.s)
	case rankBinary:
		return cmp.Or(cmp.Compare(len(a.s), len(b.s)), strings.Compare(a.s, b.s))
	case rankBool:
		return cmp.Compare(a.num, b.num)
	case rankDate:
		return cmp.Compare(int64(a.num), int64(b.num))
	case rankRegexp:
		r, s := a.Regexp(), b.Regexp()
		return cmp.Or(strings.Compare(r.Source, s.Source), strings.Compare(r.Flags, s.Flags))
	case rankCustom:
		t, x := a.asCustom()
		u, y := b.asCustom()
		return cmp.Or(strings.Compare(t, u), Compare(x, y))
	case rankNull:
		return 0
	}
	return strings.Compare(a.s, b.s)
}

// compareNumbers puts NaN first, and 0 and -0 together.
func compareNumbers(a, b float64) int { return cmp.Compare(a, b) }

func compareObjects(a, b string) int {
	if a == b {
		return 0
	}
	t, u := open(a), open(b)
	for i := range min(t.n, u.n) {
		nameA, tag, lo, hi := t.field(i)
		x := view(a, tag, lo, hi)
		nameB, tag, lo, hi := u.field(i)
		y := view(b, tag, lo, hi)
		rx, ry := x.rank(), y.rank()
		if rx != ry {
			return cmp.Compare(rx, ry)
		}
		if c := strings.Compare(nameA, nameB); c != 0 {
			return c
		}
		if c := Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(t.n, u.n)
}

func compareLists(a, b string) int {
	if a == b {
		return 0
	}
	t, u := open(a), open(b)
	for i := range min(t.n, u.n) {
		tag, lo, hi := t.element(i)
		x := view(a, tag, lo, hi)
		tag, lo, hi = u.element(i)
		if c := Compare(x, view(b, tag, lo, hi)); c != 0 {
			return c
		}
	}
	return cmp.Compare(t.n, u.n)
}

// asCustom returns a value of rankCustom, which a decimal may be too.
func (v Value) asCustom() (typ string, val Value) {
	if v.kind == DecimalKind {
		return "Decimal", StringValue(v.s)
	}
	return v.Custom()
}

// compareDecimals compares two values of rankNumber, not both of kind Number.
func compareDecimals(a, b Value) int {
	x, y := a.exact(), b.exact()
	if c := compareNumbers(x.floor, y.floor); c != 0 {
		return c
	}
	return compareRest(x, y)
}

// exact returns a number or a decimal as an exact number.
func (v Value) exact() exactNumber {
	if v.kind == DecimalKind {
		d, _ := v.decimal()
		return d.exact()
	}
	return exactNumber{floor: v.Number()}
}

// exactNumber is a number as a float64 that is not above it, and the decimal
// digits where they differ.
type exactNumber struct {
	floor float64
	rest  *decimal // nil: the number is floor
}

func compareRest(x, y exactNumber) int {
	switch {
	case x.rest == nil && y.rest == nil:
		return 0
	case x.rest == nil:
		return -1
	case y.rest == nil:
		return 1
	}
	return x.rest.compare(y.rest)
}

// orderedBits returns bits of f that are in the order of the numbers, as unsigned
// integers. NaN is 0.
func orderedBits(f float64) uint64 {
	if f != f {
		return 0
	}
	if f == 0 {
		f = 0 // not -0
	}
	b := math.Float64bits(f)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}
