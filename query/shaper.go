package query

import (
	"math"

	"github.com/replicad/replicad/ddp/ejson"
)

// A shaper makes the value that a projection shows of a list. Other values stay.
// keep is false where the field is left out.
type shaper interface {
	list(v ejson.Value, at int) (w ejson.Value, keep bool)
}

// slice is $slice: count elements from a place that may be counted from the end.
type slice struct{ from, count int }

func newSlice(name string, v ejson.Value) (shaper, error) {
	const op = "$slice"
	whole := func(v ejson.Value) (int, bool) {
		n := v.Number()
		return int(max(min(n, math.MaxInt32), math.MinInt32)), v.Kind() == ejson.Number && n == math.Trunc(n)
	}
	if n, ok := whole(v); ok {
		if n < 0 {
			return slice{n, -n}, nil
		}
		return slice{0, n}, nil
	}
	if list := v.Array(); list.Len() == 2 {
		from, ok := whole(list.At(0))
		count, ok2 := whole(list.At(1))
		if ok && ok2 && count > 0 {
			return slice{from, count}, nil
		}
	}
	return nil, syntaxError(name, op, "wants a whole number, or [skip, count] with a count above 0")
}

func (s slice) list(v ejson.Value, _ int) (ejson.Value, bool) {
	list := v.Array()
	from := s.from
	if from < 0 {
		from = max(list.Len()+from, 0)
	}
	var b ejson.ListBuilder
	for i := from; i < list.Len() && i-from < s.count; i++ {
		b.Append(list.At(i))
	}
	return b.Array().Value(), true
}

// firstMatch is $elemMatch: the first element that matches.
type firstMatch struct{ m *elemMatch }

func (s firstMatch) list(v ejson.Value, _ int) (ejson.Value, bool) {
	i := s.m.index(v)
	if i < 0 {
		return v, false
	}
	return ejson.ArrayOf(v.Array().At(i)).Value(), true
}

// matched is "list.$": the element through which the selector matched.
type matched struct{}

func (matched) list(v ejson.Value, at int) (ejson.Value, bool) {
	if at < 0 || at >= v.Array().Len() {
		return v, false
	}
	return ejson.ArrayOf(v.Array().At(at)).Value(), true
}
