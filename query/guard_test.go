package query_test

import (
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// Guards of what speed rests on: counts of allocations, which are the same on
// every machine, and never times.

// underRace: the detector makes pools forget, and regexp keeps its machines in one.
var underRace bool

// TestMatchAllocates nothing, whatever the operator.
func TestMatchAllocates(t *testing.T) {
	d := mustParse(t, `{"_id":"x","n":5,"s":"some text","flag":true,"tags":["a","b","c"],"ts":{"$date":1000},"nil":null,"p":[1,2],
		"nested":{"a":{"b":7}},"rows":[{"k":1,"v":[1,2]},{"k":2}],"bin":{"$binary":"AQI="},"id":{"$type":"oid","$value":"507f191e810c19729de860ea"}}`)
	for _, sel := range []string{
		`{}`, `{"_id":"x"}`, `{"n":5}`, `{"n":{"$gt":1,"$lte":9}}`, `{"s":{"$gte":"a"}}`, `{"ts":{"$lt":{"$date":5000}}}`, `{"flag":true,"nested.a.b":{"$gt":1}}`,
		`{"tags":{"$in":["x","c"]}}`, `{"n":{"$in":[1,2,3,4,5,6,7,8,9,10,11]}}`, `{"s":{"$nin":["x",null]}}`, `{"tags":{"$all":["a","c"]}}`, `{"tags":{"$size":3}}`,
		`{"rows":{"$elemMatch":{"k":1,"v":2}}}`, `{"rows.k":{"$ne":9}}`, `{"rows.0.v.1":2}`, `{"p":{"$elemMatch":{"$gt":1,"$lt":3}}}`, `{"n":{"$mod":[5,0]}}`,
		`{"$or":[{"n":1},{"tags":"b"}]}`, `{"$nor":[{"n":1},{"x":{"$exists":true}}]}`, `{"nil":null,"gone":null}`, `{"n":{"$type":"number"}}`, `{"n":{"$bitsAllSet":5}}`,
		`{"s":{"$regex":"^some"}}`, `{"s":{"$regex":"t.xt"}}`, `{"s":{"$regex":"s.*t$"}}`, `{"s":{"$not":{"$regex":"^x"}}}`, `{"bin":{"$binary":"AQI="}}`, `{"id":{"$type":"oid","$value":"507f191e810c19729de860ea"}}`,
		`{"nested":{"a":{"b":7}}}`, `{"p":{"$geoWithin":{"$box":[[0,0],[5,5]]}}}`,
	} {
		m := mustCompile(t, []byte(sel))
		if !m.Match(d) {
			t.Errorf("%s does not match, so that this proves little", sel)
		}
		if underRace && strings.Contains(sel, "$regex") {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { m.Match(d); m.MatchAt(d); m.Select([]ejson.Doc{d, d}) }); n != 0 {
			t.Errorf("%s: %v allocations", sel, n)
		}
	}
	for _, sel := range []string{ // which do not match
		`{"n":6}`, `{"tags":{"$nin":["a","b","c","d","e","f","g","h","i","j"]}}`, `{"$or":[{"n":-1},{"$and":[{"n":{"$gt":1000}},{"x":null}]}]}`,
		`{"tags":{"$elemMatch":{"$gt":"x","$lt":"z"}}}`, `{"tags":{"$all":["a","z"]}}`, `{"tags":{"$not":{"$gt":"a","$lt":"z"}}}`,
		`{"x.y.z":{"$exists":true}}`, `{"nested":{"a":{"b":8}}}`, `{"rows":{"$elemMatch":{"k":2,"v":2}}}`,
	} {
		m := mustCompile(t, []byte(sel))
		if m.Match(d) {
			t.Errorf("%s matches", sel)
		}
		if n := testing.AllocsPerRun(100, func() { m.Match(d) }); n != 0 {
			t.Errorf("%s: %v allocations", sel, n)
		}
	}
}

// TestApplyAllocates the new document, and where lists or sizes change what they
// are put together from.
func TestApplyAllocates(t *testing.T) {
	d := mustParse(t, `{"_id":"x","n":5,"f":1.5,"s":"text","flag":true,"ts":{"$date":1000},"tags":["a","b"],"nested":{"a":{"b":7},"n":1}}`)
	for _, c := range []struct {
		mod  string
		most float64
	}{
		{`{"$inc":{"n":1}}`, 1}, {`{"$inc":{"f":1}}`, 1}, {`{"$inc":{"nested.a.b":1}}`, 1}, {`{"$mul":{"n":2}}`, 1}, {`{"$max":{"n":9}}`, 1}, {`{"$bit":{"n":{"or":8}}}`, 1},
		{`{"$set":{"s":"next"}}`, 1}, {`{"$set":{"s":"something longer"}}`, 1}, {`{"$set":{"flag":false}}`, 1}, {`{"$set":{"ts":{"$date":2000}}}`, 1},
		{`{"$set":{"s":"longer text","flag":null},"$inc":{"n":1}}`, 1}, {`{"$unset":{"s":1,"f":1}}`, 1}, {`{"$set":{"new":1}}`, 1},
		{`{"$set":{"nested.a.b":"longer"}}`, 3}, {`{"$inc":{"nested.a.b":1,"nested.n":1}}`, 3}, {`{"$push":{"tags":"c"}}`, 3},
		{`{"$set":{"n":5,"s":"text"}}`, 0}, {`{"$inc":{"n":0}}`, 0}, {`{"$max":{"n":1}}`, 0}, {`{"$unset":{"z":1}}`, 0}, {`{"$set":{"nested.a.b":7}}`, 0},
	} {
		m, err := query.CompileModifier([]byte(c.mod))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := m.Apply(d); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations, want %v at most", c.mod, n, c.most)
		}
	}
}

