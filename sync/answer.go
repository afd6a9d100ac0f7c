package sync

import (
	"strings"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// callOf returns the call that the server knows by an id and that it may answer on
// this session, or nil; and the id that the call has for good, also where it has ended.
func (l *loop) callOf(s *session, wire string) (c *call, id string) {
	id, _, _ = strings.Cut(wire, again)
	if c = l.calls[id]; c == nil {
		c = l.parked[id]
	}
	if c == nil || c.wire != wire || !c.sent && !s.resumed {
		return nil, id // unknown, or of an earlier try
	}
	if !c.sent {
		// It was sent by a connection or process before, on this session, and what comes
		// now is the answer that the server has kept. It will give no other.
		c.sent = true
		l.flying++
		if c.block != nil {
			c.block.unready(c)
		}
	}
	return c, id
}

// again stands in the wire id of a call that is tried again after a refusal, between
// its id and the number of refusals: a server that remembers ids should run it.
const again = "~"

// result takes the message result.
func (l *loop) result(s *session, m ddp.Result) { l.answer(s, m.ID, m, nil) }

// answer takes the result of a call, or the reason why it cannot be read.
func (l *loop) answer(s *session, wire string, m ddp.Result, fault error) {
	if s.login != nil && s.login.id == wire {
		l.loginAnswered(s, &m)
		return
	}
	c, _ := l.callOf(s, wire)
	if c == nil || c.result != nil {
		l.log.Debug("sync: result that nobody waits for", "id", wire)
		return
	}
	reached(stepResult)
	c.result, c.fault = &m, fault
	l.flying--
	l.settle(s)
	// On a session that was taken up from the process before, that one may have heard
	// the updated. If not, it will yet come, and take back what was foretold.
	if (c.visible || c.restored && s.resumed) && l.session == s {
		l.complete(c)
	}
}

// updated takes the message updated.
func (l *loop) updated(s *session, wires []string) {
	var entries []*call
	for _, wire := range wires {
		if s.login != nil && s.login.id == wire {
			l.loginAnswered(s, nil)
			if l.session != s {
				return
			}
			continue
		}
		c, id := l.callOf(s, wire)
		if l.wrote[id] != nil {
			s.release = append(s.release, id)
		}
		delete(s.calls, id) // also of one that was dropped
		if c == nil {
			continue
		}
		reached(stepUpdated)
		switch {
		case c.kept == nil && !c.visible:
			s.updated = append(s.updated, c)
		case c.kept != nil:
			c.updatedOn = s.conn.Session()
			if !c.visible {
				entries = append(entries, c)
			}
		}
	}
	s.unblocked()
	l.settle(s)
	// These do not wait until data are shown: the sooner the outbox knows, the less is
	// sent again, and the shadows wait by themselves.
	for _, c := range entries {
		if l.session == s {
			l.visible(c)
		}
	}
}

// visible notes that the writes of a call are in the store.
func (l *loop) visible(c *call) {
	c.visible = true
	if c.result != nil && (l.calls[c.id] == c || l.parked[c.id] == c) {
		l.complete(c)
	}
}

// complete ends a call that has both, and so lets the next block go.
func (l *loop) complete(c *call) {
	switch {
	case c.fault != nil:
		l.end(c, ejson.Value{}, c.fault)
	case c.result.Err == nil:
		l.end(c, c.result.Value, nil)
	case c.kept != nil && c.result.Err.Code == "already-called":
		// Servers of this module say so of a call that they have made, and whose result
		// they have forgotten.
		l.log.Info("sync: call was made; its result is lost", "id", c.id, "method", c.method.Name)
		l.end(c, ejson.Value{}, nil)
	case c.kept == nil || !l.tryAgain(c, c.result.Err):
		l.end(c, ejson.Value{}, c.result.Err)
	}
}

// end takes a call out of the queue and tells its outcome: at once, or, where the
// outbox has it, when the outbox is as it should be.
func (l *loop) end(c *call, value ejson.Value, err error) {
	l.dequeue(c)
	if c.kept == nil {
		l.finishCall(c, value, err)
		if c.then != nil {
			c.then(value, err)
		}
		return
	}
	l.retire(c, value, err)
}
