package server

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// ErrShutdown is returned by Serve, and is the cause of a session's end, when the
// server was shut down.
var ErrShutdown = errors.New("server: shut down")

// Transport carries the frames of one session; see [Server.Serve].
type Transport = wire.Transport

// Server is a DDP endpoint. Set its fields, publish, and serve; the zero value
// works. Do not change a field once it serves, and do not copy it.
type Server struct {
	// Heartbeat is how often the server looks whether it heard from a client, and
	// if not, pings it. 0 means 15s, as Meteor has it; negative means never.
	Heartbeat time.Duration
	// Timeout is how long the answer to a ping may take before the connection is given
	// up, how long a client may take nothing of what waits for it while a subscription
	// fills, and how long calls may go on after Session.Close. 0 means 15s.
	Timeout time.Duration
	// Handshake is how long a socket may stay open without a session. 0 means 45s.
	Handshake time.Duration

	// Grace is how long a session outlives the loss of its connection: a client that
	// comes back in time, and knows how much it received, takes it up where it was
	// (Meteor's clients do so since 3.5). Also, how long what was sent is kept for
	// that. 0 means 60s; negative: a session ends with its connection.
	Grace time.Duration
	// MaxTail is how many bytes of what was sent are kept at most for a client that
	// comes back, and MaxTailMessages how many messages; as much again may come to wait
	// for it while it is away. More, and it has to begin anew. 0 means 4 MiB, and
	// 20,000. Of a client that answers pings it is less: at every 256 KiB it is asked,
	// and beyond the last 256 KiB what it has is forgotten.
	MaxTail         int
	MaxTailMessages int

	// MaxAway is how many sessions may wait for their clients at one time. Of more, those
	// that wait longest end. 0 means 10,000.
	MaxAway int

	// MaxMessage is the longest message that a client may send, in bytes. A longer
	// one ends the session with close code 1009. 0 means 1 MiB.
	MaxMessage int64
	// MaxQueue is how many bytes may wait for a client that does not read them, at
	// most; one byte more and its connection ends, with a line in the log. (It may
	// take up its session again: see Grace.) 0 means 32 MiB.
	MaxQueue int
	// MaxSubs is how many subscriptions a client may have. One more is refused
	// with the error too-many-subscriptions. 0 means 1,000.
	MaxSubs int
	// MaxCalls is how many method calls of one client may wait or run at one time.
	// One more is refused with the error too-many-requests. 0 means 10,000.
	MaxCalls int
	// MaxAsked is how many bytes the messages may have that ask for the subscriptions
	// and calls of one client that live: their parameters are kept. One more is refused
	// with those errors. 0 means 32 MiB.
	MaxAsked int

	// Authorize says on behalf of which user a client connects, before the
	// connection is accepted; with an error it is refused with HTTP status 401.
	// nil: nobody is logged in.
	Authorize func(*http.Request) (userID string, err error)
	// CheckOrigin says whether a page of another site may connect with its
	// visitor's browser. nil: only pages of this host, and clients that are no
	// browsers.
	CheckOrigin func(*http.Request) bool
	// TrustedProxies is how many proxies in front of the server append to
	// X-Forwarded-For. 0: none, and a client's address is that of its socket.
	TrustedProxies int
	// OnConnect is called for each new session, before its first message is
	// handled. nil: nothing is called.
	OnConnect func(*Session)
	// Codec turns messages into frames and back. nil: ddp.JSON, which all clients speak.
	// Its frames travel as text, so they must be UTF-8 where the transport is a WebSocket.
	Codec ddp.Codec
	// Recall says what was recorded of a call that was made before, in a session that is
	// no more or by a server that was started again: the document that [Call.Record] made,
	// which the method stored together with what it wrote; the zero Doc if there is none.
	// The call is then answered from it and not made. It is asked for every call that has
	// a [Call.Key]. What is recalled must be on disk if the answer promises that; c.Fence
	// makes updated wait for publications, as in a method. With an error the call is not
	// made, and its client told 500. nil: calls are remembered for as long as their session.
	Recall func(ctx context.Context, c *Call) (ejson.Doc, error)
	// Tap is shown every frame of every connection, pings included, as it comes or is
	// about to go; those of one direction of one connection in order. It must not wait:
	// the connection does. nil: nobody watches.
	Tap func(Sighting)
	// Logger takes what goes wrong. nil: slog.Default.
	Logger *slog.Logger

	mu        sync.RWMutex // guards the rest; taken before a Session's
	methods   map[string]MethodFunc
	pubs      map[string]PublishFunc
	universal []PublishFunc
	sessions  map[string]*Session // by ID
	links     map[*link]struct{}
	closed    bool

	strategies map[string]Strategy // by collection
	limits     []*limiter

	aroundMethods      []func(MethodFunc) MethodFunc
	aroundPublications []func(PublishFunc) PublishFunc
	aroundIncoming     []func(FrameFunc) FrameFunc
	aroundOutgoing     []func(FrameFunc) FrameFunc

	underway map[string]chan struct{} // by Call.Key; closed when the call is done

	away          away
	past          Stats // of sessions that have ended, as far as it counts up
	slow, refused atomic.Uint64
	recalled      atomic.Uint64
	base          atomic.Pointer[Stats] // what ResetStats found
}

