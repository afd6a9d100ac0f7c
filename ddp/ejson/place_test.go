package ejson

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestPlace looks names up in random documents, as Lookup does.
func TestPlace(t *testing.T) {
	places := map[string]*Place{}
	for _, name := range append([]string{"absent"}, someNames...) {
		places[name] = PlaceOf(name)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(1).Draw(t, "doc")
		for name, p := range places {
			if got, want := p.In(d), d.Lookup(p.Name()); got != want {
				t.Fatalf("%q in %v is %v, want %v", name, d, got, want)
			}
		}
	})
	if !PlaceOf("a").In(Doc{}).IsMissing() {
		t.Error("a field of no document")
	}
}

// TestTrail goes down random documents, as Lookup does step by step.
func TestTrail(t *testing.T) {
	trails := map[string]*Trail{}
	rapid.Check(t, func(t *rapid.T) {
		d := genDoc(3).Draw(t, "doc")
		names := rapid.SliceOfN(rapid.SampledFrom(someNames), 1, 4).Draw(t, "names")
		if v := d.Value(); rapid.Bool().Draw(t, "there") {
			for i := range names { // a path that leads somewhere
				if v.Kind() != Object || v.Doc().Len() == 0 {
					break
				}
				names[i], v = v.Doc().At(rapid.IntRange(0, v.Doc().Len()-1).Draw(t, "field"))
			}
		}
		key := fmt.Sprintf("%q", names)
		if trails[key] == nil {
			trails[key] = TrailOf(names...)
		}
		want, n := d.Value(), 0
		for n < len(names) && want.Kind() == Object {
			want = want.Doc().Field(names[n])
			n++
		}
		if got, depth := trails[key].In(d); got != want || depth != n {
			t.Fatalf("%q in %v is %v at %d, want %v at %d", names, d, got, depth, want, n)
		}
	})
	if v, n := TrailOf("a", "b").In(Doc{}); !v.IsMissing() || n != 1 {
		t.Errorf("%v at %d in no document", v, n)
	}
}

// TestPlaceShared uses one Place from several goroutines, on documents that have
// the field at different places, more often than a Place changes.
func TestPlaceShared(t *testing.T) {
	var docs []Doc
	for i := range 300 {
		d := Make()
		for k := range i {
			d = d.With("f"+strconv.Itoa(k), k)
		}
		docs = append(docs, d.With("x", i))
	}
	p := PlaceOf("x")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 8 {
				for i, d := range docs {
					if v := p.In(d); v.Number() != float64(i) {
						t.Errorf("%v in document %d", v, i)
					}
				}
			}
		})
	}
	all.Wait()
	if n := p.at.Load() >> 16; n > maxPlaceChanges {
		t.Errorf("%d changes", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { p.In(docs[7]) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
