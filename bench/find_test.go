package bench

import (
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

func BenchmarkW2(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		ids := make([]ejson.ID, 4096)
		r := NewRand(2)
		for i := range ids {
			ids[i] = docs(n)[r.Intn(n)].ID()
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := c.FindID(ids[i%len(ids)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

func BenchmarkW3(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		q := c.Find(selector(map[string]any{"author": Author(7)}))
		b.ReportAllocs()
		found := 0
		for b.Loop() {
			found = 0
			for _, err := range q.Each() {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
		}
		b.ReportMetric(float64(found), "docs")
	})
}

func BenchmarkW4(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		q := c.Find(selector(map[string]any{
			"nested.a.b": map[string]any{"$gt": 500},
			"tags":       map[string]any{"$in": []any{Tag(3), Tag(17), Tag(40)}},
			"flag":       true,
		}))
		b.ReportAllocs()
		found := 0
		for b.Loop() {
			found = 0
			for _, err := range q.Each() {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
		}
		b.ReportMetric(float64(found), "docs")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/doc")
	})
}

func BenchmarkW5(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		c := loaded(b, n).Collection(coll)
		q := c.Find(selector(map[string]any{"room": Room(7)})).Sort("-ts").Limit(20)
		b.ReportAllocs()
		for b.Loop() {
			found := 0
			for _, err := range q.Each() {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
			if found != 20 {
				b.Fatal(found)
			}
		}
	})
}
