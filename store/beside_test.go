package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/query"
)

// BenchmarkCommitBesideReaders commits while eight goroutines do nothing but read. Where
// processors are fewer, a commit in some thousands waits for all of them to have had
// their ten milliseconds: that is in the mean and in max-ns. The others take as long as
// beside none.
func BenchmarkCommitBesideReaders(b *testing.B) {
	s, c, docs := benchStore(b)
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"nested.likes": 1}})
	if err != nil {
		b.Fatal(err)
	}
	window := c.Find(map[string]any{"room": "room50"}).Sort("-ts").Limit(20)
	for _, bb := range []struct {
		name    string
		readers int
		read    func(i int) error
	}{
		{"none", 0, nil},
		{"FindID", 8, func(i int) error { _, err := c.FindID(docs[i%len(docs)].ID()); return err }},
		{"Window", 8, func(int) error { _, err := window.Count(); return err }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var wg sync.WaitGroup
			var done atomic.Bool
			for g := range bb.readers {
				wg.Go(func() {
					for i := g * 1000; !done.Load(); i += 7919 {
						if err := bb.read(i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				begin := time.Now()
				if _, err := s.Update(func(tx *Tx) error {
					_, err := tx.UpdateID("messages", docs[i*7919%len(docs)].ID(), inc)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			done.Store(true)
			wg.Wait()
			slices.Sort(took)
			for _, q := range []struct {
				name  string
				share float64
			}{{"p50-ns", .5}, {"p99-ns", .99}, {"p99.9-ns", .999}, {"max-ns", 1}} {
				b.ReportMetric(float64(took[int(q.share*float64(len(took)-1))]), q.name)
			}
		})
	}
}
