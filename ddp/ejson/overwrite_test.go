package ejson

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// setAt is Overwrite by WithValue.
func setAt(d Doc, path []Name, v Value) Doc {
	if len(path) == 1 {
		return d.WithValue(path[0].String(), v)
	}
	return d.WithValue(path[0].String(), setAt(d.Lookup(path[0]).Doc(), path[1:], v).Value())
}

// TestOverwrite overwrites values of random documents by random ones, those of the
// same kind among them, and compares with WithValue.
func TestOverwrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(3).Draw(t, "doc")
		var path []Name
		at := d.Value()
		for at.Kind() == Object && at.Doc().Len() > 0 && (len(path) == 0 || rapid.Bool().Draw(t, "deeper")) {
			name, v := at.Doc().At(rapid.IntRange(0, at.Doc().Len()-1).Draw(t, "field"))
			path, at = append(path, NameOf(name)), v
		}
		if len(path) == 0 {
			return
		}
		v := genValue(1).Draw(t, "value")
		before := d.Raw()
		out, ok := d.Overwrite(path, v)
		if d.Raw() != before {
			t.Fatal("the document was changed")
		}
		if !ok {
			if out != d {
				t.Fatalf("not done, but %v became %v", d, out)
			}
			return
		}
		if want := setAt(d, path, v); out != want {
			t.Fatalf("%v: %v at %v gives %v, want %v", d, v, path, out, want)
		}
		if _, err := FromRaw(out.Raw()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOverwriteWhat says what is overwritten, and what is not.
func TestOverwriteWhat(t *testing.T) {
	d, err := Parse([]byte(`{"i":1,"f":1.5,"d":{"$date":5},"b":true,"s":"abc","n":null,"l":[1,2],"o":{"a":{"b":1000000}},"list":[{"x":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	list := MakeArray(3, 4)
	for _, c := range []struct {
		path string
		v    Value
		ok   bool
	}{
		{"i", NumberValue(-7), true}, {"i", NumberValue(1.5), false}, {"i", NumberValue(1 << 31), false}, {"i", NumberValue(math.Copysign(0, -1)), false},
		{"f", NumberValue(2.5), true}, {"f", NumberValue(2), false}, {"f", NumberValue(math.Copysign(0, -1)), true}, {"f", DateValue(1), false},
		{"d", DateValue(1), true}, {"d", DateValue(1 << 60), true}, {"d", NumberValue(1), false},
		{"b", BoolValue(false), true}, {"b", BoolValue(true), true}, {"b", NullValue(), false},
		{"s", StringValue("xyz"), true}, {"s", StringValue("xy"), false}, {"s", BinaryValue("xyz"), false},
		{"n", NullValue(), true}, {"n", Value{}, false}, {"l", list.Value(), true}, {"l", MakeArray(3).Value(), false},
		{"o.a.b", NumberValue(2), true}, {"o.a.c", NumberValue(2), false}, {"o.a", NumberValue(2), false}, {"o.x.b", NumberValue(2), false},
		{"i.x", NumberValue(2), false}, {"list.x", NumberValue(2), false}, {"absent", NumberValue(2), false}, {"o", Doc{}.Value(), false},
	} {
		var path []Name
		for _, name := range strings.Split(c.path, ".") {
			path = append(path, NameOf(name))
		}
		out, ok := d.Overwrite(path, c.v)
		if ok != c.ok {
			t.Errorf("%s = %v: ok is %v", c.path, c.v, ok)
		} else if ok && out != setAt(d, path, c.v) {
			t.Errorf("%s = %v: %v", c.path, c.v, out)
		}
	}
	if out, ok := d.Overwrite(nil, NumberValue(1)); ok || out != d {
		t.Error("an empty path")
	}
	if out, ok := (Doc{}).Overwrite([]Name{NameOf("a")}, NumberValue(1)); ok || !out.IsZero() {
		t.Error("the zero Doc")
	}
	wide := Make()
	for i := range 300 {
		wide = wide.With("field"+strconv.Itoa(i), i%2 == 0)
	}
	path := []Name{NameOf("field299")}
	if out, ok := wide.Overwrite(path, BoolValue(true)); !ok || out != setAt(wide, path, BoolValue(true)) {
		t.Error("a wide document")
	}
	n := []Name{NameOf("o"), NameOf("a"), NameOf("b")}
	if allocs := testing.AllocsPerRun(100, func() { d.Overwrite(n, NumberValue(5)) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestWithFields compares with WithValue, one field after the other.
func TestWithFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(1).Draw(t, "doc")
		sets := make([]FieldValue, rapid.IntRange(0, 6).Draw(t, "sets"))
		want := d.made()
		for i := range sets {
			name := rapid.SampledFrom(someNames).Draw(t, "name")
			var v Value
			if rapid.IntRange(0, 3).Draw(t, "missing") > 0 {
				v = genValue(1).Draw(t, "value")
			}
			sets[i] = FieldValue{NameOf(name), v}
			want = want.WithValue(name, v)
		}
		got := d.WithFields(sets)
		if got != want {
			t.Fatalf("%v with %v is %v, want %v", d, sets, got, want)
		}
		if _, err := FromRaw(got.Raw()); err != nil {
			t.Fatal(err)
		}
	})
	many := make([]FieldValue, 1000)
	want := Make()
	for i := range many {
		name := "f" + strconv.Itoa(i*7%500)
		many[i] = FieldValue{NameOf(name), NumberValue(float64(i))}
		want = want.WithValue(name, many[i].Value)
	}
	if got := Make().WithFields(many); got != want {
		t.Errorf("many fields: %v, want %v", got, want)
	}
	d := Make(Field{"a", 1}, Field{"b", "x"}, Field{"c", true})
	three := []FieldValue{{NameOf("a"), NumberValue(2)}, {NameOf("c"), Value{}}, {NameOf("d"), NullValue()}}
	if allocs := testing.AllocsPerRun(100, func() { d.WithFields(three) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}
