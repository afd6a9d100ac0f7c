package sync

import (
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// durable is what the outbox knows of a call.
type durable struct {
	state    State
	made     store.Seq // the commit that made it
	seq      store.Seq // it is sent only when this commit is on disk
	at       time.Time // when it was made
	expires  time.Time // when to give it up if it was not sent; zero: never
	attempts int       // how often it was sent
	refusals int       // how often it was refused and tried again
	after    time.Time // not to be sent before
	err      error     // of the last refusal
	took     *call     // the one on disk whose place it has, until it is there itself
}

// retired is a call of the outbox that has ended.
type retired struct {
	c      *call
	value  ejson.Value
	err    error
	unsent bool // so what its stub foretold will not come
	gone   bool // it is not kept, however it ended
}

// mayGo reports whether a call may be sent. It must not be too late; and the file must
// know enough of it: of every call that it was made, of one with NoRetry also that it was
// sent.
func (l *loop) mayGo(c *call) bool {
	k := c.kept
	if k == nil {
		return true
	}
	if k.attempts == 0 && !k.expires.IsZero() && !time.Now().Before(k.expires) {
		l.expireAt = k.expires // and expire gives it up at once
		return false
	}
	if l.r.db == nil {
		return true
	}
	if c.method.NoRetry && k.state != Sent {
		l.recordSent([]*call{c})
		k.seq = l.seq
		l.nudge(k.seq)
	}
	return k.seq <= l.r.db.Durable()
}

// nudge has the loop look again for what may be sent when a commit is on disk.
func (l *loop) nudge(seq store.Seq) {
	if l.r.db == nil {
		return
	}
	l.r.wg.Go(func() {
		// After an error of the disk, checkDisk has the loop look again.
		if l.r.db.Flush(l.r.ctx, seq) == nil {
			l.r.lookAgain()
		}
	})
}

// recordSent notes in the outbox what is about to be sent. The note need not be on
// disk: what was sent is sent again anyway.
func (l *loop) recordSent(batch []*call) {
	var mine []*call
	for _, c := range batch {
		if k := c.kept; k != nil && !(c.method.NoRetry && k.state == Sent) {
			k.state = Sent
			k.attempts++
			mine = append(mine, c)
		}
	}
	if len(mine) > 0 {
		l.recordCalls(mine...)
	}
}

// recordCalls makes the outbox say what the calls are like.
func (l *loop) recordCalls(calls ...*call) {
	err := l.update(func(tx *store.Tx) error {
		for _, c := range calls {
			if err := tx.Put(OutboxCollection, c.record()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.log.Error("sync: outbox not recorded", "calls", len(calls), "err", err)
	}
}

// expire gives up what was not sent in time.
func (l *loop) expire(now time.Time) {
	l.expireAt = time.Time{}
	for _, c := range l.entries {
		k := c.kept
		if k.expires.IsZero() || k.attempts > 0 || k.state == Failed {
			continue
		}
		if now.Before(k.expires) {
			l.expireAt = earliest(l.expireAt, k.expires)
			continue
		}
		l.giveUp(c, ErrExpired)
	}
	// However many there are, they are looked at once a second.
	if at := now.Add(time.Second); !l.expireAt.IsZero() && l.expireAt.Before(at) {
		l.expireAt = at
	}
}

// giveUp ends a call that was never sent.
func (l *loop) giveUp(c *call, err error) {
	l.dequeue(c)
	delete(l.parked, c.id)
	l.retired = append(l.retired, retired{c: c, err: err, unsent: true, gone: err == ErrCancelled})
}

// retire ends a call of the outbox.
func (l *loop) retire(c *call, value ejson.Value, err error) {
	delete(l.parked, c.id)
	l.retired = append(l.retired, retired{c: c, value: value, err: err})
}

// recordRetired takes calls that have ended out of the outbox, or makes them dead
// letters, and tells who waits for them.
func (l *loop) recordRetired() {
	if len(l.retired) == 0 {
		return
	}
	batch := l.retired
	l.retired = nil
	var taken []string
	failed := l.failed
	var dropped []*call
	err := l.update(func(tx *store.Tx) error {
		for _, r := range batch {
			if r.unsent {
				l.takeBack(tx, r.c.id)
				taken = append(taken, r.c.id)
			}
			if r.err == nil || r.gone {
				tx.Delete(OutboxCollection, ejson.StringID(r.c.id))
				continue
			}
			r.c.kept.state, r.c.kept.err = Failed, r.err
			failed = append(failed, r.c)
			if err := tx.Put(OutboxCollection, r.c.record()); err != nil {
				return err
			}
		}
		if n := len(failed) - l.opts.MaxFailed; n > 0 {
			dropped, failed = failed[:n:n], failed[n:]
		}
		for _, c := range dropped {
			tx.Delete(OutboxCollection, ejson.StringID(c.id))
		}
		return nil
	})
	l.report()
	if err != nil { // the store is closed: the next process sends them again
		l.log.Error("sync: outbox not recorded", "calls", len(batch), "err", err)
		return
	}
	reached(stepEnded)
	l.tookBack(taken)
	l.failed = failed
	for _, c := range dropped {
		l.unlist(c)
		l.log.Warn("sync: too many failed calls; the oldest is dropped", "id", c.id, "method", c.method.Name, "err", c.kept.err)
	}
	for _, r := range batch {
		if r.c.kept.state != Failed {
			l.unlist(r.c)
		} else {
			l.log.Warn("sync: call failed; it is kept in the outbox", "id", r.c.id, "method", r.c.method.Name, "err", r.err)
		}
		l.finishCall(r.c, r.value, r.err)
	}
	l.countCalls()
}

// restoreOutbox takes up what the file has to send.
func (l *loop) restoreOutbox(snap *store.Snapshot) error {
	for _, doc := range snap.Each(OutboxCollection) {
		c, err := callFrom(doc)
		if err != nil {
			return err
		}
		if c.method.NoRetry && c.kept.state == Sent {
			l.entries[c.id] = c
			l.retire(c, ejson.Value{}, ErrUnknownOutcome)
			continue
		}
		c.restored = true
		l.takeUp(c)
	}
	l.countCalls()
	return nil
}

// takeUp enters a call that another process has made.
func (l *loop) takeUp(c *call) {
	if c.kept.state == Failed {
		l.entries[c.id] = c
		l.failed = append(l.failed, c)
		l.finishCall(c, ejson.Value{}, c.kept.err)
		return
	}
	l.enqueue(c)
	l.expireAt = earliest(l.expireAt, c.kept.expires)
	if c.waits() {
		l.delayed = append(l.delayed, c)
	}
}
