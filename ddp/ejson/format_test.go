package ejson

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

// This file holds the candidate that lost, BSON walked by hand in one pass, and
// the measurements that decided; doc.go has the figures. To repeat them:
//
//	go test ./ddp/ejson -run '^$' -bench 'Format' -benchtime 0.3s -count 5

// bson appends a document as BSON. It writes every number as the type that a
// driver would take: int32 where it fits, else double.
func bson(b []byte, v Value) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	element := func(name string, x Value) {
		at := len(b)
		b = append(append(append(b, 0), name...), 0)
		switch x.Kind() {
		case Number:
			if f := x.Number(); fitsInt(f) {
				b[at] = 0x10
				b = binary.LittleEndian.AppendUint32(b, uint32(int32(f)))
			} else {
				b[at] = 0x01
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
			}
		case String:
			b[at] = 0x02
			b = binary.LittleEndian.AppendUint32(b, uint32(len(x.Str())+1))
			b = append(append(b, x.Str()...), 0)
		case Object, List:
			b[at] = 0x03
			if x.Kind() == List {
				b[at] = 0x04
			}
			b = bson(b, x)
		case Bool:
			b[at] = 0x08
			b = append(b, byte(x.num))
		case Date:
			b[at] = 0x09
			b = binary.LittleEndian.AppendUint64(b, x.num)
		default:
			panic(x.Kind())
		}
	}
	if v.Kind() == Object {
		for name, x := range v.Doc().Fields() {
			element(name, x)
		}
	} else {
		for i, x := range v.Array().All() {
			element(fmt.Sprint(i), x)
		}
	}
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// bsonNext returns the type, name and value of the element at p, and the next.
func bsonNext(s string, p int) (typ byte, name string, lo, hi int) {
	typ = s[p]
	p++
	n := strings.IndexByte(s[p:], 0)
	name = s[p : p+n]
	lo = p + n + 1
	switch typ {
	case 0x10:
		hi = lo + 4
	case 0x01, 0x09:
		hi = lo + 8
	case 0x08:
		hi = lo + 1
	case 0x02:
		hi = lo + 4 + int(le32(s, lo))
	default:
		hi = lo + int(le32(s, lo))
	}
	return typ, name, lo, hi
}

// The predicate of workload W4: {"nested.a.b": {$gt: 500}, tags: {$in: [3 of
// 50]}, flag: true}, as a general matcher asks it.
var (
	wanted    = []string{"tag03", "tag17", "tag41"}
	nameFlag  = NameOf("flag")
	nameTags  = NameOf("tags")
	nameNest  = NameOf("nested")
	nameA     = NameOf("a")
	nameB     = NameOf("b")
	wantedVal = []Value{StringValue("tag03"), StringValue("tag17"), StringValue("tag41")}
)

func flatMatch(d Doc) bool {
	v := d.Lookup(nameNest).Doc().Lookup(nameA).Doc().Lookup(nameB)
	if v.Kind() != Number || Compare(v, NumberValue(500)) <= 0 {
		return false
	}
	if a := d.Lookup(nameTags).Array(); !anyWanted(a) {
		return false
	}
	v = d.Lookup(nameFlag)
	return v.Kind() == Bool && v.Bool()
}

func anyWanted(a Array) bool {
	for i := range a.Len() {
		v := a.At(i)
		for _, w := range wantedVal {
			if v.Equal(w) {
				return true
			}
		}
	}
	return false
}

// bsonMatch finds the fields of the predicate in one pass over the document.
func bsonMatch(s string) bool {
	found, flag, tags, b := 0, false, false, false
	for p := 4; p < len(s)-1 && found < 3; {
		typ, name, lo, hi := bsonNext(s, p)
		p = hi
		switch {
		case name == "nested" && typ == 0x03:
			found++
			b = bsonB(s[lo:hi])
		case name == "tags" && typ == 0x04:
			found++
			tags = bsonTags(s[lo:hi])
		case name == "flag" && typ == 0x08:
			found++
			flag = s[lo] != 0
		}
	}
	return found == 3 && flag && tags && b
}

