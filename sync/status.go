package sync

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/replicad/replicad/store"
)

// Phase is where the connection stands.
type Phase uint8

// The phases, in the order in which they are passed.
const (
	Offline    Phase = iota // waiting to dial; see Status.RetryAt
	Connecting              // dialing, or agreeing on a version
	Catching                // connected; the store is still as it was before
	Live                    // the store follows the server
	Closed
)

// String returns the phase in lower case.
func (p Phase) String() string {
	switch p {
	case Offline:
		return "offline"
	case Connecting:
		return "connecting"
	case Catching:
		return "catching"
	case Live:
		return "live"
	case Closed:
		return "closed"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Status is a replica at one moment.
type Status struct {
	Phase   Phase
	Err     error     // why it is Offline, or why the last dial failed; nil when connected
	Tries   int       // failed dials in a row
	RetryAt time.Time // when it dials next, if Offline; zero after Disconnect
	Resumed bool      // the server had kept the session of the connection before
	Calls   int       // calls that wait for the server and live with the process
	Outbox  int       // calls made by Do that have not ended
	Parked  int       // those of Outbox whose user is not logged in, or not accepted
	Failed  int       // calls made by Do that ended with an error, until dismissed
	UserID  string    // in whose name the program works; "" for nobody
	// NeedsLogin says that the server does not accept the user's token any more. Until
	// the next Login or Logout nothing is sent; the documents stay as they are.
	NeedsLogin bool
	// Stale counts the documents of an earlier session that the server has not
	// confirmed yet. They stay until everything that may confirm them has come.
	Stale   int
	Skipped int       // messages of the server that could not be applied, since Open
	DiskErr error     // why the file falls behind; replication in memory goes on
	Seq     store.Seq // last commit
	Durable store.Seq // last commit on disk; equal to Seq where nothing is kept
}

// Status returns the status now. It does not wait.
func (r *Replica) Status() Status { return r.fill(r.status.Load().Status) }

// Statuses yields the status now and after every change of phase, login, number of
// calls, or disk error; changes in quick succession are merged. It ends after Closed, or
// when ctx is done.
func (r *Replica) Statuses(ctx context.Context) iter.Seq[Status] {
	return func(yield func(Status) bool) {
		for {
			at := r.status.Load()
			if !yield(r.fill(at.Status)) || at.Phase == Closed {
				return
			}
			select {
			case <-at.outdated:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (r *Replica) fill(st Status) Status {
	if r.db == nil {
		st.Seq = r.store.Snapshot().Seq()
		st.Durable = st.Seq
		return st
	}
	// In this order, so that Durable is never ahead of Seq.
	st.Durable = r.db.Durable()
	st.Seq = r.store.Snapshot().Seq()
	if st.Phase != Closed {
		st.DiskErr = r.db.Err()
	}
	return st
}

// statusAt is a status, and a channel that is closed when there is a newer one.
type statusAt struct {
	Status
	outdated chan struct{}
}

// publish makes the loop's status visible to everybody.
func (r *Replica) publish(st Status) {
	old := r.status.Swap(&statusAt{Status: st, outdated: make(chan struct{})})
	if old != nil {
		close(old.outdated)
	}
}

// tell publishes the status, if it has changed, and then the ends of calls and logins: who
// has waited for one sees in the status what came of it.
func (l *loop) tell() {
	if l.dirty {
		l.dirty = false
		l.r.publish(l.status)
	}
	l.tellEnds()
}

func (l *loop) tellEnds() {
	for _, done := range l.over {
		close(done)
	}
	clear(l.over)
	l.over = l.over[:0]
}

// enter passes to a phase, and tells the log.
func (l *loop) enter(p Phase, err error) {
	from := l.status.Phase
	l.status.Phase, l.status.Err = p, err
	l.status.RetryAt = l.dialAt
	l.dirty = true
	if from == p {
		return
	}
	attrs := []slog.Attr{slog.String("from", from.String()), slog.String("to", p.String())}
	level := slog.LevelInfo
	if p == Offline {
		attrs = append(attrs, slog.Any("err", err))
		if !l.dialAt.IsZero() {
			level = slog.LevelWarn
			attrs = append(attrs, slog.Int("tries", l.status.Tries), slog.Time("retryAt", l.dialAt))
		}
	}
	l.log.LogAttrs(context.Background(), level, "sync: phase", attrs...)
}
