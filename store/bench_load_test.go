package store

import (
	"runtime"
	"testing"
)

func BenchmarkBulkLoad(b *testing.B) {
	if benchSet == nil {
		benchSet = dataSet(benchDocs, 1)
	}
	for _, bb := range []struct {
		name    string
		indexed bool
		batch   int
	}{{"Plain", false, benchDocs}, {"Indexed", true, benchDocs}, {"IndexedBatches", true, 1000}} {
		b.Run(bb.name, func(b *testing.B) {
			var s *Store
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			defer reportCPU(b)()
			for b.Loop() {
				s = New(Options{})
				c := s.Collection("messages")
				if bb.indexed {
					withIndexes(b, c)
				}
				for i := 0; i < len(benchSet); i += bb.batch {
					if _, err := c.InsertMany(benchSet[i : i+bb.batch]); err != nil {
						b.Fatal(err)
					}
				}
			}
			elapsed := b.Elapsed().Seconds()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.N)*benchDocs/elapsed/1e6, "Mdocs/s")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchDocs, "B/doc-beside-docs")
			runtime.KeepAlive(s)
		})
	}
}

// BenchmarkLoad fills a store from records that are in memory, and makes two indexes.
func BenchmarkLoad(b *testing.B) {
	_, _, docs := benchStore(b)
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		s := New(Options{})
		withIndexes(b, s.Collection("messages"))
		if err := s.Load(1, func(yield func(Record, error) bool) {
			for i, d := range docs {
				if !yield(Record{"messages", uint64(i), d}, nil) {
					return
				}
			}
		}); err != nil {
			b.Fatal(err)
		}
	}
}
