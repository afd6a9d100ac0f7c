package ddp

import (
	"fmt"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// A message of usual size, 340 bytes.
const usual = `{"msg":"added","collection":"messages","id":"Hq7fKz3xWp9TnBv2c","fields":{"room":"room-17","author":"user-0421","text":"The quick brown fox jumps over the lazy dog, again and again, until it rests.","ts":{"$date":1700000123456},"n":123456,"flag":true,"tags":["red","green","blue"],"nested":{"a":{"b":512,"c":"deep"},"list":[1,2,3]},"score":12.5}}`

func BenchmarkDecodeAdded(b *testing.B) {
	var d Decoder
	frame := []byte(usual)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// different returns added messages like those of the workloads, no two the same.
func different(n int) [][]byte {
	r := NewRandom("seed")
	frames := make([][]byte, n)
	for i := range frames {
		text := r.Secret(60 + i*7%61)
		tags := `"tag1","tag22","tag3","tag44"`[:[]int{6, 14, 21, 29}[i%4]]
		frames[i] = fmt.Appendf(nil, `{"msg":"added","collection":"messages","id":"%s","fields":{"author":"author%d","room":"room%d","text":"%s",`+
			`"ts":{"$date":%d},"score":%g,"tags":[%s],"n":%d,"nested":{"a":{"b":%d},"likes":%d},"flag":%v}}`,
			r.ID(17), i*7919%1000, i*31%100, text, 1_700_000_000_000+int64(i)*7919, float64(i*7919%1_000_000)/1000, tags, i, i*7%1000, i*77%10_000, i%3 == 0)
	}
	return frames
}

// BenchmarkDecodeMany decodes messages that are all different, as they are, and
// as the documents that a store keeps.
func BenchmarkDecodeMany(b *testing.B) {
	frames := different(1000)
	run := func(name string, d *Decoder, whole bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m, err := d.Decode(frames[i%len(frames)])
				if err != nil {
					b.Fatal(err)
				}
				if a := m.(Added); whole && a.Fields.WithID(a.ID).IsZero() {
					b.Fatal("no document")
				}
			}
		})
	}
	run("fields", new(Decoder), false)
	run("documents", &Decoder{Whole: true}, true)
	run("arena", &Decoder{Whole: true, Arena: new(ejson.Arena)}, true)
}

func BenchmarkDecodeSmall(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"changed", `{"msg":"changed","collection":"messages","id":"Hq7fKz3xWp9TnBv2c","fields":{"n":5}}`},
		{"removed", `{"msg":"removed","collection":"messages","id":"Hq7fKz3xWp9TnBv2c"}`},
		{"method", `{"msg":"method","id":"12","method":"rooms.join","params":["room-17"]}`},
		{"ping", `{"msg":"ping"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var d Decoder
			frame := []byte(c.text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDocument is the document of BenchmarkDecodeAdded alone.
func BenchmarkDocument(b *testing.B) {
	m, err := Decode([]byte(usual))
	if err != nil {
		b.Fatal(err)
	}
	text := m.(Added).Fields.AppendJSON(nil)
	var d ejson.Decoder
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(text)
		if _, err := d.DocValue(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendAdded(b *testing.B) {
	m, err := Decode([]byte(usual))
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.SetBytes(int64(len(usual)))
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], m)
	}
}

// TestAllocations holds what the hot path may allocate: the document, its id, and
// the box of the message.
func TestAllocations(t *testing.T) {
	var d Decoder
	for text, most := range map[string]float64{
		usual: 3,
		`{"msg":"removed","collection":"messages","id":"Hq7fKz3xWp9TnBv2c"}`: 2,
		`{"msg":"ping"}`: 0,
	} {
		frame := []byte(text)
		var m Message
		if n := testing.AllocsPerRun(200, func() { m, _ = d.Decode(frame) }); n > most {
			t.Errorf("%.40s: %v allocations to decode, want %v", text, n, most)
		}
		buf := Append(nil, m)
		if n := testing.AllocsPerRun(200, func() { buf = Append(buf[:0], m) }); n > 0 {
			t.Errorf("%.40s: %v allocations to append", text, n)
		}
	}
}
