package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// What people type, and what their files have, may be MongoDB's extended JSON too, as
// mongoexport and mongosh write it: {"$oid": …}, {"$numberLong": …} and so on.

// parseDoc reads an object in EJSON or in extended JSON.
func parseDoc(text []byte) (ejson.Doc, error) {
	text, err := fromExtended(text)
	if err != nil {
		return ejson.Doc{}, err
	}
	return ejson.Parse(text)
}

// parseValue reads a value in EJSON or in extended JSON.
func parseValue(text []byte) (ejson.Value, error) {
	text, err := fromExtended(text)
	if err != nil {
		return ejson.Value{}, err
	}
	return ejson.ParseValue(text)
}

// extendedNames are the names of extended JSON that EJSON does not have, or has with
// something else in them.
var extendedNames = []string{"$oid", "$number", "$date", "$binary", "$regularExpression"}

// fromExtended returns extended JSON as EJSON, and other text as it is.
func fromExtended(text []byte) ([]byte, error) {
	for _, name := range extendedNames {
		if !bytes.Contains(text, []byte(name)) {
			continue
		}
		v, err := ejson.ParsePlain(text)
		if err != nil {
			return text, nil // the fault is told by who reads it next, with its place
		}
		if v, err = simpler(v); err != nil {
			return nil, err
		}
		return v.AppendPlainJSON(nil), nil
	}
	return text, nil
}

// simpler returns plain JSON with its extended values as those of EJSON.
func simpler(v ejson.Value) (ejson.Value, error) {
	switch v.Kind() {
	case ejson.Object:
		if one, ok, err := extendedValue(v.Doc()); ok || err != nil {
			return one, err
		}
		var b ejson.Builder
		for name, inner := range v.Doc().Fields() {
			inner, err := simpler(inner)
			if err != nil {
				return v, err
			}
			b.Add(name, inner)
		}
		return b.Doc().Value(), nil
	case ejson.List:
		var b ejson.ListBuilder
		for _, inner := range v.Array().All() {
			inner, err := simpler(inner)
			if err != nil {
				return v, err
			}
			b.Append(inner)
		}
		return b.Array().Value(), nil
	}
	return v, nil
}

// extendedValue reads an object that stands for a value in extended JSON.
func extendedValue(d ejson.Doc) (v ejson.Value, ok bool, err error) {
	if d.Len() != 1 {
		return v, false, nil
	}
	name, inner := d.At(0)
	object := func(fields ...ejson.Field) (ejson.Value, bool, error) {
		return ejson.Make(fields...).Value(), true, nil
	}
	text := inner.Str()
	switch {
	case name == "$oid" && inner.Kind() == ejson.String:
		return object(ejson.Field{Name: "$type", Value: "oid"}, ejson.Field{Name: "$value", Value: text})
	case name == "$numberDecimal" && inner.Kind() == ejson.String:
		return object(ejson.Field{Name: "$type", Value: "Decimal"}, ejson.Field{Name: "$value", Value: text})
	case strings.HasPrefix(name, "$number") && inner.Kind() == ejson.String:
		v, err := extendedNumber(name, text)
		return v, err == nil, err
	case name == "$date" && inner.Kind() == ejson.Object:
		ms, ok, err := extendedValue(inner.Doc())
		if !ok || err != nil {
			return v, false, err
		}
		return object(ejson.Field{Name: name, Value: ms})
	case name == "$binary" && inner.Kind() == ejson.Object:
		return object(ejson.Field{Name: name, Value: inner.Doc().Field("base64")})
	case name == "$regularExpression" && inner.Kind() == ejson.Object:
		return object(ejson.Field{Name: "$regexp", Value: inner.Doc().Field("pattern")},
			ejson.Field{Name: "$flags", Value: inner.Doc().Field("options")})
	}
	return v, false, nil
}

// extendedNumber reads $numberInt, $numberLong and $numberDouble. Numbers are float64
// here, as in JavaScript: an integer that is not one of them would become another.
func extendedNumber(name, text string) (ejson.Value, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return ejson.Value{}, fmt.Errorf("%s wants a number, got %q", name, text)
	}
	if name == "$numberLong" {
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || int64(f) != n {
			return ejson.Value{}, fmt.Errorf("%s: %s is no number that a float64 holds exactly", name, text)
		}
	}
	if f-f != 0 { // infinite, or none
		return ejson.Make(ejson.Field{Name: "$InfNaN", Value: sign(f)}).Value(), nil
	}
	return ejson.NumberValue(f), nil
}

// sign is 1, -1, or 0 for what is no number, as EJSON has it.
func sign(f float64) int {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}
