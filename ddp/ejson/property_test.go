package ejson

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// names are few, so that documents share some, and odd, so that all cases of the
// format occur.
var someNames = []string{"", "a", "b", "_id", "ab", "nested", "exactly8", "seven77", "longerthaneight",
	"$date", "$type", "$value", "$escape", "$binary", "0", "10", "é", "\x00", "\x01x", "__proto__",
	string(bytes.Repeat([]byte("n"), 254)), string(bytes.Repeat([]byte("n"), 255)), string(bytes.Repeat([]byte("m"), 300))}

var someNumbers = []float64{0, math.Copysign(0, -1), 1, -1, 1.5, -1.5, 1 << 31, -1 << 31, 1<<31 - 1, 1 << 53, 1e21, 1e-7,
	math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 0.1}

var someStrings = []string{"", "a", "b", "\x00", "\x01", "\x00\x00", "a\x00", "a\x01", "\x02", "é", "\U0001f600", "\ufffd",
	"\xed\xa0\x80", "\xed\xb0\x80", "quote\" back\\ \n\t\b\f\r\x1f\x7f\u2028", "0123456789abcdef01234567"}

var someDecimals = []Decimal{"0", "-0", "1", "1.0", "1.5", "0.1", "0.1000000000000000055511151231257827021181583404541015625",
	"-0.1", "1e400", "-1e400", "1e-400", "-1e-400", "NaN", "Infinity", "-Infinity", "12345678901234567.01",
	"12345678901234567.02", "9007199254740993", "junk", ""}

func genValue(depth int) *rapid.Generator[Value] {
	return rapid.Custom(func(t *rapid.T) Value {
		kinds := 14
		if depth == 0 {
			kinds = 11
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return NullValue()
		case 1:
			return BoolValue(rapid.Bool().Draw(t, "bool"))
		case 2:
			return NumberValue(rapid.SampledFrom(someNumbers).Draw(t, "number"))
		case 3:
			return NumberValue(rapid.Float64().Draw(t, "float"))
		case 4:
			return StringValue(rapid.SampledFrom(someStrings).Draw(t, "string"))
		case 5:
			return StringValue(rapid.String().Draw(t, "text"))
		case 6:
			return DateValue(rapid.SampledFrom([]int64{0, 1, -1, 1_700_000_000_000, maxDate, -maxDate}).Draw(t, "date"))
		case 7:
			return BinaryValue(string(rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "binary")))
		case 8:
			return OIDValue(ObjectID{0: rapid.Byte().Draw(t, "first"), 11: rapid.Byte().Draw(t, "last")})
		case 9:
			return RegexpValue(Regexp{rapid.SampledFrom([]string{"", "a", "a/b", "^[/]$", "\n"}).Draw(t, "source"),
				rapid.SampledFrom([]string{"", "i", "gm"}).Draw(t, "flags")})
		case 10:
			return DecimalValue(rapid.SampledFrom(someDecimals).Draw(t, "decimal"))
		case 11:
			return genDoc(depth-1).Draw(t, "doc").Value()
		case 12:
			var b ListBuilder
			for range rapid.IntRange(0, 4).Draw(t, "length") {
				b.Append(genValue(depth-1).Draw(t, "element"))
			}
			return b.Array().Value()
		default:
			return CustomValue(rapid.SampledFrom([]string{"", "shape", "other"}).Draw(t, "type"), genValue(depth-1).Draw(t, "value"))
		}
	})
}

func genDoc(depth int) *rapid.Generator[Doc] {
	return rapid.Custom(func(t *rapid.T) Doc {
		var b Builder
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			b.Add(rapid.SampledFrom(someNames).Draw(t, "name"), genValue(depth).Draw(t, "value"))
		}
		return b.Doc()
	})
}

func TestRoundTripOfText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(3).Draw(t, "doc")
		text := d.AppendJSON(nil)
		v, err := ParseValue(text)
		if err != nil {
			t.Fatalf("parse %s: %v", text, err)
		}
		if !v.Equal(d.Value()) {
			t.Fatalf("%s became %s", text, v)
		}
		if again := v.AppendJSON(nil); !bytes.Equal(again, text) {
			t.Fatalf("%s was written again as %s", text, again)
		}
		// Nothing but -0 tells the bytes apart.
		if raw := v.Doc().Raw(); raw != d.Raw() && !bytes.Contains(text, []byte("0")) {
			t.Fatalf("%s has other bytes after a round trip: %q and %q", text, d.Raw(), raw)
		}
	})
}

func TestRoundTripOfRaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(3).Draw(t, "doc")
		e, err := FromRaw(d.Raw())
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		if e != d {
			t.Fatalf("%s became %s", d, e)
		}
	})
}

func TestKeysAreInTheOrderOfCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genValue(2).Draw(t, "a"), genValue(2).Draw(t, "b")
		c, d := genValue(1).Draw(t, "c"), genValue(1).Draw(t, "d")
		if got, back := Compare(a, b), Compare(b, a); got != -back {
			t.Fatalf("Compare(%s, %s) is %d, and %d the other way round", a, b, got, back)
		}
		checkKeys(t, []Value{a}, []Value{b}, []bool{false})
		checkKeys(t, []Value{a}, []Value{b}, []bool{true})
		checkKeys(t, []Value{a, c}, []Value{b, d}, []bool{rapid.Bool().Draw(t, "first"), rapid.Bool().Draw(t, "second")})
		checkKeys(t, []Value{a, c}, []Value{a, d}, []bool{rapid.Bool().Draw(t, "first"), rapid.Bool().Draw(t, "second")})
	})
}

// checkKeys compares compound keys, and the values that they were made of.
func checkKeys(t interface{ Fatalf(string, ...any) }, a, b []Value, desc []bool) {
	var ka, kb []byte
	want := 0
	for i := range a {
		ka, kb = AppendKey(ka, a[i], desc[i]), AppendKey(kb, b[i], desc[i])
		if want == 0 {
			if want = Compare(a[i], b[i]); desc[i] {
				want = -want
			}
		}
	}
	if got := bytes.Compare(ka, kb); got != want {
		t.Fatalf("keys of %v and %v (desc %v) compare as %d, the values as %d\n%x\n%x", a, b, desc, got, want, ka, kb)
	}
}

// TestKeysOfAllPairs takes every pair of odd scalars, which a generator meets
// rarely.
func TestKeysOfAllPairs(t *testing.T) {
	all := []Value{{}, NullValue(), BoolValue(false), BoolValue(true), DateValue(math.MinInt64), DateValue(0), DateValue(-5), DateValue(5)}
	for _, f := range someNumbers {
		all = append(all, NumberValue(f))
	}
	for _, d := range someDecimals {
		all = append(all, DecimalValue(d))
	}
	for _, s := range someStrings {
		all = append(all, StringValue(s), BinaryValue(s), RegexpValue(Regexp{s, ""}), CustomValue(s, StringValue(s)))
	}
	for i, v := range slices.Clone(all) {
		if i%3 == 1 {
			continue // the pairs are many
		}
		all = append(all, ArrayOf(v).Value(), ArrayOf(v, v).Value())
		if !v.IsMissing() {
			all = append(all, Make(Field{"a", v}).Value(), Make(Field{"", v}, Field{"a", v}).Value())
		}
	}
	all = append(all, Make().Value(), ArrayOf().Value())
	for _, a := range all {
		for _, b := range all {
			checkKeys(t, []Value{a}, []Value{b}, []bool{false})
			checkKeys(t, []Value{a}, []Value{b}, []bool{true})
			if a.Equal(b) && Compare(a, b) != 0 {
				t.Errorf("%s and %s are equal and compare as %d", a, b, Compare(a, b))
			}
			if !a.IsMissing() && !b.IsMissing() && a.Equal(b) != a.Same(b) && a.Kind() != Object {
				t.Errorf("%s and %s: Equal %v, Same %v", a, b, a.Equal(b), a.Same(b))
			}
		}
	}
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, Compare)
	for i := 2; i < len(sorted); i++ {
		if Compare(sorted[i-2], sorted[i]) > 0 {
			t.Fatalf("not an order: %s, %s, %s", sorted[i-2], sorted[i-1], sorted[i])
		}
	}
}

// model is a document as a plain list of fields, to be compared with the real.
type model []struct {
	name string
	v    Value
}

func modelOf(d Doc) (m model) {
	for name, v := range d.Fields() {
		m = append(m, struct {
			name string
			v    Value
		}{name, v})
	}
	return m
}

func (m model) index(name string) int {
	return slices.IndexFunc(m, func(f struct {
		name string
		v    Value
	}) bool {
		return f.name == name
	})
}

func (m model) with(name string, v Value) model {
	m = slices.Clone(m)
	if i := m.index(name); i >= 0 {
		m[i].v = v
		return m
	}
	return append(m, struct {
		name string
		v    Value
	}{name, v})
}

func (m model) without(names ...string) model {
	var out model
	for _, f := range m {
		if !slices.Contains(names, f.name) {
			out = append(out, f)
		}
	}
	return out
}

