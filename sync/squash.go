package sync

import (
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// squashKey is what calls have in common of which only the last counts.
type squashKey struct{ user, key string }

func (c *call) squashKey() squashKey { return squashKey{c.user, c.method.Squash} }

// neverSent reports whether a call is in the outbox and no server can have seen it.
func (l *loop) neverSent(c *call) bool {
	return l.entries[c.id] == c && c.kept.attempts == 0 && (l.calls[c.id] == c || l.parked[c.id] == c)
}

// superseded returns the call that a new one makes needless; nil: none.
func (l *loop) superseded(c *call) *call {
	if c.kept == nil || c.method.Squash == "" {
		return nil
	}
	old := l.latest[c.squashKey()]
	if old == nil || !l.neverSent(old) {
		return nil
	}
	if c.kept.took = old; l.r.db != nil && old.kept.made > l.r.db.Durable() {
		c.kept.took = old.kept.took // nobody was promised the other
	}
	old.kept.took = nil
	return old
}

// unmake takes back a call that could not be kept, and puts the one again whose place it
// took: that was promised. It reports whether the call was sent all the same.
func (l *loop) unmake(c *call) (sent bool) {
	if c.kept.attempts > 0 || !l.neverSent(c) {
		return c.kept.attempts > 0
	}
	l.giveUp(c, ErrCancelled)
	l.recordRetired()
	was := c.kept.took
	if was == nil {
		return false
	}
	again := newCall(was.method, was.params)
	again.id, again.wire, again.user, again.seed = was.id, was.wire, was.user, was.seed
	k := *was.kept
	again.kept = &k
	if err := l.foresee(again, nil); err != nil { // its stub thinks otherwise by now
		l.log.Info("sync: a call is in the outbox again, and shows nothing", "id", again.id, "method", again.method.Name, "err", err)
		l.recordCalls(again)
		again.kept.seq = l.seq
	}
	again.kept.made = was.kept.made // the disk had it
	l.enqueue(again)
	l.align()
	return false
}

// strike takes a superseded call out of the outbox, in the transaction that puts its
// successor there.
func (l *loop) strike(tx *store.Tx, old *call) {
	l.takeBack(tx, old.id)
	tx.Delete(OutboxCollection, ejson.StringID(old.id))
}

// struck ends a superseded call, after the commit.
func (l *loop) struck(old *call) {
	l.tookBack([]string{old.id})
	l.dequeue(old)
	l.unlist(old)
	l.finishCall(old, ejson.Value{}, ErrSuperseded)
}

// follow remembers a call of the outbox for those that may supersede it.
func (l *loop) follow(c *call) {
	if c.method.Squash != "" {
		l.latest[c.squashKey()] = c
	}
}

// unlist takes a call out of what the loop knows of the outbox.
func (l *loop) unlist(c *call) {
	delete(l.parked, c.id)
	delete(l.entries, c.id)
	if c.method.Squash != "" && l.latest[c.squashKey()] == c {
		delete(l.latest, c.squashKey())
	}
}
