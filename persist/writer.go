package persist

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"sort"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// After a failure the next attempt comes after 50ms, then twice as late each
	// time: soon for a disk that hiccups, and no burden to one that is full.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// writer writes segments and folds the log. It belongs to one goroutine, that
// of DB.run.
type writer struct {
	bolt  *bbolt.DB
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

// job is what the writer does next.
type job int

const (
	end job = iota
	writeSegment
	foldStep
)

// run is the writer's goroutine: started by Open, ended by Close.
func (db *DB) run() {
	defer close(db.done)
	for {
		switch j, s := db.next(); j {
		case writeSegment:
			begun := time.Now()
			err := db.w.write(s)
			db.wrote(s, time.Since(begun), err)
		case foldStep:
			db.folded(db.w.step())
		case end:
			db.finish()
			return
		}
	}
}

// next waits for something to do.
func (db *DB) next() (job, *segment) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		j, s, due := db.choose(time.Now())
		if j != end || s != nil || due == 0 {
			return j, s
		}
		timer.Reset(due)
		select {
		case <-db.wake:
		case <-timer.C:
		}
	}
}

// idle is how long the writer sleeps when nothing but a call can wake it.
const idle = time.Hour

// choose returns a job, or after what time to ask again. A job of end with a
// due of 0 is the end.
func (db *DB) choose(now time.Time) (j job, s *segment, due time.Duration) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.fatal != nil || (db.closing && (len(db.queue.segments) == 0 || db.closed != nil)) {
		if db.closing {
			return end, nil, 0
		}
		return end, nil, idle
	}
	fold := !db.closing && db.w.foldDue(now)
	if fold && db.w.foldTurn {
		return foldStep, nil, 0
	}
	due = idle
	if len(db.queue.segments) > 0 {
		due = db.due(now)
		if due <= 0 {
			return writeSegment, db.queue.take(), 0
		}
	}
	if fold {
		return foldStep, nil, 0
	}
	if db.w.foldAt.After(now) {
		due = min(due, db.w.foldAt.Sub(now))
	}
	return end, nil, due
}

// due returns how long the oldest segment may wait. db.mu is held.
func (db *DB) due(now time.Time) time.Duration {
	s := db.queue.segments[0]
	switch {
	case db.closing:
		return 0
	case db.wanted > db.durable:
		return db.company.wait(len(db.waiters), now)
	case !db.retryAt.IsZero():
		return db.retryAt.Sub(now)
	case s.n >= segmentDue || len(db.queue.segments) > 1:
		return 0
	}
	return db.opts.Delay - now.Sub(s.since)
}

// wrote notes how an attempt to write s ended, and tells those who wait.
func (db *DB) wrote(s *segment, took time.Duration, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.count()
	if err == nil {
		db.stats.Records++
		db.stats.Changes += int64(s.n)
		db.durable = s.last
		if db.failure != nil && !db.w.foldOff {
			db.foldErr, db.w.foldAt = nil, time.Time{} // there may be room for it too
		}
		db.failure, db.retryAt, db.backoff = nil, time.Time{}, 0
		db.queue.recycle(s)
		db.company = company{len(db.waiters), time.Now().Add(min(took/2, db.opts.Delay))}
		db.answer(nil)
		return
	}
	err = within("write", db.path, err)
	db.queue.putBack(s)
	db.failure = err
	db.backoff = min(max(2*db.backoff, firstBackoff), lastBackoff)
	db.retryAt = time.Now().Add(db.backoff)
	db.wanted = 0
	db.stop(err)
	if db.closing {
		db.closed = fmt.Errorf("%w; %d changes after commit %d are lost", err, db.queue.n, db.durable)
	}
	db.answer(err)
}

// folded notes how a step of folding ended.
func (db *DB) folded(whole bool, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.count()
	db.stats.Steps++
	if whole {
		db.stats.Folds++
	}
	db.foldErr = within("fold the log of", db.path, err)
	if err != nil {
		db.w.foldAt = time.Now().Add(lastBackoff)
		db.w.foldOff = errors.Is(db.foldErr, ErrDamaged)
		db.stop(db.foldErr)
	}
}

// stop ends all writing if bbolt itself has failed: nobody knows what it holds
// or has locked. db.mu is held.
func (db *DB) stop(err error) {
	var f *fault
	if errors.As(err, &f) {
		db.fatal = err
	}
}

// answer tells the Flushes that err concerns: all if there is one, and else
// those whose commits are on disk. db.mu is held.
func (db *DB) answer(err error) {
	keep := db.waiters[:0]
	for _, w := range db.waiters {
		if err != nil || w.seq <= db.durable {
			w.result <- err
		} else {
			keep = append(keep, w)
		}
	}
	clear(db.waiters[len(keep):])
	db.waiters = keep
}

// count brings the counters of bytes up to date. db.mu is held.
func (db *DB) count() {
	if st := db.w.state; st != nil {
		db.stats.LogBytes, db.stats.BaseBytes = int64(st.logBytes()), int64(st.baseBytes())
		pages := db.bolt.Stats().TxStats
		db.stats.Bytes = pages.GetPageAlloc() + db.w.count*pageSize // a page of bbolt's meta each
	}
}

// finish answers everybody and lets go of the file.
func (db *DB) finish() {
	db.mu.Lock()
	db.over = true
	db.answer(ErrClosed)
	fatal := db.fatal
	db.mu.Unlock()
	if fatal != nil {
		// bbolt cannot be closed after it has panicked, for it may hold its own
		// locks. Closing the file gives up the lock that others wait for.
		db.file.Close()
		db.closed = cmp.Or(db.closed, fatal)
		return
	}
	if err := guard(db.bolt.Close); err != nil && db.closed == nil {
		db.closed = within("close", db.path, err)
	}
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

// write puts a segment into the file, as one transaction.
//
// Documents whose slots lie above all that the file has seen go straight to the
// end of the base, if they fill a block: nothing in the log can be about them,
// and they need never be folded. Everything else goes to the log.
func (w *writer) write(s *segment) error {
	w.lately, w.foldTurn = s.bytes, true
	return w.update(func(tx *bbolt.Tx, st *state) error {
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
		st.seq = s.last
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
