package sync

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// RetryPolicy says what is done with a call of the outbox that the server refused: tried
// again later, or kept as Failed. The zero RetryPolicy tries nothing again.
type RetryPolicy struct {
	// Codes are the codes of the errors after which a call is tried again, such as
	// "too-many-requests" or "500"; "*" stands for all.
	Codes []string
	// Attempts is how often the server may refuse a call before it has Failed; 0 means
	// that it is tried until it is accepted.
	Attempts int
	// After is the wait before the first retry, each further one is 2.2 times as long
	// ± 25 %, and Max the longest. 0 means Options.MinBackoff and MaxBackoff. Where the
	// error names a time (Meteor's rate limiter: timeToReset) that is waited at least.
	After, Max time.Duration
}

// tooMany is the code with which Meteor's rate limiter refuses.
const tooMany = "too-many-requests"

// policyOf is the default of Options.Retry.
func (o Options) policyOf(method string, err *ddp.Error, refusals int) (after time.Duration, again bool) {
	p, ok := o.Retries[method]
	if !ok {
		p, ok = o.Retries[""]
	}
	if !ok {
		p.Codes = []string{tooMany}
	}
	if p.Attempts > 0 && refusals+1 >= p.Attempts || !slices.Contains(p.Codes, err.Code) && !slices.Contains(p.Codes, "*") {
		return 0, false
	}
	if d, ok := err.Details.(ejson.Doc); ok {
		if ms := d.Field("timeToReset"); ms.Kind() == ejson.Number && ms.Number() >= 0 && ms.Number() < 1e9 {
			after = time.Duration(ms.Number()*1e6) + time.Millisecond
			if err.Code == tooMany {
				return after, true
			}
		}
	}
	o.MinBackoff, o.MaxBackoff = positive(p.After, o.MinBackoff), positive(p.Max, o.MaxBackoff)
	return max(after, o.slowBackoff(refusals, rand.Float64())), true
}

// tryAgain has a call wait that the server refused, if that is its way.
func (l *loop) tryAgain(c *call, refused *ddp.Error) bool {
	k := c.kept
	if c.method.NoRetry {
		return false
	}
	after, ok := l.opts.Retry(c.method.Name, refused, k.refusals)
	if !ok {
		return false
	}
	c.result, c.fault, c.sent, c.visible = nil, nil, false, false
	k.refusals++
	k.state, k.err, k.after = Queued, refused, time.Now().Add(after)
	c.wire = c.triedAs()
	l.delayed = append(l.delayed, c)
	l.recordCalls(c)
	l.log.Info("sync: call refused; it will be tried again", "id", c.id, "method", c.method.Name, "after", after, "err", refused)
	if c.user != l.me.user || l.me.needs {
		l.align() // who made it has logged out since it was sent
	}
	return true
}

// triedAs returns the id that the server is to know a call by.
func (c *call) triedAs() string {
	if c.kept.refusals == 0 {
		return c.id
	}
	return fmt.Sprint(c.id, again, c.kept.refusals)
}

// waits reports whether it is too early to send a call.
func (c *call) waits() bool { return c.kept != nil && time.Now().Before(c.kept.after) }

// delayedUntil returns when the next delayed call may be sent; zero: there is none.
func (l *loop) delayedUntil() (at time.Time) {
	for _, c := range l.delayed {
		at = earliest(at, c.kept.after)
	}
	return at
}

// boundDelays has no call wait longer than it would if it were refused now. Those of a
// file, or of another replica, had their time set by a clock that may have been wrong.
func (l *loop) boundDelays() {
	for _, c := range l.delayed {
		var wait time.Duration
		if refused := (*ddp.Error)(nil); errors.As(c.kept.err, &refused) {
			wait, _ = l.opts.Retry(c.method.Name, refused, max(c.kept.refusals-1, 0))
		}
		if most := time.Now().Add(wait); c.kept.after.After(most) {
			c.kept.after = most
		}
	}
}

// undelay makes ready what has waited long enough.
func (l *loop) undelay() {
	still := l.delayed[:0]
	for _, c := range l.delayed {
		switch {
		case c.block == nil && l.parked[c.id] != c: // it has ended
		case c.waits():
			still = append(still, c)
		case c.block != nil:
			c.block.realign()
		}
	}
	clear(l.delayed[len(still):])
	l.delayed = still
}