// PublishFunc is the body of a publication; see [Server.Publish].
type PublishFunc = func(ctx context.Context, p *Publication) error

// MethodFunc is the body of a method; see [Server.Method].
type MethodFunc = func(ctx context.Context, c *Call) (any, error)

// Publish names a set of documents. fn runs once for each subscription, on its
// own goroutine; ctx is done when the client leaves or unsubscribes. The
// subscription is ready when fn returns nil, and lives on; an error ends it, and
// the client is told the error if it is a *ddp.Error (see [Sanitize]).
//
// A client's messages are handled one at a time: until fn has returned, or has
// called Ready or Unblock, the client's next subscription or call waits.
//
// With an empty name the publication is universal: it runs for every session,
// also those that are connected already, and clients can neither ask for it nor
// stop it. A second publication of the same name is ignored, and logged.
func (s *Server) Publish(name string, fn func(ctx context.Context, p *Publication) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		s.universal = append(s.universal, fn)
		for _, session := range s.sessions {
			if session.live {
				session.startUniversal(fn)
			}
		}
		return
	}
	if _, ok := s.pubs[name]; ok {
		s.logger().Warn("server: publication named twice; the second is ignored", "name", name)
		return
	}
	if s.pubs == nil {
		s.pubs = make(map[string]PublishFunc)
	}
	s.pubs[name] = fn
}

// Method names a procedure. The calls of one client run one after another,
// unless a call is Unblocked; ctx is done when the client leaves.
//
// What fn returns goes to the client: any value that ejson.ValueOf takes. A bare
// nil is no result at all (JavaScript's undefined); ejson.NullValue() is null. An
// error goes to the client if it is a *ddp.Error (see [Sanitize]).
//
// A second method of the same name is ignored, and logged.
func (s *Server) Method(name string, fn func(ctx context.Context, c *Call) (any, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.methods[name]; ok {
		s.logger().Warn("server: method named twice; the second is ignored", "name", name)
		return
	}
	if s.methods == nil {
		s.methods = make(map[string]MethodFunc)
	}
	s.methods[name] = fn
}

// ServeHTTP serves a client that comes over HTTP, and returns when its connection has
// ended; see [Server.Serve]. What it serves depends on the end of the path, so that the
// server may be mounted at / or at /app/:
//
//   - …/websocket, …/sockjs/websocket and all that is not named here: WebSocket; Meteor's
//     clients look for it at the first of these;
//   - …/sockjs/<server>/<session>/websocket: WebSocket with the framing of SockJS;
//   - …/sockjs/info and …/sockjs: what clients of SockJS ask for first;
//   - anything else below …/sockjs: not found, since these are its other transports.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t, peer, err := s.Upgrade(w, r)
	if err == nil {
		s.serve(r.Context(), t, peer)
	}
}

