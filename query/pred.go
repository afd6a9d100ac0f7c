package query

import (
	"math"

	"github.com/replicad/replicad/ddp/ejson"
)

// equalPred chooses the pred for equality with v. Null equals a missing field.
func equalPred(v ejson.Value) pred {
	v = plainNaN(v)
	switch v.Kind() {
	case ejson.Missing, ejson.Null:
		return eqNull{}
	case ejson.Bool:
		return eqBool{v.Bool()}
	case ejson.Number:
		if f := v.Number(); !math.IsNaN(f) {
			return eqNumber{f}
		}
		return eqNaN{}
	case ejson.String:
		return eqString{v.Str()}
	case ejson.DecimalKind:
		if isNumber(v) {
			return ordNumber{v, equal}
		}
	}
	return eqValue{v.Kind(), v}
}

// plainNaN returns NaN for a decimal that is not a number.
func plainNaN(v ejson.Value) ejson.Value {
	if nan := ejson.NumberValue(math.NaN()); v.Kind() == ejson.DecimalKind && ejson.Compare(v, nan) == 0 {
		return nan
	}
	return v
}

type eqNull struct{}

func (eqNull) test(v ejson.Value) bool { return v.Kind() <= ejson.Null }

type eqBool struct{ b bool }

func (p eqBool) test(v ejson.Value) bool { return v.Kind() == ejson.Bool && v.Bool() == p.b }

type eqNumber struct{ f float64 }

func (p eqNumber) test(v ejson.Value) bool {
	if v.Kind() == ejson.Number {
		return v.Number() == p.f
	}
	return v.Kind() == ejson.DecimalKind && decimalIs(v, equal, p.f)
}

// eqNaN: NaN equals itself, as in MongoDB and unlike in JavaScript.
type eqNaN struct{}

func (eqNaN) test(v ejson.Value) bool {
	return v.Kind() == ejson.Number && math.IsNaN(v.Number()) ||
		v.Kind() == ejson.DecimalKind && ejson.Compare(v, ejson.NumberValue(math.NaN())) == 0
}

type eqString struct{ s string }

func (p eqString) test(v ejson.Value) bool { return v.Kind() == ejson.String && sameText(v.Str(), p.s) }

type eqValue struct {
	kind ejson.Kind
	v    ejson.Value
}

func (p eqValue) test(v ejson.Value) bool { return v.Kind() == p.kind && ejson.Compare(v, p.v) == 0 }

// An order is which of the outcomes of a comparison an operator accepts.
type order uint8

const (
	less order = 1 << iota
	equal
	greater
)

func (o order) accepts(c int) bool {
	switch {
	case c < 0:
		return o&less != 0
	case c > 0:
		return o&greater != 0
	}
	return o&equal != 0
}

// orderPred chooses the pred for $gt, $gte, $lt and $lte. Values of another type
// than the operand's are never in order with it.
func orderPred(o order, v ejson.Value) pred {
	v = plainNaN(v)
	switch v.Kind() {
	case ejson.Missing, ejson.Null:
		if o&equal != 0 {
			return eqNull{}
		}
		return noValue{}
	case ejson.Number:
		f := v.Number()
		switch {
		case math.IsNaN(f) && o&equal != 0:
			return eqNaN{}
		case math.IsNaN(f):
			return noValue{}
		case o == greater:
			return gtNumber{f}
		case o == greater|equal:
			return gteNumber{f}
		case o == less:
			return ltNumber{f}
		}
		return lteNumber{f}
	case ejson.DecimalKind:
		if isNumber(v) {
			return ordNumber{v, o}
		}
	case ejson.Date:
		return ordDate{v.Millis(), o}
	case ejson.String:
		return ordString{v.Str(), o}
	}
	return ordValue{v.Kind(), v, o}
}

// The comparisons of numbers are false for NaN, which is what MongoDB says too.
type (
	gtNumber  struct{ f float64 }
	gteNumber struct{ f float64 }
	ltNumber  struct{ f float64 }
	lteNumber struct{ f float64 }
)

func (p gtNumber) test(v ejson.Value) bool {
	if v.Kind() == ejson.Number {
		return v.Number() > p.f
	}
	return v.Kind() == ejson.DecimalKind && decimalIs(v, greater, p.f)
}

func (p gteNumber) test(v ejson.Value) bool {
	if v.Kind() == ejson.Number {
		return v.Number() >= p.f
	}
	return v.Kind() == ejson.DecimalKind && decimalIs(v, greater|equal, p.f)
}

