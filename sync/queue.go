package sync

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// call is an outstanding call. The loop owns it; value and err are for everybody
// once done is closed.
type call struct {
	method Method
	params ejson.Array
	id     string // for ever, and in all replicas
	wire   string // the id that the server knows it by: id, or after a refusal another
	order  uint64
	user   string   // who made it
	seed   string   // randomSeed; "" where no stub drew from it
	kept   *durable // its part in the outbox; nil: the call lives with the process

	restored bool // from the file: another process may have sent it

	block   *block      // nil: it is not in the queue
	sent    bool        // on this session
	result  *ddp.Result // nil: not yet
	fault   error       // the result cannot be read
	visible bool        // its writes are in the store
	// updatedOn is the session that said updated last, with the data before it in the
	// store, or whose data were the first after the answer: one that is taken up may not
	// say it again.
	updatedOn string

	done  chan struct{}
	value ejson.Value
	err   error
	then  func(ejson.Value, error) // nil, or run by the loop when it has ended
}

func newCall(m Method, params ejson.Array) *call {
	return &call{method: m, params: params, done: make(chan struct{})}
}

// finish tells who waits for the call.
func (l *loop) finishCall(c *call, value ejson.Value, err error) {
	c.value, c.err = value, err
	l.over = append(l.over, c.done)
}

// block is calls that may be outstanding at the server together: consecutive ones,
// or a single one with Wait.
type block struct {
	wait  bool
	calls map[string]*call
	// ready are those to be sent next, in order. lanes are the calls of each entity, in
	// order: only the first of a lane may be ready, or at the server.
	ready []*call
	lanes map[string][]*call
}

// sendWindow is how many calls may be unanswered at the server. Servers of this module
// refuse more than 10,000 of one client, and a Meteor server keeps them all in memory;
// with 1,000 neither the line nor the server is idle meanwhile.
const sendWindow = 1000

// call takes a new call: its stub runs, and it goes into the outbox, as one.
func (l *loop) call(c *call) error {
	c.user = l.me.user
	old := l.superseded(c)
	if err := l.room(c, old); err != nil {
		return err
	}
	c.id = l.prefix + strconv.FormatUint(l.lastCall+1, 10)
	c.wire = c.id
	if l.me.needs && c.kept == nil {
		return ErrNeedsLogin
	}
	if l.me.needs {
		c.kept.state = Parked
	}
	if err := l.foresee(c, old); err != nil {
		return err
	}
	if old != nil {
		l.struck(old)
	}
	if l.me.needs {
		l.number(c)
		l.parked[c.id] = c
		l.countCalls()
		return nil
	}
	l.enqueue(c)
	return nil
}

// room reports whether there is room for a call, which may take the place of another.
func (l *loop) room(c, old *call) error {
	switch {
	case old != nil:
	case c.kept == nil && l.plain >= l.opts.MaxCalls:
		return ErrTooManyCalls
	case c.kept != nil && len(l.entries)-len(l.failed) >= l.opts.MaxOutbox:
		return ErrOutboxFull
	}
	return nil
}