func bsonB(s string) bool {
	for p := 4; p < len(s)-1; {
		typ, name, lo, hi := bsonNext(s, p)
		p = hi
		switch {
		case name == "a" && typ == 0x03:
			return bsonB(s[lo:hi])
		case name == "b" && typ == 0x10:
			return float64(int32(le32(s, lo))) > 500
		}
	}
	return false
}

func bsonTags(s string) bool {
	for p := 4; p < len(s)-1; {
		typ, _, lo, hi := bsonNext(s, p)
		p = hi
		if typ == 0x02 {
			for _, w := range wanted {
				if s[lo+4:hi-1] == w {
					return true
				}
			}
		}
	}
	return false
}

// inArenas lays strings in order into blocks of 1 MiB.
func inArenas(list []string) []string {
	var arena strings.Builder
	out := make([]string, len(list))
	for i, s := range list {
		if arena.Cap()-arena.Len() < len(s) {
			arena = strings.Builder{}
			arena.Grow(max(1<<20, len(s)))
		}
		from := arena.Len()
		arena.WriteString(s)
		out[i] = arena.String()[from:]
	}
	return out
}

const scanned = 100_000

func flatAndBSON(b *testing.B) (flat, other []string, json int) {
	b.Helper()
	for _, text := range dataset(scanned) {
		d, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		json += len(text)
		flat = append(flat, d.Raw())
		other = append(other, string(bson(nil, d.Value())))
	}
	return inArenas(flat), inArenas(other), json
}

func BenchmarkFormatScan(b *testing.B) {
	flat, other, json := flatAndBSON(b)
	b.Run("flat", func(b *testing.B) {
		reportScan(b, flat, json, func(s string) bool { return flatMatch(Doc{s}) })
	})
	b.Run("bson", func(b *testing.B) { reportScan(b, other, json, bsonMatch) })
}

func reportScan(b *testing.B, docs []string, json int, match func(string) bool) {
	size, hits := 0, 0
	for _, s := range docs {
		size += len(s)
	}
	for b.Loop() {
		hits = 0
		for _, s := range docs {
			if match(s) {
				hits++
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(docs)), "ns/doc")
	b.ReportMetric(float64(size)/float64(len(docs)), "B/doc")
	b.ReportMetric(float64(json)/float64(len(docs)), "jsonB/doc")
	b.ReportMetric(float64(hits), "hits")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFormatLookup reads one late field of one document that is in the
// processor's cache.
func BenchmarkFormatLookup(b *testing.B) {
	flat, other, _ := flatAndBSON(b)
	b.Run("flat", func(b *testing.B) {
		d, n := Doc{flat[7]}, 0
		for b.Loop() {
			n += int(d.Lookup(nameFlag).kind)
		}
	})
	b.Run("bson", func(b *testing.B) {
		s, n := other[7], 0
		for b.Loop() {
			for p := 4; p < len(s)-1; {
				typ, name, lo, hi := bsonNext(s, p)
				p = hi
				if name == "flag" && typ == 0x08 {
					n += int(s[lo])
					break
				}
			}
		}
	})
}

// BenchmarkFormatGC is a full collection with a million documents alive, each in
// an allocation of its own.
func BenchmarkFormatGC(b *testing.B) {
	texts := dataset(scanned)
	docs := make([]Doc, 0, 10*scanned)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10 {
		for _, text := range texts {
			d, err := Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			docs = append(docs, d)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		runtime.GC()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(docs)), "heapB/doc")
	runtime.KeepAlive(docs)
	runtime.KeepAlive(texts)
}

func TestFormatsAgree(t *testing.T) {
	for _, text := range dataset(2000) {
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if flatMatch(d) != bsonMatch(string(bson(nil, d.Value()))) {
			t.Fatalf("the candidates disagree on %s", text)
		}
	}
}
