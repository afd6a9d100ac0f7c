package ejson

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestZeroDoc(t *testing.T) {
	var zero Doc
	empty := Make()
	if !zero.IsZero() || empty.IsZero() || zero.Without("a").IsZero() || empty.Merge(Doc{}, nil).IsZero() {
		t.Error("which document is zero is mixed up")
	}
	if d, err := Parse([]byte("{}")); err != nil || d.IsZero() || d != empty {
		t.Errorf("{} is %#v (%v)", d, err)
	}
	if zero.Len() != 0 || !zero.Field("a").IsMissing() || !zero.ID().IsZero() || zero.String() != "{}" || !zero.Equal(empty) || !zero.Same(empty) {
		t.Error("the zero Doc is not an empty document")
	}
	if d := zero.WithValue("a", NumberValue(1)); d.String() != `{"a":1}` {
		t.Errorf("the zero Doc with a is %s", d)
	}
	if d := zero.WithID(StringID("x")); d.String() != `{"_id":"x"}` {
		t.Errorf("the zero Doc with an id is %s", d)
	}
	if set, unset := Diff(zero, Make(Field{"a", 1})); set.String() != `{"a":1}` || unset != nil {
		t.Errorf("from zero: %s, %q", set, unset)
	}
	if set, unset := Diff(Make(Field{"a", 1}), zero); !set.IsZero() || len(unset) != 1 {
		t.Errorf("to zero: %s, %q", set, unset)
	}
	if (Array{}).Len() != 0 || (Array{}).String() != "[]" || !(Array{}).Equal(MakeArray()) || !ArrayOf().Same(MakeArray([]any{}...)) {
		t.Error("the zero Array is not an empty list")
	}
	if zero.Value().Kind() != Object || (Array{}).Value().Kind() != List {
		t.Error("the zero values have odd kinds")
	}
}

// TestValuesOfAnotherKind asks each kind for every other.
func TestValuesOfAnotherKind(t *testing.T) {
	values := []Value{{}, NullValue(), BoolValue(true), NumberValue(5), StringValue("s"), Make(Field{"a", 1}).Value(), MakeArray(1).Value(),
		BinaryValue("b"), OIDValue(ObjectID{1}), DateValue(5), RegexpValue(Regexp{"r", "i"}), DecimalValue("1"), CustomValue("t", NullValue())}
	for i, v := range values {
		if v.Kind() != Kind(i) {
			t.Errorf("kind %v at %d", v.Kind(), i)
		}
		typ, _ := v.Custom()
		has := []bool{v.Bool(), v.Number() != 0, v.Str() != "", v.Doc().Len() > 0, v.Array().Len() > 0, v.Binary() != "", v.ObjectID() != ObjectID{},
			v.Millis() != 0 && !v.Time().IsZero(), v.Regexp() != Regexp{}, v.Decimal() != "", typ != ""}
		for k, x := range has {
			if x != (Kind(k+2) == v.Kind()) {
				t.Errorf("%v asked for %v: %v", v.Kind(), Kind(k+2), x)
			}
		}
		for j, w := range values {
			if v.Equal(w) != (i == j) || v.Same(w) != (i == j) {
				t.Errorf("%v equal to %v: %v, %v", v, w, v.Equal(w), v.Same(w))
			}
			c := Compare(v, w)
			if i <= 1 && j <= 1 {
				if c != 0 {
					t.Errorf("null and missing compare as %d", c)
				}
			} else if (c == 0) != (i == j) && !(v.Kind() == DecimalKind && w.Kind() == Number) {
				t.Errorf("%v and %v compare as %d", v, w, c)
			}
		}
	}
	if Kind(200).String() != "no kind" {
		t.Error("an unknown kind has a name")
	}
}

func TestOrder(t *testing.T) {
	// Each comes before the next.
	sorted := []any{nil, math.NaN(), math.Inf(-1), -1.5, -0.1, Decimal("-0.1"), 0, 5e-324, Decimal("5e-324"), 0.1, Decimal("0.1000000000000000055511151231257828"), 1, Decimal("1.5"), math.MaxFloat64, Decimal("1e400"), math.Inf(1),
		"", "\x00", "A", "a", "a\x00", "aa", "é", "\uffff", "\U00010000",
		Make(), Make(Field{"a", 1}), Make(Field{"a", 1}, Field{"b", 1}), Make(Field{"a", 2}), Make(Field{"b", 1}), Make(Field{"a", "x"}),
		MakeArray(), MakeArray(nil), MakeArray(1), MakeArray(1, 1), MakeArray(2), MakeArray("a"),
		[]byte{}, []byte{5}, []byte{1, 2}, ObjectID{1}, ObjectID{2}, false, true,
		time.UnixMilli(-5), time.UnixMilli(0), time.UnixMilli(5), Regexp{"a", ""}, Regexp{"a", "i"}, Regexp{"b", ""},
		Decimal("junk"), Custom{"a", 1}, Custom{"a", 2}, Custom{"b", 0}}
	values := make([]Value, len(sorted))
	for i, x := range sorted {
		v, err := ValueOf(x)
		if err != nil {
			t.Fatal(err)
		}
		values[i] = v
	}
	for i, v := range values {
		for j, w := range values {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(v, w); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", v, w, got, want)
			}
		}
	}
	for _, equal := range [][2]any{{0, math.Copysign(0, -1)}, {Decimal("1.0"), 1}, {Decimal("NaN"), math.NaN()}, {Decimal("-0"), 0}, {Decimal("1e2"), 100},
		{Decimal("9007199254740993"), Decimal("9007199254740993.0")}, {Decimal("Infinity"), math.Inf(1)}} {
		a, _ := ValueOf(equal[0])
		b, _ := ValueOf(equal[1])
		if Compare(a, b) != 0 {
			t.Errorf("%s and %s do not compare as equal", a, b)
		}
	}
}

