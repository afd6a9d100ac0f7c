package sync

import (
	"iter"
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
	// What the outbox has sent does not hold data up: the shadows know its part.
	for id, c := range l.calls {
		if c.sent && c.result == nil && c.kept == nil {
			s.calls[id] = struct{}{}
		}
	}
	base := l.store.Snapshot()
	if s.view != nil || s.blocked() {
		if s.view == nil {
			s.view = newView(base)
		}
		s.limitAt = s.startedAt.Add(l.opts.QuiesceLimit)
		l.enter(Catching, nil)
		return
	}
	for ref := range l.served(base) {
		s.stale.add(ref.collection, ref.id)
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
	return s.login != nil || !s.begun || len(s.calls) > 0 || len(s.revalidating) > 0 && !s.late
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
	delete(s.opening, sub)
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
	release, later := l.due(s)
	var at position
	for _, name := range v.names {
		l.own(name)
	}
	ok := l.commit(s, func(tx *store.Tx) {
		for ref := range l.served(v.base) {
			switch {
			case v.collections[ref.collection].has(ref.id):
			case keep:
				s.stale.add(ref.collection, ref.id)
			default:
				l.remove(tx, ref.collection, ref.id)
			}
		}
		for _, name := range v.names {
			for _, doc := range v.collections[name].docs {
				if doc.IsZero() {
					continue
				}
				if sh := l.shadowOf(tx, name, doc.ID()); sh != nil {
					sh.truth = doc
					l.show(tx, sh)
					continue
				}
				l.become(tx, docRef{name, doc.ID()}, doc)
			}
		}
		for _, call := range release {
			l.takeBack(tx, call)
		}
		l.recordReady(tx, s.ready)
		at = l.positionOf(s)
		l.recordPosition(tx, at)
	})
	if ok {
		l.at = at
		s.release = later
		l.tookBack(release)
		s.progressAt = time.Now()
		l.setStale(s.stale.n)
		l.goLive()
	}
	return ok
}

// served yields the documents of a snapshot that the server has sent, as far as it
// is known: also those that a stub has removed, and those that one has made.
func (l *loop) served(snap *store.Snapshot) iter.Seq[docRef] {
	return func(yield func(docRef) bool) {
		for name := range l.owned {
			for _, doc := range snap.Each(name) {
				if !yield(docRef{name, doc.ID()}) {
					return
				}
			}
		}
		for _, record := range snap.Each(shadowCollection) {
			sh, err := shadowFrom(record)
			if err != nil || sh.truth.IsZero() {
				continue
			}
			if _, ours := l.owned[sh.collection]; !ours {
				continue
			}
			if _, there := snap.Get(sh.collection, sh.id); !there && !yield(sh.docRef) {
				return
			}
		}
	}
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
