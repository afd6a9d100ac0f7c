package sync

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// align parks the calls of the outbox that may not be sent in the name of who is
// logged in, and takes up those that may. Calls that live with the process cannot
// wait for somebody to log in again, and end. What is at the server was sent when it
// was right, and is let be.
func (l *loop) align() {
	var changed []*call
	var dead []string
	for _, c := range l.queued() {
		switch may := c.user == l.me.user && !l.me.needs; {
		case may && c.kept != nil && c.kept.state == Parked:
			c.kept.state = Queued
			changed = append(changed, c)
		case may || c.sent:
		case c.kept == nil:
			l.dequeue(c)
			l.finishCall(c, ejson.Value{}, ErrNeedsLogin)
			dead = append(dead, c.id)
		default:
			l.dequeue(c)
			l.parked[c.id] = c
			if c.kept.state != Parked {
				c.kept.state = Parked
				changed = append(changed, c)
			}
		}
	}
	freed := 0
	for id, c := range l.parked {
		if c.user == l.me.user && !l.me.needs {
			delete(l.parked, id)
			c.kept.state = Queued
			l.calls[id] = c
			changed = append(changed, c)
			freed++
		}
	}
	if freed > 0 {
		l.blocks = nil
		for _, c := range l.queued() {
			l.append(c)
		}
	}
	if err := l.takeBackAll(dead); err != nil {
		l.log.Error("sync: what ended calls foretold is not taken back", "err", err)
	}
	if len(changed) > 0 {
		l.log.Info("sync: outbox aligned with the login", "user", l.me.user, "sendable", freed, "parked", len(l.parked))
		l.recordCalls(changed...)
	}
	l.countCalls()
}

// queued returns the calls of the queue as they were made.
func (l *loop) queued() []*call { return inOrder(maps.Values(l.calls)) }

// unended returns the calls of the queue, and those that are parked, as they were made.
func (l *loop) unended() []*call {
	return inOrder(func(yield func(*call) bool) {
		for _, c := range l.calls {
			if !yield(c) {
				return
			}
		}
		for _, c := range l.parked {
			if !yield(c) {
				return
			}
		}
	})
}

func inOrder(calls iter.Seq[*call]) []*call {
	return slices.SortedFunc(calls, func(a, b *call) int { return cmp.Compare(a.order, b.order) })
}