func TestGet(t *testing.T) {
	d, err := Parse([]byte(`{"a":{"b":[{"c":5},null]},"e":"x","":{"":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want any
		ok   bool
	}{
		{"a.b.0.c", 5.0, true}, {"a.b.1", nil, true}, {"a.b.2", nil, false}, {"a.b.00", nil, false}, {"a.b.x", nil, false},
		{"a.b.0.c.d", nil, false}, {"e", "x", true}, {"e.x", nil, false}, {"none", nil, false}, {".", 1.0, true}, {"a.b.9999999999", nil, false},
	} {
		if got, ok := d.Get(c.path); got != c.want || ok != c.ok {
			t.Errorf("Get(%q) = %v, %v", c.path, got, ok)
		}
	}
}

func TestMarshal(t *testing.T) {
	type all struct {
		D Doc
		A Array
		V Value
		I ID
	}
	in := all{Make(Field{"a", time.UnixMilli(5)}), MakeArray(1, "x"), OIDValue(ObjectID{}), StringID("i")}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"D":{"a":{"$date":5}},"A":[1,"x"],"V":{"$type":"oid","$value":"000000000000000000000000"},"I":"i"}`
	if string(text) != want {
		t.Errorf("got %s", text)
	}
	var out all
	if err := json.Unmarshal(text, &out); err != nil || out.D != in.D || out.A != in.A || !out.V.Equal(in.V) || out.I != in.I {
		t.Errorf("got %+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"D":null,"A":null,"I":null}`), &out); err != nil || !out.D.IsZero() || out.A.Len() != 0 || !out.I.IsZero() {
		t.Errorf("of nulls: %+v, %v", out, err)
	}
	for _, bad := range []string{`{"D":5}`, `{"A":5}`, `{"I":[]}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestAppendFieldsJSON(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{`{}`, `{}`}, {`{"a":1}`, `{"a":1}`}, {`{"_id":"x"}`, `{}`}, {`{"_id":"x","a":1}`, `{"a":1}`}, {`{"a":1,"b":2,"_id":"x","c":3}`, `{"a":1,"b":2,"c":3}`},
		{`{"_id":"x","$date":1}`, `{"$escape":{"$date":1}}`}, {`{"$date":{"_id":1},"b":1,"c":2,"_id":"x","e":{"_id":2}}`, `{"$date":{"_id":1},"b":1,"c":2,"e":{"_id":2}}`},
	} {
		d, err := Parse([]byte(c.doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.AppendFieldsJSON(nil)); got != c.want {
			t.Errorf("%s: %s, want %s", c.doc, got, c.want)
		}
	}
}

func TestIDs(t *testing.T) {
	seen := map[ID]string{{}: "zero"}
	for _, c := range []struct {
		v          any
		wire, text string
	}{
		{"abc", "abc", "abc"}, {"", "", ""}, {"-", "--", "-"}, {"~5", "-~5", "~5"}, {"\xff", "\xff", "\xff"}, {"\xfe5", "\xfe5", "\xfe5"},
		{strings.Repeat("0", 24), "-" + strings.Repeat("0", 24), strings.Repeat("0", 24)}, {ObjectID{}, strings.Repeat("0", 24), strings.Repeat("0", 24)},
		{5, "~5", "5"}, {math.Copysign(0, -1), "~0", "0"}, {true, "~true", "true"}, {nil, "~null", "null"}, {time.UnixMilli(5), `~{"$date":5}`, `{"$date":5}`},
	} {
		v, err := ValueOf(c.v)
		if err != nil {
			t.Fatal(err)
		}
		id, err := IDOf(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseWireID(id.Wire())
		if id.Wire() != c.wire || id.String() != c.text || err != nil || again != id || id.Clone() != id || !id.Value().Equal(v) {
			t.Errorf("%v: wire %q, text %q, read again %v (%v)", c.v, id.Wire(), id.String(), again, err)
		}
		for _, d := range []Doc{Make(Field{"_id", v}), Make(Field{"_id", v}, Field{"a", 1}), Make(Field{"a", 1}, Field{"_id", v}), Make(Field{"_id", c.text}), Make(Field{"_id", c.text + "x"}),
			Make(Field{"_id", []byte(c.text)}, Field{"a", 1}), Make(Field{"_id", DecimalValue(Decimal(c.text))}), Make(Field{"_ie", v}), Make(), Make(Field{"_id", c.text}).WithValue("w", StringValue(strings.Repeat("x", 1<<16)))} {
			if got, want := d.HasID(id), d.ID() == id; got != want {
				t.Errorf("%s has the id %v: %v, want %v", d, id, got, want)
			}
		}
		if other, used := seen[id]; used {
			t.Errorf("%v has the id of %s", c.v, other)
		}
		seen[id] = c.wire
		if CompareID(id, again) != 0 || CompareID(ID{}, id) > 0 {
			t.Errorf("%v: odd order", id)
		}
	}
	for _, bad := range []any{[]any{1}, Regexp{"a", ""}} {
		v, _ := ValueOf(bad)
		if _, err := IDOf(v); err == nil {
			t.Errorf("%v is an id", bad)
		}
	}
	for _, bad := range []string{"~", "~x", "~[1]", `~{"a"`} {
		if _, err := ParseWireID(bad); err == nil {
			t.Errorf("%q is an id", bad)
		}
	}
	if !StringID("a").Value().Equal(StringValue("a")) || CompareID(StringID("a"), StringID("b")) != -1 {
		t.Error("odd string ids")
	}
}

func TestBuilders(t *testing.T) {
	var b Builder
	var l ListBuilder
	for range 2 {
		b.Add("a", NumberValue(1))
		b.Add("none", Value{})
		b.Add("b", NumberValue(2))
		b.Add("a", StringValue("x"))
		l.Append(Value{})
		l.Append(b.Doc().Value())
		if got := l.Len(); got != 2 {
			t.Errorf("%d elements", got)
		}
		d, a := b.Doc(), l.Array()
		if d != b.Doc() || a != l.Array() {
			t.Error("asked twice they differ")
		}
		if d.String() != `{"a":"x","b":2}` || a.String() != `[null,{"a":"x","b":2}]` {
			t.Errorf("%s, %s", d, a)
		}
	}
	b.Reset()
	l.Reset()
	if b.Doc() != Make() || l.Array() != MakeArray() || l.Len() != 0 {
		t.Error("after Reset something is left")
	}
}

func TestPanics(t *testing.T) {
	d, a := Make(Field{"a", 1}), MakeArray(1)
	for name, fn := range map[string]func(){
		"At beyond":           func() { d.At(1) },
		"At before":           func() { d.At(-1) },
		"element beyond":      func() { a.At(1) },
		"Make of a channel":   func() { Make(Field{"a", make(chan int)}) },
		"With of a channel":   func() { d.With("a", make(chan int)) },
		"MakeArray of a func": func() { MakeArray(func() {}) },
		"a name registered": func() {
			Register("color", func(int) (any, error) { return 1, nil }, func(Value) (int, error) { return 1, nil })
		},
		"the name of ObjectID": func() {
			Register("oid", func(int) (any, error) { return 1, nil }, func(Value) (int, error) { return 1, nil })
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}()
	}
}

// TestManyFieldsInAnotherOrder would take hours if each field were looked for
// through the whole table.
func TestManyFieldsInAnotherOrder(t *testing.T) {
	const n = 200_000
	var a, b, half Builder
	names := make([]string, n)
	for i := range n {
		names[i] = strconv.Itoa(i)
		a.Add(names[i], NumberValue(1))
	}
	for i := range n {
		b.Add(names[n-1-i], NumberValue(1))
		if i%2 == 0 {
			half.Add(names[n-1-i], NumberValue(2))
		}
	}
	x, y, h := a.Doc(), b.Doc(), half.Doc()
	if !x.Same(y) || x.Equal(y) {
		t.Error("they are not the same in another order")
	}
	if set, unset := Diff(x, y); !set.IsZero() || unset != nil {
		t.Errorf("they differ in %d fields", set.Len()+len(unset))
	}
	if set, unset := Diff(x, h); set.Len() != n/2 || len(unset) != n/2 {
		t.Errorf("half of it differs in %d and %d fields", set.Len(), len(unset))
	}
	if m := x.Merge(h, names[:n/2]); m.Len() != n/2+n/4 {
		t.Errorf("merged it has %d fields", m.Len())
	}
	if m := y.Without(names...); m.Len() != 0 || m.IsZero() {
		t.Errorf("without all it has %d fields", m.Len())
	}
	if _, err := FromRaw(x.Raw()); err != nil {
		t.Error(err)
	}
}

func TestArena(t *testing.T) {
	var arena Arena
	var docs, kept []Doc
	for i := range 9000 {
		d := Make(Field{"i", i}, Field{"s", strings.Repeat("x", i%300)})
		if i%1000 == 0 {
			d = d.With("big", strings.Repeat("y", arenaBlock/10))
		}
		docs, kept = append(docs, d), append(kept, arena.Keep(d))
	}
	for i, d := range docs {
		if kept[i] != d {
			t.Fatalf("document %d became %.80s", i, kept[i])
		}
	}
	if !arena.Keep(Doc{}).IsZero() {
		t.Error("no document became one")
	}
}
