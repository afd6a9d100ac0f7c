package persist

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Compact writes a file anew: the log folded, pages full and in order, and the
// room given back that documents once took. bbolt files do not shrink by
// themselves, but use that room again.
//
// It waits for the lock as Open does, and nobody else can have the file
// meanwhile. The new file takes the place of the old one at once, when it is on
// disk; until then nothing is changed. It needs room for both. The new file has the mode
// and the owner of the old one; where that cannot be, nothing is changed. If the path is a
// symbolic link, what it leads to is compacted.
func Compact(ctx context.Context, path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil && path != "" {
		path = real
	}
	for {
		db, err := existing(path)
		if err == nil {
			return within("compact", path, errors.Join(db.rewrite(ctx), guard(db.bolt.Close)))
		}
		if err != errBusy {
			return within("compact", path, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return locked(path, err)
		}
	}
}

// existing opens a file, which must be there, without a writer.
func existing(path string) (*DB, error) {
	if _, err := probe(path); err != nil {
		return nil, err
	}
	return tryOpen(path, Options{})
}

// rewrite puts a copy in the place of an open file.
func (db *DB) rewrite(ctx context.Context) error {
	tmp, err := build(db.path, func(bolt *bbolt.DB) error {
		if err := format(bolt, db.label); err != nil {
			return err
		}
		return db.copyTo(ctx, &writer{bolt: bolt})
	})
	if err != nil {
		return err
	}
	if err = alike(tmp, db.file); err == nil {
		err = os.Rename(tmp, db.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	syncFolder(db.path)
	return nil
}

// alike gives a file the mode and the owner of another.
func alike(path string, other *os.File) error {
	info, err := other.Stat()
	if err != nil {
		return err
	}
	return errors.Join(giveTo(path, info), os.Chmod(path, info.Mode().Perm()))
}

// copyTo writes all documents, in as many transactions as they need. Only the
// last counts, for nobody sees the file before.
func (db *DB) copyTo(ctx context.Context, w *writer) error {
	s := newSegment()
	for r, err := range db.Records() {
		if err != nil {
			return err
		}
		s.add(s.group(r.Collection), r.Slot, r.Doc)
		if !s.full() {
			continue
		}
		s.last = db.seq
		if err := errors.Join(ctx.Err(), w.commit(s)); err != nil {
			return err
		}
		s = newSegment()
	}
	s.last = db.seq
	return w.commit(s)
}
