package persist

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// benchDoc is a document of about 300 bytes, like those of the workloads.
func benchDoc(r *rand.Rand, n int) ejson.Doc {
	doc, err := ejson.From(map[string]any{
		"_id":    fmt.Sprintf("%017d", n),
		"author": fmt.Sprintf("author%03d", r.IntN(1000)),
		"room":   fmt.Sprintf("room%02d", r.IntN(100)),
		"text":   strings.Repeat("lorem ipsum ", 7),
		"ts":     time.UnixMilli(1700000000000 + int64(n)*1000),
		"score":  r.Float64(),
		"tags":   []any{"tag1", "tag22"},
		"n":      n,
		"nested": map[string]any{"a": map[string]any{"b": r.IntN(1000)}, "likes": r.IntN(100)},
		"flag":   n%2 == 0,
	})
	if err != nil {
		panic(err)
	}
	return doc
}

// written returns the bytes that this process has had written, as the system
// counts them; 0 where it does not.
func written() int64 {
	b, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}

// BenchmarkAppend writes documents, a thousand a commit, and waits for the disk
// at the end. B/doc is all that was written for one, folding included.
func BenchmarkAppend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	docs := make([]ejson.Doc, 4096)
	for i := range docs {
		docs[i] = benchDoc(r, i)
	}
	run := func(b *testing.B, opts Options, batch, base int, next func(i int) (slot uint64)) {
		db := mustOpen(b, tempFile(b), opts)
		defer db.Close()
		seq, updating := store.Seq(0), false
		commit := func(n int, slot func(i int) uint64) {
			for i := 0; i < n; {
				seq++
				c := &store.Commit{Seq: seq, Changes: make([]store.Change, min(batch, n-i))}
				for j := range c.Changes {
					ch := store.Change{Collection: "todos", Slot: slot(i), After: docs[i%len(docs)]}
					if updating {
						ch.Before = docs[0]
					}
					c.Changes[j] = ch
					i++
				}
				if err := db.Append(c); err != nil {
					b.Fatal(err)
				}
			}
			mustFlush(b, db, seq)
		}
		commit(base, func(i int) uint64 { return uint64(i) + 1 })
		updating = base > 0
		before, io := db.Stats(), written()
		b.ReportAllocs()
		b.ResetTimer()
		commit(b.N, next)
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
		mustClose(b, db)
		after := db.Stats()
		b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(b.N), "B/doc")
		b.ReportMetric(float64(written()-io)/float64(b.N), "sysB/doc")
		b.ReportMetric(float64(len(docs[0].Raw())), "docsize")
		b.ReportMetric(float64(after.Folds), "folds")
	}
	insert := func(i int) uint64 { return uint64(i) + 200_001 }
	b.Run("insert", func(b *testing.B) { run(b, Options{}, 1000, 0, insert) })
	b.Run("insert/batch=100", func(b *testing.B) { run(b, Options{}, 100, 0, insert) })
	b.Run("update", func(b *testing.B) {
		run(b, Options{}, 1000, 100_000, func(int) uint64 { return r.Uint64N(100_000) + 1 })
	})
	b.Run("update/hot", func(b *testing.B) {
		run(b, Options{}, 1000, 100_000, func(int) uint64 { return r.Uint64N(2000) + 1 })
	})
	b.Run("one", func(b *testing.B) {
		run(b, Options{Delay: -1}, 1, 10_000, func(int) uint64 { return r.Uint64N(10_000) + 1 })
	})
}

// BenchmarkLoad opens a file and reads all documents.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, logged := range []int{0, 25} { // percent of the documents that the log has newer
			b.Run(fmt.Sprintf("N=%d/log=%d%%", n, logged), func(b *testing.B) {
				path := tempFile(b)
				fill(b, path, n, logged)
				b.ReportAllocs()
				var open, read time.Duration
				for b.Loop() {
					start := time.Now()
					db := mustOpen(b, path, Options{})
					open += time.Since(start)
					got := 0
					for _, err := range db.Records() {
						if err != nil {
							b.Fatal(err)
						}
						got++
					}
					read += time.Since(start)
					if got != n {
						b.Fatalf("%d documents", got)
					}
					b.StopTimer()
					mustClose(b, db)
					b.StartTimer()
				}
				b.ReportMetric(float64(open.Microseconds())/float64(b.N)/1000, "open-ms")
				b.ReportMetric(float64(read.Microseconds())/float64(b.N)/1000, "all-ms")
				b.ReportMetric(float64(read.Nanoseconds())/float64(b.N)/float64(n), "ns/doc")
			})
		}
	}
}

// fill makes a file with n documents.
func fill(tb testing.TB, path string, n, logged int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	db := mustOpen(tb, path, Options{})
	seq := store.Seq(0)
	for from := 0; from < n; from += 1000 {
		seq++
		c := &store.Commit{Seq: seq}
		for i := from; i < min(from+1000, n); i++ {
			c.Changes = append(c.Changes, store.Change{Collection: "todos", Slot: uint64(i + 1), After: benchDoc(r, i)})
		}
		if err := db.Append(c); err != nil {
			tb.Fatal(err)
		}
	}
	for range n * logged / 100 {
		seq++
		slot := r.IntN(n)
		if err := db.Append(&store.Commit{Seq: seq, Changes: []store.Change{
			{Collection: "todos", Slot: uint64(slot + 1), After: benchDoc(r, slot)}}}); err != nil {
			tb.Fatal(err)
		}
	}
	mustClose(tb, db)
}
