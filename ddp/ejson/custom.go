package ejson

import (
	"fmt"
	"reflect"
	"sync"
)

// customs are the registered types. Registering is rare and looking up is not,
// so there is no lock to look.
var customs struct {
	byName sync.Map // string → *customType
	byType sync.Map // reflect.Type → *customType
}

type customType struct {
	name   string
	goType reflect.Type
	encode func(any) (Value, error)
	decode func(Value) (any, error)
}

// Register makes values of the Go type T stand for the custom EJSON type name,
// as EJSON.addType does: [From] and [ValueOf] take them, [Value.Any] and [Decode]
// give them. encode returns the JSON value of one, anything that ValueOf takes;
// decode makes one of a JSON value, see [Custom]. Both may be called from any
// goroutine.
//
// Register from an init function or before the first use of either; it panics
// on a name or type that is registered already.
func Register[T any](name string, encode func(T) (any, error), decode func(Value) (T, error)) {
	c := &customType{name: name, goType: reflect.TypeFor[T]()}
	c.encode = func(x any) (Value, error) {
		json, err := encode(x.(T))
		if err != nil {
			return Value{}, fmt.Errorf("ejson: custom type %q: %w", name, err)
		}
		v, err := ValueOf(json)
		if err != nil {
			return Value{}, err
		}
		return CustomValue(name, v), nil
	}
	c.decode = func(v Value) (any, error) { return decode(v) }
	if name == "oid" {
		panic("ejson: the custom type oid is ObjectID")
	}
	if _, used := customs.byName.LoadOrStore(name, c); used {
		panic(fmt.Sprintf("ejson: custom type %q registered twice", name))
	}
	if _, used := customs.byType.LoadOrStore(c.goType, c); used {
		panic(fmt.Sprintf("ejson: Go type %v registered twice", c.goType))
	}
}

func customNamed(name string) *customType {
	c, _ := customs.byName.Load(name)
	t, _ := c.(*customType)
	return t
}

func customOf(t reflect.Type) *customType {
	c, _ := customs.byType.Load(t)
	found, _ := c.(*customType)
	return found
}

// isRegistered reports whether a strict decoder takes the type.
func isRegistered(name string) bool { return name == "Decimal" || customNamed(name) != nil }

// customAny is Any of a custom value. One that its registered type does not
// accept stays a Custom.
func customAny(v Value) any {
	typ, val := v.Custom()
	if c := customNamed(typ); c != nil {
		if x, err := c.decode(val); err == nil {
			return x
		}
	}
	return Custom{Type: typ, Value: val.Any()}
}
