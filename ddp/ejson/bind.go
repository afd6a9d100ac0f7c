package ejson

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Decode fills a new T from d: T is a struct, a pointer to one, a map with string
// keys, a bson.D by its shape, Doc itself, or any.
//
// A field of a struct takes the field of d named in its bson tag, else in its
// json tag, else its own name in lower case; "-" takes nothing. An embedded
// struct, or one tagged inline, takes its fields from the same document; a map
// tagged inline takes what no other field took. What d does not have, or has as
// null, leaves the zero value. Numbers go into every Go number that holds them
// exactly, dates into time.Time, binary data into []byte (a copy), ObjectIDs into
// any type of twelve bytes, strings also into what has UnmarshalText, anything
// into any (see [Value.Any], maps and lists into map[string]any and []any if
// they stand in a map[string]any), and into what has UnmarshalJSON. Where a value
// does not fit, the error is a [*ConvertError] that names the field.
//
// Strings share memory with d.
func Decode[T any](d Doc) (T, error) {
	var out T
	switch p := any(&out).(type) {
	case *Doc:
		*p = d
		return out, nil
	case *map[string]any:
		*p = mapAny(d)
		return out, nil
	}
	err := decodeInto(d.Value(), reflect.ValueOf(&out).Elem())
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// decodeFunc stores a value in a settable Go variable.
type decodeFunc func(v Value, dst reflect.Value) error

func decodeInto(v Value, dst reflect.Value) error { return decoderOf(dst.Type())(v, dst) }

var decodeFuncs sync.Map // reflect.Type → decodeFunc

// decoderOf returns the decodeFunc of a type, which is made once.
func decoderOf(t reflect.Type) decodeFunc {
	if f, ok := decodeFuncs.Load(t); ok {
		return f.(decodeFunc)
	}
	f := makeDecoder(t)
	decodeFuncs.Store(t, f)
	return f
}

func mismatch(v Value, t reflect.Type) error {
	return typeErrorf(t, "%v does not fit", v.kind)
}

// setter makes a decodeFunc for one kind of value; null leaves the zero value.
func setter(k Kind, set func(Value, reflect.Value)) decodeFunc {
	return func(v Value, dst reflect.Value) error {
		switch v.kind {
		case k:
			set(v, dst)
		case Missing, Null:
			dst.SetZero()
		default:
			return mismatch(v, dst.Type())
		}
		return nil
	}
}

func makeDecoder(t reflect.Type) decodeFunc {
	if c := customOf(t); c != nil {
		return decodeCustom(c)
	}
	if f := ownDecoder(t); f != nil {
		return f
	}
	if isOID(t) {
		return setter(OID, func(v Value, dst reflect.Value) {
			reflect.Copy(dst, reflect.ValueOf(v.ObjectID()))
		})
	}
	switch p := reflect.PointerTo(t); {
	case t.Kind() == reflect.Int64 && t.Implements(timedType):
		return setter(Date, func(v Value, dst reflect.Value) { dst.SetInt(v.Millis()) })
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return func(v Value, dst reflect.Value) error {
			if v.kind == Missing {
				dst.SetZero()
				return nil
			}
			if err := dst.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(v.AppendJSON(nil)); err != nil {
				return typeErrorf(t, "UnmarshalJSON: %v", err)
			}
			return nil
		}
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return func(v Value, dst reflect.Value) error {
			if v.kind == Missing || v.kind == Null {
				dst.SetZero()
				return nil
			}
			if v.kind != String {
				return mismatch(v, t)
			}
			if err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(v.s)); err != nil {
				return typeErrorf(t, "UnmarshalText: %v", err)
			}
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return setter(Bool, func(v Value, dst reflect.Value) { dst.SetBool(v.num != 0) })
	case reflect.String:
		return setter(String, func(v Value, dst reflect.Value) { dst.SetString(v.s) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		return decodeNumber
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return decodeAny
		}
	case reflect.Pointer:
		return decodePointer
	case reflect.Slice:
		return decodeSlice
	case reflect.Array:
		return decodeArray
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return decodeMap
		}
	case reflect.Struct:
		return decodeStruct
	}
	return func(v Value, dst reflect.Value) error {
		return typeErrorf(dst.Type(), "no EJSON value fits into a %v", dst.Kind())
	}
}

// ownDecoder is the decodeFunc of our own types and those of the standard
// library that have a kind.
func ownDecoder(t reflect.Type) decodeFunc {
	switch t {
	case timeType:
		return setter(Date, func(v Value, dst reflect.Value) { *dst.Addr().Interface().(*time.Time) = v.Time() })
	case reflect.TypeFor[Doc]():
		return setter(Object, func(v Value, dst reflect.Value) { *dst.Addr().Interface().(*Doc) = v.Doc() })
	case reflect.TypeFor[Array]():
		return setter(List, func(v Value, dst reflect.Value) { *dst.Addr().Interface().(*Array) = v.Array() })
	case reflect.TypeFor[Regexp]():
		return setter(RegexpKind, func(v Value, dst reflect.Value) { *dst.Addr().Interface().(*Regexp) = v.Regexp() })
	case reflect.TypeFor[Decimal]():
		return setter(DecimalKind, func(v Value, dst reflect.Value) { dst.SetString(v.s) })
	case reflect.TypeFor[Value]():
		return func(v Value, dst reflect.Value) error { *dst.Addr().Interface().(*Value) = v; return nil }
	case reflect.TypeFor[Custom]():
		return setter(CustomKind, func(v Value, dst reflect.Value) {
			typ, val := v.Custom()
			*dst.Addr().Interface().(*Custom) = Custom{typ, val.Any()}
		})
	case reflect.TypeFor[ID]():
		return func(v Value, dst reflect.Value) error {
			id, err := IDOf(v)
			if err != nil && v.kind != Missing {
				return mismatch(v, t)
			}
			*dst.Addr().Interface().(*ID) = id
			return nil
		}
	case rawJSONType:
		return func(v Value, dst reflect.Value) error {
			dst.SetZero()
			if v.kind != Missing {
				dst.SetBytes(v.AppendJSON(nil))
			}
			return nil
		}
	case numberType:
		return setter(Number, func(v Value, dst reflect.Value) { dst.SetString(v.String()) })
	}
	return nil
}

func decodeCustom(c *customType) decodeFunc {
	return func(v Value, dst reflect.Value) error {
		typ, val := v.Custom()
		switch {
		case v.kind == Missing || v.kind == Null:
			dst.SetZero()
			return nil
		case typ != c.name:
			return mismatch(v, c.goType)
		}
		x, err := c.decode(val)
		if err != nil {
			return typeErrorf(c.goType, "custom type %q: %v", c.name, err)
		}
		dst.Set(reflect.ValueOf(x))
		return nil
	}
}

func decodeNumber(v Value, dst reflect.Value) error {
	if v.kind == Missing || v.kind == Null {
		dst.SetZero()
		return nil
	}
	if v.kind != Number {
		return mismatch(v, dst.Type())
	}
	f := v.Number()
	switch {
	case dst.CanFloat():
		if dst.OverflowFloat(f) && !math.IsInf(f, 0) {
			return typeErrorf(dst.Type(), "the number %v does not fit", v)
		}
		dst.SetFloat(f)
		return nil
	case dst.CanInt():
		if exactInt(f) && !dst.OverflowInt(int64(f)) {
			dst.SetInt(int64(f))
			return nil
		}
	default:
		if f == math.Trunc(f) && f >= 0 && f < 1<<64 && !dst.OverflowUint(uint64(f)) {
			dst.SetUint(uint64(f))
			return nil
		}
	}
	return typeErrorf(dst.Type(), "the number %v does not fit", v)
}

func decodeAny(v Value, dst reflect.Value) error {
	x := v.Any()
	if x == nil {
		dst.SetZero()
	} else {
		dst.Set(reflect.ValueOf(x))
	}
	return nil
}

func decodePointer(v Value, dst reflect.Value) error {
	if v.kind == Missing || v.kind == Null {
		dst.SetZero()
		return nil
	}
	p := reflect.New(dst.Type().Elem())
	if err := decodeInto(v, p.Elem()); err != nil {
		return err
	}
	dst.Set(p)
	return nil
}

// clone gives a decoded name memory that an error may keep.
func clone(name string) string { return strings.Clone(name) }
