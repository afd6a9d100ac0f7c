package persist

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"time"

	"go.etcd.io/bbolt"
)

// writer writes segments and folds the log. It belongs to one goroutine, that
// of DB.run.
type writer struct {
	bolt  *bbolt.DB
	file  *os.File // bbolt's own
	size  int64    // that the file has at least
	ahead ahead
	state *state // as in the file; nil: to be read again, since an attempt failed
	arena arena
	count int64 // transactions, for counting bytes

	fold     *fold // under way; nil: none
	foldTurn bool  // a segment was written since the last step
	foldAt   time.Time
	foldOff  bool // what is to be folded cannot be read
	lately   int  // bytes of the last segment
	limits   foldLimits
}

// fault is a panic or a memory fault inside bbolt: its file has changed under
// it, or cannot be read.
type fault struct {
	value any
	stack []byte
}

func (f *fault) Error() string { return fmt.Sprintf("its pages cannot be read (%v)", f.value) }

// guard runs fn, and returns as an error what bbolt panics with. A page that
// cannot be read faults in the memory map; that too is an error here.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &fault{value: r, stack: debug.Stack()}
		}
	}()
	return fn()
}

// update runs fn in a transaction and saves the state that it leaves.
func (w *writer) update(fn func(tx *bbolt.Tx, st *state) error) error {
	w.arena.reset()
	w.count++
	err := guard(func() error {
		tx, err := w.bolt.Begin(true)
		if err != nil {
			return err
		}
		w.size = tx.Size()
		if err = w.change(tx, fn); err == nil {
			return tx.Commit()
		}
		return errors.Join(err, tx.Rollback())
	})
	if err != nil {
		w.state = nil
	}
	return err
}

func (w *writer) change(tx *bbolt.Tx, fn func(tx *bbolt.Tx, st *state) error) error {
	if w.state == nil {
		// The attempt that failed may yet have reached the file, if it was the
		// last sync that failed.
		st, err := loadState(tx)
		if err != nil {
			return err
		}
		w.state = st
	}
	if err := fn(tx, w.state); err != nil {
		return err
	}
	return w.state.save(tx.Bucket(metaBucket))
}

// write puts a segment into the file: ahead, unless it is the last, or as a transaction.
func (w *writer) write(s *segment, last bool) error {
	if err := w.there(); err != nil {
		return err
	}
	if !last {
		if done, err := w.ahead.add(w.bolt, w.file, s); done || err != nil {
			return err
		}
	}
	return w.commit(s)
}

// errGone says that what is written to the file is lost when it is closed.
var errGone = errors.New("the file was deleted or replaced while it was open, and can keep nothing any more: close it, and open what is there now")

// there returns an error if the file is not what it was: bbolt would not notice.
func (w *writer) there() error {
	info, err := w.file.Stat()
	switch {
	case err != nil:
		return err
	case !named(info):
		return errGone
	case info.Size() < w.size:
		return damaged("it was cut to %d bytes of at least %d while it was open", info.Size(), w.size)
	}
	return nil
}

// commit puts a segment into the file, and what went ahead, as one transaction.
func (w *writer) commit(s *segment) error {
	s = w.ahead.with(s)
	salt := newSalt()
	if err := w.transact(s, salt); err != nil {
		w.ahead.off = true // the transaction may have reached the file, and its salt
		return err
	}
	w.ahead.taken(salt, s.last)
	return nil
}

// transact puts a segment into the file.
//
// Documents whose slots lie above all that the file has seen go straight to the
// end of the base, if they fill a block: nothing in the log can be about them,
// and they need never be folded. Everything else goes to the log.
func (w *writer) transact(s *segment, salt uint64) error {
	w.lately, w.foldTurn = s.bytes, true
	return w.update(func(tx *bbolt.Tx, st *state) error {
		if st.salt == 0 {
			if err := st.upgrade(tx); err != nil {
				return err
			}
		}
		var journal *blocks
		for _, g := range s.groups {
			if len(g.changes) == 0 {
				continue
			}
			g.settle()
			c := st.collection(g.collection)
			old, fresh := g.changes, g.changes[len(g.changes):]
			if i := sort.Search(len(old), func(i int) bool { return old[i].slot > c.top }); size(old[i:]) >= blockSize {
				old, fresh = old[:i], old[i:]
			}
			if err := w.extend(tx, c, fresh); err != nil {
				return err
			}
			if len(old) > 0 && journal == nil {
				gen := &st.gens[len(st.gens)-1]
				var err error
				if journal, err = newBlocks(tx, logName(gen.number), &gen.sums, &w.arena); err != nil {
					return err
				}
				journal.log, journal.prefix = true, slotKey(uint64(s.last))
			}
			if journal != nil {
				journal.collection = c.id
			}
			for _, ch := range old {
				if !ch.doc.IsZero() {
					add(journal, ch.slot, ch.doc.Raw())
				} else if ch.slot <= c.top {
					journal.remove(ch.slot)
				}
			}
			if journal != nil {
				journal.end()
			}
			if g.top > c.top {
				c.top, c.dirty = g.top, true
			}
		}
		st.seq, st.salt = s.last, salt
		if journal != nil {
			return journal.failed
		}
		return nil
	})
}

// extend appends documents to the base of a collection.
func (w *writer) extend(tx *bbolt.Tx, c *collection, fresh []change) error {
	if len(fresh) == 0 {
		return nil
	}
	b, err := newBlocks(tx, baseName(c.id), &c.base, &w.arena)
	if err != nil {
		return err
	}
	for _, ch := range fresh {
		if !ch.doc.IsZero() {
			add(b, ch.slot, ch.doc.Raw())
		}
	}
	b.end()
	c.dirty = true
	return b.failed
}

func size(changes []change) (n int) {
	for _, c := range changes {
		n += len(c.doc.Raw())
	}
	return n
}
