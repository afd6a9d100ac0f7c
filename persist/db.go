package persist

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/replicad/replicad/store"
)

// Options configure a DB. The zero value is the default.
type Options struct {
	// Delay is the longest time before a commit is written and synced. 0 means
	// 20ms; a negative one means at once.
	Delay time.Duration

	// Label is written into a file when it is made, for people: what it holds
	// and who made it. DB.Label and Check return it.
	Label string

	fold foldLimits
}

func (o Options) withDefaults() Options {
	// Below 10ms a busy replica syncs once per batch of messages; above 50ms a
	// person who pulls the plug can notice. 20ms is neither.
	o.Delay = cmp.Or(o.Delay, 20*time.Millisecond)
	o.fold = cmp.Or(o.fold, defaultFold)
	return o
}

// DB is an open file. It is a store.Journal. Its methods may be called from any
// goroutine.
//
// What waits for the disk is kept as the latest version of each document, so
// the queue cannot outgrow the store, however long the disk fails.
type DB struct {
	path  string
	opts  Options
	label string
	file  *os.File // bbolt's own; to let go of the lock where bbolt cannot
	bolt  *bbolt.DB
	seq   store.Seq // that the file held when it was opened

	w    writer        // belongs to the writer's goroutine
	wake chan struct{} // capacity 1: there may be something to do
	done chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards the rest; a leaf: nothing is called under it
	queue   queue
	waiters []*waiter
	wanted  store.Seq // the highest Seq that a Flush has asked for since the last attempt
	durable store.Seq
	company company
	failure error     // of the last attempt to write; nil once one has succeeded
	foldErr error     // of the last step of folding
	fatal   error     // why the writer has stopped for good
	retryAt time.Time // when the next attempt to write is due; zero: none has failed
	backoff time.Duration
	closing bool  // Close was called: no more commits
	over    bool  // the writer will answer no more
	closed  error // what Close returns; valid when done is closed
	stats   Stats
}

var _ store.Journal = (*DB)(nil)

// waiter is one Flush.
type waiter struct {
	seq    store.Seq
	result chan error // capacity 1
}

// Append takes a commit to be written and returns without waiting. Commits come
// in the order of their Seq. It keeps the documents of the commit, which are
// immutable, and not the commit.
//
// It does not refuse because of the disk, whose failures Flush and Err tell. It
// returns ErrClosed after Close, and an error for a commit that does not follow
// on what the file holds: the store was not loaded from it.
func (db *DB) Append(c *store.Commit) error {
	db.mu.Lock()
	if db.closing {
		db.mu.Unlock()
		return ErrClosed
	}
	if last := max(db.queue.last, db.durable); c.Seq <= last {
		db.mu.Unlock()
		return fmt.Errorf("persist: commit %d after commit %d: a store must be loaded from its file before it is written to", c.Seq, last)
	}
	wake := db.queue.add(c)
	db.mu.Unlock()
	if wake {
		db.poke()
	}
	return nil
}

// Flush has everything written that waits, and waits until every commit up to
// and including seq is on disk. Where the disk fails it returns the disk's
// error, after an attempt that was made after the call; the writer goes on
// trying. It returns ErrClosed if the DB is closed first, and ctx's error if ctx
// ends first.
func (db *DB) Flush(ctx context.Context, seq store.Seq) error {
	db.mu.Lock()
	switch {
	case seq <= db.durable:
		db.mu.Unlock()
		return nil
	case db.fatal != nil:
		defer db.mu.Unlock()
		return db.fatal
	case db.over:
		db.mu.Unlock()
		return ErrClosed
	}
	w := &waiter{seq: seq, result: make(chan error, 1)}
	db.waiters = append(db.waiters, w)
	wake := db.wanted <= db.durable || len(db.waiters) >= db.company.expected
	db.wanted = max(db.wanted, seq)
	db.mu.Unlock()
	if wake {
		db.poke()
	}

	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		db.mu.Lock()
		for i := range db.waiters {
			if db.waiters[i] == w {
				db.waiters = append(db.waiters[:i], db.waiters[i+1:]...)
				break
			}
		}
		db.mu.Unlock()
		return fmt.Errorf("persist: flush to commit %d: %w", seq, ctx.Err())
	}
}

// Durable returns the last Seq on disk: everything up to it is there.
func (db *DB) Durable() store.Seq {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.durable
}

// Seq returns the Seq that the file held when it was opened: the one to give to
// Store.Load with Records.
func (db *DB) Seq() store.Seq { return db.seq }

// Label returns what Options.Label was when the file was made.
func (db *DB) Label() string { return db.label }

// Path returns the path that the file was opened by.
func (db *DB) Path() string { return db.path }

// Err returns why the disk is behind: the error of the last attempt to write, or
// nil if it succeeded.
func (db *DB) Err() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return cmp.Or(db.fatal, db.failure, db.foldErr)
}

// Close writes what waits, tells pending Flushes, and closes the file. If
// writing fails it does not try again: the error says what is lost. A second
// Close returns what the first did. It waits for iterations of Records to end.
func (db *DB) Close() error {
	db.mu.Lock()
	db.closing = true
	db.mu.Unlock()
	db.poke()
	<-db.done
	return db.closed
}

// company is for Flushes of goroutines that call again when they have been answered. If
// the writer began with the first of them, the rest would have to wait for the end of
// that write: two small ones would take turns, and each have half of them. So the first
// waits for the rest, for half of what the last write took and Options.Delay at the
// most. With 64 goroutines that is 1.5 times as many Flushes a second; one that is
// alone never waits.
type company struct {
	expected int       // how many waited for the last write, or while it went on
	until    time.Time // when to wait no longer
}

// wait returns how long a write may wait for company.
func (c company) wait(waiters int, now time.Time) time.Duration {
	if waiters >= c.expected {
		return 0
	}
	return c.until.Sub(now)
}

// poke wakes the writer.
func (db *DB) poke() {
	select {
	case db.wake <- struct{}{}:
	default:
	}
}
