package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// ReconnectOptions configure a Reconnecting. The zero value is the default.
type ReconnectOptions struct {
	Options // of each session; Session and ReceivedCount count for the first

	// Backoff returns how long to wait before dialing again, after so many failures
	// before this one; nil means the function Backoff. A session that held for five
	// seconds was none.
	Backoff func(failures int) time.Duration
	// OnConnect is called at the beginning of each session, one that was resumed
	// included (see Conn.Resumed): to log in. Calls on c end with c. All other calls and
	// subscriptions are sent when it has returned; an error ends the session. A server
	// need not answer: give the calls a context that ends.
	OnConnect func(ctx context.Context, c *Conn) error
	// OnState is told what becomes of the connection. It is called in turn with the
	// Events, and like them must not wait for calls.
	OnState func(State)
}

// StateKind is what a State tells.
type StateKind int

const (
	Connected    StateKind = iota // there is the first session
	Reconnected                   // there is a new session: the server sends all documents again
	Resumed                       // the old session goes on, and nothing was missed
	Disconnected                  // the session has ended
	Unreachable                   // no session came to be
	Refused                       // there will be none: ErrVersion, ErrURL
)

var stateNames = [...]string{"connected", "reconnected", "resumed", "disconnected", "unreachable", "refused"}

// String returns the kind's name.
func (k StateKind) String() string {
	if k < 0 || int(k) >= len(stateNames) {
		return fmt.Sprintf("StateKind(%d)", int(k))
	}
	return stateNames[k]
}

// State is news of a connection.
type State struct {
	Kind     StateKind
	Err      error         // why, for Disconnected, Unreachable and Refused
	Code     int           // of the server's close frame, if there was one
	Reason   string        // and its text
	Failures int           // how many came before, without a session that held
	Retry    time.Duration // when the server is dialed again, for Disconnected and Unreachable
}

// String gives one line for people.
func (s State) String() string {
	if s.Err == nil {
		return s.Kind.String()
	}
	line := fmt.Sprintf("%s: %v", s.Kind, s.Err)
	if s.Kind != Refused {
		line += fmt.Sprintf("; again in %s", s.Retry.Round(time.Millisecond))
	}
	return line
}

// Reconnecting is a client that dials anew whenever its session is lost, for programs
// that keep no documents of their own, or keep them by the Events. It asks to resume
// the session; in any case it sends the unanswered calls again, under the same ids, and
// then the subscriptions. So a call may run twice at servers that do not remember ids; a
// call of Reconnecting.Conn ends with its session instead. Where the server closes a session
// since a message was too big for it, the biggest that was unanswered has failed, and is not
// sent again; where the server's was beyond Options.MaxMessage, all calls that were sent
// have, for it may be the result of any. What is unanswered is kept in memory only.
//
// After Reconnected the events begin anew: documents are added again, and those which
// went meanwhile are not removed. (Package sync finds the difference.)
type Reconnecting struct {
	url    string
	opts   ReconnectOptions
	r      *router
	ctx    context.Context
	cancel context.CancelFunc
	kick   chan struct{} // capacity 1: dial now
	done   chan struct{}

	started time.Time

	mu    sync.Mutex // guards the rest; a leaf
	conn  *Conn      // the session, if there is one
	at    Position
	total Totals // of past sessions
	base  Totals // at ResetStats
	err   error
}

// NewReconnecting starts dialing and returns at once. Calls and subscriptions wait for
// the session.
func NewReconnecting(url string, opts ReconnectOptions) *Reconnecting {
	opts.Options = opts.withDefaults()
	if opts.Backoff == nil {
		opts.Backoff = Backoff
	}
	on := cmp.Or(opts.Events, new(Events))
	opts.Events = nil
	k := &Reconnecting{
		url: url, opts: opts,
		r:    newRouter(opts.Options, on.give),
		kick: make(chan struct{}, 1), done: make(chan struct{}),
		started: time.Now(),
		at:      Position{opts.Session, opts.ReceivedCount},
	}
	k.opts.rest = k.r.handle
	k.ctx, k.cancel = context.WithCancel(context.Background())
	go k.run()
	return k
}

// Call is like Conn.Call, and outlives sessions.
func (k *Reconnecting) Call(ctx context.Context, method string, params ...any) (ejson.Value, error) {
	return k.r.wait(ctx, method, params)
}

// Go is like Conn.Go, and outlives sessions.
func (k *Reconnecting) Go(method string, done chan *Call, params ...any) *Call {
	return k.r.start(context.Background(), method, done, params)
}

// Subscribe is like Conn.Subscribe, and outlives sessions. It waits for nothing.
func (k *Reconnecting) Subscribe(ctx context.Context, name string, params ...any) (*Subscription, error) {
	return k.r.subscribe(ctx, name, params)
}

// Conn returns the session, nil while there is none.
func (k *Reconnecting) Conn() *Conn {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn
}

// Position returns how far the session was followed, also after Close: another process
// can go on from there.
func (k *Reconnecting) Position() Position {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		return k.conn.Position()
	}
	return k.at
}

// Stats returns what went over all sessions since the beginning, or ResetStats.
func (k *Reconnecting) Stats() Totals {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now().minus(k.base)
}