// foresee runs the call's stub, if there is one, on what the server has sent so far, and
// without what the call that it supersedes has foretold, if there is one.
func (l *loop) foresee(c, old *call) error {
	fn := l.stubOf(c.method.Name)
	if fn == nil && c.kept == nil {
		return nil
	}
	if s := l.session; s != nil && fn != nil {
		l.settle(s)
	}
	var refs []docRef
	err := l.update(func(tx *store.Tx) (err error) {
		var moved []docRef
		if old != nil {
			moved = l.wrote[old.id]
			l.strike(tx, old)
		}
		if fn != nil {
			if refs, err = l.simulate(tx, c, fn, moved); err != nil {
				return err
			}
		}
		if c.kept != nil {
			reached(stepStub)
			return tx.Put(OutboxCollection, c.record())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.kept != nil {
		reached(stepCommit)
		c.kept.made, c.kept.seq = l.seq, l.seq
		if at := c.kept.expires; !at.IsZero() {
			l.expireAt = earliest(l.expireAt, at)
		}
	}
	if len(refs) > 0 {
		l.wrote[c.id] = refs
	}
	return nil
}

// enqueue puts a call behind all others.
func (l *loop) enqueue(c *call) {
	l.number(c)
	l.calls[c.id] = c
	if c.kept == nil {
		l.plain++
	}
	l.append(c)
	l.countCalls()
}

// number gives a call its place behind all others, and enters it in what the loop knows
// of the outbox.
func (l *loop) number(c *call) {
	l.lastCall++
	c.order = l.lastCall
	if c.kept != nil {
		l.entries[c.id] = c
		l.follow(c)
	}
}

// append puts a call into the last block, or begins a new one.
func (l *loop) append(c *call) {
	last := len(l.blocks) - 1
	if last < 0 || c.method.Wait || l.blocks[last].wait {
		l.blocks = append(l.blocks, &block{wait: c.method.Wait, calls: map[string]*call{}})
		last++
	}
	l.blocks[last].add(c)
}

func (b *block) add(c *call) {
	c.block = b
	b.calls[c.id] = c
	b.line(c)
}

// line makes a call ready, or has it wait for those before it in its lane.
func (b *block) line(c *call) {
	if e := c.method.Entity; e != "" {
		if b.lanes == nil {
			b.lanes = map[string][]*call{}
		}
		b.lanes[e] = append(b.lanes[e], c)
		if len(b.lanes[e]) > 1 {
			return
		}
	}
	if !c.sent && c.result == nil && !c.waits() {
		b.ready = append(b.ready, c)
	}
}

// realign makes ready all that may be sent, in the order of the calls: some that were
// sent are not any more.
func (b *block) realign() {
	b.ready, b.lanes = nil, nil
	for _, c := range inOrder(maps.Values(b.calls)) {
		b.line(c)
	}
}

// remove takes a call out, and lets the next of its lane go.
func (b *block) remove(c *call) {
	delete(b.calls, c.id)
	c.block = nil
	if !c.sent && c.result == nil {
		b.unready(c)
	}
	e := c.method.Entity
	if e == "" {
		return
	}
	lane := b.lanes[e]
	first := lane[0] == c
	lane = without(lane, c)
	if len(lane) == 0 {
		delete(b.lanes, e)
		return
	}
	b.lanes[e] = lane
	if next := lane[0]; first && !next.sent && next.result == nil && !next.waits() {
		b.ready = append(b.ready, next)
	}
}

// unready is for a call that is not to be sent after all.
func (b *block) unready(c *call) { b.ready = without(b.ready, c) }

// without returns a list of different things without one. It costs little where that is
// the first, as a call that has ended is in its lane, or among the last, as one that is
// superseded mostly is among those that are ready.
func without[T comparable](list []T, one T) []T {
	if len(list) > 0 && list[0] == one {
		clear(list[:1])
		return list[1:]
	}
	for i := len(list) - 1; i > 0; i-- {
		if list[i] == one {
			return slices.Delete(list, i, i+1)
		}
	}
	return list
}

// dequeue takes a call out of the queue for good.
func (l *loop) dequeue(c *call) {
	if c.sent && c.result == nil {
		l.flying--
	}
	if l.calls[c.id] == c && c.kept == nil {
		l.plain--
	}
	delete(l.calls, c.id)
	if b := c.block; b != nil {
		b.remove(c)
		if len(b.calls) == 0 {
			l.blocks = without(l.blocks, b)
		}
	}
	l.countCalls()
}

// pump sends what may be sent.
func (l *loop) pump() {
	s := l.session
	if s == nil || !s.begun || len(l.blocks) == 0 {
		return
	}
	if s.login != nil || l.me.needs || s.user != l.me.user {
		return // the login goes first
	}
	b := l.blocks[0]
	n := 0
	for n < len(b.ready) && l.flying+n < sendWindow && l.mayGo(b.ready[n]) {
		n++
	}
	if n == 0 {
		return
	}
	batch := b.ready[:n:n]
	b.ready = b.ready[n:]
	l.recordSent(batch)
	reached(stepSend)
	for _, c := range batch {
		l.sendCall(s, c)
	}
}

// message is the call as it is sent.
func (c *call) message() ddp.Method {
	return ddp.Method{ID: c.wire, Name: c.method.Name, Params: c.params, RandomSeed: c.seed}
}

// sendCall sends a call. While one with Wait is outstanding all data are held up,
// so that what it changes (the user, say) shows as one.
func (l *loop) sendCall(s *session, c *call) {
	c.sent = true
	l.flying++
	s.out = append(s.out, c.message())
	if c.method.Wait && !c.visible {
		s.calls[c.id] = struct{}{}
		if s.limitAt.IsZero() {
			s.limitAt = time.Now().Add(l.opts.QuiesceLimit)
		}
	}
}

// resendCalls sends at the start of a session what has no result yet. What has
// one, and lost its updated with the connection, is let go when this session's
// data are whole, which is as near as one can come.
func (l *loop) resendCalls(s *session) {
	s.release = append(s.release, l.leaving...)
	l.leaving = nil
	for _, c := range l.unended() {
		if s.resumed {
			if c.updatedOn == s.conn.Session() {
				l.vouch(s, func() { l.visible(c) })
			}
			continue
		}
		if c.result == nil {
			continue
		}
		s.release = append(s.release, c.id)
		if c.kept != nil {
			l.visible(c)
		} else {
			// From here on this session vouches for it, also when it is taken up.
			c.updatedOn = s.conn.Session()
			s.updated = append(s.updated, c)
		}
	}
	l.pump()
}

// loseCalls is for the end of a session.
func (l *loop) loseCalls() {
	for _, c := range l.unended() {
		if !c.sent || c.result != nil {
			continue
		}
		l.flying--
		c.sent, c.visible = false, false // a new updated is needed
		if c.method.NoRetry {
			if l.wrote[c.id] != nil {
				l.leaving = append(l.leaving, c.id)
			}
			l.end(c, ejson.Value{}, ErrUnknownOutcome)
		}
	}
	for _, b := range l.blocks {
		b.realign()
	}
}

// countCalls follows the number of calls in the status.
func (l *loop) countCalls() {
	l.status.Calls = l.plain
	l.status.Failed = len(l.failed)
	l.status.Parked = len(l.parked)
	l.status.Outbox = len(l.entries) - len(l.failed)
	l.dirty = true
}
