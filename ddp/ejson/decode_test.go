package ejson

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 250) + "1" + strings.Repeat("}", 250)
	for _, c := range []struct {
		text   string
		offset int64
		path   string
		msg    string
	}{
		{``, 0, "", "unexpected end"},
		{`   `, 3, "", "unexpected end"},
		{`{`, 1, "", "unexpected end"},
		{`{"a"`, 4, "", "unexpected end"},
		{`{"a":`, 5, "a", "unexpected end"},
		{`{"a":1`, 6, "", "unexpected end"},
		{`{"a":1,}`, 7, "", "want a name in quotes, got '}'"},
		{`{a:1}`, 1, "", "want a name in quotes, got 'a'"},
		{`{"a":{"b":[1,2,x]}}`, 15, "a.b.2", "want a value, got 'x'"},
		{`{"a":tru}`, 8, "a", "want true, got '}'"},
		{`{"a":01}`, 7, "a", "invalid number"},
		{`{"a":1.}`, 7, "a", "invalid number"},
		{`{"a":"\x"}`, 6, "a", "invalid escape"},
		{"{\"a\":\"\n\"}", 6, "a", "control character"},
		{`{"a":1 "b":2}`, 7, "", "want ',' or '}', got '\"'"},
		{`{} x`, 3, "", "want the end of the text"},
		{`{"a":{"$binary":5}}`, 5, "a", "$binary wants a string, got a number"},
		{`{"a":{"$escape":{"b":[{"$type":"oid","$value":"zz"}]}}}`, 5, "a.b.0", "an ObjectID wants 24 hex digits"},
		{`[]`, 0, "", "want an object, got a list"},
		{`{"$date":0}`, 0, "", "want an object, got a date"},
		{deep, 1000, strings.TrimSuffix(strings.Repeat("a.", 200), "."), "too deep"},
	} {
		_, err := Parse([]byte(c.text))
		var e *DecodeError
		if !errors.As(err, &e) {
			t.Errorf("%.40s: %v, want a DecodeError", c.text, err)
			continue
		}
		if e.Offset != c.offset || e.Path != c.path || !strings.Contains(e.Error(), c.msg) {
			t.Errorf("%.40s: offset %d, path %q, %v; want %d, %q, %q", c.text, e.Offset, e.Path, e, c.offset, c.path, c.msg)
		}
	}
	if _, err := Parse([]byte(deep)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("%v is not ErrTooDeep", err)
	}
	if _, err := Parse(make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v is not ErrTooLarge", err)
	}
	if _, err := Parse([]byte(strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200))); err != nil {
		t.Errorf("200 levels: %v", err)
	}
}

