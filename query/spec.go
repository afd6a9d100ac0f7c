package query

import (
	"cmp"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// canonical returns the canonical form of a projection that compiles: true and
// false for what is kept and dropped, a number for a $slice that needs no more,
// names sorted. Where keeps is set fields are kept also without an _id that says so.
func canonical(d ejson.Doc, keeps bool) ejson.Doc {
	type one struct {
		name string
		v    ejson.Value
	}
	var room [8]one
	list := room[:0]
	for name, v := range d.Fields() {
		switch v.Kind() {
		case ejson.Number:
			v = ejson.BoolValue(v.Number() == 1)
		case ejson.Object:
			if op, operand := v.Doc().At(0); op == "$slice" {
				v = canonicalSlice(operand)
			}
		}
		if name == "_id" && v.Bool() && keeps {
			continue // it is kept all the same
		}
		list = append(list, one{name, v})
	}
	slices.SortFunc(list, func(a, b one) int { return cmp.Compare(a.name, b.name) })
	var b ejson.Builder
	for _, o := range list {
		b.Add(o.name, o.v)
	}
	return b.Doc()
}

func canonicalSlice(operand ejson.Value) ejson.Value {
	s, err := newSlice("", operand)
	if err != nil {
		return operand
	}
	cut := s.(slice)
	var v ejson.Value
	switch cut.from {
	case 0:
		v = ejson.NumberValue(float64(cut.count))
	case -cut.count:
		v = ejson.NumberValue(float64(cut.from))
	default:
		v = ejson.ArrayOf(ejson.NumberValue(float64(cut.from)), ejson.NumberValue(float64(cut.count))).Value()
	}
	var b ejson.Builder
	b.Add("$slice", v)
	return b.Doc().Value()
}
