package server

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"pgregory.net/rapid"
)

// naive is a merge box as the behaviour sheet words it: per document and field the
// list of values in their order of arrival.
type naive map[string]*naiveDoc

type naiveDoc struct {
	in     map[int]bool
	fields map[string][]naiveEntry
}

type naiveEntry struct{ sub, value int }

// message is what either says to the client.
type message struct {
	kind    string
	fields  map[string]int
	cleared []string
}

func (n naive) changed(d *naiveDoc, step func()) message {
	before := d.shown()
	step()
	after := d.shown()
	m := message{kind: "changed", fields: make(map[string]int)}
	for k, v := range after {
		if w, ok := before[k]; !ok || w != v {
			m.fields[k] = v
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			m.cleared = append(m.cleared, k)
		}
	}
	slices.Sort(m.cleared)
	if len(m.fields)+len(m.cleared) == 0 {
		return message{}
	}
	return m
}

func (d *naiveDoc) shown() map[string]int {
	m := make(map[string]int)
	for k, list := range d.fields {
		m[k] = list[0].value
	}
	return m
}

func (d *naiveDoc) set(sub int, k string, v int) {
	for i, e := range d.fields[k] {
		if e.sub == sub {
			d.fields[k][i].value = v
			return
		}
	}
	d.fields[k] = append(d.fields[k], naiveEntry{sub, v})
}

func (d *naiveDoc) clear(sub int, k string) {
	d.fields[k] = slices.DeleteFunc(d.fields[k], func(e naiveEntry) bool { return e.sub == sub })
	if len(d.fields[k]) == 0 {
		delete(d.fields, k)
	}
}

func (n naive) add(sub int, id string, fields map[string]int) message {
	d := n[id]
	if d == nil {
		d = &naiveDoc{in: map[int]bool{sub: true}, fields: make(map[string][]naiveEntry)}
		n[id] = d
		for k, v := range fields {
			d.set(sub, k, v)
		}
		return message{kind: "added", fields: maps.Clone(fields)}
	}
	return n.changed(d, func() {
		d.in[sub] = true
		for k := range maps.Clone(d.fields) {
			if _, ok := fields[k]; !ok {
				d.clear(sub, k)
			}
		}
		for k, v := range fields {
			d.set(sub, k, v)
		}
	})
}

func (n naive) remove(sub int, id string) message {
	d := n[id]
	if len(d.in) == 1 {
		delete(n, id)
		return message{kind: "removed"}
	}
	return n.changed(d, func() {
		delete(d.in, sub)
		for k := range maps.Clone(d.fields) {
			d.clear(sub, k)
		}
	})
}

// said makes a message of a delta.
func said(d *delta) message {
	m := message{fields: make(map[string]int)}
	switch d.kind {
	case deltaAdded:
		m.kind = "added"
		for k, v := range d.doc.Fields() {
			if k != idField {
				m.fields[k] = int(v.Number())
			}
		}
	case deltaRemoved:
		return message{kind: "removed"}
	default:
		if d.empty() {
			return message{}
		}
		m.kind = "changed"
		for _, f := range d.fields {
			m.fields[f.name] = int(f.value.Number())
		}
		m.cleared = slices.Sorted(slices.Values(d.cleared))
	}
	return m
}

func (m message) equal(o message) bool {
	return m.kind == o.kind && maps.Equal(m.fields, o.fields) && slices.Equal(m.cleared, o.cleared)
}

func docOf(id string, fields map[string]int) ejson.Doc {
	var b ejson.Builder
	if id != "" {
		b.Add(idField, ejson.StringValue(id))
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		b.Add(k, ejson.NumberValue(float64(fields[k])))
	}
	return b.Doc()
}

