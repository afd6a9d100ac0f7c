package server

import (
	"errors"

	"github.com/replicad/replicad/ddp"
)

// rerun is a change of user that is under way. While it is, publications fill a
// new view and nothing of it is sent.
type rerun struct {
	old   *view    // what the client has
	ready []string // subscriptions to be called ready, in order
}

// errUnblocked is what SetUserID returns when it comes too late.
var errUnblocked = errors.New("server: the user cannot be changed after Unblock, or after the method has returned")

// SetUserID makes the session belong to another user, "" for nobody. Every
// subscription is stopped without a word to the client and run again, also if the
// user stays the same; it waits for them as if the client had just subscribed.
// Then the client is sent what differs, and a ready for each subscription.
//
// It is an error after Unblock, since the client's other messages would then see
// now the one user and now the other.
func (c *Call) SetUserID(userID string) error {
	s := c.s
	s.mu.Lock()
	switch {
	case !c.turn.here():
		s.mu.Unlock()
		return errUnblocked
	case s.rerun != nil:
		s.mu.Unlock()
		return errors.New("server: the user is being changed already")
	case s.ended:
		s.mu.Unlock()
		return errClosed
	}
	for call := c; call != nil; call = call.outer {
		call.UserID = userID
	}
	s.user = userID
	s.rerun = &rerun{old: s.view}
	s.view = newView()
	s.view.strategies, s.view.before = s.rerun.old.strategies, s.rerun.old
	old := s.publicationsLocked()
	hooks := make([][]func(), len(old))
	for i, p := range old {
		hooks[i] = p.endLocked()
		delete(s.all, p)
	}
	clear(s.subs)
	again := make([]*Publication, len(old))
	passed := make([]chan struct{}, len(old))
	for i, p := range old {
		passed[i] = make(chan struct{})
		t := &turn{next: func() { close(passed[i]) }}
		again[i] = s.publishLocked(p.id, p.name, p.Params, p.size, p.fn, t)
		again[i].asked = p.asked
	}
	s.mu.Unlock()

	for i, p := range old {
		p.clean(hooks[i])
	}
	for i, p := range again {
		s.wg.Go(func() {
			defer p.turn.pass()
			p.run()
		})
		select {
		case <-passed[i]:
		case <-s.ctx.Done(): // the session's end need not wait for it
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	done := s.rerun
	s.rerun = nil
	s.view.forgetBefore()
	from := s.out.put
	s.view.differences(done.old, &s.delta, s.tell)
	if len(done.ready) > 0 {
		s.sendLocked(ddp.Ready{Subs: done.ready})
	}
	s.out.exempt(from)
	return nil
}
