package sync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/replicad/replicad/ddp/client"
)

// BenchmarkDisk is what BenchmarkDo is measured by: a page written to a file and synced;
// and two, one after the other, as a transaction of bbolt is.
func BenchmarkDisk(b *testing.B) {
	for n := 1; n <= 2; n++ {
		b.Run(fmt.Sprint(n, " syncs"), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "f"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			page := make([]byte, 4096)
			at := int64(0)
			for b.Loop() {
				for range n {
					if _, err := f.WriteAt(page, at%(1<<20)); err != nil {
						b.Fatal(err)
					}
					if err := syscall.Fdatasync(int(f.Fd())); err != nil {
						b.Fatal(err)
					}
					at += 4096
				}
			}
		})
	}
}

// BenchmarkDo measures calls that are promised: on disk, with the effect of a stub.
// Alone each pays for a sync of the disk; many at once share them.
func BenchmarkDo(b *testing.B) {
	for _, bench := range []struct {
		name  string
		procs int
	}{{"1 caller", 0}, {"64 callers", 32}} {
		b.Run(bench.name, func(b *testing.B) {
			opts := Options{Path: filepath.Join(b.TempDir(), "r.db"), Logger: quietLog(), MaxOutbox: 1 << 30}
			opts.Client.Dial = func(context.Context, string) (client.Transport, error) { return nil, errors.New("away") }
			r, err := Open(b.Context(), "ws://bench.example", opts)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			r.Stub("insert", insertStub)
			do := func() {
				if _, err := r.Do(context.Background(), Method{Name: "insert", Params: []any{map[string]any{"n": 1}}}); err != nil {
					b.Error(err)
				}
			}
			b.ReportAllocs()
			if bench.procs == 0 {
				for b.Loop() {
					do()
				}
				return
			}
			b.SetParallelism(bench.procs)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					do()
				}
			})
			b.ReportMetric(float64(b.N)/float64(r.db.Stats().Records), "calls/write")
		})
	}
}