func (p ltNumber) test(v ejson.Value) bool {
	if v.Kind() == ejson.Number {
		return v.Number() < p.f
	}
	return v.Kind() == ejson.DecimalKind && decimalIs(v, less, p.f)
}

func (p lteNumber) test(v ejson.Value) bool {
	if v.Kind() == ejson.Number {
		return v.Number() <= p.f
	}
	return v.Kind() == ejson.DecimalKind && decimalIs(v, less|equal, p.f)
}

// isNumber reports whether v is a number, perhaps a decimal one, and not NaN.
func isNumber(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.Number:
		return !math.IsNaN(v.Number())
	case ejson.DecimalKind:
		// The order of all values has NaN before the numbers, and the strings
		// behind them; a decimal that is no number is a custom type, far behind.
		return ejson.Compare(v, ejson.NumberValue(math.NaN())) > 0 && ejson.Compare(v, ejson.StringValue("")) < 0
	}
	return false
}

// decimalIs reports whether a decimal is in order o with f.
func decimalIs(v ejson.Value, o order, f float64) bool {
	return isNumber(v) && o.accepts(ejson.Compare(v, ejson.NumberValue(f)))
}

// ordNumber compares with a decimal.
type ordNumber struct {
	v ejson.Value
	o order
}

func (p ordNumber) test(v ejson.Value) bool { return isNumber(v) && p.o.accepts(ejson.Compare(v, p.v)) }

type ordDate struct {
	ms int64
	o  order
}

func (p ordDate) test(v ejson.Value) bool {
	if v.Kind() != ejson.Date {
		return false
	}
	switch ms := v.Millis(); {
	case ms < p.ms:
		return p.o&less != 0
	case ms > p.ms:
		return p.o&greater != 0
	}
	return p.o&equal != 0
}

type ordString struct {
	s string
	o order
}

func (p ordString) test(v ejson.Value) bool {
	if v.Kind() != ejson.String {
		return false
	}
	switch s := v.Str(); {
	case s < p.s:
		return p.o&less != 0
	case s > p.s:
		return p.o&greater != 0
	}
	return p.o&equal != 0
}

type ordValue struct {
	kind ejson.Kind
	v    ejson.Value
	o    order
}

func (p ordValue) test(v ejson.Value) bool {
	return v.Kind() == p.kind && p.o.accepts(ejson.Compare(v, p.v))
}

// noValue holds for nothing: {$all: []}, {$in: []}, {$gt: null}.
type noValue struct{}

func (noValue) test(ejson.Value) bool { return false }

// present is $exists.
type present struct{}

func (present) test(v ejson.Value) bool { return v.Kind() != ejson.Missing }

// kindSet is $type: a bit for each kind.
type kindSet uint32

func (p kindSet) test(v ejson.Value) bool { return p&(1<<v.Kind()) != 0 }

// sizeIs is $size. It looks at whole lists only.
type sizeIs struct{ n int }

func (p sizeIs) test(v ejson.Value) bool {
	return v.Kind() == ejson.List && v.Array().Len() == p.n
}

// modulo is $mod: both operands and the value lose their fractions first.
type modulo struct{ div, rem float64 }

func (p modulo) test(v ejson.Value) bool {
	if v.Kind() != ejson.Number {
		return false
	}
	f := v.Number()
	return isLong(f) && math.Mod(math.Trunc(f), p.div) == p.rem
}

// isLong reports whether f, without its fraction, is an integer of 64 bits.
func isLong(f float64) bool { return f >= -(1<<63) && f < 1<<63 }

// elemMatch is $elemMatch: on documents, where doc is set, or on values.
type elemMatch struct {
	doc     node
	clauses []clause
}

func (p *elemMatch) test(v ejson.Value) bool { return p.index(v) >= 0 }

// index returns the position of the first element that matches, or -1.
func (p *elemMatch) index(v ejson.Value) int {
	if v.Kind() != ejson.List {
		return -1
	}
	for i, e := range v.Array().All() {
		if p.doc == nil {
			if testAll(p.clauses, e) {
				return i
			}
			continue
		}
		if k := e.Kind(); (k == ejson.Object || k == ejson.List) && p.doc.match(e) {
			return i
		}
	}
	return -1
}

// operandOf returns the value that an equality asks for.
func operandOf(p pred) ejson.Value {
	switch p := p.(type) {
	case eqBool:
		return ejson.BoolValue(p.b)
	case eqNumber:
		return ejson.NumberValue(p.f)
	case eqNaN:
		return ejson.NumberValue(math.NaN())
	case eqString:
		return ejson.StringValue(p.s)
	case eqValue:
		return p.v
	case ordNumber:
		return p.v
	}
	return ejson.Value{}
}
