package bench

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// BenchmarkW8 opens a file and loads it: all documents, both indexes, and one
// FindOne at the end. open-ms is the part before the first document is read.
func BenchmarkW8(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		path := filepath.Join(b.TempDir(), "w8.db")
		db, s := opened(b, path)
		put(b, s, docs(n))
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		id := docs(n)[n/2].ID()
		b.ReportAllocs()
		for b.Loop() {
			db, s := opened(b, path)
			if _, err := s.Collection(coll).FindID(id); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if got := s.Snapshot().Len(coll); got != n {
				b.Fatalf("%d documents", got)
			}
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.StopTimer()
		ms := float64(b.Elapsed().Microseconds()) / 1e3 / float64(b.N)
		b.ReportMetric(ms, "all-ms")
		// The store is not to be had before it is loaded, so the first answer waits
		// for all.
		b.ReportMetric(ms, "first-ms")
		begin := time.Now()
		db, err := persist.Open(context.Background(), path, persist.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1e3, "open-ms")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// opened opens a file and a store that is loaded from it and written to it.
func opened(tb testing.TB, path string) (*persist.DB, *store.Store) {
	db, err := persist.Open(context.Background(), path, persist.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	s := indexed(tb, store.Options{Journal: db})
	if err := s.Load(db.Seq(), db.Records()); err != nil {
		tb.Fatal(err)
	}
	return db, s
}

// BenchmarkW10 writes durably, a thousand documents a transaction and a disk sync
// each: N new ones into an empty file, Close and with it folding included; and 10,000
// updates of documents drawn from a file of N.
func BenchmarkW10(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		path := filepath.Join(b.TempDir(), "w10.db")
		docs(n)
		b.Run("insert", func(b *testing.B) {
			b.ReportAllocs()
			written := int64(0)
			for b.Loop() {
				b.StopTimer()
				if err := os.RemoveAll(path); err != nil {
					b.Fatal(err)
				}
				db, s := opened(b, path)
				b.StartTimer()
				flushed(b, db, s, docs(n))
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
				written += db.Stats().Bytes
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
			b.ReportMetric(float64(written)/float64(n)/float64(b.N), "B-written/doc")
		})
		b.Run("update", func(b *testing.B) {
			const k = 10_000
			r := NewRand(10)
			// Two versions take turns, or there would be nothing to write.
			var newer [2][]ejson.Doc
			for i := range k {
				d := docs(n)[r.Intn(n)]
				for v := range newer {
					newer[v] = append(newer[v], d.WithValue("score", ejson.NumberValue(float64(2*i+v))))
				}
			}
			if err := os.RemoveAll(path); err != nil {
				b.Fatal(err)
			}
			db, s := opened(b, path)
			flushed(b, db, s, docs(n))
			before, rounds := db.Stats().Bytes, 0
			b.ReportAllocs()
			for b.Loop() {
				flushed(b, db, s, newer[rounds%2])
				rounds++
			}
			b.ReportMetric(k*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(db.Stats().Bytes-before)/k/float64(rounds), "B-written/doc")
		})
	})
}

// flushed puts documents, a thousand a transaction, and has each on disk before the
// one after the next is begun: write-behind with one transaction in the disk's hands,
// and one being put together.
func flushed(tb testing.TB, db *persist.DB, s *store.Store, list []ejson.Doc) {
	before := store.Seq(0)
	for at := 0; at < len(list); at += 1000 {
		last := put(tb, s, list[at:min(at+1000, len(list))])
		if err := db.Flush(context.Background(), before); err != nil {
			tb.Fatal(err)
		}
		before = last
	}
	if err := db.Flush(context.Background(), before); err != nil {
		tb.Fatal(err)
	}
}
