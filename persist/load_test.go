package persist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// TestBadDocumentEndsRecords has one document among many that is none, in a block with
// a good checksum. Whichever side verifies it: the error is the same, and nothing of
// its batch is handed over.
func TestBadDocumentEndsRecords(t *testing.T) {
	const n = 6 * batchSize
	path := tempFile(t)
	fill(t, path, n, 0)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for _, bad := range []int{0, 1, batchSize - 1, batchSize, r.IntN(n), r.IntN(n), n - 1} {
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		edit(t, path, func(tx *bbolt.Tx) error {
			st, err := loadState(tx)
			if err != nil {
				return err
			}
			gen := &st.gens[len(st.gens)-1]
			b, err := newBlocks(tx, logName(gen.number), &gen.sums, new(arena))
			if err != nil {
				return err
			}
			b.log, b.collection, b.prefix = true, 1, slotKey(uint64(st.seq))
			add(b, uint64(bad)+1, "nonsense")
			b.end()
			return errors.Join(b.failed, st.save(tx.Bucket(metaBucket)))
		})
		want := fmt.Sprintf("document in slot %d of %q", bad+1, "todos")
		for _, slow := range []bool{false, true} {
			db := mustOpen(t, path, Options{})
			got := 0
			var ended error
			for _, err := range db.Records() {
				if ended = err; err != nil {
					break
				}
				got++
				if slow {
					runtime.Gosched() // so that the file is read ahead
				}
			}
			if !errors.Is(ended, ErrDamaged) || !strings.Contains(ended.Error(), want) {
				t.Errorf("document %d: %v", bad, ended)
			}
			if got != bad/batchSize*batchSize {
				t.Errorf("document %d: %d were handed over", bad, got)
			}
			mustClose(t, db)
		}
	}
}
