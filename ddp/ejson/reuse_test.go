package ejson

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// readBoth reads a text with a Decoder that has read others before, as a document
// and as the fields of one, and compares with a fresh Decoder and with WithID.
func readBoth(t *testing.T, d *Decoder, text []byte, wire string) {
	t.Helper()
	frame := bytes.Clone(text)
	var fresh Decoder
	fresh.Reset(text)
	want, wantErr := fresh.DocValue()
	d.Reset(frame)
	got, err := d.DocValue()
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || got != want || d.Offset() != fresh.Offset() {
		t.Fatalf("%q: a used Decoder gave %v, %v up to %d; a fresh one %v, %v up to %d",
			text, got, err, d.Offset(), want, wantErr, fresh.Offset())
	}
	d.Reset(frame)
	doc, id, err := d.Document([]byte(wire))
	for i := range frame {
		frame[i] = '!' // nothing may have been kept of it
	}
	wantID, idErr := ParseWireID(wire)
	switch {
	case wantErr != nil:
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%q, id %q: got %v, want %v", text, wire, err, wantErr)
		}
	case idErr != nil:
		if err == nil {
			t.Fatalf("%q, id %q: no error", text, wire)
		}
	case err != nil || id != wantID || doc != want.WithID(wantID) || d.Offset() != fresh.Offset():
		t.Fatalf("%q, id %q: got %v, %v, %v, want %v", text, wire, doc, id, err, want.WithID(wantID))
	default:
		if _, err := FromRaw(doc.Raw()); err != nil {
			t.Fatalf("%q, id %q: %v", text, wire, err)
		}
	}
}

var wireIDs = []string{"abc", "Hq7fKz3xWp9TnBv2c", "", "-", "--", "-~", "~5", `~{"$date":5}`, "~[1]", "~", "0123456789abcdef01234567",
	"0123456789ABCDEF01234567", "é", "\xff", "\xed\xa0\x80x", strings.Repeat("i", 300)}

// TestDecoderReuse reads texts of all kinds, in changing order, with one Decoder.
func TestDecoderReuse(t *testing.T) {
	all := append([]string{}, texts...)
	for _, text := range dataset(20) {
		all = append(all, string(text))
	}
	for i := range 40 {
		all = append(all, fmt.Sprintf(`{"a":%d,"b%d":{"c":1,"d%d":"x"},"e":[{"f":1},{"g":%d,"f":2}],"a%d":1.5}`, i, i%3, i, i, i%9))
	}
	all = append(all, `{"_id":"other","a":1}`, `{"a":1,"_id":"other"}`, `{"a":1,"b0":{"c":1},"b0":2}`, `{"a":1,"b0":{"c":1,"c":2}}`,
		`{"a" : 1, "b0" :{"c":1 ,"d0":"x"} }`, `{"a":1,"b0`, `{"a":1,"b0"`, `{"a":1,"b0":{"c"`, `{"\u0061":1,"b0":2,"a":3}`,
		`{"`+strings.Repeat("k", 300)+`":1,"a":2}`, `{"a":1,"`+strings.Repeat("k", 64)+`":1}`, "{\"a\xff\":1,\"a\xff\":2}")
	for _, depth := range []int{MaxDepth - 1, MaxDepth, MaxDepth + 1} { // the document is one of them
		all = append(all, strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth),
			`{"a":`+strings.Repeat("[", depth-1)+strings.Repeat("]", depth-1)+"}",
			`{"a":`+strings.Repeat(`[{"b":`, depth/2)+"1"+strings.Repeat("}]", depth/2)+"}")
	}
	for _, fields := range []int{manyFields - 1, manyFields, manyFields + 1, maxNarrow, maxNarrow + 1, 600} {
		var b strings.Builder
		for i := range fields {
			fmt.Fprintf(&b, `"f%d":%d,`, i, i)
		}
		all = append(all, "{"+b.String()+`"end":1}`, "{"+b.String()+`"f3":"again"}`, "{"+b.String()+`"_id":1}`,
			fmt.Sprintf(`{%s"f%d":"again"}`, b.String(), fields-1), `{"in":{`+b.String()+`"end":1},"list":[{`+b.String()+`"f0":1}]}`)
	}
	all = append(all, `{"a":`+strings.Repeat("9", 100_000)+`}`, `{"a":0.`+strings.Repeat("0", 100_000)+`1}`, `{"a":1e99999999999}`, `{"a":-1e-99999999999}`,
		`{"a":"`+strings.Repeat("x", maxNarrowData)+`","b":1}`, `{"a":"`+strings.Repeat(`\u0000`, 1000)+`"}`, `{"`+strings.Repeat("k", 70_000)+`":1,"b":2}`)
	d := Decoder{Arena: new(Arena)}
	for round := range 3 {
		for i, text := range all {
			readBoth(t, &d, []byte(text), wireIDs[(i+round)%len(wireIDs)])
		}
	}
}

// TestStrangeNames sends a Decoder more names than it remembers: it must neither
// grow with them nor lose the ones that keep coming for good.
func TestStrangeNames(t *testing.T) {
	var d Decoder
	for i := range strangeShapes {
		text := fmt.Appendf(nil, `{"x%d":{"y%d":1},"z":{"a":{"b%d":{}}}}`, i, i%7, i)
		d.Reset(text)
		if doc, err := d.DocValue(); err != nil || doc.Len() != 2 {
			t.Fatal(doc, err)
		}
		if d.known.n > maxShapes {
			t.Fatalf("%d shapes", d.known.n)
		}
	}
	var usual []byte
	for i := range strangeShapes + maxShapes {
		usual = fmt.Appendf(nil, `{"k%d":1}`, i)
		d.Reset(usual)
		if _, err := d.DocValue(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHugeBuffer reads one huge text, after which small ones must not keep its
// buffer alive.
func TestHugeBuffer(t *testing.T) {
	var d Decoder
	d.Reset([]byte(`{"a":"` + strings.Repeat("x", 2<<20) + `"}`))
	if _, err := d.DocValue(); err != nil {
		t.Fatal(err)
	}
	d.Reset([]byte(`{"a":1}`))
	if _, err := d.DocValue(); err != nil {
		t.Fatal(err)
	}
	if n := cap(d.w.buf); n > hugeBuffer {
		t.Errorf("a buffer of %d bytes is kept", n)
	}
}

func FuzzDecoderReuse(f *testing.F) {
	for i, text := range texts {
		f.Add([]byte(text), []byte(texts[(i+1)%len(texts)]), wireIDs[i%len(wireIDs)])
	}
	f.Add(dataset(2)[0], dataset(2)[1], "abc")
	f.Fuzz(func(t *testing.T, a, b []byte, wire string) {
		d := Decoder{Arena: new(Arena)}
		for range 2 {
			readBoth(t, &d, a, wire)
			readBoth(t, &d, b, wire)
		}
	})
}
