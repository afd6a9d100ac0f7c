package ejson

import (
	"fmt"
	"reflect"
)

func decodeStruct(v Value, dst reflect.Value) error {
	switch v.kind {
	case Missing, Null:
		dst.SetZero()
		return nil
	case Object:
	default:
		return mismatch(v, dst.Type())
	}
	p := planOf(dst.Type())
	if p.err != nil {
		return p.err
	}
	d := v.Doc()
	for i := range p.fields {
		pf := &p.fields[i]
		x := d.Lookup(pf.name)
		if x.kind == Missing {
			continue
		}
		f, _ := fieldAt(dst, pf.index, true)
		if err := pf.decode(x, f); err != nil {
			return under(err, pf.name.s)
		}
	}
	if p.rest == nil {
		return nil
	}
	taken := make([]string, 0, 16)
	for i := range p.fields {
		taken = append(taken, p.fields[i].name.s)
	}
	if rest := d.Without(taken...); rest.Len() > 0 {
		f, _ := fieldAt(dst, p.rest, true)
		return decodeMap(rest.Value(), f)
	}
	return nil
}

func decodeMap(v Value, dst reflect.Value) error {
	t := dst.Type()
	switch v.kind {
	case Missing, Null:
		dst.SetZero()
		return nil
	case Object:
	default:
		return mismatch(v, t)
	}
	if t == stringMapType {
		dst.Set(reflect.ValueOf(mapAny(v.Doc())))
		return nil
	}
	m := reflect.MakeMapWithSize(t, v.Doc().Len())
	elem := reflect.New(t.Elem()).Elem()
	for name, x := range v.Doc().Fields() {
		elem.SetZero()
		if err := decodeElement(x, elem); err != nil {
			return under(err, clone(name))
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(t.Key()), elem)
	}
	dst.Set(m)
	return nil
}

// decodeElement is decodeInto, but inside maps any holds maps and lists too.
func decodeElement(v Value, dst reflect.Value) error {
	if dst.Type() == emptyAnyType {
		if x := deepAny(v); x != nil {
			dst.Set(reflect.ValueOf(x))
		}
		return nil
	}
	return decodeInto(v, dst)
}

// mapAny is a document as a map, and so are the documents in it.
func mapAny(d Doc) map[string]any {
	m := make(map[string]any, d.Len())
	for name, v := range d.Fields() {
		m[name] = deepAny(v)
	}
	return m
}

func deepAny(v Value) any {
	switch v.kind {
	case Object:
		return mapAny(v.Doc())
	case List:
		list := make([]any, 0, v.Array().Len())
		for _, x := range v.Array().All() {
			list = append(list, deepAny(x))
		}
		return list
	}
	return v.Any()
}

func decodeSlice(v Value, dst reflect.Value) error {
	t := dst.Type()
	switch v.kind {
	case Missing, Null:
		dst.SetZero()
		return nil
	case Binary:
		if t.Elem().Kind() == reflect.Uint8 {
			dst.SetBytes([]byte(v.s))
			return nil
		}
	case Object:
		if isPair(t.Elem()) {
			return decodePairs(v.Doc(), dst)
		}
	case List:
		if isPair(t.Elem()) {
			break
		}
		s := reflect.MakeSlice(t, v.Array().Len(), v.Array().Len())
		decode := decoderOf(t.Elem())
		for i, x := range v.Array().All() {
			if err := decode(x, s.Index(i)); err != nil {
				return under(err, fmt.Sprint(i))
			}
		}
		dst.Set(s)
		return nil
	}
	return mismatch(v, t)
}

// decodePairs fills a bson.D.
func decodePairs(d Doc, dst reflect.Value) error {
	s := reflect.MakeSlice(dst.Type(), d.Len(), d.Len())
	i := 0
	for name, x := range d.Fields() {
		s.Index(i).Field(0).SetString(name)
		if err := decodeInto(x, s.Index(i).Field(1)); err != nil {
			return under(err, clone(name))
		}
		i++
	}
	dst.Set(s)
	return nil
}

// decodeArray fills a Go array with exactly as many elements.
func decodeArray(v Value, dst reflect.Value) error {
	t := dst.Type()
	switch v.kind {
	case Missing, Null:
		dst.SetZero()
		return nil
	case Binary:
		if t.Elem().Kind() == reflect.Uint8 && len(v.s) == t.Len() {
			reflect.Copy(dst, reflect.ValueOf([]byte(v.s)))
			return nil
		}
	case List:
		if v.Array().Len() != t.Len() {
			return typeErrorf(t, "a list of %d elements does not fit", v.Array().Len())
		}
		for i, x := range v.Array().All() {
			if err := decodeInto(x, dst.Index(i)); err != nil {
				return under(err, fmt.Sprint(i))
			}
		}
		return nil
	}
	return mismatch(v, t)
}
