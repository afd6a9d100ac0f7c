package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// pastSub is a subscription that has ended.
type pastSub struct {
	at    int64 // position of its nosub in the outbox
	asked int   // number of the link on which it was asked for last
}

// How many subscriptions are remembered when they have ended, and with ids of what length.
const (
	maxPast   = 1024
	maxPastID = 64
)

// repeated reports whether a sub asks, on a new connection, for a subscription that the
// client had: one that lives, or has ended without the client's having heard of it when
// it asked. To begin that anew would give the client documents of a subscription that it
// does not have. Only clients whose ids are never used again ask so; see lasting.
func (s *Session) repeated(l *link, id string) bool {
	if l.number == 1 || !lasting(id) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.subs[id]; p != nil {
		before := p.asked < l.number
		p.asked = l.number
		return before
	}
	p, ok := s.pastSubs[id]
	if !ok || p.asked == l.number || p.at < l.start {
		return false
	}
	s.pastSubs[id] = pastSub{p.at, l.number}
	return true
}

// endedLocked notes the end of a subscription, before its nosub is sent.
func (s *Session) endedLocked(p *Publication) {
	if s.server.grace() <= 0 || len(p.id) > maxPastID || !lasting(p.id) {
		return
	}
	if len(s.pastSubs) >= maxPast { // forgotten are first those that nobody will be told again
		maps.DeleteFunc(s.pastSubs, func(_ string, p pastSub) bool { return p.at < s.out.first })
		if len(s.pastSubs) >= maxPast {
			clear(s.pastSubs)
		}
	}
	if s.pastSubs == nil {
		s.pastSubs = make(map[string]pastSub)
	}
	s.pastSubs[p.id] = pastSub{s.out.frames, p.asked}
}

// subscribe handles a sub.
func (s *Session) subscribe(m ddp.Sub, it item, t *turn) {
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
	case s.asked+it.size > s.server.maxAsked():
		refused = &ddp.Error{Code: "too-many-subscriptions", Reason: "Subscriptions and calls with too many parameters"}
	case len(s.subs) >= s.server.maxSubs():
		refused = &ddp.Error{Code: "too-many-subscriptions", Reason: fmt.Sprintf("No more than %d subscriptions", s.server.maxSubs())}
	}
	if refused != nil {
		s.sendLocked(ddp.Nosub{ID: m.ID, Err: refused.ForClient()})
		s.sent()
		return
	}
	p := s.publishLocked(m.ID, m.Name, m.Params, it.size, fn, t)
	p.asked = it.link
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
