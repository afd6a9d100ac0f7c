package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// subscribe handles a sub.
func (s *Session) subscribe(m ddp.Sub, size int, t *turn) {
	fn := s.server.publication(m.Name)
	s.mu.Lock()
	if s.subs[m.ID] != nil {
		s.mu.Unlock()
		return // active already: a client that resumed asks again
	}
	user := s.user
	s.mu.Unlock()
	var refused *ddp.Error
	if fn == nil {
		refused = ddp.NumericError(404, "Subscription '"+m.Name+"' not found")
	} else {
		refused = s.allow(m.Name, true, user)
	}
	s.mu.Lock()
	switch {
	case refused != nil:
	case s.asked+size > s.server.maxAsked():
		refused = &ddp.Error{Code: "too-many-subscriptions", Reason: "Subscriptions and calls with too many parameters"}
	case len(s.subs) >= s.server.maxSubs():
		refused = &ddp.Error{Code: "too-many-subscriptions", Reason: fmt.Sprintf("No more than %d subscriptions", s.server.maxSubs())}
	}
	if refused != nil {
		s.sendLocked(ddp.Nosub{ID: m.ID, Err: refused.ForClient()})
		s.sent()
		return
	}
	p := s.publishLocked(m.ID, m.Name, m.Params, size, fn, t)
	s.mu.Unlock()
	s.count.subscribed.Add(1)
	p.run()
}

// unsubscribe handles an unsub. It is answered also if there is no such
// subscription.
func (s *Session) unsubscribe(id string) {
	s.mu.Lock()
	p := s.subs[id]
	if p == nil || id == "" {
		s.sendLocked(ddp.Nosub{ID: id})
		s.sent()
		return
	}
	s.mu.Unlock()
	p.Stop(nil)
}

// universal handles the start of a universal publication.
func (s *Session) universal(fn PublishFunc, t *turn) {
	s.mu.Lock()
	p := s.publishLocked("", "", ejson.Array{}, 0, fn, t)
	s.mu.Unlock()
	p.run()
}

// publishLocked makes a publication that is to be run.
func (s *Session) publishLocked(id, name string, params ejson.Array, size int, fn PublishFunc, t *turn) *Publication {
	p := &Publication{Params: params, UserID: s.user, s: s, id: id, name: name, fn: fn, order: s.started, size: size, turn: t}
	s.asked += size
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	s.started++
	p.over = s.ended
	if !s.ended {
		s.all[p] = struct{}{}
		if id != "" {
			s.subs[id] = p
		}
	}
	return p
}

// run calls the publication's function, on the goroutine that has the turn.
func (p *Publication) run() {
	err := errGone
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
		if err != nil {
			p.Stop(err)
		} else {
			p.becomeReady()
		}
	}()
	if p.ctx.Err() == nil {
		err = p.s.server.wrapPublication(p.fn)(p.ctx, p)
	}
}

// publications returns those that live, in the order in which they began.
func (s *Session) publications() []*Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publicationsLocked()
}

func (s *Session) publicationsLocked() []*Publication {
	ps := make([]*Publication, 0, len(s.all))
	for p := range s.all {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *Publication) int { return a.order - b.order })
	return ps
}
