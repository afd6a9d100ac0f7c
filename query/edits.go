package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

var modifierOperators = []string{
	"$set", "$unset", "$setOnInsert", "$inc", "$mul", "$min", "$max", "$rename", "$currentDate",
	"$push", "$pushAll", "$addToSet", "$pop", "$pull", "$pullAll", "$bit",
}

func isModifierOperator(op string) bool { return slices.Contains(modifierOperators, op) }

// newEdit makes the edit of one operator. level is that of the edited value.
func newEdit(op, name string, v ejson.Value, level int) (edit, error) {
	switch op {
	case "$set":
		return set{v}, checkStored(name, op, v, level+1)
	case "$setOnInsert":
		return setOnInsert{v}, checkStored(name, op, v, level+1)
	case "$unset":
		return unset{}, nil
	case "$inc", "$mul":
		if v.Kind() != ejson.Number {
			return nil, syntaxError(name, op, "wants a number, got %s", met(v))
		}
		if op == "$inc" {
			return inc{v.Number()}, nil
		}
		return mul{v.Number()}, nil
	case "$min":
		return extreme{v, -1}, checkStored(name, op, v, level+1)
	case "$max":
		return extreme{v, 1}, checkStored(name, op, v, level+1)
	case "$currentDate":
		t := v.Doc().Field("$type")
		switch {
		case v.Kind() == ejson.Bool && v.Bool(), t.Str() == "date" && v.Doc().Len() == 1:
			return currentDate{}, nil
		case t.Str() == "timestamp":
			return nil, syntaxError(name, op, `EJSON has no timestamps; use true or {$type: "date"}`)
		}
		return nil, syntaxError(name, op, `wants true or {$type: "date"}, got %s`, met(v))
	case "$push":
		return newPush(name, v, level)
	case "$pushAll":
		values, err := listOf(name, op, v, level)
		return &push{values: values, position: math.MaxInt32, keep: math.MaxInt32}, err
	case "$addToSet":
		return newAddToSet(name, v, level)
	case "$pop":
		if n := v.Number(); v.Kind() == ejson.Number && (n == 1 || n == -1) {
			return pop{n < 0}, nil
		}
		return nil, syntaxError(name, op, "wants 1 for the last element or -1 for the first, got %s", metNumber(v))
	case "$pull":
		return newPull(name, v)
	case "$pullAll":
		values, err := listOf(name, op, v, level)
		return pullAll{values}, err
	case "$bit":
		return newBit(name, v)
	}
	return nil, unknownOperator(name, op, modifierOperators)
}

// listOf returns the elements of a list that are to be stored.
func listOf(name, op string, v ejson.Value, level int) ([]ejson.Value, error) {
	if v.Kind() != ejson.List {
		return nil, syntaxError(name, op, "wants a list, got %s", met(v))
	}
	var values []ejson.Value
	for _, e := range v.Array().All() {
		values = append(values, e)
	}
	return values, checkStored(name, op, v, level+1)
}

func badTarget(want string, v ejson.Value) error {
	return &UpdateError{Msg: "wants " + want + ", and there is " + met(v)}
}

type set struct{ v ejson.Value }

func (o set) apply(*edition, ejson.Value) (ejson.Value, error) { return o.v, nil }

type setOnInsert struct{ v ejson.Value }

func (o setOnInsert) apply(e *edition, v ejson.Value) (ejson.Value, error) {
	if e.insert {
		return o.v, nil
	}
	return v, nil
}

type unset struct{}

func (unset) apply(*edition, ejson.Value) (ejson.Value, error) { return ejson.Value{}, nil }

type inc struct{ by float64 }

func (o inc) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	switch v.Kind() {
	case ejson.Missing:
		return ejson.NumberValue(o.by), nil
	case ejson.Number:
		return ejson.NumberValue(v.Number() + o.by), nil
	}
	return v, badTarget("a number", v)
}

type mul struct{ by float64 }

func (o mul) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	switch v.Kind() {
	case ejson.Missing:
		return ejson.NumberValue(0), nil
	case ejson.Number:
		return ejson.NumberValue(v.Number() * o.by), nil
	}
	return v, badTarget("a number", v)
}

// extreme is $min and $max, in the order of all values.
type extreme struct {
	v    ejson.Value
	sign int
}

func (o extreme) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	if v.IsMissing() || ejson.Compare(o.v, v)*o.sign > 0 {
		return o.v, nil
	}
	return v, nil
}

type currentDate struct{}

func (currentDate) apply(e *edition, _ ejson.Value) (ejson.Value, error) {
	return ejson.DateValue(e.at.Now.UnixMilli()), nil
}

// renamed is one end of a $rename.
type renamed struct {
	index  int
	source bool
}

func (o renamed) apply(e *edition, v ejson.Value) (ejson.Value, error) {
	switch w := e.lifted[o.index]; {
	case o.source:
		return ejson.Value{}, nil
	case w.IsMissing():
		return v, nil
	default:
		return w, nil
	}
}

// bit is $bit, on whole numbers of 64 bits: its steps one after the other.
type bit []bitStep

type bitStep struct{ and, or, xor int64 }

func newBit(name string, v ejson.Value) (edit, error) {
	const op = "$bit"
	var o bit
	for kind, n := range v.Doc().Fields() {
		mask, ok := wholeNumber(n)
		if !ok {
			return nil, syntaxError(name, op, "wants whole numbers, got %s", metNumber(n))
		}
		switch kind {
		case "and":
			o = append(o, bitStep{and: mask})
		case "or":
			o = append(o, bitStep{and: -1, or: mask})
		case "xor":
			o = append(o, bitStep{and: -1, xor: mask})
		default:
			return nil, syntaxError(name, op, "knows and, or and xor, got %q", clip(kind))
		}
	}
	if len(o) == 0 {
		return nil, syntaxError(name, op, "wants {and: number}, {or: number} or {xor: number}")
	}
	return o, nil
}

func (o bit) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	n, ok := wholeNumber(v)
	if !ok && !v.IsMissing() {
		return v, badTarget("a whole number", v)
	}
	for _, s := range o {
		n = (n&s.and | s.or) ^ s.xor
	}
	if f := float64(n); int64(f) == n && math.Abs(f) < 1<<63 {
		return ejson.NumberValue(f), nil
	}
	return v, &UpdateError{Msg: "the result is a number that cannot be held exactly"}
}

func wholeNumber(v ejson.Value) (int64, bool) {
	f := v.Number()
	return int64(f), v.Kind() == ejson.Number && f == math.Trunc(f) && isLong(f)
}
