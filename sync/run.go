package sync

import (
	"context"
	"log/slog"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/store"
)

// loop is the one goroutine of a replica, and owns everything that the replica
// knows beside its store: the connection, subscriptions, calls and timers. It
// never waits for the network, the disk or the program.
type loop struct {
	r     *Replica
	opts  Options
	log   *slog.Logger
	store *store.Store

	status Status
	dirty  bool            // status is newer than what was published
	over   []chan struct{} // of calls and logins that have ended, to be closed by tell
	asked  []ask           // room for those that are run together

	asleep      bool      // Disconnect was called
	attempt     *attempt  // the dial under way
	dialAt      time.Time // when to dial next; zero: not waiting
	tries       int       // retries since the last good connection
	connectedAt time.Time
	session     *session // nil: not connected

	// resync says that the store may hold documents of an earlier session, which
	// the next one must confirm.
	resync bool
	owned  map[string]struct{} // collections that the server has sent documents of

	at       position            // what the store has followed, for the next connection
	stopping map[string]struct{} // ids of subscriptions that the server was told to end

	subs      map[string]*subscribed // by id
	subsByKey map[string]*subscribed // by name and params
	lastSub   uint64
	graceAt   time.Time // when unclaimed subscriptions are given up
	unclaimed int

	blocks   []*block         // outstanding calls; only the first block is sent
	calls    map[string]*call // those of blocks, by id
	plain    int              // how many of them live with the process
	flying   int              // how many of them are sent and without result
	lastCall uint64
	prefix   string // of call ids

	me     identity
	logins []*loginAsk      // of the program's, not yet answered
	parked map[string]*call // those of entries that wait for their user, by id

	entries  map[string]*call // of the outbox, by id
	failed   []*call          // those of entries that ended with an error, oldest first
	retired  []retired        // have ended, but for the record of it
	delayed  []*call          // wait to be tried again
	expireAt time.Time        // when to look for calls that are too old

	latest map[squashKey]*call // the last call made with each key, if it is in entries

	stubs   map[string]Stub
	wrote   map[string][]docRef // documents that the stubs of calls have changed, by id of the call
	leaving []string            // calls to be taken out of wrote when a session's data are whole

	seq    store.Seq // of the loop's last commit
	diskAt time.Time // when to look at the disk's health again

	fresh      []string // collections of owned that no commit has recorded yet
	skipped    int      // messages that could not be applied, since report
	skippedFor error    // why the first of them
}

func newLoop(r *Replica) *loop {
	return &loop{
		r: r, opts: r.opts, log: r.log, store: r.store,
		owned:     map[string]struct{}{},
		stopping:  map[string]struct{}{},
		subs:      map[string]*subscribed{},
		subsByKey: map[string]*subscribed{},
		calls:     map[string]*call{},
		entries:   map[string]*call{},
		parked:    map[string]*call{},
		latest:    map[squashKey]*call{},
		stubs:     map[string]Stub{},
		wrote:     map[string][]docRef{},
	}
}

// run works until ctx is done.
func (l *loop) run(ctx context.Context) {
	defer l.leave()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if l.opts.Offline {
		l.disconnect()
	} else {
		l.dial()
	}
	for {
		l.tick(time.Now())
		l.tell()
		if at := l.next(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
		var (
			dialed   <-chan dialed
			arrived  <-chan struct{}
			ended    <-chan struct{}
			outbound chan<- []ddp.Message
			out      []ddp.Message
		)
		s := l.session
		if s != nil {
			arrived, ended = s.conn.Ready(), s.conn.Done()
			if len(s.out) > 0 {
				outbound, out = s.outbound, s.out
			}
		}
		if l.attempt != nil {
			dialed = l.attempt.outcome
		}
		select {
		case <-ctx.Done():
			return
		case a := <-l.r.asks:
			l.serve(a)
		case <-l.r.synced:
		case d := <-dialed:
			l.dialed(d)
		case <-arrived:
			l.arrived(s)
		case <-ended:
			l.receive(s, s.conn.Take())
			l.lose(s, s.conn.Err())
		case outbound <- out:
			s.out = nil
		case <-timer.C:
		}
	}
}

// serve runs what is asked of the loop, and what else is asked now, so that what comes
// together is sent, recorded and told together.
func (l *loop) serve(a ask) {
	asked := append(l.asked[:0], a)
	a.fn(l)
	for more := true; more && len(asked) < 256; {
		select {
		case a := <-l.r.asks:
			asked = append(asked, a)
			a.fn(l)
		default:
			more = false
		}
	}
	l.tell() // so that who has asked sees what came of it
	for _, a := range asked {
		close(a.ran)
	}
	clear(asked)
	l.asked = asked
}

// tick does what is due.
func (l *loop) tick(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(l.dialAt) {
		l.dial()
	}
	if due(l.graceAt) {
		l.graceAt = time.Time{}
		l.dropUnclaimed()
	}
	if due(l.diskAt) {
		l.checkDisk(now)
	}
	if s := l.session; s != nil && due(s.flushAt()) {
		l.settle(s)
	}
	if s := l.session; s != nil && due(l.openUntil(s)) {
		clear(s.opening)
		l.settle(s)
	}
	if s := l.session; s != nil && due(s.limitAt) {
		l.stopWaiting(s)
	}
	if s := l.session; s != nil && due(l.sweepAt(s)) {
		l.sweep(s)
	}
	if s := l.session; s != nil && s.login != nil && due(s.login.until) {
		l.loginLate(s)
	}
	if due(l.renewAt()) {
		l.renew()
	}
	if due(l.expireAt) {
		l.expire(now)
	}
	if due(l.delayedUntil()) {
		l.undelay()
	}
	l.recordRetired()
	l.pump()
	if s := l.session; s != nil && len(s.held) > 0 {
		l.sendHeld(s)
	}
}

// next returns when tick has something to do, and zero if nothing.
func (l *loop) next() time.Time {
	at := earliest(earliest(l.dialAt, l.graceAt), l.diskAt)
	at = earliest(at, earliest(l.expireAt, l.delayedUntil()))
	at = earliest(at, l.renewAt())
	if s := l.session; s != nil {
		at = earliest(earliest(at, s.flushAt()), earliest(s.limitAt, l.sweepAt(s)))
		at = earliest(at, l.openUntil(s))
		if s.login != nil {
			at = earliest(at, s.login.until)
		}
	}
	return at
}

// earliest takes zero for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// leave ends what hangs on the loop. Calls need nothing: they see the replica's
// context themselves.
func (l *loop) leave() {
	if l.attempt != nil {
		l.attempt.cancel()
	}
	if s := l.session; s != nil {
		if !s.blocked() && s.view == nil {
			l.settle(s) // what has come may as well be seen
		}
		if l.session == s {
			l.keepPosition(s)
			s.final = l.r.db == nil
			l.drop(s)
		}
	}
	l.recordRetired()
	for _, sub := range l.subs {
		sub.end(ErrClosed)
	}
	l.tellEnds()
}

// checkDisk follows the disk's error while there is one, and once after commits.
func (l *loop) checkDisk(now time.Time) {
	l.diskAt = time.Time{}
	if l.r.db == nil {
		return
	}
	err := l.r.db.Err()
	if (err == nil) != (l.status.DiskErr == nil) {
		if err != nil {
			l.log.Error("sync: the disk fails; replication goes on in memory", "path", l.opts.Path, "err", err)
		} else {
			l.log.Info("sync: the disk works again", "path", l.opts.Path)
		}
		l.status.DiskErr, l.dirty = err, true
	}
	if err != nil {
		l.diskAt = now.Add(time.Second)
	}
}
