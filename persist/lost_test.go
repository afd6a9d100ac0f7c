package persist

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/replicad/replicad/store"
)

// images makes commits and returns what the file was like after each of them was on disk.
func images(t *testing.T, seed uint64, n int, fold foldLimits) (*twin, [][]byte, []store.Seq) {
	t.Helper()
	path := tempFile(t)
	tw := newTwin(seed)
	var all [][]byte
	var seqs []store.Seq
	for range n {
		db := mustOpen(t, path, Options{Delay: time.Hour, fold: fold})
		tw.append(t, db, 3)
		mustClose(t, db)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all, seqs = append(all, b), append(seqs, tw.seq)
	}
	return tw, all, seqs
}

// changedPages returns the pages in which two images differ, the meta pages last: so
// they are written, with a sync between.
func changedPages(old, new []byte) (pages []int) {
	var metas []int
	for at := 0; at < len(new); at += pageSize {
		if at+pageSize <= len(old) && bytes.Equal(old[at:at+pageSize], new[at:at+pageSize]) {
			continue
		}
		if at < 2*pageSize {
			metas = append(metas, at)
		} else {
			pages = append(pages, at)
		}
	}
	return append(pages, metas...)
}

// with returns the old image with the first bytes of some pages as in the new one.
func with(old, new []byte, pages []int, n int) []byte {
	mixed := bytes.Clone(old)
	for _, at := range pages {
		if grow := at + pageSize - len(mixed); grow > 0 {
			mixed = append(mixed, make([]byte, grow)...)
		}
		copy(mixed[at:at+n], new[at:at+n])
	}
	return mixed
}

// TestLostTail ends the machine at every write of every transaction: what was written
// before is on disk, of the write itself nothing, a sector or all, and what comes behind
// is lost. The file always opens, to what it held before the transaction or after.
func TestLostTail(t *testing.T) {
	tw, all, seqs := images(t, 21, 8, foldLimits{after: 1 << 60, share: 1, step: 1 << 20})
	path := tempFile(t)
	for i := 1; i < len(all); i++ {
		old, new := all[i-1], all[i]
		pages := changedPages(old, new)
		if len(pages) < 2 {
			t.Fatalf("commit %d changes pages %v", seqs[i], pages)
		}
		for k := range pages {
			for _, n := range []int{0, 512, pageSize} {
				if n == 512 && k%4 != 0 && k < len(pages)-2 {
					continue
				}
				mixed := with(old, new, pages[:k], pageSize)
				mixed = with(mixed, new, pages[k:k+1], n)
				if err := os.WriteFile(path, mixed, 0o600); err != nil {
					t.Fatal(err)
				}
				seq, err := tryFile(t, tw, path)
				if err != nil || seq != seqs[i-1] && seq != seqs[i] {
					t.Fatalf("commit %d, %d bytes of write %d of %d: commit %d (%v)", seqs[i], n, k+1, len(pages), seq, err)
				}
			}
		}
	}
}

// TestStalePages is a disk that lies: of what it was told to keep, any pages may be as
// they were before, in any order, and the end of the file may be missing. The file then
// opens to a state that existed, or is refused as damaged and left alone.
func TestStalePages(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 22))
	tw, all, seqs := images(t, 22, 10, smallFolds)
	path := tempFile(t)
	refused, opened := 0, 0
	try := func(i int, mixed []byte) {
		t.Helper()
		if err := os.WriteFile(path, mixed, 0o600); err != nil {
			t.Fatal(err)
		}
		seq, err := tryFile(t, tw, path)
		switch {
		case err == nil && seq <= seqs[i]:
			opened++
		case errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotReplica):
			refused++
			if now, _ := os.ReadFile(path); !bytes.Equal(now, mixed) {
				t.Fatalf("commit %d: a refused file was changed (%v)", seqs[i], err)
			}
		default:
			t.Fatalf("commit %d: commit %d (%v)", seqs[i], seq, err)
		}
	}
	for i := 1; i < len(all); i++ {
		old, new := all[i-1], all[i]
		pages := changedPages(old, new)
		try(i, new)
		try(i, with(old, new, pages[len(pages)-1:], pageSize)) // only the meta page has come
		for range 12 {
			var some []int
			for _, at := range pages {
				if r.IntN(4) > 0 {
					some = append(some, at)
				}
			}
			try(i, with(old, new, some, pageSize))
		}
		for range 4 { // and the end is cut off
			at := pages[r.IntN(len(pages))]
			try(i, new[:at+r.IntN(2)*512])
		}
	}
	if refused == 0 || opened == 0 { // the seed is fixed
		t.Errorf("%d refused, %d opened", refused, opened)
	}
}
