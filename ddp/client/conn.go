package client

import (
	"context"
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"
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

	dec  ddp.FrameDecoder // used by the reader
	beat Heart
	meter

	routing    sync.Once
	routed     atomic.Bool   // the router takes what arrives
	router     *router       // set by route
	applied    atomic.Int64  // messages that the router has handled
	dispatched chan struct{} // closed when it has handled the last

	ready chan struct{} // capacity 1; closed by the reader when it ends
	done  chan struct{} // closed when err is set

	mu      sync.Mutex // guards the rest
	taken   sync.Cond  // the reader waits on it while waiting is full
	waiting []ddp.Message
	batch   int                      // how many were taken last, to make room for as many
	bytes   int                      // length of the frames of waiting
	err     error                    // why the session ended
	cause   error                    // why this side gave it up, before the reader noticed
	pings   map[string]chan struct{} // closed by the pong of that id
}

func newConn(t Transport, opts Options) *Conn {
	c := &Conn{
		t: t, opts: opts,
		dec:   opts.decoder(),
		meter: meter{started: time.Now()},
		ready: make(chan struct{}, 1),
		done:  make(chan struct{}),

		dispatched: make(chan struct{}),
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
	if c.opts.Heart != nil {
		c.beat = c.opts.Heart(c.ping, c.silent)
	} else {
		c.beat = wire.NewHeartbeat(interval, c.opts.Timeout, c.ping, c.silent)
	}
	c.opts.Logger.Debug("ddp: connected", "version", c.version, "resumed", c.Resumed())
	go c.read()
	if c.opts.Events != nil {
		c.route()
	}
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
		select {
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

var frames = sync.Pool{New: func() any { return new([]byte) }}

func (c *Conn) write(ctx context.Context, m ddp.Message, urgent bool) error {
	b := frames.Get().(*[]byte)
	*b = c.opts.Codec.Append((*b)[:0], m)
	err := c.t.Write(ctx, *b, urgent)
	if err == nil {
		c.sent(len(*b))
		c.tap(true, *b)
	}
	if cap(*b) <= 64<<10 {
		frames.Put(b)
	}
	return err
}

// receive reads one frame, which is lent.
func (c *Conn) receive() ([]byte, error) {
	frame, err := c.t.Read()
	if err == nil {
		c.received(len(frame))
		c.tap(false, frame)
	}
	return frame, err
}

// tap shows a frame to Options.Tap.
func (c *Conn) tap(sent bool, frame []byte) {
	if c.opts.Tap == nil {
		return
	}
	if c.opts.Codec != ddp.JSON { // what hides secrets reads JSON only
		m, err := c.opts.Codec.NewDecoder().Decode(frame)
		if frame = nil; err == nil {
			frame = ddp.Append(nil, m)
		}
	}
	b := frames.Get().(*[]byte)
	defer frames.Put(b)
	*b = ddp.Redact((*b)[:0], frame)
	c.opts.Tap(sent, *b)
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

// read is the session's goroutine: it decodes what comes and puts it where Take
// finds it.
func (c *Conn) read() {
	for {
		frame, err := c.receive()
		if err != nil {
			c.end(err)
			return
		}
		c.beat.Heard()
		m, err := c.dec.Decode(frame)
		switch m := m.(type) {
		case ddp.Ping:
			c.pingsIn.Add(1)
			c.write(context.Background(), ddp.Pong(m), true)
			continue
		case ddp.Pong:
			c.ponged(m.ID)
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

// end is the reader's last act.
func (c *Conn) end(err error) {
	c.beat.Stop()
	c.t.Close(wire.CodeNormal, "")
	c.mu.Lock()
	err = reason(c.cause, err)
	c.mu.Unlock()
	c.opts.Logger.Debug("ddp: session ended", "reason", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
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
	if n := c.strange.Add(1); bits.OnesCount64(n) == 1 {
		c.opts.Logger.Warn("ddp: message of the server skipped", "error", err, "count", n)
	}
	return u
}

// complained logs what the server says about a message of ours, which may have been a
// login.
func (c *Conn) complained(m ddp.ErrorMessage) {
	const most = 500
	about := ddp.Redact(nil, m.Offending)
	c.opts.Logger.Warn("ddp: the server complains", "reason", m.Reason, "about", string(about[:min(len(about), most)]))
}