// TestMergeBoxModel compares the merge box, message by message, with the naive
// one.
func TestMergeBoxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, model := newView(), naive{}
		holdings := make([]*holding, 4)
		var d delta
		fields := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.IntRange(0, 2), 0, 4)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			sub := rapid.IntRange(0, len(holdings)-1).Draw(t, "sub")
			id := fmt.Sprint("d", rapid.IntRange(0, 3).Draw(t, "doc"))
			if holdings[sub] == nil {
				holdings[sub] = v.hold("c")
			}
			h := holdings[sub]
			held := model[id] != nil && model[id].in[sub]
			var want message
			switch op := rapid.SampledFrom([]string{"add", "change", "change", "remove", "end"}).Draw(t, "op"); op {
			case "add":
				f := fields.Draw(t, "fields")
				want = model.add(sub, id, f)
				h.add(ejson.StringID(id), docOf(id, f), &d)
			case "change":
				set := fields.Draw(t, "set")
				unset := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID).Draw(t, "unset")
				unset = slices.DeleteFunc(unset, func(k string) bool { _, ok := set[k]; return ok })
				if ok := h.change(ejson.StringID(id), docOf("", set), unset, &d); ok != held {
					t.Fatalf("change of %s: %v, want %v", id, ok, held)
				}
				if !held {
					continue
				}
				doc := model[id]
				want = model.changed(doc, func() {
					for k, v := range set {
						doc.set(sub, k, v)
					}
					for _, k := range unset {
						doc.clear(sub, k)
					}
				})
			case "remove":
				if ok := h.remove(ejson.StringID(id), &d); ok != held {
					t.Fatalf("remove of %s: %v, want %v", id, ok, held)
				}
				if !held {
					continue
				}
				want = model.remove(sub, id)
			case "end":
				got := make(map[string]message)
				v.end(h, &d, func(d *delta) {
					if m := said(d); m.kind != "" {
						got[d.id.String()] = m
					}
				})
				for _, id := range slices.Sorted(maps.Keys(model)) {
					if !model[id].in[sub] {
						continue
					}
					if want := model.remove(sub, id); !want.equal(got[id]) {
						t.Fatalf("end: %s: got %v, want %v", id, got[id], want)
					}
					delete(got, id)
				}
				if len(got) > 0 {
					t.Fatalf("end: more than expected: %v", got)
				}
				holdings[sub] = nil
				checkView(t, v)
				continue
			}
			if got := said(&d); !got.equal(want) {
				t.Fatalf("%s by %d: got %v, want %v", id, sub, got, want)
			}
			checkView(t, v)
			checkShown(t, v, model)
		}
	})
}

// checkShown checks that the merge box knows what the client has.
func checkShown(t checker, v *view, model naive) {
	t.Helper()
	n := 0
	s := v.shelves["c"]
	for id, doc := range s.shown {
		n++
		want := docOf("", model[id.String()].shown())
		if !doc.WithoutID().Same(want) {
			t.Fatalf("%v is %v, want %v", id, doc, want)
		}
	}
	if n != len(model) {
		t.Fatalf("%d documents, want %d", n, len(model))
	}
}

// TestMergeBoxDifferences checks that the difference of two views makes one of the
// other.
func TestMergeBoxDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.IntRange(0, 1), 0, 3)
		var d delta
		fill := func(label string) (*view, map[string]map[string]int) {
			v, model := newView(), naive{}
			hs := []*holding{v.hold("c"), v.hold("c")}
			for range rapid.IntRange(0, 8).Draw(t, label) {
				sub, id := rapid.IntRange(0, 1).Draw(t, "sub"), fmt.Sprint("d", rapid.IntRange(0, 3).Draw(t, "doc"))
				f := fields.Draw(t, "fields")
				model.add(sub, id, f)
				hs[sub].add(ejson.StringID(id), docOf(id, f), &d)
			}
			shown := make(map[string]map[string]int)
			for id, doc := range model {
				shown[id] = doc.shown()
			}
			return v, shown
		}
		old, have := fill("old")
		now, want := fill("new")
		now.differences(old, &d, func(d *delta) {
			m, id := said(d), d.id.String()
			switch m.kind {
			case "added":
				if have[id] != nil {
					t.Fatalf("%s is added twice", id)
				}
				have[id] = m.fields
			case "removed":
				if have[id] == nil {
					t.Fatalf("%s is not there to be removed", id)
				}
				delete(have, id)
			case "changed":
				maps.Copy(have[id], m.fields)
				for _, k := range m.cleared {
					delete(have[id], k)
				}
			}
		})
		if !maps.EqualFunc(have, want, maps.Equal) {
			t.Fatalf("got %v, want %v", have, want)
		}
	})
}
