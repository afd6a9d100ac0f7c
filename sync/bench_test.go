package sync

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/replicad/replicad/ddp/client"
)

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
		})
	}
}
