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
	if s.world.grace >= 0 {
		s.image = nil // as for never: the file knows of a login before the server does
	}
	switch s.rng.IntN(4) {
	case 0:
		s.world.revoke()
		s.say("the last token is revoked")
	case 1:
		s.say("logout")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.Logout(ctx)
		s.keep() // an image without this would be put back when the server knows of it
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
	end := s.rng.IntN(16)
	if m.NoRetry || end == 2 {
		// It may be on its way when the replica has no more to do with it, and overtaken.
		m.Params[2] = ""
	}
	switch s.rng.IntN(16) {
	case 0, 1:
		m.TTL = time.Duration(s.rng.IntN(100)) * time.Second
	case 2, 3, 4:
		// Of one process: nobody hears of what the next one supersedes.
		m.Squash = fmt.Sprint("q", s.opened, s.rng.IntN(2))
		if s.path != "" {
			m.Params[2] = "" // an image may bring it back, behind its successors
		}
	case 5:
		m.Name = "fail"
	}
	p, err := s.r.Do(context.Background(), m)
	if err != nil {
		s.fault("do %+v: %v", m, err)
		return
	}
	s.say("do %s %+v", p.ID(), m)
	s.shown(p, m)
	if m.NoRetry {
		s.once = append(s.once, p.ID())
	}
	switch end {
	case 0, 1:
		if p.Cancel() == nil {
			s.say("cancelled")
			s.notMade(p.ID())
			s.keep()
			return
		}
	case 2:
		if err := p.Drop(); err == nil || errors.Is(err, ErrNoCall) {
			s.say("dropped")
			s.keep()
			return
		} else {
			s.fault("drop %s: %v", p.ID(), err)
		}
	}
	if m.Name == "bump" && !m.NoRetry && m.TTL == 0 {
		s.promised = append(s.promised, p.ID())
	}
	s.calls.Go(func() { s.follow(p, m) })
}

// keep has the file know that a call is gone: an image without that would bring it back
// after its successors.
func (s *simulation) keep() {
	if err := s.r.Flush(context.Background()); err != nil {
		s.fault("flush: %v", err)
	}
}

// shown checks that a call that the server has not answered shows what its stub foretold.
func (s *simulation) shown(p *Pending, m Method) {
	snap := s.r.Store().Snapshot()
	entry, ok := snap.Get(OutboxCollection, ejson.StringID(p.ID()))
	if state := State(entry.Field(fieldState).Str()); !ok || state != Queued && state != Parked || !entry.Field(fieldRefusals).IsMissing() {
		return
	}
	s.mu.Lock()
	foretold := s.foretold[float64(m.Params[1].(int))]
	s.mu.Unlock()
	doc, ok := snap.Get("a", ejson.StringID(m.Params[0].(string)))
	if foretold && ok && doc.Field("guess").IsMissing() {
		s.fault("call %s waits, and %v shows nothing of it", p.ID(), doc)
	}
}

// follow waits for the end of a call, and judges it.
func (s *simulation) follow(p *Pending, m Method) {
	_, err := p.Result(context.Background())
	var de *ddp.Error
	switch {
	case errors.Is(err, ErrClosed):
	case err == nil && m.Name == "bump":
	case errors.Is(err, ErrUnknownOutcome) && m.NoRetry:
	case errors.Is(err, ErrExpired) && m.TTL > 0, errors.Is(err, ErrSuperseded) && m.Squash != "":
		s.notMade(p.ID())
	case errors.As(err, &de) && de.Code == tooMany && m.NoRetry:
	case errors.As(err, &de) && de.Code == "400" && m.Name == "fail":
		if m.Params[1].(int)%2 == 0 {
			err = p.Dismiss()
		} else {
			_, err = p.Retry()
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			s.fault("call %s has failed, and is not in the outbox: %v", p.ID(), err)
		}
	default:
		s.fault("call %s %+v ended with %v", p.ID(), m, err)
	}
}

// notMade notes a call that was not, and will not be, made.
func (s *simulation) notMade(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unmade = append(s.unmade, id)
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