// Upgrade is the first half of ServeHTTP: it answers the request and takes over its
// connection, which belongs to the caller then. It is for callers who look at a connection
// before they serve it, or put a Transport of their own around it: see ServePeer. Where an
// error is returned, which need not be a fault, the request has been answered and there
// is no transport.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request) (Transport, Peer, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return nil, Peer{}, ErrShutdown
	}
	peer := Peer{Addr: forwarded(r, s.TrustedProxies), Header: r.Header}
	if s.Authorize != nil && r.Header.Get("Upgrade") != "" {
		var err error
		if peer.UserID, err = s.Authorize(r); err != nil {
			s.logger().Info("server: connection refused", "remote", r.RemoteAddr, "err", err)
			http.Error(w, "not authorized", http.StatusUnauthorized)
			return nil, Peer{}, err
		}
	}
	t, err := wire.Accept(w, r, wire.UpgradeOptions{
		Limits:      wire.Limits{Message: s.maxMessage()},
		CheckOrigin: s.CheckOrigin,
	})
	if err != nil { // and Accept has answered
		switch {
		case errors.Is(err, wire.ErrAnswered):
		case errors.Is(err, wire.ErrOrigin): // a browser tells its page nothing of it
			s.logger().Info("server: connection refused; see CheckOrigin", "remote", r.RemoteAddr, "err", err)
		default:
			s.logger().Debug("server: no WebSocket", "remote", r.RemoteAddr, "err", err)
		}
		return nil, Peer{}, err
	}
	return t, peer, nil
}

// Serve serves the client at the other end of a transport until the transport ends,
// and closes it. It returns nil if the client left, or was let go in order, and
// otherwise why the connection ended. The session may outlive it (see Grace); if it
// does not, Serve returns when every handler of it has returned. When ctx is done
// the connection and the session end.
func (s *Server) Serve(ctx context.Context, t Transport) error { return s.serve(ctx, t, Peer{}) }

// ServePeer is Serve for a client of whom something is known. Who took the connection
// over, by Upgrade or in another way, vouches for what peer says.
func (s *Server) ServePeer(ctx context.Context, t Transport, peer Peer) error {
	return s.serve(ctx, t, peer)
}

// Sessions yields the sessions that live now, in no order; also those whose client
// is away (see [Session.Away]).
func (s *Server) Sessions() iter.Seq[*Session] {
	s.mu.Lock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		if session.live {
			all = append(all, session)
		}
	}
	s.mu.Unlock()
	return slices.Values(all)
}

// Shutdown lets every session finish the calls that are running, sends what is
// queued, closes the connections and waits until all have ended, those that were taken
// over by Session.Hijack too. New connections are refused. When ctx is done first, the
// rest is cut off, and its error returned; handlers that do not heed their context may
// then still be running.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Values(s.sessions))
	links := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, l := range links {
		if !l.connected.Load() {
			l.cancel(ErrShutdown)
		}
	}
	for _, session := range all {
		session.leave(wire.CodeAway, shutdownText, ErrShutdown)
	}
	ended := func(end <-chan struct{}) bool {
		select {
		case <-end:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for _, session := range all {
		if !ended(session.done) {
			for _, session := range all {
				session.cancel(ErrShutdown)
			}
			for _, l := range links {
				l.cancel(ErrShutdown)
			}
			return context.Cause(ctx)
		}
	}
	for _, l := range links {
		if l.hijack.Load() != nil { // its session has ended
			l.cancel(ErrShutdown)
		}
	}
	for _, l := range links {
		if !ended(l.done) {
			return context.Cause(ctx)
		}
	}
	return nil
}

const shutdownText = "server is shutting down"

// serve runs a link.
func (s *Server) serve(ctx context.Context, t Transport, from Peer) error {
	l := newLink(ctx, s, t, from)
	s.mu.Lock()
	closed := s.closed
	if !closed {
		if s.links == nil {
			s.links = make(map[*link]struct{})
		}
		s.links[l] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		l.cancel(ErrShutdown)
		l.hangUp()
		return ErrShutdown
	}
	err := l.run()
	s.mu.Lock()
	delete(s.links, l)
	s.mu.Unlock()
	return err
}

// enter takes in a session, unless the server is being shut down.
func (s *Server) enter(session *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrShutdown
	}
	if s.sessions == nil {
		s.sessions = make(map[string]*Session)
	}
	s.sessions[session.id] = session
	return nil
}

// opened begins the universal publications of a session that is connected.
func (s *Server) opened(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session.live = true
	for _, fn := range s.universal {
		session.startUniversal(fn)
	}
}

// forget takes out a session that has ended.
func (s *Server) forget(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[session.id] == session {
		delete(s.sessions, session.id)
		s.past.Opened++
		s.past.addEnded(session.total())
	}
}

func (s *Server) publication(name string) PublishFunc {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pubs[name]
}
