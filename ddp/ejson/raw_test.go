package ejson

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestRawReader reads documents of all shapes, sound and with bytes changed, and
// documents of many fields, of which two may have one name.
func TestRawReader(t *testing.T) {
	var r RawReader
	check := func(t interface{ Fatal(...any) }, raw string) {
		if fault := readsRaw(&r, raw); fault != "" {
			t.Fatal(fault)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(3).Draw(t, "doc")
		check(t, d.Raw())
		raw := []byte(d.Raw())
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		check(t, string(raw))
	})

	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 3, manyFields - 1, manyFields, manyFields + 1, maxNarrow, maxNarrow + 1} {
		var b Builder
		for i := range n {
			b.Add(fmt.Sprintf("field%03d", i), NumberValue(float64(i)))
		}
		d := b.Doc()
		for range 3 {
			check(t, d.Raw())
		}
		raw := []byte(d.Raw())
		for range 200 { // a field gets the name, and the word of the table, of another
			i, k := random.IntN(n), random.IntN(n)
			name, _ := d.At(k)
			rename(raw, open(d.Raw()), i, name)
			check(t, string(raw))
			if _, err := FromRaw(string(raw)); (err == nil) != (i == k) {
				t.Fatalf("%d fields, of which %d has the name of %d: %v", n, i, k, err)
			}
			copy(raw, d.Raw())
		}
	}
}

// rename gives field i of a document another name of the same length.
func rename(raw []byte, t table, i int, name string) {
	e := t.entry(i)
	copy(raw[e.off+1:], name)
	at := t.at + 4*i + 1 // the hash is in the upper half of a word
	if t.wide {
		at = t.at + 8*i + 5
	}
	meta := e.meta&^hashMask | hashName(name)
	for k := range 3 {
		if b := byte(meta >> (8 * (k + 1))); k > 0 || t.wide {
			raw[at+k] = b
		}
	}
}

// BenchmarkFromRawMany checks documents that are all different.
func BenchmarkFromRawMany(b *testing.B) {
	docs := make([]Doc, 1000)
	for i, text := range dataset(len(docs)) {
		docs[i], _ = Parse(text)
	}
	b.Run("each", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := FromRaw(docs[i%len(docs)].Raw()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("reader", func(b *testing.B) {
		var r RawReader
		for i := 0; b.Loop(); i++ {
			if _, err := r.FromRaw(docs[i%len(docs)].Raw()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
