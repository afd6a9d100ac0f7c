package sync

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/store"
)

// begin decides what a new session does with the documents that the store has from
// an earlier one. They stay as they are
//
//   - all of them, as long as data are held up: until every subscription that they
//     are the whole set of has been answered, and every call sent at the start has
//     been updated. Then one transaction makes the store what the server says.
//   - each of them, where data are not held up, until the server has sent it again,
//     or everything that may send it has been answered.
func (l *loop) begin(s *session, subs []*subscribed) {
	if !l.resync {
		l.resync = true
		l.goLive()
		return
	}
	s.orphans = true
	for _, sub := range subs {
		switch {
		case sub.whole:
			s.revalidating[sub] = struct{}{}
			s.orphans = false
		case sub.old:
			s.filling[sub] = struct{}{}
			s.orphans = false
		}
	}
	if s.orphans {
		for _, sub := range subs {
			l.speak(s, sub)
		}
	}
	for id, c := range l.firstCalls() {
		if c.result == nil {
			s.calls[id] = struct{}{}
		}
	}
	base := l.store.Snapshot()
	if s.blocked() {
		s.view = newView(base)
		s.limitAt = s.startedAt.Add(l.opts.QuiesceLimit)
		l.enter(Catching, nil)
		return
	}
	for name := range l.owned {
		for _, doc := range base.Each(name) {
			s.stale.add(name, doc.ID())
		}
	}
	l.setStale(s.stale.n)
	l.goLive()
}

// goLive enters Live, and for the first time starts the grace.
func (l *loop) goLive() {
	if l.unclaimed > 0 && l.graceAt.IsZero() {
		l.graceAt = time.Now().Add(l.opts.Grace)
	}
	l.enter(Live, nil)
}

// speak lets a subscription of the program's decide over orphaned documents.
func (l *loop) speak(s *session, sub *subscribed) {
	s.filling[sub] = struct{}{}
	s.spoken = true
	s.progressAt = time.Now()
}

// blocked reports whether data are held up.
func (s *session) blocked() bool {
	return len(s.calls) > 0 || len(s.revalidating) > 0 && !s.late
}

// confirmable reports whether stale documents may yet be confirmed.
func (s *session) confirmable() bool {
	return len(s.revalidating) > 0 || len(s.filling) > 0 || s.orphans && !s.spoken
}

// answered notes that the server has sent all that a subscription is about, or
// that there is nothing more to come of it.
func (s *session) answered(sub *subscribed) {
	delete(s.revalidating, sub)
	delete(s.filling, sub)
}

// unblocked ends the time limit when its reason is gone.
func (s *session) unblocked() {
	if !s.blocked() {
		s.limitAt = time.Time{}
	}
}

// stopWaiting is for a session that has been held up too long: one subscription
// that is never ready again must not freeze the rest. What has come is shown, and
// nothing is removed yet.
func (l *loop) stopWaiting(s *session) {
	l.log.Warn("sync: the server takes long; showing what has come",
		"subscriptions", len(s.revalidating), "calls", len(s.calls))
	s.late, s.limitAt = true, time.Time{}
	clear(s.calls)
	l.settle(s)
}

// finish is settle at the end of quiescence: one transaction with the difference
// between the store and the view.
func (l *loop) finish(s *session) bool {
	v := s.view
	s.view, s.limitAt = nil, time.Time{}
	keep := s.confirmable()
	for _, name := range v.names {
		l.own(name)
	}
	ok := l.commit(s, func(tx *store.Tx) {
		for name := range l.owned {
			had := v.collections[name]
			for _, doc := range v.base.Each(name) {
				id := doc.ID()
				switch {
				case had.has(id):
				case keep:
					s.stale.add(name, id)
				default:
					tx.Delete(name, id)
				}
			}
		}
		for _, name := range v.names {
			for _, doc := range v.collections[name].docs {
				if doc.IsZero() {
					continue
				}
				if old, _ := tx.Get(name, doc.ID()); !old.IsZero() && (old == doc || old.Same(doc)) {
					continue
				}
				if err := tx.Put(name, doc); err != nil {
					l.skip(fmt.Errorf("collection %q, document %s: %w", name, doc.ID(), err))
				}
			}
		}
		l.recordReady(tx, s.ready)
	})
	if ok {
		s.progressAt = time.Now()
		l.setStale(s.stale.n)
		l.goLive()
	}
	return ok
}

// sweepAt returns when to give up hope for the documents that are still stale; zero:
// there are none, or a subscription that they were the whole set of has not been
// answered, and only the server can say what became of them.
func (l *loop) sweepAt(s *session) time.Time {
	switch {
	case s.stale.n == 0 || s.probe != "" || len(s.revalidating) > 0 || s.blocked():
		return time.Time{}
	case len(s.filling) > 0:
		// They may never be ready; publications exist that do not say so.
		return s.progressAt.Add(l.opts.QuiesceLimit)
	case s.orphans && !s.spoken:
		return s.startedAt.Add(l.opts.Grace)
	}
	return s.startedAt
}

// sweep is for stale documents that nothing may confirm any more, or that nothing
// has confirmed for so long. The latter may be the fault of a connection that is dead
// and does not say so; so the server is asked for a sign of life. It answers the end
// of a subscription that it does not know, and after all that it was asked before.
func (l *loop) sweep(s *session) {
	if !s.confirmable() {
		l.settle(s)
		return
	}
	s.probe = uuid.NewString()
	s.out = append(s.out, ddp.Unsub{ID: s.probe})
}

// alive takes the sign of life. The stale documents go, if none was confirmed since.
func (l *loop) alive(s *session) {
	s.probe = ""
	if at := l.sweepAt(s); !at.IsZero() && !time.Now().Before(at) {
		clear(s.filling)
		s.spoken = true
		l.settle(s)
	}
}
