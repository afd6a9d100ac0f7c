package main

import (
	"fmt"
	"io"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// histogram counts durations in buckets that grow with them: 32 to each doubling, so
// that no duration is told wrong by more than 3 %, from a microsecond to an hour.
// It is safe for use by several goroutines, and its size does not grow.
type histogram struct {
	mu     sync.Mutex // guards the rest; a leaf
	counts [histBuckets]uint64
	n      uint64
	sum    time.Duration
	max    time.Duration
}

const (
	histBits    = 5 // of a duration that a bucket keeps, beside its highest
	histBuckets = (32 - histBits + 1) << histBits
)

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < 1<<histBits {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - histBits
	return min(shift<<histBits+int(us>>shift), histBuckets-1)
}

// bucketEnd returns the first duration beyond a bucket.
func bucketEnd(i int) time.Duration {
	if i < 1<<histBits {
		return time.Duration(i+1) * time.Microsecond
	}
	shift := i>>histBits - 1
	low := uint64(i-shift<<histBits) << shift
	return time.Duration(low+1<<shift) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucketOf(d)]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

// quantile returns a duration that the share q of all do not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	want := uint64(q*float64(h.n) + 0.999999)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; c > 0 && seen >= want {
			return min(bucketEnd(i), h.max)
		}
	}
	return h.max
}

func (h *histogram) count() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// quantiles are those that are told.
var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}

// row prints the histogram's figures in one line of a table.
func (h *histogram) row(w io.Writer, name string) {
	n := h.count()
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "%-10s %12s", name, thousands(int(n)))
	for _, q := range quantiles {
		fmt.Fprintf(w, " %9v", round(h.quantile(q.q)))
	}
	fmt.Fprintf(w, " %9v\n", round(h.max))
}

// bars prints a line for each doubling, with a bar for its share.
func (h *histogram) bars(w io.Writer, width int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	type line struct {
		end time.Duration
		n   uint64
	}
	var lines []line
	var most uint64
	for i := 0; i < histBuckets; {
		end := i + 1<<histBits
		l := line{end: bucketEnd(end - 1)}
		for ; i < end; i++ {
			l.n += h.counts[i]
		}
		lines = append(lines, l)
		most = max(most, l.n)
	}
	for len(lines) > 0 && lines[0].n == 0 {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1].n == 0 {
		lines = lines[:len(lines)-1]
	}
	for _, l := range lines {
		bar := strings.Repeat("█", int(l.n*uint64(width)/most))
		if bar == "" && l.n > 0 {
			bar = "▏"
		}
		fmt.Fprintf(w, "  < %-8v %12s  %s\n", round(l.end), thousands(int(l.n)), bar)
	}
}

// doc returns the figures in microseconds, and the buckets that are not empty as
// [end, count].
func (h *histogram) doc() ejson.Doc {
	var b ejson.Builder
	b.Add("count", ejson.NumberValue(float64(h.count())))
	for _, q := range quantiles {
		b.Add(q.name, microseconds(h.quantile(q.q)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b.Add("max", microseconds(h.max))
	b.Add("mean", microseconds(h.sum/time.Duration(max(1, h.n))))
	var buckets []ejson.Value
	for i, c := range h.counts {
		if c > 0 {
			buckets = append(buckets, ejson.ArrayOf(microseconds(bucketEnd(i)), ejson.NumberValue(float64(c))).Value())
		}
	}
	b.Add("buckets", ejson.ArrayOf(buckets...).Value())
	return b.Doc()
}
