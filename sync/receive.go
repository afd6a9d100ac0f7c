package sync

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/replicad/replicad/ddp"
)

// arrived takes what there is to take of a session. A change that comes alone, after a
// rest, is put into the store at once; what follows it gathers.
func (l *loop) arrived(s *session) {
	l.receive(s, s.conn.Take())
	for l.session == s && s.leads() {
		// What was sent together often comes together, and is on its way from the
		// reader: let it catch up.
		runtime.Gosched()
		more := s.conn.Take()
		if len(more) == 0 {
			l.settle(s)
			return
		}
		l.receive(s, more)
	}
}

// leads reports whether the batch began after a rest, and so may be put into the store
// without waiting for more.
func (s *session) leads() bool {
	n := len(s.batch)
	return n > 0 && n <= leadingSize && s.first.Sub(s.flushed) >= flushIdle && s.replay == "" && !s.blocked()
}

// receive takes what arrived on a session, in order.
func (l *loop) receive(s *session, messages []ddp.Message) {
	now := time.Now()
	for _, boxed := range messages {
		if l.session != s {
			return // lost meanwhile
		}
		s.received++
		switch m := boxed.(type) { // data go on as they came, in their box
		case ddp.Added:
			l.data(s, m.Collection, boxed, now)
		case ddp.Changed:
			l.data(s, m.Collection, boxed, now)
		case ddp.Removed:
			l.data(s, m.Collection, boxed, now)
		case ddp.AddedBefore:
			// Places mean nothing to a collection; the document does.
			l.data(s, m.Collection, ddp.Added{Collection: m.Collection, ID: m.ID, Fields: m.Fields}, now)
		case ddp.Ready:
			l.readied(s, m.Subs)
		case ddp.Nosub:
			l.ended(s, m)
		case ddp.Updated:
			l.updated(s, m.Methods)
		case ddp.Result:
			l.result(s, m)
		case ddp.Unknown:
			l.unknown(s, m)
		}
	}
}

// data takes one data message, to the view or to the batch.
func (l *loop) data(s *session, collection string, m ddp.Message, now time.Time) {
	if isReserved(collection) {
		l.skip(fmt.Errorf("collection %q: the name is reserved", collection))
		l.report()
		return
	}
	if s.view != nil {
		s.view.apply(m)
		return
	}
	if len(s.batch) == 0 {
		s.first = now
	}
	s.last = now
	s.batch = append(s.batch, m)
	if len(s.batch) < flushSize {
		return
	}
	if s.blocked() {
		if len(s.batch) < holdSize {
			return
		}
		if s.login != nil || !s.begun {
			l.lose(s, errTooMuch)
			return
		}
		l.log.Warn("sync: too many changes to hold back for a Wait call; showing them", "messages", len(s.batch))
		l.stopWaiting(s)
		return
	}
	l.settle(s)
}

// flushAt returns when the batch must go to the store; zero: there is none, or it
// is held up.
func (s *session) flushAt() time.Time {
	if len(s.batch) == 0 || s.blocked() {
		return time.Time{}
	}
	return earliest(s.last.Add(flushIdle), s.first.Add(flushAge))
}

// unknown takes a message that package ddp does not know, or could not read.
func (l *loop) unknown(s *session, m ddp.Unknown) {
	if m.Err == nil {
		l.log.Debug("sync: message of unknown kind", "msg", m.Type)
		return
	}
	var broken *ddp.MalformedError
	if errors.As(m.Err, &broken) && broken.Type == "result" && broken.ID != "" {
		// The method has run; nobody should wait for a result that cannot be read.
		l.answer(s, broken.ID, ddp.Result{}, fmt.Errorf("sync: unreadable result: %w", m.Err))
		return
	}
	l.status.Skipped++ // package client has told the log
	l.dirty = true
}