// ResetStats makes Stats count from now on.
func (k *Reconnecting) ResetStats() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.base = k.now()
}

// now returns the totals, the session's included. The caller holds mu.
func (k *Reconnecting) now() Totals {
	t := k.total
	if k.conn != nil {
		t.Stats = t.plus(k.conn.total())
	}
	t.For = time.Since(k.started)
	return t
}

// Reconnect dials now, if the next attempt is being waited for, or right after the one
// under way, should it fail. While there is a session it does nothing.
func (k *Reconnecting) Reconnect() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// Done returns a channel that is closed after Close or Refused, when no event is
// running and none will come.
func (k *Reconnecting) Done() <-chan struct{} { return k.done }

// Err tells why it has ended, and nil while it has not.
func (k *Reconnecting) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Close ends it, and leaves the session to be resumed: see Position. An event may still
// be running: see Done.
func (k *Reconnecting) Close() error {
	k.cancel()
	if c := k.Conn(); c != nil {
		return c.Close()
	}
	return nil
}

// Disconnect ends it and the session.
func (k *Reconnecting) Disconnect() error {
	k.cancel()
	if c := k.Conn(); c != nil {
		return c.Disconnect()
	}
	return nil
}

// run is the goroutine that dials.
func (k *Reconnecting) run() {
	defer close(k.done)
	defer k.cancel()
	failures := 0
	for {
		kind, held, err := k.session()
		if k.ctx.Err() != nil {
			break
		}
		s := State{Kind: kind, Err: err}
		if errors.Is(err, ErrVersion) || errors.Is(err, ErrURL) {
			s.Kind = Refused
			k.tell(s)
			k.finish(err)
			return
		}
		if held > 5*time.Second {
			failures = 0
		}
		s.Failures, s.Retry = failures, k.opts.Backoff(failures)
		failures++
		k.tell(s)
		again := time.NewTimer(s.Retry)
		select {
		case <-again.C:
		case <-k.kick:
		case <-k.ctx.Done():
		}
		again.Stop()
		if k.ctx.Err() != nil {
			break
		}
	}
	k.finish(ErrClosed)
}

// session dials and stays until the end of the session. It tells how that went, and how
// long the session held.
func (k *Reconnecting) session() (kind StateKind, held time.Duration, err error) {
	k.mu.Lock()
	at, first := k.at, k.total.Connections == 0
	k.mu.Unlock()
	c, err := Dial(k.ctx, k.url, at.Resume(k.opts.Options))
	if err != nil {
		k.mu.Lock()
		k.total.Failed++
		k.mu.Unlock()
		return Unreachable, 0, err
	}
	start := time.Now()
	k.opts.Version = c.Version()
	k.mu.Lock()
	k.conn = c
	k.total.Connections++
	if c.Resumed() {
		k.total.Resumed++
	}
	k.mu.Unlock()
	switch {
	case k.ctx.Err() != nil: // Close did not see c
		c.Close()
	case c.Resumed():
		k.tell(State{Kind: Resumed})
	case first:
		k.tell(State{Kind: Connected})
	default:
		k.tell(State{Kind: Reconnected})
	}
	c.route()
	if k.ctx.Err() == nil {
		if err = k.begin(c); err != nil {
			c.Close()
		}
	}
	<-c.dispatched
	k.r.lost(c)
	var closed *CloseError
	if errors.As(c.Err(), &closed) && closed.Code == wire.CodeTooBig {
		k.r.tooBig(c, closed)
	}
	// To resume the session would bring the same message again.
	tooBig := errors.As(c.Err(), new(*TooBigError))
	if tooBig {
		k.r.lose(c, c.Err())
	}
	select {
	case <-k.kick: // it was asked for while there was a session
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conn, k.at = nil, c.Position()
	if tooBig {
		k.at = Position{}
	}
	k.total.Stats = k.total.plus(c.total())
	if err == nil {
		err = c.Err()
	}
	return Disconnected, time.Since(start), err
}

// begin does what is to be done first in a session, and sends what is due.
func (k *Reconnecting) begin(c *Conn) error {
	if k.opts.OnConnect != nil {
		ctx, cancel := context.WithCancel(k.ctx)
		defer cancel()
		go func() {
			select {
			case <-c.Done():
				cancel()
			case <-ctx.Done():
			}
		}()
		if err := k.opts.OnConnect(ctx, c); err != nil {
			return fmt.Errorf("client: OnConnect: %w", err)
		}
	}
	k.r.resend(c)
	return nil
}

func (k *Reconnecting) tell(s State) {
	var closed *CloseError
	if errors.As(s.Err, &closed) {
		s.Code, s.Reason = closed.Code, closed.Text
	}
	if s.Err == nil {
		k.opts.Logger.Debug("ddp: " + s.String())
	} else {
		k.opts.Logger.Info("ddp: "+s.String(), "failures", s.Failures)
	}
	if k.opts.OnState != nil {
		k.opts.OnState(s)
	}
}

func (k *Reconnecting) finish(err error) {
	k.mu.Lock()
	k.err = err
	k.mu.Unlock()
	k.r.finish(err)
}
