package bench

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
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
		b.ReportMetric(float64(heap()-before)/float64(n), "B/doc")
		begin := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1e3, "ms/GC")
		runtime.KeepAlive(s)
	})
}

// BenchmarkW9 takes added messages from wire text into a store with both indexes,
// a transaction for a thousand: what a replica does with a burst, less the socket.
func BenchmarkW9(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		frames := make([][]byte, n)
		size := 0
		for i, d := range docs(n) {
			frames[i] = ddp.Append(nil, ddp.Added{Collection: coll, ID: d.ID(), Fields: d.WithoutID()})
			size += len(frames[i])
		}
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			s := indexed(b, store.Options{})
			batch := make([]ejson.Doc, 0, 1000)
			for i, frame := range frames {
				m, err := ddp.Decode(frame)
				if err != nil {
					b.Fatal(err)
				}
				added := m.(ddp.Added)
				if batch = append(batch, added.Fields.WithID(added.ID)); len(batch) == cap(batch) || i == n-1 {
					put(b, s, batch)
					batch = batch[:0]
				}
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	})
}

// BenchmarkW9WS is a first sync: a server that publishes N documents and a replica
// with both indexes, in one process, over a WebSocket on loopback. The clock runs
// from Open until everything is in the replica's store.
func BenchmarkW9WS(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		srv := &server.Server{Logger: slog.New(slog.DiscardHandler), Timeout: time.Minute}
		srv.Publish(coll, func(_ context.Context, p *server.Publication) error {
			for _, d := range docs(n) {
				p.Added(coll, d)
			}
			return nil
		})
		web := httptest.NewServer(srv)
		defer web.Close()
		ctx := context.Background()
		docs(n)
		b.ReportAllocs()
		for b.Loop() {
			r, err := replica.Open(ctx, web.URL, replica.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			for _, keys := range [][]string{{"author"}, {"room", "-ts"}} {
				if err := r.Store().Collection(coll).Index(keys...); err != nil {
					b.Fatal(err)
				}
			}
			sub, err := r.Subscribe(coll)
			if err != nil {
				b.Fatal(err)
			}
			if err := sub.Ready(ctx); err != nil {
				b.Fatal(err)
			}
			if got := r.Store().Snapshot().Len(coll); got != n {
				b.Fatalf("%d documents, wants %d", got, n)
			}
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
		b.StopTimer()
		if err := srv.Shutdown(ctx); err != nil {
			b.Fatal(err)
		}
	})
}
