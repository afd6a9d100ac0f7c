package sync

import (
	"context"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Do runs the method's stub, puts the call in the outbox, and returns when both are
// on disk; calls that are made at the same time share one write. It does not wait for
// the server. From then on the call is not lost: it is sent as soon as there is a
// connection, and again after every loss of the connection or of the process, until the
// server has answered it; the stub is not run again. A server that remembers the ids of
// calls, as those of this module do, runs it once, others at least once, and the same
// seed lets them make the same ids. Where nothing is kept (Options.Path) Do waits for
// nothing, and the call dies with the replica.
//
// An error says that the call was not made and will not be: ErrOutboxFull; ErrClosed;
// what the stub returned; a parameter that is no EJSON value; the disk's; that of ctx.
// (If the process ends at that very moment, the file may have the call all the same.)
func (r *Replica) Do(ctx context.Context, m Method) (*Pending, error) {
	params, err := arrayOf(m.Params)
	if err != nil {
		return nil, err
	}
	c := newCall(m, params)
	// Drawn whether the stub needs it or not, so that what is sent again makes the
	// same ids.
	c.seed = ddp.NewSeed()
	// By the clock on the wall, which goes on while the machine sleeps.
	c.kept = &durable{state: Queued, at: time.Now().Round(0)}
	if m.TTL > 0 {
		c.kept.expires = c.kept.at.Add(m.TTL)
	}
	if err := r.enter(ctx, c); err != nil {
		return nil, err
	}
	p := &Pending{r: r, c: c}
	if r.db == nil {
		return p, nil
	}
	if err := r.db.Flush(ctx, c.kept.made); err != nil {
		sent := false
		if r.do(context.Background(), func(l *loop) { sent = l.unmake(c) }) == nil && sent {
			return p, nil // another's write has brought it to disk
		}
		return nil, err
	}
	reached(stepFsync)
	r.lookAgain() // it may be sent now; if the replica is being closed, by the next one
	return p, nil
}

// Pending is a call of the outbox. Its methods may be called from any goroutine.
type Pending struct {
	r *Replica
	c *call
}

// Pending returns the call of that id, also after a restart, or ErrNoCall: what has
// ended well is not in the outbox any more.
func (r *Replica) Pending(id string) (*Pending, error) {
	p := &Pending{r: r}
	if err := r.do(context.Background(), func(l *loop) { p.c = l.entries[id] }); err != nil {
		return nil, err
	}
	if p.c == nil {
		return nil, ErrNoCall
	}
	return p, nil
}

// ID returns the id of the call: unique for ever, among all replicas. It is the _id
// in OutboxCollection.
func (p *Pending) ID() string { return p.c.id }

// Done is closed when the call has ended.
func (p *Pending) Done() <-chan struct{} { return p.c.done }

// Result waits for the outcome, which is as that of Replica.Call. Errors: the
// server's, a *ddp.Error; ErrExpired; ErrCancelled; ErrSuperseded; ErrDropped; ErrTooLong;
// ErrUnknownOutcome for a NoRetry call; ErrClosed if the replica is closed first, and then
// the call may yet be sent by the next; that of ctx.
func (p *Pending) Result(ctx context.Context) (any, error) {
	v, err := p.r.await(ctx, p.c)
	if err != nil || v.IsMissing() {
		return nil, err
	}
	return v.Any(), nil
}

// Cancel ends a call that was never sent: what its stub foretold is taken back, and
// its result is ErrCancelled. ErrSent if it was sent, or has ended.
func (p *Pending) Cancel() error {
	var refused error
	if err := p.r.do(context.Background(), func(l *loop) { refused = l.cancel(p.c) }); err != nil {
		return err
	}
	return refused
}

// Retry puts a call that has ended with an error behind all others, to be sent once
// more, and returns it anew; in a later process it is where it was made. Its stub is not
// run. ErrNoCall if it is not among those that failed.
func (p *Pending) Retry() (*Pending, error) {
	next := &Pending{r: p.r}
	if err := p.r.do(context.Background(), func(l *loop) { next.c = l.revive(p.c.id) }); err != nil {
		return nil, err
	}
	if next.c == nil {
		return nil, ErrNoCall
	}
	return next, nil
}

// Dismiss takes a call that has ended with an error out of the outbox. ErrNoCall if
// it is not among those that failed.
func (p *Pending) Dismiss() error {
	var found bool
	if err := p.r.do(context.Background(), func(l *loop) { found = l.dismiss(p.c.id) }); err != nil {
		return err
	}
	if !found {
		return ErrNoCall
	}
	return nil
}

// cancel is Pending.Cancel.
func (l *loop) cancel(c *call) error {
	if !l.neverSent(c) {
		return ErrSent
	}
	l.giveUp(c, ErrCancelled)
	l.recordRetired()
	return nil
}

// takeFailed takes a call out of those that failed, nil if it is not there.
func (l *loop) takeFailed(id string) *call {
	c := l.entries[id]
	if c == nil || c.kept.state != Failed {
		return nil
	}
	l.unlist(c)
	l.failed = slices.DeleteFunc(l.failed, func(f *call) bool { return f == c })
	return c
}

// revive is Pending.Retry.
func (l *loop) revive(id string) *call {
	was := l.takeFailed(id)
	if was == nil {
		return nil
	}
	c := newCall(was.method, was.params)
	c.id, c.user, c.seed = was.id, was.user, was.seed
	// A server that remembers ids would only repeat what it said.
	c.kept = &durable{state: Queued, at: was.kept.at, attempts: was.kept.attempts, refusals: was.kept.refusals + 1, err: was.kept.err}
	c.wire = c.triedAs()
	l.recordCalls(c)
	c.kept.seq = l.seq
	l.enqueue(c)
	l.align()
	l.nudge(l.seq)
	return c
}

// dismiss is Pending.Dismiss.
func (l *loop) dismiss(id string) bool {
	c := l.takeFailed(id)
	if c == nil {
		return false
	}
	err := l.update(func(tx *store.Tx) error {
		tx.Delete(OutboxCollection, ejson.StringID(id))
		return nil
	})
	if err != nil {
		l.log.Error("sync: outbox not recorded", "err", err)
	}
	l.countCalls()
	return true
}
