package persist

import (
	"context"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Report is what Check found in a file.
type Report struct {
	Label       string // Options.Label of when it was made
	Format      int    // of the layout
	Docs        int    // of the documents, as ejson.Format
	Seq         store.Seq
	Collections []CollectionReport // in the order of their first commit
	Documents   int                // in all of them
	Size        int64              // of the file, bytes
	LogBytes    int64              // that are not yet folded into the base
}

// CollectionReport is what Check found in a collection.
type CollectionReport struct {
	Name      string
	Documents int
	Bytes     int64 // of the documents
}

// Check verifies a whole file: its pages, every checksum and every document. It
// changes nothing. It waits for the lock as Open does, which it shares with
// other Checks only, and gives up with ctx's error when ctx ends.
//
// The error is that with which Open or Records would refuse the file.
func Check(ctx context.Context, path string) (Report, error) {
	rep := Report{Format: formatNumber, Docs: ejson.Format}
	for {
		empty, err := probe(path)
		if err == nil && empty {
			err = errNotOurs("an empty file")
		}
		if err == nil {
			err = inspect(path, func(bolt *bbolt.DB, info os.FileInfo) error {
				rep.Size = info.Size()
				return rep.read(ctx, path, bolt)
			})
		}
		if err != errBusy {
			return rep, within("check", path, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return rep, locked(path, err)
		}
	}
}

// read counts, and so verifies, what is in an open file.
func (rep *Report) read(ctx context.Context, path string, bolt *bbolt.DB) error {
	err := guard(func() error {
		return bolt.View(func(tx *bbolt.Tx) error {
			fresh, err := checkFormat(tx)
			if err == nil && fresh {
				err = errNotOurs("an empty bbolt file")
			}
			if err != nil {
				return err
			}
			c, err := open(tx)
			if err != nil {
				return err
			}
			st := c.st
			rep.Seq, rep.LogBytes = st.seq, int64(st.logBytes())
			if st.salt == 0 {
				rep.Format = 1
			}
			for _, c := range st.collections {
				rep.Collections = append(rep.Collections, CollectionReport{Name: c.name})
			}
			label, err := getSealed(tx.Bucket(metaBucket), labelKey)
			rep.Label = string(label)
			return err
		})
	})
	if err != nil {
		return err
	}
	at := 0
	for r, err := range records(path, bolt, new(sync.Mutex)) {
		if err != nil {
			return err
		}
		for rep.Collections[at].Name != r.Collection {
			at++
		}
		rep.Documents++
		rep.Collections[at].Documents++
		rep.Collections[at].Bytes += int64(len(r.Doc.Raw()))
		if rep.Documents%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
