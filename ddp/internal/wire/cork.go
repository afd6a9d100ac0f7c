package wire

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"
)

// corkSize is how many bytes go to the socket in one system call.
const corkSize = 64 << 10

var corkBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, corkSize)) }}

// cork is a net.Conn that, between hold and release, gathers what is written and
// passes it on in large pieces. Control frames that the WebSocket library writes
// on its own, from the reading goroutine, keep their place in the stream.
type cork struct {
	net.Conn

	mu   sync.Mutex // guards the rest; held while writing
	held *[]byte    // nil outside of hold and release
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
	if c.held == nil {
		return c.Conn.Write(p)
	}
	if len(*c.held)+len(p) > corkSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(p) >= corkSize {
			return c.Conn.Write(p)
		}
	}
	*c.held = append(*c.held, p...)
	return len(p), nil
}

func (c *cork) flush() error {
	if len(*c.held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(*c.held)
	*c.held = (*c.held)[:0]
	return err
}

// SetWriteDeadline does nothing: the library would lift, at every frame, the
// deadline that Close sets. See expire.
func (c *cork) SetWriteDeadline(time.Time) error { return nil }

// expire makes reads and writes fail from t on, also those under way.
func (c *cork) expire(t time.Time) { c.Conn.SetDeadline(t) }

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
