package server

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/replicad/replicad/ddp"
)

// FrameFunc handles one frame of a session: the text of a message. The frame is lent
// until the function returns, and must not be changed. An error ends the session.
type FrameFunc = func(s *Session, frame []byte) error

// WrapMethods puts wrap around every method, as middleware is put around an
// http.Handler: it is given the function that would run, and returns the one that
// runs instead, which may call the first, or not. What was wrapped first is outermost.
// It goes for calls that come from then on, also for those that methods make of each
// other; not for those of unknown methods. wrap is called at each call and so should
// only make the function. Call.Name tells which method it is.
func (s *Server) WrapMethods(wrap func(next MethodFunc) MethodFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aroundMethods = append(slices.Clip(s.aroundMethods), wrap)
}

// WrapPublications is WrapMethods for publications, universal ones included.
func (s *Server) WrapPublications(wrap func(next PublishFunc) PublishFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aroundPublications = append(slices.Clip(s.aroundPublications), wrap)
}

// WrapIncoming puts wrap around what is done with each frame that a client sends,
// from its connect on: next may be called with the frame or with another, more than
// once, or not at all. It runs on the goroutine that reads from the client, so one
// that waits slows the client down, its pings included. It goes for connections that
// are made from then on.
func (s *Server) WrapIncoming(wrap func(next FrameFunc) FrameFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aroundIncoming = append(slices.Clip(s.aroundIncoming), wrap)
}

// WrapOutgoing is WrapIncoming for the frames that a client is sent, but for pings,
// pongs and connected. next may be called with another frame, and only once. Where it
// is not called the client is sent a ready of no subscriptions instead, which means
// nothing: clients count messages, in order to take up a session again. A frame that
// is sent again for that reason comes again.
func (s *Server) WrapOutgoing(wrap func(next FrameFunc) FrameFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aroundOutgoing = append(slices.Clip(s.aroundOutgoing), wrap)
}

// wrapped puts all of around about fn.
func wrapped[F any](fn F, around []func(F) F) F {
	for _, wrap := range slices.Backward(around) {
		fn = wrap(fn)
	}
	return fn
}

// method returns the method of that name with what is wrapped around it, nil if there
// is none.
func (s *Server) method(name string) MethodFunc {
	s.mu.RLock()
	fn, around := s.methods[name], s.aroundMethods
	s.mu.RUnlock()
	if fn == nil || len(around) == 0 {
		return fn
	}
	// To wrap is to call the owner's functions, too, so it is done where a panic is caught.
	return func(ctx context.Context, c *Call) (any, error) { return wrapped(fn, around)(ctx, c) }
}

func (s *Server) wrapPublication(fn PublishFunc) PublishFunc {
	s.mu.RLock()
	around := s.aroundPublications
	s.mu.RUnlock()
	return wrapped(fn, around)
}

// guarded makes an error of a panic in middleware, which would end the program.
func guarded(fn FrameFunc) FrameFunc {
	return func(s *Session, frame []byte) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = caught(v)
				s.logError("middleware of frames", "", err)
			}
		}()
		return fn(s, frame)
	}
}

// wrapFrames makes the functions that handle a link's frames; nil where nothing is
// wrapped. An error is a panic of who wraps.
func (l *link) wrapFrames(s *Session) (err error) {
	l.server.mu.RLock()
	in, out := l.server.aroundIncoming, l.server.aroundOutgoing
	l.server.mu.RUnlock()
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
			s.logError("middleware of frames", "", err)
		}
	}()
	if len(in) > 0 {
		l.incoming = guarded(wrapped(func(s *Session, frame []byte) error { return s.receive(l, frame) }, in))
	}
	if len(out) == 0 {
		return nil
	}
	sent := false
	next := guarded(wrapped(func(_ *Session, frame []byte) error {
		if sent {
			return nil
		}
		sent = true
		return l.put(frame)
	}, out))
	l.outgoing = func(s *Session, frame []byte) error {
		sent = false
		if err := next(s, frame); err != nil {
			s.cancel(err)
			return err
		}
		if !sent {
			return l.put(l.server.encode(nil, ddp.Ready{}))
		}
		return nil
	}
	return nil
}

// Sighting is a frame that was seen by Server.Tap.
type Sighting struct {
	// Session is whose frame it is, nil before the client has connected.
	Session *Session
	// Addr is the address of the connection, "" if it is not known.
	Addr string
	// Out says that the server sent it; otherwise the client did.
	Out bool
	// Frame is the text, with passwords, tokens and session ids hidden (see
	// [ddp.Redact]). It is lent until Tap returns. Of another Codec's frame it is the same
	// message as JSON, and empty where the frame is none.
	Frame []byte
}

// seen shows a frame to the server's Tap.
func (l *link) seen(s *Session, out bool, frame []byte) {
	if l.server.Tap == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil { // who only watches ends nothing
			l.server.logger().Error("server: panic in Tap", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	text := l.server.text(frame)
	l.server.Tap(Sighting{Session: s, Addr: l.peer.Addr, Out: out, Frame: ddp.Redact(nil, text)})
}
