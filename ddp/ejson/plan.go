package ejson

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// structPlan is what From and Decode know of a struct type. It is made once for
// each type and then shared.
type structPlan struct {
	fields []planField
	rest   []int // index of an inline map that takes the other fields, or nil
	err    error // the struct cannot be used
}

type planField struct {
	name      Name
	index     []int
	omitEmpty bool
	omitZero  bool
	decode    decodeFunc
}

var plans sync.Map // reflect.Type → *structPlan

func planOf(t reflect.Type) *structPlan {
	if p, ok := plans.Load(t); ok {
		return p.(*structPlan)
	}
	p := new(structPlan)
	depth := make(map[string]int)
	p.add(t, nil, depth, map[reflect.Type]bool{})
	for i := range p.fields {
		f := &p.fields[i]
		f.decode = decoderOf(t.FieldByIndex(f.index).Type)
	}
	q, _ := plans.LoadOrStore(t, p)
	return q.(*structPlan)
}

// add collects the fields of t, which lies at index in the struct planned for.
// Of two fields of a name the one nearer to the outside counts.
func (p *structPlan) add(t reflect.Type, index []int, depth map[string]int, open map[reflect.Type]bool) {
	if open[t] {
		return // a struct that embeds itself by a pointer
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, tagged := fieldName(f)
		if name == "-" && opts == "" {
			continue
		}
		at := append(append([]int(nil), index...), i)
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		inline := hasOption(opts, "inline") || f.Anonymous && !tagged
		if inline && ft.Kind() == reflect.Struct && !isLeaf(ft) {
			if f.IsExported() || f.Type.Kind() == reflect.Struct {
				p.add(ft, at, depth, open)
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if hasOption(opts, "inline") {
			if f.Type.Kind() == reflect.Map && f.Type.Key().Kind() == reflect.String {
				p.rest = at
			} else {
				p.fail("%v.%s: inline wants a struct or a map with string keys", t, f.Name)
			}
			continue
		}
		if d, used := depth[name]; used && d <= len(at) {
			if d == len(at) {
				p.fail("%v: two fields have the name %q", t, name)
			}
			continue
		} else if used {
			p.drop(name)
		}
		depth[name] = len(at)
		p.fields = append(p.fields, planField{
			name:      NameOf(name),
			index:     at,
			omitEmpty: hasOption(opts, "omitempty"),
			omitZero:  hasOption(opts, "omitzero"),
		})
	}
}

func (p *structPlan) fail(format string, args ...any) {
	if p.err == nil {
		p.err = convertErrorf(format, args...)
	}
}

func (p *structPlan) drop(name string) {
	for i := range p.fields {
		if p.fields[i].name.s == name {
			p.fields = append(p.fields[:i], p.fields[i+1:]...)
			return
		}
	}
}

// fieldName reads the tags of a struct's field.
func fieldName(f reflect.StructField) (name, opts string, tagged bool) {
	tag, ok := f.Tag.Lookup("bson")
	if !ok {
		tag, ok = f.Tag.Lookup("json")
	}
	if ok {
		name, opts, _ = strings.Cut(tag, ",")
		if tag == "-" {
			return "-", "", true
		}
	}
	if name != "" {
		return name, opts + ",", true
	}
	return strings.ToLower(f.Name), opts, false
}

func hasOption(opts, want string) bool {
	for opts != "" {
		var o string
		o, opts, _ = strings.Cut(opts, ",")
		if o == want {
			return true
		}
	}
	return false
}

// isPair reports whether t is a field of an ordered document: a struct of Key
// and Value, like bson.E.
func isPair(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() == 2 &&
		t.Field(0).Name == "Key" && t.Field(0).Type.Kind() == reflect.String &&
		t.Field(1).Name == "Value" && t.Field(1).Type.Kind() == reflect.Interface
}

// isOID reports whether t has the shape of an ObjectID.
func isOID(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Len() == 12 && t.Elem().Kind() == reflect.Uint8
}

// fieldAt is reflect.Value.FieldByIndex that makes what embedded pointers lack.
// ok is false where make is not set and one is nil.
func fieldAt(v reflect.Value, index []int, make bool) (f reflect.Value, ok bool) {
	for i, k := range index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !make {
					return reflect.Value{}, false
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(k)
	}
	return v, true
}

func typeErrorf(t reflect.Type, format string, args ...any) error {
	return &ConvertError{Msg: fmt.Sprintf(format, args...) + " (" + t.String() + ")"}
}
