package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// corkSize is how many bytes go to the socket in one system call.
const corkSize = 64 << 10

var corkBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, corkSize)) }}

// lateSize bounds the control frames that wait for a write to end.
const lateSize = 4 << 10

// cork is a net.Conn that, between hold and release, gathers what is written and
// passes it on in large pieces.
//
// The library writes control frames on its own, from the goroutine that reads. They
// keep their place in the stream, and they never wait for a peer that does not read:
// a reader that waited for its writer would keep the peer from reading, too.
//
// While answer is not zero the server's answer to the handshake is being read, which
// the library would keep whole, however long.
type cork struct {
	net.Conn
	answer atomic.Int64 // bytes that the answer may still have, and one

	mu      sync.Mutex // guards the rest; not held while writing
	held    *[]byte    // nil outside of hold and release
	writing bool       // what was held is being written
	late    []byte     // control frames that came meanwhile; they are written next
	parted  bool       // a close frame was or will be written
}

// maxAnswer bounds a server's answer to the handshake, in bytes, as net/http does.
const maxAnswer = 1 << 20

// errAnswer is given for an answer beyond maxAnswer.
var errAnswer = errors.New("wire: the server's answer to the handshake has no end: it is over 1 MiB")

// Read reads, and gives up on an answer to the handshake that has no end.
func (c *cork) Read(p []byte) (int, error) {
	left := c.answer.Load()
	if left == 1 {
		return 0, errAnswer
	}
	n, err := c.Conn.Read(p)
	if left != 0 {
		c.answer.Store(max(1, left-int64(n)))
	}
	return n, err
}

// hold begins to gather.
func (c *cork) hold() {
	c.mu.Lock()
	c.held = corkBuffers.Get().(*[]byte)
	c.mu.Unlock()
}

// release writes what was gathered.
func (c *cork) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.flush()
	corkBuffers.Put(c.held)
	c.held = nil
	return err
}

// Write gathers p, or writes it where nothing is held.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.writing: // so this is a control frame; of too many pongs some may be missing
		if len(c.late)+len(p) <= lateSize {
			c.late = append(c.late, p...)
		}
		return len(p), nil
	case c.held == nil:
		c.mu.Unlock()
		defer c.mu.Lock()
		return c.Conn.Write(p)
	case len(*c.held)+len(p) <= corkSize:
		*c.held = append(*c.held, p...)
		return len(p), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	if len(p) > corkSize {
		return len(p), c.pass(p)
	}
	*c.held = append(*c.held, p...)
	return len(p), nil
}

// maxOwnFrame is the longest frame that frame writes.
const maxOwnFrame = corkSize - 4

// frame gathers a text frame, unmasked and uncompressed, as servers send them. The
// library's way takes two locks, a buffer of a pool and an allocation for each. It
// is for frames of at most maxOwnFrame bytes, between hold and release.
func (c *cork) frame(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(*c.held)+4+len(p) > corkSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if c.parted {
		return websocket.ErrCloseSent
	}
	b := *c.held
	const final, text = 0x80, 0x01
	if n := len(p); n < 126 {
		b = append(b, final|text, byte(n))
	} else {
		b = append(b, final|text, 126, byte(n>>8), byte(n))
	}
	*c.held = append(b, p...)
	return nil
}

// part makes frame refuse from now on: a close frame follows.
func (c *cork) part() {
	c.mu.Lock()
	c.parted = true
	c.mu.Unlock()
}

// flush passes on what is held.
func (c *cork) flush() error {
	if len(*c.held) == 0 {
		return nil
	}
	err := c.pass(*c.held)
	*c.held = (*c.held)[:0]
	return err
}

// pass writes p, and the control frames that come meanwhile. It lets go of the lock.
func (c *cork) pass(p []byte) error {
	c.writing = true
	var err error
	for err == nil && len(p) > 0 {
		c.mu.Unlock()
		_, err = c.Conn.Write(p)
		c.mu.Lock()
		p, c.late = c.late, nil
	}
	c.writing = false
	return err
}

// SetWriteDeadline does nothing: the library would lift, at every frame, the
// deadline that Close sets. See expire.
func (c *cork) SetWriteDeadline(time.Time) error { return nil }

// expire makes reads and writes fail from t on, also those under way.
func (c *cork) expire(t time.Time) { c.Conn.SetDeadline(t) }

// abort closes the connection and never waits. TLS would say goodbye first, and wait
// for a peer that does not read.
func (c *cork) abort() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		t.NetConn().Close()
	}
	c.Conn.Close()
}

// corkedResponse hands the library a corked connection when it takes over that of
// an HTTP request.
type corkedResponse struct {
	http.ResponseWriter
	conn *cork // set by Hijack
}

func (r *corkedResponse) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	r.conn = &cork{Conn: conn}
	return r.conn, rw, nil
}
