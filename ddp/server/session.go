package server

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// Why a session ends, if nobody asked for it. Context.Cause gives the reason to
// handlers, and Serve returns it.
var (
	// ErrSlow: the client left more unread than the server may keep for it.
	ErrSlow = errors.New("server: client does not read what it is sent")
	// ErrSilent: the client did not answer a ping in time.
	ErrSilent = errors.New("server: client did not answer a ping")
	// ErrNoConnect: the socket was opened and no session was asked for in time.
	ErrNoConnect = errors.New("server: no connect message in time")
	// ErrVersion: the client and the server speak no common version, or the client
	// did not propose the one that they would.
	ErrVersion = errors.New("server: no common protocol version")

	// ErrLost: the connection was lost, and the client did not come back within
	// Server.Grace.
	ErrLost = errors.New("server: client did not come back in time")

	errLeft     = errors.New("server: client left")    // in order
	errLetGo    = errors.New("server: session closed") // by Session.Close
	errTaken    = errors.New("server: client goes on at another socket")
	errReplaced = errors.New("server: client began a new session")
	errClosed   = errors.New("server: session ended")
)

// Session is one client's session, from connect until it leaves or is let go, or
// does not come back after its connection was lost (see Server.Grace). Meanwhile it
// may go through any number of sockets, one at a time (see link).
//
// Three kinds of goroutines serve it: the reader of its link, in Server.Serve, answers
// what can be answered at once and queues the rest; the link's writer empties the
// outbox; and whoever holds the turn (see turn) handles the queued messages. What
// they share is under one lock that is held for a step of the merge box or the
// copying of a message, and never while anything waits or a handler runs. A session
// whose client is away, and that has no handler running, has no goroutine.
type Session struct {
	server *Server
	id     string
	secret string // id and more: what the client quotes
	entry  string // the user that Server.Authorize named
	began  time.Time
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}  // closed when the session has ended
	wg     sync.WaitGroup // holders of a turn, publications
	live   bool           // universal publications begun; belongs to server.mu
	count  counters
	base   atomic.Pointer[SessionStats] // what ResetStats found

	mu       sync.Mutex    // guards the rest; a leaf, but for the contexts' own locks
	link     *link         // nil while the client is away
	last     *link         // the latest that was not nil
	claim    *link         // the latest that asked to take over, and has not yet
	links    int           // how many it had
	absence  int           // how often the client went away
	absent   *list.Element // of server.away, to whose mu it belongs
	waiting  *time.Timer
	view     *view
	delta    delta // scratch
	out      outbox
	user     string
	subs     map[string]*Publication
	pastSubs map[string]pastSub        // that the client may not know to have ended
	all      map[*Publication]struct{} // subs and the universal ones
	started  int                       // publications so far; gives them an order
	rerun    *rerun                    // not nil while a change of user is under way
	inbox    inbox
	memory   memory
	calls    int // waiting and running
	asked    int // bytes of the messages that asked for these, and for subs
	running  int // of these, running
	leaving  bool
	ended    bool
	code     int // what to close the transport with
	text     string
	reason   error
	onClose  []func()
	graceful *time.Timer
}

// newSession makes a session for a client, and gives it the link.
func newSession(l *link) *Session {
	srv := l.server
	id := ddp.NewID()
	s := &Session{
		server: srv,
		id:     id,
		secret: id + ddp.NewID() + ddp.NewID()[:9],
		entry:  l.peer.UserID,
		began:  time.Now(),
		log:    srv.logger().With("session", id),
		done:   make(chan struct{}),
		user:   l.peer.UserID,
		subs:   make(map[string]*Publication),
		all:    make(map[*Publication]struct{}),
		code:   wire.CodeNormal,
	}
	s.view = newView()
	s.view.strategies = srv.strategiesNow()
	tail := srv.maxTail()
	if srv.grace() <= 0 {
		tail = 0
	}
	s.out.init(srv.maxQueue(), tail, srv.maxTailMessages(), srv.grace())
	// It outlives the request that it came with.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(l.parent))
	context.AfterFunc(s.ctx, s.end)
	s.attachLocked(l)
	return s
}

// secretLen is how long the id is that a client quotes: the 17 characters of ID, and
// 26 more, of 150 bits, that nobody but the client is told.
const secretLen = 43

// ID returns the session's id, 17 characters. The client knows a longer one that
// begins with it, by which it can take the session up again, so this one may be
// logged.
func (s *Session) ID() string { return s.id }

// Addr returns the address from which the client connected last, and "" where it is
// not known: on a bare transport, or behind proxies that were got past (see
// Server.TrustedProxies).
func (s *Session) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.peer.Addr
}

// Header returns the header of the client's last handshake, nil on a bare transport.
// It must not be changed.
func (s *Session) Header() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.peer.Header
}

