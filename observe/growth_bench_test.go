package observe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// BenchmarkGrowth is the work of a change while more and more observe more and
// more documents: each change concerns one observation, whose event is delivered.
// idle, the measure of the others, has none. Like all that is told of a machine
// which others use, see cpu-ns.
func BenchmarkGrowth(b *testing.B) {
	const keys = 10_000
	for _, n := range []int{10_000, 100_000} {
		r := rand.New(rand.NewPCG(1, 1))
		s := store.New(store.Options{})
		docs := make([]ejson.Doc, n)
		put(b, s, func(tx *store.Tx) error {
			for i := range docs {
				docs[i] = message(r, i).With("key", i%keys)
				if err := tx.Put("messages", docs[i]); err != nil {
					return err
				}
			}
			return nil
		})
		c := s.Collection("messages")
		for _, index := range [][]string{{"key", "ts"}, {"room", "ts"}, {"n"}} {
			if err := c.Index(index...); err != nil {
				b.Fatal(err)
			}
		}
		for _, kind := range []struct {
			name  string
			query func(i, of int) store.Query[ejson.Doc]
			pick  func(of int) int // a document that one of so many observe
			field string
		}{
			{"pinned", func(i, _ int) store.Query[ejson.Doc] { return c.Find(object{"key": i}) },
				func(of int) int { return r.IntN(n/keys)*keys + r.IntN(of) }, "score"},
			{"ranges", func(i, of int) store.Query[ejson.Doc] {
				return c.Find(object{"n": object{"$gte": i * n / of, "$lt": (i + 1) * n / of}})
			}, func(int) int { return r.IntN(n) }, "score"},
			{"windows", func(i, _ int) store.Query[ejson.Doc] { return c.Find(object{"key": i}).Sort("-ts").Limit(50) },
				func(of int) int { return r.IntN(n/keys)*keys + r.IntN(of) }, "ts"},
		} {
			for _, observers := range []int{0, 10, 100, 1000, 10_000} {
				name := fmt.Sprintf("%s/N=%d/observers=%d", kind.name, n, observers)
				if observers == 0 {
					name = fmt.Sprintf("%s/N=%d/idle", kind.name, n)
				}
				b.Run(name, func(b *testing.B) {
					hs := make([]*Handle, observers)
					for i := range hs {
						var err error
						if hs[i], err = Start(kind.query(i, observers), func(docBatch) {}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportAllocs()
					b.ResetTimer()
					report := reportCPU(b)
					var seq store.Seq
					for done := 0; done < b.N; done += 100 {
						seq = put(b, s, func(tx *store.Tx) error {
							for range min(100, b.N-done) {
								d, _ := tx.Get("messages", docs[kind.pick(max(observers, 10))].ID())
								d = d.WithValue(kind.field, ejson.NumberValue(1.7e12+float64(r.IntN(1<<30))))
								if err := tx.Put("messages", d); err != nil {
									return err
								}
							}
							return nil
						})
					}
					for _, h := range hs {
						if err := h.Wait(context.Background(), seq); err != nil {
							b.Fatal(err)
						}
					}
					b.StopTimer()
					report()
					for _, h := range hs {
						h.Stop()
					}
				})
			}
		}
	}
}
