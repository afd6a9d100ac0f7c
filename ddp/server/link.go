package server

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// link is one socket: first a stranger's, then that of a session, until it is lost
// or another takes its place. Its reader is the goroutine of Server.Serve; its
// writer begins with the session.
type link struct {
	server    *Server
	transport Transport
	peer      Peer
	parent    context.Context // of Serve
	ctx       context.Context // a child of it
	cancel    context.CancelCauseFunc
	done      chan struct{} // closed when reader and writer have ended
	wg        sync.WaitGroup
	connected atomic.Bool
	hijack    atomic.Pointer[hijacked] // once Session.Hijack was called

	// Of the reader alone, and written before the writer begins.
	decoder ddp.FrameDecoder
	version string
	session *Session // nil until connected
	beat    *wire.Heartbeat

	incoming, outgoing FrameFunc // nil where nothing is wrapped

	sweep *time.Timer // of the writer alone, like the next
	swept bool        // sweep is set

	// Of Session.mu, once it belongs to a session.
	hello  []byte // the connected message
	number int    // of the session's links
	probe  string // id of a ping that follows what was sent; "" if none is unanswered
	probed int64  // the first frame behind it
	start  int64  // the first frame of the outbox that is sent here
}

func newLink(ctx context.Context, srv *Server, t Transport, from Peer) *link {
	l := &link{server: srv, transport: t, peer: from, parent: ctx, done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.decoder = srv.codec().NewDecoder()
	return l
}

// run is the life of a link. It returns when reader and writer have ended, with what
// Serve returns.
func (l *link) run() error {
	idle := time.AfterFunc(l.server.handshake(), func() {
		if !l.connected.Load() {
			l.cancel(ErrNoConnect)
		}
	})
	defer idle.Stop()
	// Whatever ends the link ends the transport, and so the reader.
	unwatch := context.AfterFunc(l.ctx, l.hangUp)
	err := l.read()
	unwatch()
	l.cancel(err) // the first reason given stands
	err = context.Cause(l.ctx)
	if l.beat != nil {
		l.beat.Stop()
	}
	l.hangUp()
	l.wg.Wait()
	close(l.done)
	if h := l.hijack.Load(); h != nil && h.called {
		<-l.session.done
		return h.returned
	}
	if l.session == nil {
		return explain(l.server.logger(), l.peer.Addr, err)
	}
	return l.session.lost(l, err)
}

// hangUp closes the transport of a link that has ended.
func (l *link) hangUp() {
	switch cause := context.Cause(l.ctx); {
	case errors.Is(cause, ErrSlow), errors.Is(cause, errTaken):
		// To say farewell to a client that does not read, or that is elsewhere by now,
		// would only take time.
		l.transport.Close(wire.CodeDrop, "")
	case errors.Is(cause, ErrShutdown):
		l.transport.Close(wire.CodeAway, shutdownText)
	case errors.As(cause, new(*panicError)):
		l.transport.Close(wire.CodeFailed, "")
	default:
		l.transport.Close(wire.CodeNormal, "")
	}
}

// read takes frames until the transport ends.
func (l *link) read() error {
	for {
		frame, err := l.transport.Read()
		if err != nil {
			return err
		}
		s := l.session
		if h := l.hijack.Load(); h != nil {
			if err := h.give(frame); err != nil {
				return err
			}
			continue
		}
		l.seen(s, false, frame)
		switch {
		case s == nil:
			err = l.receive(frame)
		case l.incoming == nil:
			l.beat.Heard()
			s.count.received(len(frame))
			err = s.receive(l, frame)
		default:
			l.beat.Heard()
			s.count.received(len(frame))
			err = l.incoming(s, frame)
		}
		if err != nil {
			if s != nil {
				s.cancel(err) // it is not the network that failed
			}
			return err
		}
	}
}

// receive handles a frame of a client that has not connected. The frame is lent. An
// error ends the link.
func (l *link) receive(frame []byte) error {
	m, err := l.decoder.Decode(frame)
	var bad *ddp.MalformedError
	switch {
	case errors.As(err, &bad):
		if bad.Type != "" {
			return l.say(ddp.Refuse(ddp.ConnectFirst, frame))
		}
		return l.say(bad.Answer())
	case err != nil:
		return l.say(ddp.ErrorMessage{Reason: ddp.BadRequest})
	}
	if u, ok := m.(ddp.Unknown); ok && u.Type == "" {
		return l.say(ddp.Refuse(ddp.BadRequest, frame))
	}
	c, ok := m.(ddp.Connect)
	if !ok {
		return l.say(ddp.Refuse(ddp.ConnectFirst, frame))
	}
	pick, agreed := ddp.Negotiate(c.Support, c.Version)
	if !agreed {
		if err := l.say(ddp.Failed{Version: pick}); err != nil {
			return err
		}
		return ErrVersion
	}
	l.version = pick
	return l.connect(c)
}

// say sends a message to a client that is not connected. It waits for a client that
// does not read, at most until the handshake is overdue.
func (l *link) say(m ddp.Message) error { return l.put(l.server.encode(nil, m)) }

// put gives a frame to the transport.
func (l *link) put(frame []byte) error {
	l.seen(l.session, true, frame)
	return l.transport.Write(l.ctx, frame, false)
}

// connect gives the link a session: the one that the client had, or a new one.
func (l *link) connect(m ddp.Connect) error {
	if s := l.server.known(m.Session); s != nil && s.resume(l, m.ReceivedCount) {
		l.begin(s)
		return nil
	}
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	s := newSession(l)
	if err := l.server.enter(s); err != nil {
		s.cancel(err)
		return err
	}
	if l.server.OnConnect != nil {
		s.hook(func() { l.server.OnConnect(s) })
	}
	l.begin(s)
	l.server.opened(s)
	return nil
}

// begin starts the writer and the heartbeat, on a link that the session has.
func (l *link) begin(s *Session) {
	l.connected.Store(true)
	l.session = s
	if err := l.wrapFrames(s); err != nil {
		s.cancel(err)
	}
	interval := l.server.heartbeat()
	if l.version == "pre1" {
		interval = -1 // it has no pings
	}
	l.beat = wire.NewHeartbeat(interval, l.server.timeout(), func() { l.urgent(ddp.Ping{}) }, func() { l.cancel(ErrSilent) })
	l.wg.Go(l.write)
}

// urgent sends a message ahead of what is queued. That it fails shows that the
// client is gone also while the reader waits and cannot see it.
func (l *link) urgent(m ddp.Message) {
	frame := l.server.encode(nil, m)
	l.session.count.sent(1, len(frame))
	l.seen(l.session, true, frame)
	err := l.transport.Write(l.ctx, frame, true)
	if err != nil && !errors.Is(err, wire.ErrClosed) {
		l.cancel(err)
	}
}

// write is the goroutine that gives the session's frames to the transport, which may
// make it wait. It ends with the link, or when the outbox is sealed and empty.
func (l *link) write() {
	s := l.session
	l.sweep = time.NewTimer(time.Hour)
	l.sweep.Stop()
	defer l.sweep.Stop()
	s.count.sent(1, len(l.hello))
	err := l.put(l.hello)
	for err == nil {
		s.mu.Lock()
		b := s.out.unwritten()
		sealed, expiry := s.out.sealed, s.out.expiry()
		code, text := s.code, s.text
		s.mu.Unlock()
		switch {
		case len(b.ends) > 0:
			err = l.writeBatch(b)
		case sealed:
			if h := l.hijack.Load(); h != nil {
				h.call(s)
			} else {
				l.transport.Close(code, text) // the reader notices
			}
			return
		case !l.await(expiry):
			return
		}
	}
	l.cancel(err)
}

func (l *link) writeBatch(b batch) error {
	s := l.session
	var err error
	n, start, told := 0, b.from, b.from
	for _, end := range b.ends {
		if l.outgoing == nil {
			err = l.put(b.bytes[start:end])
		} else {
			err = l.outgoing(s, b.bytes[start:end])
		}
		if err != nil {
			break
		}
		n++
		s.out.taken.Add(int64(end - start))
		start = end
		if end-told >= fillMark/8 {
			told = end
			s.mu.Lock()
			s.out.rouse()
			s.mu.Unlock()
		}
	}
	s.count.sent(n, int(start-b.from))
	now := time.Now()
	s.mu.Lock()
	s.out.written(n, now)
	s.out.rouse()
	ask := l.probe == "" && l.version != "pre1" && s.out.ask()
	id := ""
	if ask {
		id = "read-" + strconv.FormatInt(s.out.at, 10)
		l.probe, l.probed = id, s.out.at
	}
	s.mu.Unlock()
	if ask && err == nil {
		ping := l.server.encode(nil, ddp.Ping{ID: id})
		s.count.sent(1, len(ping))
		err = l.put(ping)
	}
	return err
}

// answered takes a pong. The one that answers a probe shows that the client has read
// all that was sent before. Clients that do not repeat its id are not asked again.
func (l *link) answered(id string) {
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" && id == l.probe {
		l.probe = ""
		s.out.received(l.probed)
		s.out.trim(time.Now())
	}
}

// await waits until there is something to write, and meanwhile forgets what is too
// old to be asked for again. It reports false when the link has ended.
func (l *link) await(expiry time.Time) bool {
	if !expiry.IsZero() && !l.swept {
		l.swept = true
		l.sweep.Reset(time.Until(expiry))
	}
	s := l.session
	select {
	case <-s.out.wake:
		return true
	case now := <-l.sweep.C:
		l.swept = false
		s.mu.Lock()
		s.out.trim(now)
		s.mu.Unlock()
		return true
	case <-l.ctx.Done():
		return false
	}
}
