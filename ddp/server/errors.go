package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/replicad/replicad/ddp"
)

// Sanitize returns what a client is told of an error of a method or publication,
// and whether that is the error itself. A *ddp.Error, also a wrapped one, was made
// for clients and is sent as it is, without what was wrapped around it; an error
// with a method
//
//	Sanitized() *ddp.Error
//
// says itself what may be known. All others are 500 "Internal server error"; the
// real one is logged.
func Sanitize(err error) (e *ddp.Error, safe bool) {
	if errors.As(err, &e) && e != nil {
		return e.ForClient(), true
	}
	var s interface{ Sanitized() *ddp.Error }
	if errors.As(err, &s) {
		if e := s.Sanitized(); e != nil {
			return e.ForClient(), false
		}
	}
	return ddp.NumericError(500, "Internal server error").ForClient(), false
}

// errGone is the error of a handler that ended its goroutine.
var errGone = errors.New("handler ended its goroutine")

// logError logs an error that a client is not told.
func (s *Session) logError(what, name string, err error) {
	if s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // the client left in the midst: nobody's fault
	}
	var p *panicError
	if errors.As(err, &p) {
		s.log.Error("server: panic in "+what, "name", name, "panic", fmt.Sprint(p.value), "stack", string(p.stack))
		return
	}
	s.log.Error("server: "+what+" failed", "name", name, "err", err)
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprint("panic: ", p.value) }

// caught makes an error of a recovered panic. It must be called by the deferred
// function, so that the stack is that of the panic.
func caught(v any) error { return &panicError{value: v, stack: debug.Stack()} }

// hook runs a function that was left with the session, a publication or a call.
func (s *Session) hook(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			s.logError("hook", "", caught(v))
		}
	}()
	fn()
}

// later runs hooks on a goroutine of their own, one after another: who makes them due
// may hold a lock that they ask for.
func (s *Session) later(hooks []func()) {
	if len(hooks) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run := func() {
		for _, fn := range hooks {
			s.hook(fn)
		}
	}
	if s.ended { // nobody waits any more
		go run()
		return
	}
	s.wg.Go(run)
}
