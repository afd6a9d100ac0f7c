package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// Replica is a live local copy. Its methods may be called from any goroutine, but
// those that talk to the replica (all but Store, ID, Status and Statuses) not from
// inside a transaction of its store, for which the replica itself may be waiting.
type Replica struct {
	url   string
	opts  Options
	log   *slog.Logger
	id    string
	store *store.Store
	db    *persist.DB // nil: nothing is kept

	asks   chan ask      // run by the loop, one after another
	synced chan struct{} // capacity 1: more is on disk than the loop has seen
	status atomic.Pointer[statusAt]

	ctx    context.Context // of the loop and of all that it starts
	cancel context.CancelFunc
	wg     sync.WaitGroup
	close  func() error
}

// Open opens the local copy and returns at once with what the disk holds; the
// server is dialed, and dialed again, in the background until Close. ctx bounds
// the opening (the wait for the file's lock) and not the replica.
//
// Errors: a *client.DialError that is client.ErrURL; what persist.Open returns
// (persist.ErrLocked, naming the process that has the file, where ctx ends before the file
// is free; ErrFormat, ErrNotReplica, ErrDamaged); what Options.Migrate returned; a
// *SchemaError, which is ErrSchema, for the file of a newer program. The file is left as it
// was in each case. That the server cannot be reached is no error of Open: see Status.
func Open(ctx context.Context, url string, opts Options) (*Replica, error) {
	if opts.Client.Dial == nil && !(opts.Offline && url == "") {
		if err := client.CheckURL(url); err != nil {
			return nil, fmt.Errorf("sync: %w", err)
		}
	}
	r := &Replica{url: url, opts: opts.withDefaults(), asks: make(chan ask), synced: make(chan struct{}, 1)}
	r.log = r.opts.Logger
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	l := newLoop(r)
	if err := l.restore(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sync: open %q: %w", r.opts.Path, err), r.closeFile())
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.close = sync.OnceValue(func() error {
		r.cancel()
		r.wg.Wait()
		err := errors.Join(r.store.Close(), r.closeFile())
		st := r.status.Load().Status
		r.log.Info("sync: phase", "from", st.Phase.String(), "to", Closed.String())
		r.publish(Status{Phase: Closed, Skipped: st.Skipped, Stale: st.Stale, DiskErr: err})
		return err
	})
	r.publish(l.status)
	r.wg.Go(func() { l.run(r.ctx) })
	return r, nil
}

// load makes the store, with what the file holds.
func (r *Replica) load(ctx context.Context) error {
	opts := store.Options{Logger: r.log}
	if r.opts.Path == "" {
		r.store = store.New(opts)
		return nil
	}
	db, err := persist.Open(ctx, r.opts.Path, persist.Options{Delay: r.opts.Delay})
	if err != nil {
		return err // which names the file, and the way out
	}
	opts.Journal = db
	r.db, r.store = db, store.New(opts)
	if err := r.store.Load(db.Seq(), db.Records()); err != nil {
		return errors.Join(err, r.closeFile())
	}
	return nil
}

func (r *Replica) closeFile() error {
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}

// Close stops everything the replica started, waits for it, and writes what is
// not yet on disk; it returns the error of that. Subscriptions that were not
// stopped are kept in the file and revived by the next Open; calls that still
// wait return ErrClosed. Close may be called again, and returns the same.
func (r *Replica) Close() error { return r.close() }

// Store returns the local collections. Collections that the server publishes may
// be read, indexed and observed, but not written (store.ErrReplicated); others are
// the program's own, and are kept in the file just the same. What is in a
// collection when the server first sends a document of it becomes the server's.
func (r *Replica) Store() *store.Store { return r.store }

// ID returns the identity of the replica: a UUID, made with the file and kept in it.
func (r *Replica) ID() string { return r.id }

// Flush waits until everything that is in the store now is on disk. It returns at
// once where nothing is kept, and the disk's error if it fails.
func (r *Replica) Flush(ctx context.Context) error {
	if r.db == nil {
		return nil
	}
	return r.db.Flush(ctx, r.store.Snapshot().Seq())
}

// Reconnect dials now instead of at Status.RetryAt, gives up an attempt that is
// under way for a new one, and ends what Disconnect began. Connected, it does
// nothing. It does not wait for the connection.
func (r *Replica) Reconnect() error { return r.do(context.Background(), (*loop).reconnect) }

// Disconnect ends the connection until Reconnect. Subscriptions and calls wait.
func (r *Replica) Disconnect() error { return r.do(context.Background(), (*loop).disconnect) }

// lookAgain has the loop see soon what is on disk, and send what waited for it.
func (r *Replica) lookAgain() {
	select {
	case r.synced <- struct{}{}:
	default:
	}
}

// ask is something for the loop to run.
type ask struct {
	fn  func(*loop)
	ran chan struct{} // closed when it has run, and the status tells of it
}

// do has fn run by the loop, and waits until it has run. An error means that it
// has not and will not.
func (r *Replica) do(ctx context.Context, fn func(*loop)) error {
	ran := make(chan struct{})
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	select {
	case r.asks <- ask{fn, ran}:
		<-ran // the loop runs what it takes
		return nil
	case <-r.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
