package sync

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/replicad/replicad/ddp/client"
)

// backoff returns the wait before retry n, counting from 0. u is uniform in [0, 1).
func (o Options) backoff(n int, u float64) time.Duration {
	if n < quickRetries {
		return min(quickWait, o.MinBackoff)
	}
	return o.slowBackoff(n, u)
}

// slowBackoff is backoff without the quick retries.
func (o Options) slowBackoff(n int, u float64) time.Duration {
	wait := min(float64(o.MaxBackoff), float64(o.MinBackoff)*math.Pow(backoffBase, float64(n)))
	return time.Duration(wait * (0.75 + u/2))
}

// steady is how long a connection must have lasted for the count of retries to
// start again. Without it a server that falls over just after it said connected
// would be dialed every 10ms.
func (o Options) steady() time.Duration { return min(o.MinBackoff, time.Second) }

// attempt is one dial, on a goroutine of its own.
type attempt struct {
	cancel  context.CancelFunc // gives it up: nobody takes the outcome
	outcome chan dialed
}

type dialed struct {
	conn *client.Conn
	err  error
}

// dial starts an attempt, unless there is one, or a connection.
func (l *loop) dial() {
	l.dialAt = time.Time{}
	if l.asleep || l.session != nil || l.attempt != nil {
		return
	}
	ctx, cancel := context.WithCancel(l.r.ctx)
	a := &attempt{cancel: cancel, outcome: make(chan dialed)}
	l.attempt = a
	opts := l.at.Resume(l.opts.Client)
	opts.Whole = true // documents as they will lie in the store, made once
	l.r.wg.Go(func() {
		defer cancel()
		conn, err := client.Dial(ctx, l.r.url, opts)
		select {
		case a.outcome <- dialed{conn, err}:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	})
	l.enter(Connecting, l.status.Err)
}

// abandon gives up the attempt under way, if there is one.
func (l *loop) abandon() {
	if l.attempt != nil {
		l.attempt.cancel()
		l.attempt = nil
	}
}

// dialed takes the outcome of the attempt.
func (l *loop) dialed(d dialed) {
	l.attempt = nil
	if d.err != nil {
		if errors.Is(d.err, client.ErrVersion) || errors.Is(d.err, client.ErrURL) {
			l.tries = hopeless // the server may be replaced one day
		}
		l.status.Tries++
		l.retry(d.err)
		return
	}
	l.connectedAt = time.Now()
	l.status.Tries = 0
	l.opts.Client.Version = d.conn.Version() // to be proposed first from now on
	l.connected(d.conn)
}

// retry goes offline until the next dial.
func (l *loop) retry(err error) {
	l.dialAt = time.Now().Add(l.opts.backoff(l.tries, rand.Float64()))
	l.tries = min(l.tries+1, hopeless)
	l.enter(Offline, err)
}

// lose gives up a session that has ended, or that went wrong.
func (l *loop) lose(s *session, err error) {
	if l.session != s {
		return
	}
	refuse := l.tooLong(err)
	l.hangUp(s)
	refuse()
	if s.replay != "" || errors.As(err, new(*client.TooBigError)) {
		// What ended the connection may be among what the server keeps, and would end
		// the next one: it is asked for a new session instead.
		l.forgetPosition(false)
	}
	if time.Since(l.connectedAt) >= l.opts.steady() {
		l.tries = 0
	}
	if err == nil {
		err = errLost
	}
	l.retry(err)
}

// reconnect is Replica.Reconnect.
func (l *loop) reconnect() {
	l.asleep = false
	if l.session != nil {
		return
	}
	l.abandon()
	l.dial()
}

// disconnect is Replica.Disconnect.
func (l *loop) disconnect() {
	l.asleep = true
	l.abandon()
	if l.session != nil {
		l.hangUp(l.session)
	}
	l.dialAt = time.Time{}
	l.enter(Offline, ErrOffline)
}