// TestKeysAllocate nothing: those of sorts and of indexes, and comparisons.
func TestKeysAllocate(t *testing.T) {
	a := mustParse(t, `{"_id":"x","room":"r1","ts":{"$date":1000},"n":5,"nested":{"a":{"b":7}}}`)
	b := mustParse(t, `{"_id":"y","room":"r1","ts":{"$date":2000},"nested":{"a":{"b":7}}}`)
	buf := make([]byte, 0, 1000)
	for _, keys := range [][]string{{"room"}, {"room", "-ts"}, {"nested.a.b", "gone", "-n"}, {"_id"}} {
		s, err := query.CompileSort(keys...)
		if err != nil {
			t.Fatal(err)
		}
		k, err := query.CompileIndex(keys...)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			s.Compare(a, b)
			s.Same(a, b)
			s.AppendKey(buf, a)
			k.AppendOne(buf, b)
		}); n != 0 {
			t.Errorf("%v: %v allocations", keys, n)
		}
	}
}

// TestProjectionAllocates the shown document and the room it was made in.
func TestProjectionAllocates(t *testing.T) {
	d := mustParse(t, `{"_id":"x","n":5,"s":"text","flag":true,"nested":{"a":{"b":7}}}`)
	for spec, most := range map[string]float64{`{"s":0,"n":0}`: 1, `{"n":1,"flag":1}`: 1, `{"n":1,"_id":0}`: 1, `{"n":1,"s":1,"flag":1,"nested":1}`: 0, `{"nested.a":1}`: 12, `{"gone":0}`: 0} {
		f, err := query.CompileFields([]byte(spec))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { f.Apply(d) }); n > most {
			t.Errorf("%s: %v allocations, want %v at most", spec, n, most)
		}
	}
}

// TestPlacesAreShared: one matcher, modifier and key for documents of many shapes
// and many goroutines at once.
func TestPlacesAreShared(t *testing.T) {
	docs := []ejson.Doc{
		mustParse(t, `{"_id":1,"a":{"b":1},"c":2}`), mustParse(t, `{"c":2,"a":{"x":0,"b":1},"_id":1}`), mustParse(t, `{"x":0,"y":0,"c":2,"z":0,"a":{"y":0,"x":0,"b":1}}`),
	}
	m := mustCompile(t, []byte(`{"a.b":1,"c":{"$gt":1}}`))
	mod, err := query.CompileModifier([]byte(`{"$inc":{"a.b":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	k, err := query.CompileIndex("a.b", "c")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := k.AppendOne(nil, docs[0])
	done := make(chan string, 4)
	for range cap(done) {
		go func() {
			fault := ""
			for i := range 3000 {
				d := docs[i%len(docs)]
				key, _ := k.AppendOne(nil, d)
				out, err := mod.Apply(d)
				if !m.Match(d) || string(key) != string(want) || err != nil || m.Match(out) {
					fault = d.String()
				}
			}
			done <- fault
		}()
	}
	for range cap(done) {
		if fault := <-done; fault != "" {
			t.Errorf("%s is misread", fault)
		}
	}
}
