package sync

import (
	"context"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
)

// session is what the loop knows of one connection. It dies with it: nothing in
// here is of use to the next.
type session struct {
	conn     *client.Conn
	cancel   context.CancelFunc // of the sender
	outbound chan []ddp.Message // to the sender, so that the loop never waits
	out      []ddp.Message      // not yet handed to the sender

	// Data messages not yet in the store, in order; when the first and the last of
	// them came. Only used where view is nil. flushed is when some last went there.
	batch       []ddp.Message
	first, last time.Time
	flushed     time.Time
	// To be released when the data before them are in the store.
	ready   []*subscribed
	updated []*call
	// release are the calls whose stubs' effects go in the same transaction as these
	// data; vouches are those who wait until nothing that was sent is a guess.
	release []string
	vouches []*vouch
	// opening are the subscriptions that were sent behind the first calls, early, as far
	// as they were never ready and are not answered yet. The server says updated of those
	// calls before it sends the documents, so what was foretold stays until then, or until
	// it has heard of the very documents that the call wrote.
	opening map[*subscribed]struct{}
	early   map[string]struct{}
	heard   map[docRef]struct{}

	// view gathers the documents of this session beside those of the store, while
	// the store must stay as it was; nil: data go to the store.
	view *view
	// revalidating are the subscriptions that the store held all documents of, and
	// filling the others that may own some of its documents, as far as the server
	// has not answered them on this session. calls are those that must be updated
	// before data are shown.
	revalidating map[*subscribed]struct{}
	filling      map[*subscribed]struct{}
	calls        map[string]struct{}
	late         bool      // limitAt has passed: revalidating holds nothing up any more
	limitAt      time.Time // when to stop holding data up; zero: nothing is held up

	// resumed says that the server had kept the session. received is how many of its
	// messages have come, connected included. held are messages that the file must know
	// of first. final says that nobody will come back for the session.
	// replay is the id of the unsub whose answer comes behind all that the server had
	// kept; "": it has come.
	resumed  bool
	replay   string
	gone     []string // calls that will not be sent again: taken back behind all that was kept
	received int
	held     []heldBack
	final    bool

	// user is whom the server takes this session to belong to. login is the login on
	// its way, nil if there is none. begun says that calls and subscriptions were sent:
	// before that, the session waits for a login.
	user  string
	login *loginCall
	begun bool

	// stale are the documents of the store that this session has not confirmed.
	stale staleSet
	// orphans says that no subscription of before speaks for the stale documents,
	// and spoken that one of the program's does now.
	orphans, spoken bool
	startedAt       time.Time
	probe           string    // id of the unsub that asks for a sign of life; "": none is out
	progressAt      time.Time // when there was last hope for more: a stale document confirmed, say
}

// connected begins a session: the login first.
func (l *loop) connected(conn *client.Conn) {
	ctx, cancel := context.WithCancel(l.r.ctx)
	now := time.Now()
	s := &session{
		conn: conn, cancel: cancel, outbound: make(chan []ddp.Message),
		revalidating: map[*subscribed]struct{}{},
		filling:      map[*subscribed]struct{}{},
		calls:        map[string]struct{}{},
		opening:      map[*subscribed]struct{}{},
		early:        map[string]struct{}{},
		heard:        map[docRef]struct{}{},
		startedAt:    now, progressAt: now,
		flushed: now, // what comes first comes in numbers
	}
	l.session = s
	s.resumed, s.received = conn.Resumed(), conn.Start().Received
	if s.resumed {
		s.user = l.at.user
		l.log.Info("sync: session resumed", "received", s.received)
	} else {
		l.forgetPosition(true)
	}
	l.status.Resumed, l.dirty = s.resumed, true
	l.r.wg.Go(func() { s.send(ctx) })
	l.align()
	l.nextLogin(s)
}

// start sends calls first, unless a login is on its way, and subscriptions after, in
// the order in which they were made.
func (l *loop) start(s *session) {
	s.begun = true
	l.resendCalls(s)
	subs := l.subsInOrder()
	l.begin(s, subs)
	l.sendSubs(s, subs)
	l.settle(s)
}

// sendSubs sends the subscriptions at the start of a session, behind the calls.
func (l *loop) sendSubs(s *session, subs []*subscribed) {
	for id := range l.wrote {
		s.early[id] = struct{}{}
	}
	for _, sub := range subs {
		if !sub.whole && len(s.early) > 0 {
			s.opening[sub] = struct{}{}
		}
		l.sendSub(s, sub)
	}
}

// openUntil returns until when what the first calls foretold may stay, though they were
// updated; zero: nothing stays.
func (l *loop) openUntil(s *session) time.Time {
	if len(s.opening) == 0 {
		return time.Time{}
	}
	return s.startedAt.Add(l.opts.QuiesceLimit)
}

// due splits release into what goes now and what stays.
func (l *loop) due(s *session) (now, later []string) {
	if until := l.openUntil(s); until.IsZero() || !time.Now().Before(until) {
		return s.release, nil
	}
	for _, id := range s.release {
		_, early := s.early[id]
		if early && slices.ContainsFunc(l.wrote[id], func(ref docRef) bool { _, ok := s.heard[ref]; return !ok }) {
			later = append(later, id)
		} else {
			now = append(now, id)
		}
	}
	return now, later
}

// send is the sender of a session.
func (s *session) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-s.outbound:
			for _, m := range batch {
				if s.conn.Send(ctx, m) != nil {
					return // the session has ended, and the loop will hear of it
				}
				if _, ok := m.(ddp.Method); ok {
					reached(stepSent)
				}
			}
		}
	}
}

// hangUp ends a session, after putting into the store what may be there.
func (l *loop) hangUp(s *session) {
	if s.view == nil && !s.blocked() {
		l.settle(s)
	}
	if l.session == s {
		l.keepPosition(s)
		l.drop(s)
	}
}

// drop forgets a session and all that it had not put into the store.
func (l *loop) drop(s *session) {
	l.session = nil
	// What was to be taken back will be when the next session's data are whole; and what
	// was foretold of calls that were dropped after they were sent, for their updated will
	// not come.
	l.leaving = append(append(l.leaving, s.release...), s.gone...)
	for id := range l.wrote {
		if l.calls[id] == nil && l.parked[id] == nil {
			l.leaving = append(l.leaving, id)
		}
	}
	slices.Sort(l.leaving)
	l.leaving = slices.Compact(l.leaving)
	s.cancel()
	l.r.wg.Go(func() {
		if s.final {
			s.conn.Disconnect()
		} else {
			s.conn.Close()
		}
	})
	for _, sub := range l.subs {
		sub.old = sub.old || sub.sent
		sub.sent = false
	}
	l.loseCalls()
	l.loseLogin()
	l.setStale(0)
}

// setStale sets the number that the status shows.
func (l *loop) setStale(n int) {
	if l.status.Stale != n {
		l.status.Stale, l.dirty = n, true
	}
}
