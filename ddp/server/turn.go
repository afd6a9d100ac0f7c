package server

import (
	"sync"

	"github.com/replicad/replicad/ddp"
)

// turn is the right to handle the session's messages, of which there is one. Who
// has it handles one message after another; when a handler lets go of it in the
// midst (Unblock), somebody else goes on with the next message, and the handler's
// goroutine is on its own.
type turn struct {
	mu   sync.Mutex
	gone bool
	next func() // somebody goes on; nil once it was called
}

// pass gives the turn on, the first time.
func (t *turn) pass() {
	t.mu.Lock()
	next := t.next
	t.gone, t.next = true, nil
	t.mu.Unlock()
	if next != nil {
		next()
	}
}

// keep ends the handler's part in the turn: it can no longer be passed on, and
// keep reports whether it is still here.
func (t *turn) keep() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	here := !t.gone
	t.gone, t.next = true, nil
	return here
}

// here reports whether the turn has not been given on, and the handler not ended.
func (t *turn) here() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.gone
}

// work has the turn: it handles messages until none is left, or until a handler
// gives the turn on.
func (s *Session) work() {
	for {
		s.mu.Lock()
		it, ok := s.inbox.pop()
		s.mu.Unlock()
		if !ok {
			return
		}
		t := &turn{next: s.goOn}
		returned := false
		func() {
			// Also when a handler ends its goroutine, the turn goes on.
			defer func() {
				if !returned {
					t.pass()
				}
			}()
			s.handle(it, t)
			returned = true
		}()
		if !t.keep() {
			return
		}
	}
}

// goOn starts somebody on the next message.
func (s *Session) goOn() { s.wg.Go(s.work) }

// handle handles one message.
func (s *Session) handle(it item, t *turn) {
	switch m := it.message.(type) {
	case ddp.Sub:
		s.subscribe(m, it, t)
	case ddp.Unsub:
		s.unsubscribe(m.ID)
	case ddp.Method:
		s.call(m, it.past, t)
	case nil:
		s.universal(it.start, t)
	default: // an answer whose turn it is
		s.send(m)
	}
}
