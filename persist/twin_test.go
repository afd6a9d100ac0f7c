package persist

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// twin is a store that is nothing but maps. Its n-th commit follows from the
// seed and from the commits before it, so the state at any Seq can be made again.
type twin struct {
	seed  uint64
	seq   store.Seq
	colls []*twinCollection
}

type twinCollection struct {
	name  string
	top   uint64
	slots []uint64 // of the documents, unordered
	docs  map[uint64]ejson.Doc
}

func newTwin(seed uint64) *twin {
	t := &twin{seed: seed}
	for _, name := range []string{"todos", "users", "sync.outbox", ""} {
		t.colls = append(t.colls, &twinCollection{name: name, docs: map[uint64]ejson.Doc{}})
	}
	return t
}

// next makes the next commit.
func (t *twin) next() *store.Commit {
	t.seq++
	r := rand.New(rand.NewPCG(t.seed, uint64(t.seq)))
	c := &store.Commit{Seq: t.seq}
	c0 := t.colls[min(r.IntN(6), len(t.colls)-1)]
	n, bulk := 1+r.IntN(8), r.IntN(12) == 0
	if bulk {
		n = 30 + r.IntN(300)
	}
	touched := map[uint64]bool{}
	for range n {
		kind := r.IntN(10)
		switch {
		case bulk || kind < 4 || len(c0.slots) == 0:
			c0.insert(c, r)
		default:
			i := r.IntN(len(c0.slots))
			slot := c0.slots[i]
			if touched[slot] {
				continue
			}
			touched[slot] = true
			if kind < 8 {
				before := c0.docs[slot]
				c0.docs[slot] = makeDoc(r, int(slot))
				c.Changes = append(c.Changes, store.Change{Collection: c0.name, Slot: slot, Before: before, After: c0.docs[slot]})
				continue
			}
			c.Changes = append(c.Changes, store.Change{Collection: c0.name, Slot: slot, Before: c0.docs[slot]})
			delete(c0.docs, slot)
			c0.slots = slices.Delete(c0.slots, i, i+1)
			if kind == 9 { // removed and inserted again: a new slot
				c0.insert(c, r)
				touched[c0.top] = true
			}
		}
	}
	return c
}

func (c0 *twinCollection) insert(c *store.Commit, r *rand.Rand) {
	c0.top++
	doc := makeDoc(r, int(c0.top))
	c0.slots = append(c0.slots, c0.top)
	c0.docs[c0.top] = doc
	c.Changes = append(c.Changes, store.Change{Collection: c0.name, Slot: c0.top, After: doc})
}

func makeDoc(r *rand.Rand, id int) ejson.Doc {
	n := r.IntN(300)
	if r.IntN(200) == 0 {
		n = r.IntN(40_000)
	}
	doc, err := ejson.From(map[string]any{
		"_id": fmt.Sprint(id), "n": r.IntN(1000), "text": strings.Repeat("x", n),
	})
	if err != nil {
		panic(err)
	}
	return doc
}

func (t *twin) clone() *twin {
	u := &twin{seed: t.seed, seq: t.seq}
	for _, c := range t.colls {
		u.colls = append(u.colls, &twinCollection{c.name, c.top, slices.Clone(c.slots), maps.Clone(c.docs)})
	}
	return u
}

// at makes the state of the same seed at another Seq.
func (t *twin) at(seq store.Seq) *twin {
	if t.seq == seq {
		return t.clone()
	}
	u := newTwin(t.seed)
	for u.seq < seq {
		u.next()
	}
	return u
}

// differs says how the records of a file differ from the twin; "" if not.
func (t *twin) differs(records iter.Seq2[store.Record, error]) string {
	colls := map[string]*twinCollection{}
	seen := map[string]int{}
	last := map[string]uint64{}
	for _, c := range t.colls {
		colls[c.name] = c
	}
	for r, err := range records {
		if err != nil {
			return err.Error()
		}
		c := colls[r.Collection]
		if c == nil {
			return fmt.Sprintf("unknown collection %q", r.Collection)
		}
		if seen[c.name] > 0 && r.Slot <= last[c.name] {
			return fmt.Sprintf("%q: slot %d after %d", c.name, r.Slot, last[c.name])
		}
		want, ok := c.docs[r.Slot]
		if !ok {
			return fmt.Sprintf("%q: slot %d should not be there", c.name, r.Slot)
		}
		if want.Raw() != r.Doc.Raw() {
			return fmt.Sprintf("%q: slot %d is %.80v, want %.80v", c.name, r.Slot, r.Doc, want)
		}
		seen[c.name]++
		last[c.name] = r.Slot
	}
	for _, c := range t.colls {
		if seen[c.name] != len(c.docs) {
			return fmt.Sprintf("%q has %d documents, want %d", c.name, seen[c.name], len(c.docs))
		}
	}
	return ""
}

func (t *twin) check(tb testing.TB, db *DB) {
	tb.Helper()
	if diff := t.differs(db.Records()); diff != "" {
		tb.Fatalf("seed %d, commit %d: %s", t.seed, t.seq, diff)
	}
}

// append makes n commits and gives them to the DB.
func (t *twin) append(tb testing.TB, db *DB, n int) {
	tb.Helper()
	for range n {
		if err := db.Append(t.next()); err != nil {
			tb.Fatal(err)
		}
	}
}

func tempFile(tb testing.TB) string { return filepath.Join(tb.TempDir(), "replica.db") }

func mustOpen(tb testing.TB, path string, opts Options) *DB {
	tb.Helper()
	db, err := Open(context.Background(), path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

func mustFlush(tb testing.TB, db *DB, seq store.Seq) {
	tb.Helper()
	if err := db.Flush(context.Background(), seq); err != nil {
		tb.Fatal(err)
	}
}

func mustClose(tb testing.TB, db *DB) {
	tb.Helper()
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
}

func randomSeed(tb testing.TB) uint64 {
	seed := rand.Uint64N(1 << 32)
	tb.Logf("seed %d", seed)
	return seed
}
