package bench

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

var million = flag.Bool("million", false, "measure collections of a million documents as well")

const coll = "docs"

// sizes runs fn for each size of collection.
func sizes(b *testing.B, fn func(b *testing.B, n int)) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		if n < 1_000_000 || *million {
			b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) { fn(b, n) })
		}
	}
}

var (
	docsMu   sync.Mutex // guards docsMade
	docsMade []ejson.Doc
)

// docs returns the first n documents, made once a process. They must not be
// modified, and cannot be.
func docs(n int) []ejson.Doc {
	docsMu.Lock()
	defer docsMu.Unlock()
	if len(docsMade) < n {
		docsMade = Docs(1, n)
	}
	return docsMade[:n:n]
}

// draws is how many ids are drawn beforehand: a power of two, so that taking turns
// costs nothing, and so many that not all of their documents stay in a cache.
const draws = 1 << 16

// drawn returns ids drawn from the first n documents, each in memory of its own, in
// the order of use, as callers have them.
func drawn(seed uint32, n int) []ejson.ID {
	r := NewRand(seed)
	ids := make([]ejson.ID, draws)
	for i := range ids {
		ids[i] = ejson.StringID(strings.Clone(docs(n)[r.Intn(n)].Field("_id").Str()))
	}
	return ids
}

// indexed returns an empty store with the two indexes of W1.
func indexed(tb testing.TB, opts store.Options) *store.Store {
	s := store.New(opts)
	index(tb, s)
	return s
}

func index(tb testing.TB, s *store.Store) {
	c := s.Collection(coll)
	for _, keys := range [][]string{{"author"}, {"room", "-ts"}} {
		if err := c.Index(keys...); err != nil {
			tb.Fatal(err)
		}
	}
}

// loaded returns a store with the two indexes and n documents.
func loaded(tb testing.TB, n int) *store.Store {
	s := indexed(tb, store.Options{})
	put(tb, s, docs(n))
	return s
}

// put inserts documents, a thousand a transaction, and returns the last one's number.
func put(tb testing.TB, s *store.Store, list []ejson.Doc) (last store.Seq) {
	for len(list) > 0 {
		batch := list[:min(len(list), 1000)]
		list = list[len(batch):]
		var err error
		if last, err = s.Update(func(tx *store.Tx) error {
			for _, d := range batch {
				if err := tx.Put(coll, d); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			tb.Fatal(err)
		}
	}
	return last
}

// heap returns the bytes in use after a full collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// selector makes a selector; the test's own, so it panics on a fault.
func selector(v map[string]any) ejson.Doc {
	d, err := ejson.From(v)
	if err != nil {
		panic(err)
	}
	return d
}
