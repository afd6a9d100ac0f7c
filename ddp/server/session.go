package server

import (
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

	errLeft   = errors.New("server: client left")    // in order
	errLetGo  = errors.New("server: session closed") // by Session.Close
	errClosed = errors.New("server: session ended")
)

// Session is one client's connection, from connect to the loss of its socket.
//
// Three kinds of goroutines serve it: the reader, in Server.Serve, answers what
// can be answered at once and queues the rest; the writer empties the outbox; and
// whoever holds the turn (see turn) handles the queued messages. What they share
// is under one lock that is held for a step of the merge box or the copying of a
// message, and never while anything waits or a handler runs.
type Session struct {
	server    *Server
	transport Transport
	peer      peer
	log       *slog.Logger
	ctx       context.Context // of the session; a child of Serve's
	cancel    context.CancelCauseFunc
	done      chan struct{} // closed when the session has ended
	beat      *wire.Heartbeat
	wg        sync.WaitGroup // writer, holders of a turn, publications

	id      atomic.Pointer[string] // nil until connected
	version string                 // of the reader alone
	decoder ddp.Decoder            // likewise
	live    bool                   // connected, and universal publications begun; belongs to server.mu

	mu       sync.Mutex // guards the rest; a leaf, but for the contexts' own locks
	view     *view
	delta    delta // scratch
	out      outbox
	user     string
	subs     map[string]*Publication
	all      map[*Publication]struct{} // subs and the universal ones
	started  int                       // publications so far; gives them an order
	rerun    *rerun                    // not nil while a change of user is under way
	inbox    inbox
	memory   memory
	calls    int // waiting and running
	running  int // of these, running
	leaving  bool
	ended    bool
	code     int // what to close the transport with
	text     string
	reason   error
	onClose  []func()
	graceful *time.Timer
}

