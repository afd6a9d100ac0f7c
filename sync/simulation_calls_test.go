package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// login logs in or out, or has the server forget a token.
func (s *simulation) login() {
	r := s.r
	s.image = nil // as for never: the file knows of a login before the server does
	switch s.rng.IntN(4) {
	case 0:
		s.world.mu.Lock()
		s.world.revoked[fmt.Sprint("ann/", s.world.tokens)] = true
		s.world.revoked[fmt.Sprint("bob/", s.world.tokens)] = true
		s.world.mu.Unlock()
		s.say("the last token is revoked")
	case 1:
		s.say("logout")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.Logout(ctx)
		// An image without this would be put back when the server knows of it.
		if err := r.Flush(context.Background()); err != nil {
			s.fault("flush: %v", err)
		}
	default:
		user := []string{"ann", "bob"}[s.rng.IntN(2)]
		s.say("login %s", user)
		s.asks.Add(1)
		s.logins.Go(func() {
			defer s.asks.Add(-1)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if got, err := r.Login(ctx, Token(user)); err == nil && got != user {
				s.fault("login as %s gave %s", user, got)
			}
		})
	}
}

// do puts a call into the outbox.
func (s *simulation) do() {
	s.made++
	user := s.r.Status().UserID
	if s.asks.Load() > 0 {
		user = "?" // a login may be answered before the call is made
	}
	entity := []string{"", "e" + s.name, "f" + s.name}[s.rng.IntN(3)]
	m := Method{
		Name: "bump", Params: []any{fmt.Sprint("d", s.rng.IntN(30)), s.made, entity, user},
		Wait: s.rng.IntN(8) == 0, NoRetry: s.rng.IntN(8) == 0, Entity: entity,
	}
	if s.rng.IntN(8) == 0 {
		m.TTL = time.Duration(s.rng.IntN(100)) * time.Second
	}
	p, err := s.r.Do(context.Background(), m)
	if err != nil {
		s.fault("do %+v: %v", m, err)
		return
	}
	s.say("do %s %+v", p.ID(), m)
	if s.rng.IntN(8) == 0 && p.Cancel() == nil {
		s.say("cancelled")
		// An image without this would bring the call back after its successors.
		if err := s.r.Flush(context.Background()); err != nil {
			s.fault("flush: %v", err)
		}
		return
	}
	if !m.NoRetry && m.TTL == 0 {
		s.promised = append(s.promised, p.ID())
	}
}

// call calls a method, and checks that its effect is there when it returns.
func (s *simulation) call() {
	m := Method{Name: "bump", Params: []any{fmt.Sprint("d", s.rng.IntN(30))}, Wait: s.rng.IntN(5) == 0, NoRetry: s.rng.IntN(5) == 0}
	if s.rng.IntN(5) == 0 {
		m.Name = "fail"
	}
	r, ready := s.r, s.whole(s.subs["a"])
	s.say("call %+v", m)
	s.calls.Go(func() {
		v, err := r.Invoke(context.Background(), m)
		var de *ddp.Error
		switch {
		case errors.Is(err, ErrClosed), errors.Is(err, ErrNeedsLogin):
		case errors.Is(err, ErrUnknownOutcome) && m.NoRetry:
		case errors.As(err, &de) && m.Name == "fail" && de.Code == "400":
		case err != nil:
			s.fault("call %+v: %v", m, err)
		case m.Name == "fail":
			s.fault("call %+v did not fail", m)
		case ready:
			id := ejson.StringID(m.Params[0].(string))
			snap := r.Store().Snapshot()
			time.Sleep(time.Nanosecond) // the status is told
			// Where the server stalls, what is shown past the QuiesceLimit may be old. And
			// the document may have been removed, and made again, in the meantime.
			made := v.Doc()
			doc, ok := snap.Get("a", id)
			if r.Status().Stale == 0 && s.world.alive("a", made) && (!ok || before(doc, made)) {
				s.fault("call %+v made %v, but there is only %v", m, made, doc)
			}
		}
	})
}
