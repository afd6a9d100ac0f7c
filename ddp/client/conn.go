package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// Conn is one session. Its methods may be called by any goroutine, but only one
// should Take.
type Conn struct {
	t                Transport
	opts             Options
	session, version string

	dec     ddp.Decoder // used by the reader
	beat    *wire.Heartbeat
	strange uint64 // frames that could not be understood; the reader's

	ready chan struct{} // capacity 1; closed by the reader when it ends
	done  chan struct{} // closed when err is set

	mu      sync.Mutex // guards the rest
	taken   sync.Cond  // the reader waits on it while waiting is full
	waiting []ddp.Message
	batch   int   // how many were taken last, to make room for as many
	bytes   int   // length of the frames of waiting
	err     error // why the session ended
	cause   error // why this side gave it up, before the reader noticed
}

func newConn(t Transport, opts Options) *Conn {
	c := &Conn{
		t: t, opts: opts,
		ready: make(chan struct{}, 1),
		done:  make(chan struct{}),
	}
	c.taken.L = &c.mu
	return c
}

// start begins the session proper, after connected.
func (c *Conn) start() {
	interval := c.opts.Heartbeat
	if c.version == "pre1" {
		interval = -1 // that version knows no pings
	}
	c.beat = wire.NewHeartbeat(interval, c.opts.Timeout, c.ping, c.silent)
	go c.read()
}

// Session returns the id that the server gave the session; it equals
// Options.Session where that one was resumed. Some servers give none.
func (c *Conn) Session() string { return c.session }

// Resumed reports whether the session is the one that Options.Session asked for. Then
// nothing has to be sent again, and what the server sent meanwhile follows; otherwise
// the server knows nothing of what was before.
func (c *Conn) Resumed() bool { return c.session != "" && c.session == c.opts.Session }

// Start returns where the session stands before the first message that Take gives.
func (c *Conn) Start() Position {
	p := Position{Session: c.session, Received: 1}
	if c.Resumed() {
		p.Received += c.opts.ReceivedCount
	}
	return p
}

// Version returns the protocol version that was agreed on.
func (c *Conn) Version() string { return c.version }

// Send queues a message. It waits while the queue is full, until ctx is done or the
// session has ended, and then returns Err. It does not keep m.
func (c *Conn) Send(ctx context.Context, m ddp.Message) error {
	err := c.write(ctx, m, false)
	if err != nil && ctx.Err() == nil {
		// The transport ends a moment before the session does.
		<-c.done
		return c.Err()
	}
	return err
}

var frames = sync.Pool{New: func() any { return new([]byte) }}

func (c *Conn) write(ctx context.Context, m ddp.Message, urgent bool) error {
	b := frames.Get().(*[]byte)
	*b = ddp.Append((*b)[:0], m)
	err := c.t.Write(ctx, *b, urgent)
	if cap(*b) <= 64<<10 {
		frames.Put(b)
	}
	return err
}

// Ready returns a channel on which there is something to receive when Take has
// messages, and always once the session has ended. One signal may stand for many
// messages, and may come when all are taken already.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// Take returns all messages that have arrived since the last Take, in order, and nil
// where there are none. It does not wait. The slice is the caller's.
func (c *Conn) Take() []ddp.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	ms := c.waiting
	c.waiting, c.batch, c.bytes = nil, len(ms), 0
	c.taken.Signal()
	return ms
}

// Messages yields what arrives, in order, until the session ends; then see Err. It
// stands for Ready and Take.
func (c *Conn) Messages() iter.Seq[ddp.Message] {
	return func(yield func(ddp.Message) bool) {
		for {
			_, open := <-c.ready
			ms := c.Take()
			for i, m := range ms {
				if !yield(m) {
					c.untake(ms[i+1:])
					return
				}
			}
			if !open && len(ms) == 0 {
				return
			}
		}
	}
}

// untake puts messages back that a loop over Messages did not get to see.
func (c *Conn) untake(ms []ddp.Message) {
	if len(ms) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(ms, c.waiting...)
	if c.err == nil { // else ready is closed, which is signal enough
		c.signal()
	}
}