// Away reports whether the client's connection was lost, and the session waits for
// it to come back.
func (s *Session) Away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link == nil
}

// User returns the user that the session belongs to now, "" for nobody.
func (s *Session) User() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// Context is done when the session ends; context.Cause tells why. It goes on while
// the client is away.
func (s *Session) Context() context.Context { return s.ctx }

// Close ends the session in order: calls that are running finish and are answered,
// what is queued is sent, and then the connection is closed. Calls have Server.Timeout
// for that; then their context is done and the connection closed. The client cannot take
// the session up again, also if it is away now. Close does not wait, so a method may
// close its own session.
func (s *Session) Close() {
	s.leave(wire.CodeNormal, "", errLetGo)
	s.mu.Lock()
	defer s.mu.Unlock()
	// Some calls wait for just this: that their context is done. And who was logged out
	// must not go on hearing things while one does.
	if s.graceful == nil && !s.ended {
		s.graceful = time.AfterFunc(s.server.timeout(), func() { s.cancel(errLetGo) })
	}
}

// OnClose has fn called when the session has ended; now, if it has already, on a
// goroutine of its own.
func (s *Session) OnClose(fn func()) {
	s.mu.Lock()
	if !s.ended {
		s.onClose = append(s.onClose, fn)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.later([]func(){fn})
}

// send puts a message in the outbox.
func (s *Session) send(m ddp.Message) {
	s.mu.Lock()
	s.sendLocked(m)
	s.sent()
}

// sent unlocks the session after something was put in the outbox, and lets go of a
// client that leaves too much unread.
func (s *Session) sent() {
	slow := s.link != nil && s.out.over(s.server.maxQueue()) || s.link == nil && s.out.strayed()
	s.mu.Unlock()
	if slow {
		s.lag()
	}
}

func (s *Session) sendLocked(m ddp.Message) {
	s.out.frame(func(b []byte) []byte { return s.server.encode(b, m) })
}

// tell puts in the outbox what a step means for the client, unless all that is
// held back by a change of user.
func (s *Session) tell(d *delta) {
	if (s.rerun == nil || d.direct) && !d.empty() {
		if s.server.Codec == nil {
			s.out.frame(d.append)
		} else {
			s.out.frame(func(b []byte) []byte { return s.server.Codec.Append(b, d.message()) })
		}
	}
}

// leave begins an orderly end: nothing new is handled, and when the calls that run
// have been answered and all is written, the transport is closed.
func (s *Session) leave(code int, text string, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || s.ended {
		return
	}
	s.leaving, s.code, s.text, s.reason = true, code, text, reason
	s.inbox.drop()
	s.sealLocked()
}

// sealLocked seals the outbox of a session that leaves, once no call is running.
func (s *Session) sealLocked() {
	if !s.leaving || s.running > 0 || s.out.sealed {
		return
	}
	s.out.seal()
	if s.link == nil {
		s.cancel(s.reason) // nobody is there to read the rest
		return
	}
	// A client that takes nothing must not keep the session alive by that.
	if s.graceful != nil {
		s.graceful.Stop()
	}
	s.graceful = time.AfterFunc(s.server.timeout(), s.lag)
}

// end cleans up when the session's context is done. Nothing runs any more when it
// closes done.
func (s *Session) end() {
	s.mu.Lock()
	s.ended = true
	s.inbox.drop()
	l := s.link
	s.link = nil
	for _, t := range []*time.Timer{s.waiting, s.graceful} {
		if t != nil {
			t.Stop()
		}
	}
	s.server.away.remove(s)
	s.mu.Unlock()
	if l != nil {
		l.cancel(context.Cause(s.ctx))
	}
	for _, p := range s.publications() {
		p.abandon()
	}
	s.wg.Wait()
	s.server.forget(s)

	s.mu.Lock()
	hooks := s.onClose
	s.onClose = nil
	s.mu.Unlock()
	for _, fn := range hooks {
		s.hook(fn)
	}
	close(s.done)
}

// explain logs the end of a session or of a connection, and makes nil of one that is
// in order.
func explain(log *slog.Logger, addr string, err error) error {
	var closed *wire.CloseError
	switch {
	case errors.Is(err, errLeft), errors.Is(err, errLetGo), errors.Is(err, errTaken), errors.Is(err, errReplaced):
		err = nil
	case errors.As(err, &closed) && (closed.Code == wire.CodeNormal || closed.Code == wire.CodeAway || closed.Code == wire.CodeNoCode):
		err = nil
	}
	var big *wire.TooBigError
	switch {
	case err == nil, errors.Is(err, ErrSlow): // which was logged when it was found
	case errors.As(err, &big): // the client may send it again and again
		log.Warn("server: a client's message is too long; see MaxMessage", "remote", addr, "limit", big.Limit)
	default:
		log.Debug("server: connection ended", "remote", addr, "err", err)
	}
	return err
}
