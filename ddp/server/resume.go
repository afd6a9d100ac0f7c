package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// known returns the session whose id and secret a client quotes, nil if there is
// none.
func (s *Server) known(quoted string) *Session {
	if len(quoted) != secretLen || s.grace() <= 0 {
		return nil
	}
	s.mu.RLock()
	session := s.sessions[quoted[:len(ddp.NewID())]]
	s.mu.RUnlock()
	if session == nil || subtle.ConstantTimeCompare([]byte(session.secret), []byte(quoted)) != 1 {
		return nil
	}
	return session
}

// resume gives the session to the link of a client that has counted so many messages
// of it. It waits until the link before is done with. It reports false where the
// client must begin anew. A session whose client is away ends then, since it could be
// of no use to it any more; one that has a client stays with that, for a connect may
// also be one that was long under way.
func (s *Session) resume(l *link, count int) bool {
	s.mu.Lock()
	switch {
	case s.leaving || s.ctx.Err() != nil || l.peer.UserID != s.entry:
		s.mu.Unlock()
		return false
	}
	// No count comes from clients that cannot resume.
	if _, ok := s.out.position(count, false); !ok {
		away := s.link == nil && s.claim == nil
		s.mu.Unlock()
		if away {
			s.cancel(errReplaced)
		}
		return false
	}
	// The newest socket wins: it is the one that the client has.
	s.claim = l
	if old := s.link; old != nil {
		s.awayLocked()
		old.cancel(errTaken)
	}
	last := s.last
	s.mu.Unlock()
	// Its reader may be about to queue a message, and its writer knows best how far
	// it came.
	select {
	case <-last.done:
	case <-l.ctx.Done():
		s.mu.Lock()
		if s.claim == l && s.ctx.Err() == nil {
			s.claim = nil
			s.server.away.add(s, s.server.maxAway()) // so it is away indeed
		}
		s.mu.Unlock()
		return false
	}

	s.mu.Lock()
	p, ok := s.out.position(count, true)
	switch {
	case s.claim != l || s.leaving || s.ctx.Err() != nil:
		s.mu.Unlock()
		return false
	case !ok:
		s.mu.Unlock()
		s.cancel(errReplaced)
		return false
	}
	s.out.rewind(p, count)
	s.attachLocked(l)
	l.start = p
	s.mu.Unlock()
	return true
}

// attachLocked makes l the session's link. Its writer begins with connected, and goes
// on where the outbox is.
func (s *Session) attachLocked(l *link) {
	if s.waiting != nil {
		s.waiting.Stop()
	}
	s.server.away.remove(s)
	s.link, s.last, s.claim = l, l, nil
	s.links++
	l.number = s.links
	l.hello = s.server.encode(nil, ddp.Connected{Session: s.secret})
}

// awayLocked notes that the client has gone, and waits for it to come back.
func (s *Session) awayLocked() {
	s.link = nil
	s.out.left()
	s.absence++
	n := s.absence
	if s.ctx.Err() == nil && s.claim == nil { // else another connection takes over
		s.server.away.add(s, s.server.maxAway())
	}
	s.waiting = time.AfterFunc(s.server.grace(), func() {
		s.mu.Lock()
		late := s.link == nil && s.absence == n
		s.mu.Unlock()
		if late {
			s.cancel(ErrLost)
		}
	})
}

// lost is told of the end of a link that the session had, by the link's reader, and
// returns what Serve does. If the session cannot be taken up again it ends, and lost
// waits for that.
func (s *Session) lost(l *link, err error) error {
	var big *wire.TooBigError
	s.mu.Lock()
	mine := s.link == l
	// A client that is sent away for what it did, or by a server that goes, must not
	// come back to this session.
	final := s.leaving || s.ctx.Err() != nil || s.server.grace() <= 0 || l.parent.Err() != nil || errors.As(err, &big)
	if mine && !final {
		s.awayLocked()
	}
	reason := err
	if s.leaving && s.out.sealed && s.ctx.Err() == nil && l.parent.Err() == nil {
		reason = s.reason
	}
	s.mu.Unlock()
	if mine && final {
		s.cancel(reason)
	}
	if s.ctx.Err() != nil {
		<-s.done
		err = context.Cause(s.ctx)
	}
	return explain(s.log, l.peer.Addr, err)
}

// lag lets go of a client that leaves too much unread. It may come back, unless it
// has been away and more was to be kept for it than may be.
func (s *Session) lag() {
	s.mu.Lock()
	l := s.link
	stays := l != nil && !s.leaving && s.server.grace() > 0
	if stays {
		s.awayLocked()
	}
	again := s.ended || s.ctx.Err() != nil
	s.mu.Unlock()
	if again {
		return
	}
	s.server.slow.Add(1)
	s.log.Warn(ErrSlow.Error(), "remote", s.Addr(), "limit", s.server.maxQueue(), "resumable", stays)
	if stays {
		l.cancel(ErrSlow)
	} else {
		s.cancel(ErrSlow)
	}
}
