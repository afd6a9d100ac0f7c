package server

import (
	"container/list"
	"sync"
)

// away is the sessions whose clients are away, the one that is away longest first. A
// stranger who opens sessions and hangs up must not fill the memory with them.
type away struct {
	mu       sync.Mutex // guards the rest, and Session.absent; a leaf, but for the contexts' own locks
	sessions list.List
}

// add takes in a session, and ends the one that is away longest if that is one too many.
func (a *away) add(s *Session, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removeLocked(s)
	s.absent = a.sessions.PushBack(s)
	if a.sessions.Len() > most {
		oldest := a.sessions.Front().Value.(*Session)
		a.removeLocked(oldest)
		oldest.cancel(ErrLost)
	}
}

// remove takes out a session that is not away any more.
func (a *away) remove(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removeLocked(s)
}

func (a *away) removeLocked(s *Session) {
	if s.absent != nil {
		a.sessions.Remove(s.absent)
		s.absent = nil
	}
}
