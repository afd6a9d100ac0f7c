package ejson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are the seeds of the fuzzers, and each is parsed by some table.
var texts = []string{
	`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `1.5`, `-1e3`, `1e999`, `1E-5`, `""`, `"a"`, `"\u00e9\n\"\\\/"`, `"\ud83d\ude00"`, `"\ud800"`, `"\udc00\ud800x"`,
	`{"a":1,"b":[true,null,{"c":"d"}],"é":{"x":-2.5}}`, ` { "a" : [ 1 , 2 ] } `, `{"a":1,"a":2}`, `{"a":1,"b":2,"a":{"a":3},"b":4}`, `{"__proto__":1,"":2}`,
	`{"$date":0}`, `{"$date":1.5}`, `{"$date":"x"}`, `{"$date":"2020-01-02T03:04:05Z"}`, `{"$date":{"$date":5}}`, `{"$date":[1]}`, `{"$date":1,"x":{"$date":2}}`,
	`{"$date":012}`, `{"$date":99999999999999999}`, `{"$date":}`, `{"$binary":"AQID"}`, `{"$binary":"A=="}`, `{"$binary":5}`, `{"$InfNaN":-1}`, `{"$InfNaN":"5"}`, `{"$regexp":"a/b","$flags":"gi"}`, `{"$flags":"x","$regexp":""}`,
	`{"$type":"oid","$value":"507f191e810c19729de860ea"}`, `{"$value":"507f191e810c19729de860ea","$type":"oid"}`, `{"$type":"oid","$value":"507f191e810c19729de860eX"}`,
	`{"$type":"Decimal","$value":"1.5"}`, `{"$type":"other","$value":{"$date":3}}`, `{"$type":5,"$value":{"$date":3}}`, `{"$escape":{"$date":{"$date":7}}}`, `{"$escape":"abc"}`, `{"$escape":[{"$date":1}]}`, `{"$escape":null}`,
	`{"$escape":{"$escape":{"$escape":{"$date":1}}}}`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `[1,]`, `[1`, `tru`, `nul`, `-`, `1.`, `01`, `1e`, `"\x"`, `"\u12"`, "\"\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", `{a:1}`, `{"a":1}x`, `[[[[[[]]]]]]`,
}

func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkAgainstJSON(t, text)
		checkRoundTrip(t, text)
	})
}

// checkAgainstJSON compares JSON that has no special objects with what
// encoding/json makes of it.
func checkAgainstJSON(t *testing.T, text []byte) {
	v, err := ParsePlain(text)
	if err == nil != json.Valid(text) {
		if depthOf(text) > MaxDepth {
			return
		}
		t.Fatalf("%q: our error is %v, encoding/json says valid is %v", text, err, json.Valid(text))
	}
	if err != nil {
		return
	}
	var want any
	if err := json.Unmarshal(text, &want); err != nil {
		return // a number out of range
	}
	if bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) {
		return // encoding/json does not keep lone surrogates
	}
	if got := deepAny(v); !sameJSON(got, want) {
		t.Fatalf("%q: got %#v, encoding/json %#v", text, got, want)
	}
}

func depthOf(text []byte) int {
	deepest, depth := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest
}

func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if _, ok := b[k]; !ok || !sameJSON(a[k], b[k]) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// checkRoundTrip writes what was read, and reads it again.
func checkRoundTrip(t *testing.T, text []byte) {
	lent := bytes.Clone(text)
	v, err := ParseValue(lent)
	for i := range lent {
		lent[i] = '#' // whoever keeps a part of it will show
	}
	if err != nil {
		var e *DecodeError
		if e, _ = err.(*DecodeError); e == nil || e.Offset < 0 || e.Offset > int64(len(text)) {
			t.Fatalf("%q: odd error %#v", text, err)
		}
		_ = err.Error()
		return
	}
	out := v.AppendJSON(nil)
	if !json.Valid(out) || !utf8.Valid(out) {
		t.Fatalf("%q was written as %q", text, out)
	}
	again, err := ParseValue(out)
	if err != nil {
		if depthOf(text) > MaxDepth/2 {
			return // an escape may add a level
		}
		t.Fatalf("%q was written as %q: %v", text, out, err)
	}
	if !hasInvalidDate(out) && !again.Equal(v) {
		t.Fatalf("%q was written as %q and read as %q", text, out, again)
	}
	if third := again.AppendJSON(nil); !hasInvalidDate(out) && !bytes.Equal(third, out) {
		t.Fatalf("%q was written as %q, then as %q", text, out, third)
	}
	if v.Kind() == Object {
		if _, err := FromRaw(v.Doc().Raw()); err != nil {
			t.Fatalf("%q: the bytes of the document: %v", text, err)
		}
	}
	if canonical := (Style{Canonical: true, Indent: " "}).Append(nil, v); !json.Valid(canonical) {
		t.Fatalf("%q is written canonically as %q", text, canonical)
	}
}

// hasInvalidDate: what is written as null is read as 1970, as in JavaScript.
func hasInvalidDate(out []byte) bool { return bytes.Contains(out, []byte(`{"$date":null}`)) }

func FuzzFromRaw(f *testing.F) {
	for _, text := range texts {
		if v, err := ParseValue([]byte(text)); err == nil {
			f.Add([]byte(Make(Field{"v", v}, Field{"w", ArrayOf(v, v)}).Raw()))
		}
	}
	var r RawReader
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := FromRaw(string(raw))
		if fault := readsRaw(&r, string(raw)); fault != "" {
			t.Fatal(fault)
		}
		if err != nil {
			return
		}
		walk(d.Value(), 0)
		_ = d.String()
		if e := d.WithValue("x", NumberValue(1)).Without("x"); !d.Without("x").Equal(e) && !hasInvalidDate(d.AppendJSON(nil)) {
			t.Fatalf("%q: with and without x it is %q", raw, e.Raw())
		}
		AppendKey(nil, d.Value(), true)
		if Compare(d.Value(), d.Value()) != 0 {
			t.Fatalf("%q is not equal to itself", raw)
		}
	})
}

// walk asks everything of a value.
func walk(v Value, depth int) {
	_, _, _, _, _ = v.Any(), v.Time(), v.Regexp(), v.Decimal(), v.ObjectID()
	_ = v.Equal(v)
	if typ, val := v.Custom(); typ != "" {
		walk(val, depth+1)
	}
	for i := range v.Array().Len() {
		walk(v.Array().At(i), depth+1)
	}
	for i := range v.Doc().Len() {
		name, x := v.Doc().At(i)
		if got := v.Doc().Field(name); got.Kind() != x.Kind() {
			panic(fmt.Sprintf("field %q is %v, looked up it is %v", name, x.Kind(), got.Kind()))
		}
		walk(x, depth+1)
	}
}

// readsRaw tells where a reader says other than FromRaw.
func readsRaw(r *RawReader, raw string) (fault string) {
	d, err := FromRaw(raw)
	got, gotErr := r.FromRaw(raw)
	if got != d || fmt.Sprint(gotErr) != fmt.Sprint(err) {
		return fmt.Sprintf("%q: FromRaw says %v, a reader of others before %v", raw, err, gotErr)
	}
	return ""
}

// TestFlippedBits is a small FuzzFromRaw for every run of the tests.
func TestFlippedBits(t *testing.T) {
	var r RawReader // knows all names, and all those that are wrong
	for _, text := range texts {
		v, err := ParseValue([]byte(text))
		if err != nil {
			continue
		}
		if fault := readsRaw(&r, Make(Field{"v", v}, Field{"w", ArrayOf(v, v)}, Field{"x", 1}).Raw()); fault != "" {
			t.Fatal(fault)
		}
		raw := []byte(Make(Field{"v", v}, Field{"w", ArrayOf(v, v)}, Field{"x", 1}).Raw())
		for i := range raw {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				if d, err := FromRaw(string(raw)); err == nil {
					walk(d.Value(), 0)
					_ = d.String()
				}
				if fault := readsRaw(&r, string(raw)); fault != "" {
					t.Fatal(fault)
				}
				raw[i] ^= 1 << bit
			}
			if d, err := FromRaw(string(raw[:i])); err == nil {
				walk(d.Value(), 0)
			}
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "1", "-1", "0.1", "123456789.123456789", "9007199254740993", "1e22", "1e23", "123e-7", "0.000001", "1e21"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want float64
		if json.Unmarshal([]byte(s), &want) != nil {
			return
		}
		v, err := ParseValue([]byte(s))
		if err != nil || math.Float64bits(v.Number()) != math.Float64bits(want) {
			t.Fatalf("%q is %v (%v), want %v", s, v, err, want)
		}
		out := string(v.AppendJSON(nil))
		text, _ := json.Marshal(want)
		if string(text) != out && want != 0 && !strings.Contains(string(text), "e") {
			t.Fatalf("%q is written %s, encoding/json writes %s", s, out, text)
		}
	})
}
