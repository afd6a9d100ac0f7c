package bench

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// BenchmarkW8 opens a file and loads it: all documents, both indexes, and one
// FindOne at the end.
func BenchmarkW8(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		path := filepath.Join(b.TempDir(), "w8.db")
		db, s := opened(b, path)
		put(b, s, docs(n))
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			db, s := opened(b, path)
			if _, err := s.Collection(coll).FindOne(docs(n)[n/2].ID()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
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

// BenchmarkW10 inserts documents durably into a file that holds N: a thousand a
// transaction, a disk sync each, folding included.
func BenchmarkW10(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		ctx := context.Background()
		path := filepath.Join(b.TempDir(), "w10.db")
		db, s := opened(b, path)
		put(b, s, docs(n))
		if err := db.Flush(ctx, s.Snapshot().Seq()); err != nil {
			b.Fatal(err)
		}
		r := NewRand(10)
		const batch = 1000
		fresh := make([]ejson.Doc, batch)
		before := db.Stats().Bytes
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			for i := range fresh {
				fresh[i] = Doc(r, n)
				n++
			}
			b.StartTimer()
			put(b, s, fresh)
			if err := db.Flush(ctx, s.Snapshot().Seq()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(db.Stats().Bytes-before)/batch/float64(b.N), "B-written/doc")
	})
}
