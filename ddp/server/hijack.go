package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// ErrNoConnection is returned by Hijack where the client is away, or the session ends.
var ErrNoConnection = errors.New("server: the session has no connection to take over")

// Hijack takes the connection over, as http.Hijacker does: for a client with which
// something else than DDP is to be spoken from now on. The session ends as by Close, but
// the connection stays: when the calls that are running have been answered, and all that
// is queued is written, fn is called with it. Every frame that is read after Hijack was
// called is for fn; messages that wait for their turn are dropped. So a method that calls
// Hijack can tell the client with its result that it may begin.
//
// ctx is done when the connection ends, or the server is shut down. When fn returns, the
// connection is closed, and Serve returns what fn returned. fn is not called if the
// connection ends before that. Hijack does not wait.
func (s *Session) Hijack(fn func(ctx context.Context, t Transport) error) error {
	s.mu.Lock()
	l := s.link
	if l == nil || s.leaving || s.ended {
		s.mu.Unlock()
		return ErrNoConnection
	}
	h := &hijacked{link: l, fn: fn, frames: make(chan []byte), taken: make(chan struct{})}
	l.hijack.Store(h)
	s.mu.Unlock()
	s.leave(wire.CodeNormal, "", errLetGo)
	return nil
}

// hijacked is the transport that the taker of a connection gets. The link goes on
// reading, and lends what it reads.
type hijacked struct {
	link   *link
	fn     func(ctx context.Context, t Transport) error
	frames chan []byte
	taken  chan struct{} // the frame that was lent last is not used any more
	lent   bool          // of the taker alone

	called   bool  // both set by the link's writer, read when it has ended
	returned error // what fn returned
}

// call is the rest of the life of the link's writer.
func (h *hijacked) call(s *Session) {
	l := h.link
	s.mu.Lock()
	if s.link != l {
		s.mu.Unlock()
		return
	}
	s.link = nil // the session ends without it
	s.mu.Unlock()
	l.beat.Stop()
	s.cancel(errLetGo)
	h.called = true
	defer l.cancel(errLetGo)
	defer func() {
		if v := recover(); v != nil {
			h.returned = caught(v)
			s.log.Error("server: panic in a hijacked connection", "panic", fmt.Sprint(v))
		}
	}()
	h.returned = h.fn(l.ctx, h)
}

// give is called by the link's reader, and returns when the frame is free again.
func (h *hijacked) give(frame []byte) error {
	select {
	case h.frames <- frame:
	case <-h.link.ctx.Done():
		return context.Cause(h.link.ctx)
	}
	select {
	case <-h.taken:
		return nil
	case <-h.link.ctx.Done():
		return context.Cause(h.link.ctx)
	}
}

// Read implements Transport.
func (h *hijacked) Read() ([]byte, error) {
	if h.lent {
		h.lent = false
		select {
		case h.taken <- struct{}{}:
		case <-h.link.ctx.Done():
		}
	}
	select {
	case frame := <-h.frames:
		h.lent = true
		return frame, nil
	case <-h.link.ctx.Done():
		return nil, context.Cause(h.link.ctx)
	}
}

// Write implements Transport.
func (h *hijacked) Write(ctx context.Context, frame []byte, urgent bool) error {
	return h.link.transport.Write(ctx, frame, urgent)
}

// Close implements Transport.
func (h *hijacked) Close(code int, text string) error { return h.link.transport.Close(code, text) }
