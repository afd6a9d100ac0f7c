package ejson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// The shapes of types of the MongoDB driver that have no kind of their own.
type (
	timed     interface{ Time() time.Time } // bson.DateTime
	decimal28 interface {                   // bson.Decimal128
		GetBytes() (high, low uint64)
		String() string
	}
)

var (
	timedType     = reflect.TypeFor[timed]()
	jsonType      = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
	timeType      = reflect.TypeFor[time.Time]()
	ourTypes      = []reflect.Type{timeType, reflect.TypeFor[Doc](), reflect.TypeFor[Array](), reflect.TypeFor[Value](), reflect.TypeFor[ID](), reflect.TypeFor[Regexp](), reflect.TypeFor[Custom]()}
	rawJSONType   = reflect.TypeFor[json.RawMessage]()
	numberType    = reflect.TypeFor[json.Number]()
	bytesType     = reflect.TypeFor[[]byte]()
	emptyAnyType  = reflect.TypeFor[any]()
	stringMapType = reflect.TypeFor[map[string]any]()
)

// isLeaf reports whether a struct type is a value of its own, rather than its
// fields.
func isLeaf(t reflect.Type) bool {
	return slices.Contains(ourTypes, t) || customOf(t) != nil ||
		t.Implements(jsonType) || t.Implements(textType)
}

// reflected writes what needs reflection.
func (w *writer) reflected(x any, depth int) (uint32, error) {
	return w.reflectedValue(reflect.ValueOf(x), depth)
}

func (w *writer) reflectedValue(v reflect.Value, depth int) (uint32, error) {
	t := v.Type()
	for hops := 0; t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer && customOf(t) == nil; hops++ {
		if v.IsNil() {
			return tagNull, nil
		}
		if hops > MaxDepth {
			return 0, typeErrorf(t, "a pointer to itself is not an EJSON value")
		}
		v = v.Elem()
		if k := v.Kind(); k != reflect.Pointer && k != reflect.Interface && v.CanInterface() {
			return w.any(v.Interface(), depth)
		}
		t = v.Type()
	}
	if c := customOf(t); c != nil {
		val, err := c.encode(v.Interface())
		return w.value(val), err
	}
	if isOID(t) {
		var o ObjectID
		reflect.Copy(reflect.ValueOf(&o).Elem(), v)
		w.oid(o)
		return tagOID, nil
	}
	if tag, ok, err := w.byMethod(v, t); ok || err != nil {
		return tag, err
	}
	switch t.Kind() {
	case reflect.Bool:
		return w.value(BoolValue(v.Bool())), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return w.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return w.uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		return w.number(v.Float()), nil
	case reflect.String:
		w.buf = append(w.buf, v.String()...)
		return tagString, nil
	case reflect.Map:
		return w.reflectedMap(v, t, depth)
	case reflect.Slice, reflect.Array:
		return w.reflectedList(v, t, depth)
	case reflect.Struct:
		return w.structOf(v, t, depth)
	}
	return 0, typeErrorf(t, "a %v is not an EJSON value", t.Kind())
}

// member writes a part of a Go value, by way of the types that need no
// reflection if it can.
func (w *writer) member(v reflect.Value, depth int) (uint32, error) {
	if k := v.Kind(); k != reflect.Pointer && k != reflect.Interface && v.CanInterface() {
		return w.any(v.Interface(), depth)
	}
	return w.reflectedValue(v, depth)
}

// byMethod writes values whose type says by a method what they are.
func (w *writer) byMethod(v reflect.Value, t reflect.Type) (tag uint32, ok bool, err error) {
	if t.NumMethod() == 0 || !v.CanInterface() {
		return w.driverStruct(v, t)
	}
	switch x := v.Interface().(type) {
	case timed:
		tag, err = w.time(x.Time())
		return tag, true, err
	case decimal28:
		return w.value(DecimalValue(Decimal(x.String()))), true, nil
	}
	if tag, ok, err := w.driverStruct(v, t); ok || err != nil {
		return tag, ok, err
	}
	switch x := v.Interface().(type) {
	case json.Marshaler:
		text, err := x.MarshalJSON()
		if err != nil {
			return 0, false, typeErrorf(t, "MarshalJSON: %v", err)
		}
		val, err := ParseValue(text)
		return w.value(val), true, err
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return 0, false, typeErrorf(t, "MarshalText: %v", err)
		}
		w.buf = append(w.buf, text...)
		return tagString, true, nil
	}
	return 0, false, nil
}