// Done returns a channel that is closed when the session has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err tells why the session ended, and nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Disconnect is Close, and tells the server that the session will not be resumed, so
// that it need not wait for that.
func (c *Conn) Disconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // as Close waits
	defer cancel()
	c.write(ctx, ddp.Disconnect{}, false) // where it cannot be sent the server finds out
	return c.Close()
}

// Close ends the session, which a server may then hold for some time to be resumed; see
// Disconnect. It sends what is queued, within a second, says farewell,
// and waits for the session's goroutines. It returns nil.
func (c *Conn) Close() error {
	c.giveUp(ErrClosed, wire.CodeNormal)
	<-c.done
	return nil
}

// giveUp ends the session from this side. The first reason counts.
func (c *Conn) giveUp(reason error, code int) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = reason
	}
	c.taken.Signal()
	c.mu.Unlock()
	c.t.Close(code, "")
}

// ping is called by the heartbeat.
func (c *Conn) ping() { c.write(context.Background(), ddp.Ping{}, true) }

// silent is called by the heartbeat when a ping stayed unanswered.
func (c *Conn) silent() {
	c.giveUp(fmt.Errorf("%w: no answer to a ping within %v", ErrSilent, c.opts.Timeout), wire.CodeDrop)
}

// read is the session's goroutine: it decodes what comes and puts it where Take
// finds it.
func (c *Conn) read() {
	for {
		frame, err := c.t.Read()
		if err != nil {
			c.end(err)
			return
		}
		c.beat.Heard()
		m, err := c.dec.Decode(frame)
		switch m := m.(type) {
		case ddp.Ping:
			c.write(context.Background(), ddp.Pong(m), true)
			continue
		case ddp.Pong:
			continue
		case ddp.ErrorMessage:
			c.complained(m)
		case nil:
			c.put(c.unreadable(err), len(frame))
			continue
		}
		c.put(m, len(frame))
	}
}

// put adds one message for Take, and waits while there are too many.
func (c *Conn) put(m ddp.Message, size int) {
	c.mu.Lock()
	for len(c.waiting) > 0 && c.cause == nil &&
		(len(c.waiting) >= c.opts.MaxWaiting || c.bytes+size > c.opts.MaxWaitingBytes) {
		c.beat.Deaf(true)
		c.taken.Wait()
		c.beat.Deaf(false)
	}
	first := len(c.waiting) == 0
	if c.waiting == nil {
		c.waiting = make([]ddp.Message, 0, max(c.batch, 8))
	}
	c.waiting = append(c.waiting, m)
	c.bytes += size
	c.mu.Unlock()
	if first {
		c.signal()
	}
}

func (c *Conn) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// end is the reader's last act.
func (c *Conn) end(err error) {
	c.beat.Stop()
	c.t.Close(wire.CodeNormal, "")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = reason(c.cause, err)
	close(c.done)
	close(c.ready)
}

// reason turns the end of the transport into the end of the session.
func reason(cause, err error) error {
	var closed *CloseError
	var big *TooBigError
	switch {
	case cause != nil:
		return cause
	case errors.As(err, &closed), errors.As(err, &big):
		return &endError{"session ended", err}
	}
	return &endError{"connection lost", err}
}

// unreadable logs a frame that could not be decoded, and makes a message of it.
func (c *Conn) unreadable(err error) ddp.Message {
	u := ddp.Unknown{Err: err}
	var bad *ddp.MalformedError
	if errors.As(err, &bad) {
		u.Type, u.Raw = bad.Type, bad.Offending
	}
	// A server that sends nothing else must not fill the log: the 1st, 2nd, 4th,
	// 8th … are told.
	if c.strange++; bits.OnesCount64(c.strange) == 1 {
		c.opts.Logger.Warn("ddp: message of the server skipped", "error", err, "count", c.strange)
	}
	return u
}

// complained logs what the server says about a message of ours.
func (c *Conn) complained(m ddp.ErrorMessage) {
	const most = 500
	c.opts.Logger.Warn("ddp: the server complains", "reason", m.Reason,
		"about", string(m.Offending[:min(len(m.Offending), most)]))
}
