package query_test

import (
	"bufio"
	"bytes"
	"os"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// seeds adds, of each line of a file of vectors, a field and a document.
func seeds(f *testing.F, file, field string) {
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		f.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 16<<20)
	for n := 0; lines.Scan(); n++ {
		c, err := ejson.Parse(lines.Bytes())
		if err != nil {
			f.Fatal(err)
		}
		d := c.Field("doc").Doc()
		if docs := docsOf(c); len(docs) > 0 {
			d = docs[n%len(docs)]
		}
		f.Add(c.Field(field).AppendJSON(nil), d.AppendJSON(nil))
	}
}

// FuzzCompile: no selector panics, hangs, or is answered in two ways.
func FuzzCompile(f *testing.F) {
	seeds(f, "selectors.jsonl", "selector")
	k, err := query.CompileIndex("a", "-b")
	if err != nil {
		f.Fatal(err)
	}
	have := []query.Index{{Name: "a,-b", Key: k, Size: 10, Multikey: true}}
	f.Fuzz(func(t *testing.T, sel, doc []byte) {
		d, err := ejson.Parse(doc)
		if err != nil {
			t.Skip()
		}
		m, err := query.Compile(sel)
		if err != nil {
			if _, ok := err.(*query.SyntaxError); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		match := m.Match(d)
		if fault := selects(m, []ejson.Doc{d}); fault != "" {
			t.Fatal(fault)
		}
		again, err := query.Compile(m.Selector())
		if err != nil || !m.None() && again.Match(d) != match {
			t.Fatalf("the selector compiled again: %v", err)
		}
		if ids, ok := m.IDs(); ok && match {
			found := false
			for _, id := range ids {
				found = found || id == d.ID()
			}
			if !found {
				t.Fatalf("%s matches, and %v does not hold its id", d, ids)
			}
		}
		_, _ = m.Pins(), m.Paths()
		p := query.Choose(m, nil, 0, have)
		_ = p.String()
		if p.Access == query.ByIndex && match {
			keys, _ := k.Append(nil, d)
			found := false
			for _, b := range p.Bounds {
				for _, key := range keys {
					found = found || string(key) >= b.Low && (b.High == "" || string(key) < b.High)
				}
			}
			if !found {
				t.Fatalf("%s matches, and lies beyond %s", d, p)
			}
		}
		if mod, err := query.CompileModifier([]byte(`{"$set":{"x":1}}`)); err == nil {
			_, _ = mod.Upsert(m, query.At{})
		}
	})
}

// FuzzModifier: no modifier panics or hangs, and what it makes can be read back.
func FuzzModifier(f *testing.F) {
	seeds(f, "modifiers.jsonl", "modifier")
	f.Fuzz(func(t *testing.T, mod, doc []byte) {
		d, err := ejson.Parse(doc)
		if err != nil {
			t.Skip()
		}
		m, err := query.CompileModifier(mod)
		if err != nil {
			if _, ok := err.(*query.SyntaxError); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		raw := d.Raw()
		out, err := m.ApplyAt(d, query.At{Index: 0})
		if d.Raw() != raw {
			t.Fatal("the document was changed")
		}
		if err != nil {
			if _, ok := err.(*query.UpdateError); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		back, err := ejson.Parse(out.AppendJSON(nil))
		if err != nil || !back.Same(out) && !bytes.Equal(back.AppendJSON(nil), out.AppendJSON(nil)) {
			t.Fatalf("%s does not come back: %v", out, err)
		}
	})
}

// FuzzSort and projection: no spec panics.
func FuzzSort(f *testing.F) {
	seeds(f, "sort.jsonl", "sort")
	f.Fuzz(func(t *testing.T, spec, doc []byte) {
		d, err := ejson.Parse(doc)
		if err != nil {
			t.Skip()
		}
		if s, err := query.CompileSortSpec(spec); err == nil && s != nil {
			if s.Compare(d, d) != 0 || !s.Same(d, d) {
				t.Fatal("a document is not equal to itself")
			}
			s.AppendKey(nil, d)
			again, err := query.CompileSort(s.Keys()...)
			if err != nil || again != nil && !bytes.Equal(again.AppendKey(nil, d), s.AppendKey(nil, d)) {
				t.Fatalf("%q is another sort: %v", s.Keys(), err)
			}
		}
	})
}

func FuzzFields(f *testing.F) {
	seeds(f, "projection.jsonl", "fields")
	f.Fuzz(func(t *testing.T, spec, doc []byte) {
		d, err := ejson.Parse(doc)
		if err != nil {
			t.Skip()
		}
		fields, err := query.CompileFields(spec)
		if err != nil {
			return
		}
		again, err := query.CompileFields(fields.Spec())
		if err != nil || !again.ApplyAt(d, 0).Equal(fields.ApplyAt(d, 0)) || !again.Spec().Equal(fields.Spec()) {
			t.Fatalf("%s is another projection: %v", fields.Spec(), err)
		}
	})
}