func TestUnknownTypes(t *testing.T) {
	const text = `{"a":[{"$type":"shape","$value":{"when":{"$date":1.5},"esc":{"$escape":{"$date":1}}}}]}`
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	typ, val := d.Path("a.0").Custom()
	if typ != "shape" || val.Doc().Path("when.$date").Number() != 1.5 {
		t.Errorf("it is a %q of %s", typ, val)
	}
	if d.String() != text {
		t.Errorf("written again it is %s", d)
	}
	_, err = strictly(text)
	var unknown *UnknownTypeError
	var at *DecodeError
	if !errors.As(err, &unknown) || unknown.Type != "shape" || !errors.As(err, &at) || at.Path != "a.0" {
		t.Errorf("strictly it is %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"a":1e999,"b":-1e999}`, `{"a":{"$InfNaN":1},"b":{"$InfNaN":-1}}`},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`},
		{`{"a":-0}`, `{"a":0}`},
		{`{"a":1E+2,"b":1.50,"c":1e-7,"d":123456789012345678901234567890}`, `{"a":100,"b":1.5,"c":1e-7,"d":1.2345678901234568e+29}`},
		{`{"b":1,"a":2,"b":{"c":3}}`, `{"b":{"c":3},"a":2}`},
		{`{"a":1,"b":2,"a":3,"c":4,"b":5,"a":6}`, `{"a":6,"b":5,"c":4}`},
		{`{"a":{"$date":1,"$date":2}}`, `{"a":{"$date":2}}`},
		{`{"a":{"$date":"2020-01-02T03:04:05.678Z"}}`, `{"a":{"$date":1577934245678}}`},
		{`{"a":{"$date":true}}`, `{"a":{"$date":1}}`},
		{`{"a":{"$date":-1.5}}`, `{"a":{"$date":-1}}`},
		{`{"a":{"$type":5,"$value":{"$date":3}}}`, `{"a":{"$escape":{"$type":5,"$value":{"$date":3}}}}`},
		{`{"a":{"$type":"Decimal","$value":"1.50"}}`, `{"a":{"$type":"Decimal","$value":"1.50"}}`},
		{`{"a":{"$type":"Decimal","$value":1.5}}`, `{"a":{"$type":"Decimal","$value":1.5}}`},
		{`{"a":"\ud83d\ude00\ud800\u0000x\udc00"}`, `{"a":"😀\ud800\u0000x\udc00"}`},
		{`{"\ud800":1,"\u0061":2}`, `{"\ud800":1,"a":2}`},
		{"{\"a\":\"\xff\xc3\xa9\xed\xa0\x80\"}", `{"a":"` + "\ufffdé\ufffd\ufffd\ufffd" + `"}`},
		{`{"$escape":{"$date":1}}`, `{"$escape":{"$date":1}}`},
		{` { "a" : [ 1 , { } , [ ] ] } `, `{"a":[1,{},[]]}`},
	} {
		d, err := Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if d.String() != c.want {
			t.Errorf("%s is written %s, want %s", c.text, d, c.want)
		}
	}
	d, _ := Parse([]byte(`{"a":-0}`))
	if f := d.Field("a").Number(); !math.Signbit(f) {
		t.Errorf("-0 became %v", f)
	}
}

// TestLarge is documents of the wide form: many fields, or many bytes.
func TestLarge(t *testing.T) {
	for _, n := range []int{maxNarrow - 1, maxNarrow, maxNarrow + 1, 1000, 20_000} {
		var text []byte
		text = append(text, '{')
		for i := range n {
			text = fmt.Appendf(text, `"field%d":%d,`, i, i)
		}
		text = fmt.Appendf(text, `"field%d":"last of its name","list":[%s0]}`, n/2, strings.Repeat("1,", n))
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() != n+1 || d.Field("list").Array().Len() != n+1 {
			t.Fatalf("%d fields, %d elements", d.Len(), d.Field("list").Array().Len())
		}
		for i := range n {
			name := fmt.Sprintf("field%d", i)
			want := NumberValue(float64(i))
			if i == n/2 {
				want = StringValue("last of its name")
			}
			if at, v := d.At(i); at != name || !v.Equal(want) {
				t.Fatalf("field %d is %q: %s", i, at, v)
			}
			if i%97 == 0 && !d.Field(name).Equal(want) {
				t.Fatalf("Field(%q) is %s", name, d.Field(name))
			}
		}
		if _, err := FromRaw(d.Raw()); err != nil {
			t.Fatal(err)
		}
		e := d.WithValue("big", StringValue(strings.Repeat("x", 1<<16))).Without("field0")
		if f := e.Without("big").WithValue("field0", NumberValue(0)); !f.Same(d) {
			t.Fatal("after adding and taking away it is another")
		}
		if again, err := Parse(e.AppendJSON(nil)); err != nil || again != e {
			t.Fatalf("after a round trip it has other bytes (%v)", err)
		}
	}
	for _, n := range []int{254, 255, 256, 100_000} {
		name := strings.Repeat("n", n)
		d := Make(Field{"a", 1}, Field{name, 2})
		if got := d.Lookup(NameOf(name)).Number(); got != 2 {
			t.Errorf("a name of %d bytes: %v", n, got)
		}
		if again, err := Parse(d.AppendJSON(nil)); err != nil || again != d {
			t.Errorf("a name of %d bytes: %v", n, err)
		}
	}
}

// TestMangle overwrites texts after they have been read.
func TestMangle(t *testing.T) {
	for _, seed := range texts {
		text := []byte(seed)
		v, err := ParseValue(text)
		if err != nil {
			continue
		}
		want := v.String()
		for i := range text {
			text[i] = 'X'
		}
		if v.String() != want {
			t.Errorf("%s changed to %s when its text did", want, v)
		}
	}
	text := message()
	var d Decoder
	m, err := readMessage(&d, text)
	if err != nil {
		t.Fatal(err)
	}
	want := m.msg + m.collection + m.id.Wire() + m.fields.String()
	for i := range text {
		text[i] = 'X'
	}
	if _, err := readMessage(&d, message()); err != nil {
		t.Fatal(err)
	}
	if m.msg+m.collection+m.id.Wire()+m.fields.String() != want {
		t.Errorf("the message changed when its frame did")
	}
}

func TestDecoder(t *testing.T) {
	var d Decoder
	d.Reset([]byte(` {"id":"a\n1","error":{"code":404,"\u0064etails":{"$date":1}},"params":[1,{"$date":5}],"x":[1, {"y":2}] } `))
	var got []string
	note := func(x any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(x))
	}
	if err := d.BeginObject(); err != nil {
		t.Fatal(err)
	}
	for {
		key, ok, err := d.NextKey()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, string(key), d.Kind().String())
		switch string(key) {
		case "id":
			note(d.StringValue())
		case "params":
			note(d.ArrayValue())
		case "error":
			if err := d.BeginObject(); err != nil {
				t.Fatal(err)
			}
			for {
				key, ok, err := d.NextKey()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got = append(got, string(key))
				v, err := d.PlainValue()
				note(string(v.AppendPlainJSON(nil)), err)
			}
		default:
			raw, err := d.Skip()
			note(string(raw), err)
		}
	}
	if err := d.End(); err != nil {
		t.Fatal(err)
	}
	want := `id|a string|a
1|error|an object|code|404|details|{"$date":1}|params|a list|[1,{"$date":5}]|x|a list|[1, {"y":2}]`
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("read %s\nwant %s", s, want)
	}
}

