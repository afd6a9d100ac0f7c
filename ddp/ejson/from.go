package ejson

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// From makes a document of a Go value: a map with string keys (the fields come
// sorted), an ordered list of pairs (a bson.D, by its shape), a struct, EJSON
// text ([]byte or [json.RawMessage]), a [Doc], or a pointer to one of them. A nil
// map is an empty document; inside one, nil maps, slices and pointers are null. A
// struct's fields are named by their bson tag, else by their json tag, else by
// their Go name in lower case; see [Decode] for the options of tags.
//
// Inside a document []byte is binary data and json.RawMessage is EJSON text.
// Types of the MongoDB driver are known by their shape: a type of twelve bytes is
// an ObjectID, one with a method Time() is a date. Every number becomes a
// float64; an integer that a float64 cannot hold exactly is refused. A value that
// is none of EJSON's is a [*ConvertError] that names its path.
func From(v any) (Doc, error) {
	switch x := v.(type) {
	case Doc:
		return x.made(), nil
	case json.RawMessage:
		return Parse(x)
	case []byte:
		return Parse(x)
	case map[string]any:
		if x == nil {
			return Doc{emptyRun}, nil
		}
	case nil:
		return Doc{}, &ConvertError{Msg: "want a document, got nil"}
	}
	val, err := ValueOf(v)
	if err != nil {
		return Doc{}, err
	}
	if val.kind != Object {
		return Doc{}, convertErrorf("want a document, got %v (%T)", val.kind, v)
	}
	return val.Doc(), nil
}

// ValueOf makes a value of a Go value, as [From] does for the values inside a
// document. nil is null.
func ValueOf(x any) (Value, error) {
	switch x := x.(type) {
	case nil:
		return NullValue(), nil
	case Value:
		return x, nil
	case string:
		return StringValue(x), nil
	case bool:
		return BoolValue(x), nil
	case float64:
		return NumberValue(x), nil
	case Doc:
		return x.Value(), nil
	case Array:
		return x.Value(), nil
	case ID:
		return x.Value(), nil
	}
	w := writers.Get().(*writer)
	defer w.release()
	tag, err := w.any(x, 0)
	if err != nil {
		return Value{}, err
	}
	return view(string(w.buf), tag, 0, len(w.buf)), nil
}

// any writes a Go value that lies in depth containers, and returns its tag.
// Common types come first and without reflection.
func (w *writer) any(x any, depth int) (uint32, error) {
	switch x := x.(type) {
	case nil:
		return tagNull, nil
	case string:
		w.buf = append(w.buf, x...)
		return tagString, nil
	case bool:
		return w.value(BoolValue(x)), nil
	case float64:
		return w.number(x), nil
	case int:
		return w.int(int64(x))
	case int64:
		return w.int(x)
	case int32:
		return w.number(float64(x)), nil
	case map[string]any:
		return w.mapOf(x, depth)
	case []any:
		return w.list(x, depth)
	case time.Time:
		return w.time(x)
	case []byte:
		w.buf = append(w.buf, x...)
		return tagBinary, nil
	case Doc:
		return w.value(x.Value()), nil
	case Array:
		return w.value(x.Value()), nil
	case Value:
		return w.value(x), nil
	case ID:
		return w.value(x.Value()), nil
	case ObjectID:
		w.oid(x)
		return tagOID, nil
	case Regexp:
		return w.value(RegexpValue(x)), nil
	case Decimal:
		return w.value(DecimalValue(x)), nil
	case Custom:
		return w.customFrom(x, depth)
	case json.RawMessage:
		v, err := ParseValue(x)
		return w.value(v), err
	case json.Number:
		return w.jsonNumber(x)
	}
	return w.reflected(x, depth)
}

func (w *writer) int(n int64) (uint32, error) {
	if f := float64(n); n > maxExact || n < -maxExact {
		if !exactInt(f) || int64(f) != n {
			return 0, inexact(strconv.FormatInt(n, 10))
		}
	}
	return w.number(float64(n)), nil
}

func (w *writer) uint(n uint64) (uint32, error) {
	if f := float64(n); n > maxExact && (f >= 1<<64 || uint64(f) != n) {
		return 0, inexact(strconv.FormatUint(n, 10))
	}
	return w.number(float64(n)), nil
}

func inexact(n string) error {
	return convertErrorf("the integer %s has no exact float64, which all numbers are; pass it as a string or a Decimal", n)
}

func (w *writer) jsonNumber(n json.Number) (uint32, error) {
	s := string(n)
	if strings.Trim(s, "-0123456789") == "" {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return w.int(i)
		}
		if i, err := strconv.ParseUint(s, 10, 64); err == nil {
			return w.uint(i)
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, convertErrorf("%q is no number", s)
	}
	return w.number(f), nil
}

func (w *writer) time(t time.Time) (uint32, error) {
	v := DateValue(t.UnixMilli())
	if y := t.Year(); v.Millis() == invalidDate || y > 300_000 || y < -300_000 {
		return 0, convertErrorf("the year %d is beyond the dates of JavaScript", t.Year())
	}
	return w.value(v), nil
}

func (w *writer) customFrom(c Custom, depth int) (uint32, error) {
	inner := writers.Get().(*writer)
	defer inner.release()
	tag, err := inner.any(c.Value, depth+1)
	if err != nil {
		return 0, under(err, "$value")
	}
	v := view(peek(inner.buf), tag, 0, len(inner.buf))
	return w.custom(c.Type, func() uint32 { return w.plain(v) }), nil
}

func (w *writer) mapOf(m map[string]any, depth int) (uint32, error) {
	if m == nil {
		return tagNull, nil
	}
	if depth >= MaxDepth {
		return 0, &ConvertError{Msg: errDepth}
	}
	var room [16]string
	names := room[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	f := w.open()
	for _, name := range names {
		w.fresh(&f, name, hashName(name))
		tag, err := w.any(m[name], depth+1)
		if err != nil {
			return 0, under(err, name)
		}
		w.tag(tag)
	}
	return tagObject, w.done(&f)
}

func (w *writer) list(xs []any, depth int) (uint32, error) {
	if xs == nil {
		return tagNull, nil
	}
	if depth >= MaxDepth {
		return 0, &ConvertError{Msg: errDepth}
	}
	f := w.open()
	for i, x := range xs {
		w.element(&f)
		tag, err := w.any(x, depth+1)
		if err != nil {
			return 0, under(err, fmt.Sprint(i))
		}
		w.tag(tag)
	}
	return tagList, w.done(&f)
}

var errDepth = strings.TrimPrefix(ErrTooDeep.Error(), "ejson: ")

// done closes a container of a Go value, whose size is limited.
func (w *writer) done(f *frame) error {
	if len(w.buf) > MaxSize {
		return ErrTooLarge
	}
	w.close(f)
	return nil
}
