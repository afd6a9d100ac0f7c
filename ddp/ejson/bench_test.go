package ejson

import "testing"

func BenchmarkParse(b *testing.B) {
	text := dataset(1)[0]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseMany parses documents that are all different, so that no branch
// can be learnt by heart.
func BenchmarkParseMany(b *testing.B) {
	texts := dataset(1000)
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	run := func(name string, d *Decoder) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size / len(texts)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Reset(texts[i%len(texts)])
				if _, err := d.DocValue(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("own", new(Decoder))
	run("arena", &Decoder{Arena: new(Arena)})
}

// BenchmarkDecodeMessage reads an added message as package ddp does.
func BenchmarkDecodeMessage(b *testing.B) {
	text := message()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var d Decoder
	for b.Loop() {
		if _, err := readMessage(&d, text); err != nil {
			b.Fatal(err)
		}
	}
}

type addedMessage struct {
	msg, collection string
	id              ID
	fields          Doc
}

func readMessage(d *Decoder, text []byte) (m addedMessage, err error) {
	d.Reset(text)
	if err = d.BeginObject(); err != nil {
		return m, err
	}
	for {
		key, ok, err := d.NextKey()
		if err != nil || !ok {
			return m, err
		}
		switch string(key) {
		case "msg":
			m.msg, err = d.StringValue()
		case "collection":
			m.collection, err = d.StringValue()
		case "id":
			var s string
			if s, err = d.StringValue(); err == nil {
				m.id, err = ParseWireID(s)
			}
		case "fields":
			m.fields, err = d.DocValue()
		default:
			_, err = d.Skip()
		}
		if err != nil {
			return m, err
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = d.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkAppendMany writes documents that are all different.
func BenchmarkAppendMany(b *testing.B) {
	docs := make([]Doc, 1000)
	for i, text := range dataset(len(docs)) {
		docs[i], _ = Parse(text)
	}
	var buf []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = docs[i%len(docs)].AppendFieldsJSON(buf[:0])
	}
}

func BenchmarkLookup(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	n := 0
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			n += len(d.Lookup(idName).s)
		}
	})
	b.Run("last", func(b *testing.B) {
		for b.Loop() {
			n += int(d.Lookup(nameFlag).num)
		}
	})
	b.Run("place", func(b *testing.B) {
		place := PlaceOf("flag")
		for b.Loop() {
			n += int(place.In(d).num)
		}
	})
	b.Run("absent", func(b *testing.B) {
		absent := NameOf("absent")
		for b.Loop() {
			n += int(d.Lookup(absent).num)
		}
	})
	b.Run("hashing", func(b *testing.B) {
		for b.Loop() {
			n += int(d.Field("nested").num)
		}
	})
}

// BenchmarkLookupMany looks three fields up in documents that are all different,
// as a scan does.
func BenchmarkLookupMany(b *testing.B) {
	docs := make([]Doc, 1000)
	for i, text := range dataset(len(docs)) {
		docs[i], _ = Parse(text)
	}
	n := 0
	b.Run("name", func(b *testing.B) {
		n1, a, c, tags, flag := NameOf("nested"), NameOf("a"), NameOf("b"), NameOf("tags"), NameOf("flag")
		for i := 0; b.Loop(); i++ {
			d := docs[i%len(docs)]
			n += int(d.Lookup(n1).Doc().Lookup(a).Doc().Lookup(c).num+d.Lookup(flag).num) + len(d.Lookup(tags).s)
		}
	})
	b.Run("place", func(b *testing.B) {
		n1, a, c, tags, flag := PlaceOf("nested"), PlaceOf("a"), PlaceOf("b"), PlaceOf("tags"), PlaceOf("flag")
		for i := 0; b.Loop(); i++ {
			d := docs[i%len(docs)]
			n += int(c.In(a.In(n1.In(d).Doc()).Doc()).num+flag.In(d).num) + len(tags.In(d).s)
		}
	})
}

func BenchmarkEdit(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	set := Make(Field{"n", 8}, Field{"score", 1.5})
	none := Make(Field{"n", d.Field("n")})
	other := d.Merge(set, []string{"flag"})
	id := StringID("abcdefghijklmnopq")
	fields := d.WithoutID()
	run := func(name string, fn func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fn()
			}
		})
	}
	run("WithValue", func() { d.WithValue("n", NumberValue(9)) })
	path, deep := []Name{NameOf("n")}, []Name{NameOf("nested"), NameOf("a"), NameOf("b")}
	run("Overwrite", func() { d.Overwrite(path, NumberValue(9)) })
	run("OverwriteDeep", func() { d.Overwrite(deep, NumberValue(9)) })
	run("WithID", func() { fields.WithID(id) })
	run("WithoutID", func() { d.WithoutID() })
	run("Merge", func() { d.Merge(set, nil) })
	run("MergeNothing", func() { d.Merge(none, nil) })
	run("Diff", func() { Diff(d, other) })
	run("DiffEqual", func() { Diff(d, d) })
	run("Same", func() { d.Same(other) })
	run("FromRaw", func() { FromRaw(d.Raw()) })
	run("ID", func() { d.ID() })
}

func BenchmarkAppendKey(b *testing.B) {
	var buf []byte
	for _, v := range []Value{StringValue("author0042"), NumberValue(42), DateValue(1_700_000_000_000)} {
		b.Run(v.Kind().String(), func(b *testing.B) {
			for b.Loop() {
				buf = AppendKey(buf[:0], v, false)
			}
		})
	}
}

func BenchmarkFromMap(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	m, _ := Decode[map[string]any](d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := From(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromStruct(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	s, err := Decode[row](d)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := From(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeStruct(b *testing.B) {
	d, _ := Parse(dataset(1)[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode[row](d); err != nil {
			b.Fatal(err)
		}
	}
}