func newSession(ctx context.Context, srv *Server, t Transport, from peer) *Session {
	s := &Session{
		server:    srv,
		transport: t,
		peer:      from,
		log:       srv.logger(),
		done:      make(chan struct{}),
		view:      newView(),
		user:      from.user,
		subs:      make(map[string]*Publication),
		all:       make(map[*Publication]struct{}),
		code:      wire.CodeNormal,
	}
	s.out.init(srv.maxQueue())
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// ID returns the session's id, 17 characters; "" before it is connected.
func (s *Session) ID() string {
	if id := s.id.Load(); id != nil {
		return *id
	}
	return ""
}

// Addr returns the client's address, and "" where it is not known: on a bare
// transport, or behind proxies that were got past (see Server.TrustedProxies).
func (s *Session) Addr() string { return s.peer.addr }

// Header returns the header of the client's handshake, nil on a bare transport. It
// must not be changed.
func (s *Session) Header() http.Header { return s.peer.header }

// User returns the user that the session belongs to now, "" for nobody.
func (s *Session) User() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// Context is done when the session ends; context.Cause tells why.
func (s *Session) Context() context.Context { return s.ctx }

// Close ends the session in order: calls that are running finish and are answered,
// what is queued is sent, and then the connection is closed. It does not wait, so
// a method may close its own session.
func (s *Session) Close() { s.leave(wire.CodeNormal, "", errLetGo) }

// OnClose has fn called when the session has ended; at once, if it has already.
func (s *Session) OnClose(fn func()) {
	s.mu.Lock()
	if !s.ended {
		s.onClose = append(s.onClose, fn)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.hook(fn)
}

// run is the life of a session.
func (s *Session) run() error {
	idle := time.AfterFunc(s.server.handshake(), func() {
		if s.ID() == "" {
			s.cancel(ErrNoConnect)
		}
	})
	defer idle.Stop()
	// Whatever ends the session ends the transport, and so the reader. To say
	// farewell to a client that does not read would only take time.
	unwatch := context.AfterFunc(s.ctx, func() {
		code := wire.CodeNormal
		if context.Cause(s.ctx) == ErrSlow {
			code = wire.CodeDrop
		}
		s.transport.Close(code, "")
	})
	s.wg.Go(s.write)
	s.wg.Go(s.depart)

	err := s.read()
	unwatch()
	return s.end(err)
}

// read takes frames until the transport ends.
func (s *Session) read() error {
	for {
		frame, err := s.transport.Read()
		if err != nil {
			return err
		}
		if s.beat != nil {
			s.beat.Heard()
		}
		if err := s.receive(frame); err != nil {
			return err
		}
	}
}

// connect answers the first message, and begins the session proper.
func (s *Session) connect(m ddp.Connect) {
	s.mu.Lock()
	leaving := s.leaving
	s.mu.Unlock()
	if leaving {
		return
	}
	pick, agreed := ddp.Negotiate(m.Support, m.Version)
	if !agreed {
		s.send(ddp.Failed{Version: pick})
		s.leave(wire.CodeNormal, "", ErrVersion)
		return
	}
	s.version = pick
	id := ddp.NewID()
	s.log = s.log.With("session", id)
	interval := s.server.heartbeat()
	if pick == "pre1" {
		interval = -1 // it has no pings
	}
	s.beat = wire.NewHeartbeat(interval, s.server.timeout(), s.ping, func() { s.cancel(ErrSilent) })
	s.id.Store(&id)
	if s.server.OnConnect != nil {
		s.hook(func() { s.server.OnConnect(s) })
	}
	s.send(ddp.Connected{Session: id})

	s.server.mu.Lock()
	s.live = true
	for _, fn := range s.server.universal {
		s.startUniversal(fn)
	}
	s.server.mu.Unlock()
}

func (s *Session) ping() { s.urgent(ddp.Ping{}) }

// send puts a message in the outbox.
func (s *Session) send(m ddp.Message) {
	s.mu.Lock()
	s.sendLocked(m)
	s.sent()
}

// sent unlocks the session after something was put in the outbox, and ends it if
// the client leaves too much unread.
func (s *Session) sent() {
	slow := s.out.over(s.server.maxQueue())
	s.mu.Unlock()
	if slow {
		s.cancel(ErrSlow)
	}
}

func (s *Session) sendLocked(m ddp.Message) {
	s.out.frame(func(b []byte) []byte { return ddp.Append(b, m) })
}

// urgent sends a message ahead of what is queued. That it fails shows that the
// client is gone also while the reader waits and cannot see it.
func (s *Session) urgent(m ddp.Message) {
	err := s.transport.Write(s.ctx, ddp.Append(nil, m), true)
	if err != nil && !errors.Is(err, wire.ErrClosed) {
		s.cancel(err)
	}
}

// tell puts in the outbox what a step means for the client, unless all that is
// held back by a change of user.
func (s *Session) tell(d *delta) {
	if s.rerun == nil && !d.empty() {
		s.out.frame(d.append)
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
	// A client that takes nothing must not keep the session alive by that.
	s.graceful = time.AfterFunc(s.server.timeout(), func() { s.cancel(ErrSlow) })
}

// depart is the goroutine that closes the transport of a session that leaves.
func (s *Session) depart() {
	select {
	case <-s.out.done:
	case <-s.ctx.Done():
		return
	}
	s.mu.Lock()
	code, text, sealed := s.code, s.text, s.out.sealed
	s.mu.Unlock()
	if sealed {
		s.transport.Close(code, text) // the reader notices
	}
}

// end cleans up after the reader, and returns what Serve does.
func (s *Session) end(err error) error {
	s.mu.Lock()
	if s.leaving && s.out.sealed && s.ctx.Err() == nil {
		err = s.reason
	}
	s.ended = true
	s.inbox.drop()
	s.mu.Unlock()
	s.cancel(err) // the first reason given stands
	err = context.Cause(s.ctx)
	if s.beat != nil {
		s.beat.Stop()
	}
	for _, p := range s.publications() {
		p.abandon()
	}
	s.transport.Close(wire.CodeNormal, "")
	s.wg.Wait()

	s.mu.Lock()
	hooks := s.onClose
	s.onClose = nil
	if s.graceful != nil {
		s.graceful.Stop()
	}
	s.mu.Unlock()
	for _, fn := range hooks {
		s.hook(fn)
	}
	return s.explain(err)
}

// explain logs the end of the session, and makes nil of one that is in order.
func (s *Session) explain(err error) error {
	var closed *wire.CloseError
	switch {
	case errors.Is(err, errLeft), errors.Is(err, errLetGo):
		err = nil
	case errors.As(err, &closed) && (closed.Code == wire.CodeNormal || closed.Code == wire.CodeAway || closed.Code == wire.CodeNoCode):
		err = nil
	}
	switch {
	case errors.Is(err, ErrSlow):
		s.log.Warn(ErrSlow.Error()+"; session ended", "remote", s.peer.addr, "limit", s.server.maxQueue())
	case err != nil:
		s.log.Debug("server: session ended", "remote", s.peer.addr, "err", err)
	}
	return err
}