// driverStruct writes bson.Binary and bson.Regex, which are known by their
// fields.
func (w *writer) driverStruct(v reflect.Value, t reflect.Type) (tag uint32, ok bool, err error) {
	if t.Kind() != reflect.Struct || t.NumField() != 2 {
		return 0, false, nil
	}
	a, b := t.Field(0), t.Field(1)
	switch {
	case a.Name == "Subtype" && a.Type.Kind() == reflect.Uint8 && b.Name == "Data" && b.Type == bytesType:
		w.buf = append(w.buf, v.Field(1).Bytes()...)
		return tagBinary, true, nil
	case a.Name == "Pattern" && a.Type.Kind() == reflect.String && b.Name == "Options" && b.Type.Kind() == reflect.String:
		return w.value(RegexpValue(Regexp{v.Field(0).String(), v.Field(1).String()})), true, nil
	}
	return 0, false, nil
}

func (w *writer) reflectedMap(v reflect.Value, t reflect.Type, depth int) (uint32, error) {
	if t.Key().Kind() != reflect.String {
		return 0, typeErrorf(t, "the keys of a map must be strings")
	}
	if v.IsNil() {
		return tagNull, nil
	}
	if depth >= MaxDepth {
		return 0, &ConvertError{Msg: errDepth}
	}
	f := w.open()
	if err := w.mapFields(&f, v, depth); err != nil {
		return 0, err
	}
	return tagObject, w.done(&f)
}

// mapFields writes the fields of a map, sorted.
func (w *writer) mapFields(f *frame, v reflect.Value, depth int) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	for _, k := range keys {
		w.name(f, k.String())
		tag, err := w.member(v.MapIndex(k), depth+1)
		if err != nil {
			return under(err, k.String())
		}
		w.tag(tag)
	}
	return nil
}

func (w *writer) reflectedList(v reflect.Value, t reflect.Type, depth int) (uint32, error) {
	if t.Elem().Kind() == reflect.Uint8 {
		if t.Kind() == reflect.Array {
			b := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(b), v)
			w.buf = append(w.buf, b...)
		} else {
			w.buf = append(w.buf, v.Bytes()...)
		}
		return tagBinary, nil
	}
	if t.Kind() == reflect.Slice && v.IsNil() && !isPair(t.Elem()) {
		return tagNull, nil
	}
	if depth >= MaxDepth {
		return 0, &ConvertError{Msg: errDepth}
	}
	f := w.open()
	pairs := isPair(t.Elem())
	for i := range v.Len() {
		e := v.Index(i)
		at := fmt.Sprint(i)
		if pairs {
			at = e.Field(0).String()
			w.name(&f, at)
			e = e.Field(1)
		} else {
			w.element(&f)
		}
		tag, err := w.member(e, depth+1)
		if err != nil {
			return 0, under(err, at)
		}
		w.tag(tag)
	}
	if pairs {
		return tagObject, w.done(&f)
	}
	return tagList, w.done(&f)
}

func (w *writer) structOf(v reflect.Value, t reflect.Type, depth int) (uint32, error) {
	if depth >= MaxDepth {
		return 0, &ConvertError{Msg: errDepth}
	}
	p := planOf(t)
	if p.err != nil {
		return 0, p.err
	}
	f := w.open()
	for i := range p.fields {
		pf := &p.fields[i]
		field, ok := fieldAt(v, pf.index, false)
		if !ok || pf.omitEmpty && isEmpty(field) || pf.omitZero && field.IsZero() {
			continue
		}
		w.name(&f, pf.name.s)
		tag, err := w.member(field, depth+1)
		if err != nil {
			return 0, under(err, pf.name.s)
		}
		w.tag(tag)
	}
	if p.rest != nil {
		if rest, ok := fieldAt(v, p.rest, false); ok {
			if err := w.mapFields(&f, rest, depth); err != nil {
				return 0, err
			}
		}
	}
	return tagObject, w.done(&f)
}

// isEmpty is what omitempty asks. Of structs a zero time, a zero Doc and the like
// are empty, and no others.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0 || v.Kind() == reflect.Array && v.IsZero()
	case reflect.Struct:
		return v.IsZero() && slices.Contains(ourTypes, v.Type())
	}
	return v.IsZero()
}
