package bench

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replicad/replicad/store"
)

// readers is how many goroutines read in W11.
const readers = 8

// BenchmarkW11 reads by 8 goroutines, FindOne by _id or the query of W5, beside a
// writer that increments at full speed, a commit each. An operation is a commit.
// reads/s is what all readers do together, alone/s the same without the writer. The
// quantiles are of every 16th read and of every write, in ns, the clock included:
// with fewer cores than goroutines, the time in which one is not scheduled counts too.
func BenchmarkW11(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s := loaded(b, n)
		c := s.Collection(coll)
		ids, inc := drawn(11, n), likes(b)
		qs := newest(c)
		for _, kind := range []struct {
			name string
			read func(i int) error
		}{
			{"FindOne", func(i int) error { _, err := c.FindID(ids[i%draws]); return err }},
			{"W5", func(i int) error {
				for _, err := range qs[i%len(qs)].Each() {
					if err != nil {
						return err
					}
				}
				return nil
			}},
		} {
			b.Run(kind.name, func(b *testing.B) {
				alone := read(b, kind.read)
				time.Sleep(200 * time.Millisecond) // measures; nothing waits for it
				aloneReads, _, aloneTook := alone()

				stop := read(b, kind.read)
				b.ReportAllocs()
				i, commits := 0, &histogram{}
				for b.Loop() {
					begin := time.Now()
					if _, err := s.Update(func(tx *store.Tx) error {
						_, err := tx.UpdateID(coll, ids[i%draws], inc)
						return err
					}); err != nil {
						b.Fatal(err)
					}
					commits.add(time.Since(begin))
					i++
				}
				reads, latency, took := stop()
				b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "writes/s")
				b.ReportMetric(float64(reads)/took.Seconds(), "reads/s")
				b.ReportMetric(float64(aloneReads)/aloneTook.Seconds(), "alone/s")
				latency.report(b, "read")
				commits.report(b, "write")
			})
		}
	})
}

// read lets all readers go until stop is called, which waits for them.
func read(tb testing.TB, one func(i int) error) (stop func() (reads int, latency *histogram, took time.Duration)) {
	var wg sync.WaitGroup
	var done atomic.Bool
	var mu sync.Mutex // guards total and all
	total, all := 0, &histogram{}
	begin := time.Now()
	for g := range readers {
		wg.Go(func() {
			h, i := &histogram{}, 0
			for at := g * (draws / readers); !done.Load(); i++ {
				var start time.Time
				if i%16 == 0 {
					start = time.Now()
				}
				if err := one(at + i); err != nil {
					tb.Error(err)
					return
				}
				if i%16 == 0 {
					h.add(time.Since(start))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += i
			all.merge(h)
		})
	}
	return func() (int, *histogram, time.Duration) {
		done.Store(true)
		wg.Wait()
		return total, all, time.Since(begin)
	}
}

// histogram counts durations in classes that are at most an eighth wide.
type histogram struct {
	class [64 * 8]uint64
	n     uint64
}

func (h *histogram) add(d time.Duration) {
	h.class[classOf(uint64(max(d, 0)))]++
	h.n++
}

// classOf puts numbers below 8 into a class each, and of each power of two above
// those with the same three bits after the first into one.
func classOf(ns uint64) int {
	if ns < 8 {
		return int(ns)
	}
	shift := bits.Len64(ns) - 4
	return shift*8 + int(ns>>shift)
}

// lowest returns the least number of a class.
func lowest(class int) uint64 {
	if class < 8 {
		return uint64(class)
	}
	shift := (class - 8) / 8
	return uint64(class-shift*8) << shift
}

func (h *histogram) merge(o *histogram) {
	for i, k := range o.class {
		h.class[i] += k
	}
	h.n += o.n
}

// quantile returns the duration in ns that a share q of all does not exceed, to the
// class.
func (h *histogram) quantile(q float64) float64 {
	rank, seen := uint64(q*float64(h.n)), uint64(0)
	for i, k := range h.class {
		if seen += k; seen > rank {
			return float64(lowest(i))
		}
	}
	return 0
}

// report reports the median and the tail.
func (h *histogram) report(b *testing.B, what string) {
	b.ReportMetric(h.quantile(.50), what+"-p50-ns")
	b.ReportMetric(h.quantile(.99), what+"-p99-ns")
	b.ReportMetric(h.quantile(.999), what+"-p999-ns")
}

// TestHistogram: a class holds what it says, and quantiles are in order.
func TestHistogram(t *testing.T) {
	for _, ns := range []uint64{0, 1, 7, 8, 9, 15, 16, 17, 31, 100, 1000, 123_456_789} {
		k := classOf(ns)
		if low, high := lowest(k), lowest(k+1); ns < low || ns >= high {
			t.Errorf("%d is in class %d, from %d to below %d", ns, k, low, high)
		}
	}
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i))
	}
	for _, q := range []float64{.5, .99, .999} {
		if got := h.quantile(q); got > 1000*q || got < 1000*q*7/8 {
			t.Errorf("quantile %v is %v", q, got)
		}
	}
}