// underRace is set where the race detector is on, which allocates too.
var underRace bool

func TestAllocations(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	text := dataset(1)[0]
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var buf []byte
	buf = d.AppendJSON(buf)
	set := Make(Field{"n", 5})
	other := d.Merge(set, nil)
	var own, arena Decoder
	arena.Arena = new(Arena)
	id, fields := []byte("Hq7fKz3xWp9TnBv2c"), d.AppendFieldsJSON(nil)
	place := PlaceOf("flag")
	bound, err := Decode[row](d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		most float64
		fn   func()
	}{
		{"Parse", 2, func() { Parse(text) }},
		{"DocValue", 1, func() { own.Reset(text); own.DocValue() }},
		{"Document", 1, func() { own.Reset(fields); own.Document(id) }},
		{"DocValue into an arena", 0, func() { arena.Reset(text); arena.DocValue() }},
		{"Lookup", 0, func() { d.Lookup(nameFlag) }},
		{"Place", 0, func() { place.In(d) }},
		{"Field", 0, func() { d.Field("nested") }},
		{"Path", 0, func() { d.Path("nested.a.b") }},
		{"match", 0, func() { flatMatch(d) }},
		{"ID", 0, func() { d.ID() }},
		{"Fields", 0, func() {
			for range d.Fields() {
			}
		}},
		{"Compare", 0, func() { Compare(d.Value(), d.Value()) }},
		{"AppendJSON", 0, func() { buf = d.AppendJSON(buf[:0]) }},
		{"AppendFieldsJSON", 0, func() { buf = d.AppendFieldsJSON(buf[:0]) }},
		{"AppendKey", 0, func() { buf = AppendKey(buf[:0], d.Value(), false) }},
		{"WithValue", 1, func() { d.WithValue("n", NumberValue(1)) }},
		{"Merge", 1, func() { d.Merge(set, nil) }},
		{"Diff", 1, func() { Diff(d, other) }},
		{"WithID", 1, func() { set.WithID(StringID("x")) }},
		{"Decode", 3, func() { Decode[row](d) }},
		{"From", 3, func() { From(bound) }},
		{"Merge of nothing", 0, func() { d.Merge(d, nil) }},
		{"Diff of nothing", 0, func() { Diff(d, d) }},
		{"FromRaw", 0, func() { FromRaw(d.Raw()) }},
	} {
		if got := testing.AllocsPerRun(100, c.fn); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

// TestBytesOfADocument holds the size of the format: no more than the text takes.
func TestBytesOfADocument(t *testing.T) {
	size, texts := 0, dataset(1000)
	for _, text := range texts {
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		size += d.Size()
	}
	if mean := size / len(texts); mean > 289 {
		t.Errorf("%d bytes a document, want 289", mean)
	}
	for want, v := range map[int]Value{
		1:  Make().Value(),
		11: Make(Field{"a", 1}).Value(),                          // length, name, int32, entry, count
		7:  Make(Field{"a", true}).Value(),                       // no value
		15: Make(Field{"a", 1.5}).Value(),                        // float64
		10: Make(Field{"a", "xyz"}).Value(),                      // the text
		17: MakeArray(1, 2).Value(),                              // twice a value and an entry
		25: Make(Field{"a", ObjectID{}}, Field{"", nil}).Value(), // a mark and twelve bytes; nothing
	} {
		if n := len(v.s); n != want {
			t.Errorf("%v takes %d bytes, want %d", v, n, want)
		}
	}
}