func (m model) check(t *rapid.T, what string, d Doc) {
	if _, err := FromRaw(d.Raw()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if d.Len() != len(m) {
		t.Fatalf("%s: %d fields, want %d: %s", what, d.Len(), len(m), d)
	}
	for i, f := range m {
		name, v := d.At(i)
		if name != f.name || !v.Equal(f.v) {
			t.Fatalf("%s: field %d is %q: %s, want %q: %s", what, i, name, v, f.name, f.v)
		}
		if got := d.Lookup(NameOf(name)); !got.Equal(f.v) {
			t.Fatalf("%s: Lookup(%q) is %s, want %s", what, name, got, f.v)
		}
	}
}

func TestEditsAgreeWithAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, m := genDoc(1).Draw(t, "doc"), model(nil)
		m = modelOf(d)
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			name := rapid.SampledFrom(someNames).Draw(t, "name")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0:
				v := genValue(1).Draw(t, "value")
				d, m = d.WithValue(name, v), m.with(name, v)
				m.check(t, "With", d)
			case 1:
				names := []string{name, rapid.SampledFrom(someNames).Draw(t, "other"), name}
				d, m = d.Without(names...), m.without(names...)
				m.check(t, "Without", d)
			case 2:
				id := StringID(rapid.String().Draw(t, "id"))
				d = d.WithID(id)
				m = append(model{{"_id", id.Value()}}, m.without("_id")...)
				m.check(t, "WithID", d)
				if d.ID() != id {
					t.Fatalf("id %v became %v", id, d.ID())
				}
			case 3:
				d, m = d.WithoutID(), m.without("_id")
				m.check(t, "WithoutID", d)
			case 4:
				set := genDoc(1).Draw(t, "set")
				unset := []string{name}
				if set.Field(name).IsMissing() {
					m = m.without(unset...)
				}
				for n, v := range set.Fields() {
					if i := m.index(n); i < 0 || !m[i].v.Same(v) {
						m = m.with(n, v)
					}
				}
				d = d.Merge(set, unset)
				m.check(t, "Merge", d)
			}
		}
	})
}

func TestDiffThenMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := genDoc(1).Draw(t, "old"), genDoc(1).Draw(t, "new")
		if rapid.Bool().Draw(t, "near") {
			new = old.Merge(new, []string{rapid.SampledFrom(someNames).Draw(t, "gone")})
		}
		set, unset := Diff(old, new)
		want := new
		if id := old.Field("_id"); !id.IsMissing() {
			want = new.WithValue("_id", id)
		} else {
			want = new.Without("_id")
		}
		if got := old.Merge(set, unset); !got.Same(want) {
			t.Fatalf("%s merged with %s less %q is %s, want %s", old, set, unset, got, want)
		}
		if !set.IsZero() && set.Len() == 0 {
			t.Fatalf("an empty set that is not zero")
		}
		for name, v := range set.Fields() {
			if old.Field(name).Same(v) {
				t.Fatalf("%q is set though it is the same", name)
			}
		}
		if again := old.Merge(old, nil); again != old {
			t.Fatalf("merged with itself it changed")
		}
	})
}

func TestSameIgnoresTheOrderOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(2).Draw(t, "doc")
		e := shuffled(t, d.Value())
		if !d.Value().Same(e) || !e.Same(d.Value()) {
			t.Fatalf("%s and %s are not the same", d, e)
		}
		if d.Value().Equal(e) != (Compare(d.Value(), e) == 0 && d.String() == e.String()) {
			t.Fatalf("%s and %s: Equal is %v", d, e, d.Value().Equal(e))
		}
	})
}

func shuffled(t *rapid.T, v Value) Value {
	switch v.Kind() {
	case List:
		var b ListBuilder
		for _, x := range v.Array().All() {
			b.Append(shuffled(t, x))
		}
		return b.Array().Value()
	case Object:
		m := rapid.Permutation(modelOf(v.Doc())).Draw(t, "order")
		var b Builder
		for _, f := range m {
			b.Add(f.name, shuffled(t, f.v))
		}
		return b.Doc().Value()
	}
	return v
}

func TestRoundTripOfGoValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(2).Draw(t, "value")
		got, err := ValueOf(v.Any())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(v) {
			t.Fatalf("%s became %s", v, got)
		}
	})
}

func TestRoundTripOfIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(1).Draw(t, "value")
		w := genValue(0).Draw(t, "other")
		id, err := IDOf(v)
		if err != nil {
			return
		}
		if !id.Value().Equal(v) {
			t.Fatalf("%s became %s", v, id.Value())
		}
		again, err := ParseWireID(id.Wire())
		if err != nil || again != id {
			t.Fatalf("%s: %q was read as %q (%v)", v, id.Wire(), again.Wire(), err)
		}
		if other, err := IDOf(w); err == nil && (other == id) != w.Equal(v) {
			t.Fatalf("%s and %s: ids equal is %v", v, w, other == id)
		}
	})
}
