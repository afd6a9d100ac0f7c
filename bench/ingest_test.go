package bench

import (
	"context"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// BenchmarkW1 loads documents that are in memory already, and then weighs the
// store: bytes of heap a document, documents included, and a full collection.
func BenchmarkW1(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		list := docs(n)
		b.ReportAllocs()
		for b.Loop() {
			put(b, indexed(b, store.Options{}), list)
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")

		before := heap()
		s := indexed(b, store.Options{})
		put(b, s, Docs(1, n))
		b.ReportMetric((float64(heap())-float64(before))/float64(n), "B/doc")
		// The least of a few: a collection is not slower than that, the machine is.
		least := time.Hour
		for range 5 {
			begin := time.Now()
			runtime.GC()
			least = min(least, time.Since(begin))
		}
		b.ReportMetric(float64(least.Microseconds())/1e3, "ms/GC")
		runtime.KeepAlive(s)
	})
}

// ingest takes messages into a store, a transaction for a thousand: what a replica
// does with a burst, less the socket.
func ingest(tb testing.TB, s *store.Store, frames [][]byte) {
	batch := make([]ejson.Doc, 0, 1000)
	in := ddp.Decoder{Whole: true} // as a replica's connection has it
	for i, frame := range frames {
		m, err := in.Decode(frame)
		if err != nil {
			tb.Fatal(err)
		}
		added := m.(ddp.Added)
		if batch = append(batch, added.Fields); len(batch) == cap(batch) || i == len(frames)-1 {
			put(tb, s, batch)
			batch = batch[:0]
		}
	}
}

// BenchmarkW9 takes added messages from wire text into a store with both indexes: with
// all cores, and with one, which then collects the garbage, too.
func BenchmarkW9(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		list, size := Frames(coll, docs(n))
		for _, name := range []string{"all-cores", "one-core"} {
			b.Run(name, func(b *testing.B) {
				if name == "one-core" {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					ingest(b, indexed(b, store.Options{}), list)
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
			})
		}
	})
}

// BenchmarkW9WS is the same through a WebSocket on loopback, into a replica with both
// indexes. The sender costs next to nothing: it writes one stream of bytes made
// beforehand, a frame a message. The clock runs from Open until all is in the store.
func BenchmarkW9WS(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		web := httptest.NewServer(Pump(coll, docs(n)))
		defer web.Close()
		b.ReportAllocs()
		for b.Loop() {
			r := synced(b, web.URL, n)
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	})
}

// synced opens a replica with both indexes and returns it when it has n documents.
func synced(tb testing.TB, url string, n int) *replica.Replica {
	ctx := context.Background()
	r, err := replica.Open(ctx, url, replica.Options{Logger: silent})
	if err != nil {
		tb.Fatal(err)
	}
	index(tb, r.Store())
	sub, err := r.Subscribe(coll)
	if err != nil {
		tb.Fatal(err)
	}
	if err := sub.Ready(ctx); err != nil {
		tb.Fatal(err)
	}
	if got := r.Store().Snapshot().Len(coll); got != n {
		tb.Fatalf("%d documents, wants %d", got, n)
	}
	return r
}
