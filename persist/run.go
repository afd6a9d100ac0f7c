package persist

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

const (
	// After a failure the next attempt comes after 50ms, then twice as late each
	// time: soon for a disk that hiccups, and no burden to one that is full.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// job is what the writer does next.
type job int

const (
	end job = iota
	writeSegment
	writeLast // a segment, after which nothing comes
	foldStep
)

// run is the writer's goroutine: started by Open, ended by Close.
func (db *DB) run() {
	defer close(db.done)
	for {
		switch j, s := db.next(); j {
		case writeSegment, writeLast:
			begun := time.Now()
			err := db.w.write(s, j == writeLast)
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
			if db.closing {
				return writeLast, db.queue.take(), 0
			}
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
		db.stats.Bytes = pages.GetPageAlloc() + db.w.count*pageSize + db.w.ahead.bytes // a page of bbolt's meta each
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
	// So that a file that was closed has all in its place. If that fails, the next Open
	// finds it where it is.
	if a := &db.w.ahead; a.fresh && !a.off {
		_ = db.w.write(&segment{last: a.last}, true)
		db.mu.Lock()
		db.count()
		db.mu.Unlock()
	}
	if err := guard(db.bolt.Close); err != nil && db.closed == nil {
		db.closed = within("close", db.path, err)
	}
}
