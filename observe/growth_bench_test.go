package observe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// BenchmarkGrowth is the work of a change while more and more observe more and
// more documents, in commits of 100 (each: of one). The observers divide the documents among
// them, so each change concerns one, whose event is delivered, and the documents
// that change are drawn alike whatever their number. All documents have been made
// beforehand. idle is the store alone: what a change costs the observers is the
// difference. Like all that is told of a machine which others use, see cpu-ns.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, observers := range []int{10, 100, 1000, 10_000} {
			r := rand.New(rand.NewPCG(1, 1))
			s := store.New(store.Options{})
			docs := make([][3]ejson.Doc, n) // as they are, with another score, with another ts
			put(b, s, func(tx *store.Tx) error {
				for i := range docs {
					d := message(r, i).With("key", i%observers)
					docs[i] = [3]ejson.Doc{
						d,
						d.WithValue("score", ejson.NumberValue(r.Float64())),
						d.WithValue("ts", ejson.NumberValue(1.7e12+float64(r.IntN(1<<30)))),
					}
					if err := tx.Put("messages", d); err != nil {
						return err
					}
				}
				return nil
			})
			c := s.Collection("messages")
			if err := errors.Join(c.Index("key", "ts"), c.Index("n")); err != nil {
				b.Fatal(err)
			}
			for _, kind := range []struct {
				name  string
				batch int // changes in a commit
				other int // the version of a document that it changes to and back from
				query func(i int) store.Query[ejson.Doc]
			}{
				{"idle-each", 1, 1, nil},
				{"pinned-each", 1, 1, func(i int) store.Query[ejson.Doc] { return c.Find(object{"key": i}) }},
				{"idle", 100, 1, nil},
				{"pinned", 100, 1, func(i int) store.Query[ejson.Doc] { return c.Find(object{"key": i}) }},
				{"ranges", 100, 1, func(i int) store.Query[ejson.Doc] {
					return c.Find(object{"n": object{"$gte": i * n / observers, "$lt": (i + 1) * n / observers}})
				}},
				{"idle-ts", 100, 2, nil},
				{"windows", 100, 2, func(i int) store.Query[ejson.Doc] { return c.Find(object{"key": i}).Sort("-ts").Limit(50) }},
			} {
				b.Run(fmt.Sprintf("N=%d/observers=%d/%s", n, observers, kind.name), func(b *testing.B) {
					var hs []*Handle
					for i := range observers {
						if kind.query == nil {
							break
						}
						h, err := Start(kind.query(i), func(docBatch) {})
						if err != nil {
							b.Fatal(err)
						}
						hs = append(hs, h)
					}
					is := make([]uint8, n) // the version that is in the store
					b.ReportAllocs()
					b.ResetTimer()
					report := reportCPU(b)
					var seq store.Seq
					for done := 0; done < b.N; done += kind.batch {
						seq = put(b, s, func(tx *store.Tx) error {
							for range min(kind.batch, b.N-done) {
								i := r.IntN(n)
								is[i] = uint8(kind.other) - is[i]
								if err := tx.Put("messages", docs[i][is[i]]); err != nil {
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
					put(b, s, func(tx *store.Tx) error {
						for i := range is {
							if err := tx.Put("messages", docs[i][0]); err != nil {
								return err
							}
						}
						return nil
					})
				})
			}
		}
	}
}
