package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// linger is how long Close waits for queued frames to go out and for the other
// side's farewell. A round trip around the world takes a third of it.
const linger = time.Second

// Socket is a Transport over a WebSocket. Binary frames are skipped.
type Socket struct {
	ws     *websocket.Conn
	conn   *cork
	limits Limits
	queue  *queue
	server bool // this end is the server's

	reading sync.Mutex // held during Read; guards the next two
	buf     []byte     // lent to the reader
	ended   error      // what Read returns from now on

	mu    sync.Mutex // guards cause; a leaf
	cause error      // the first failure of the writer

	closing   atomic.Bool
	over      atomic.Bool // the other side said farewell, or the network is gone
	closeOnce sync.Once
	farewell  atomic.Pointer[[]byte] // payload of the close frame that finish asked for
	written   chan struct{}          // closed when the writer has ended
}

func newSocket(ws *websocket.Conn, conn *cork, limits Limits, server bool) *Socket {
	s := &Socket{
		ws: ws, conn: conn, limits: limits, server: server,
		queue:   newQueue(limits.Queue),
		written: make(chan struct{}),
	}
	ws.SetReadLimit(limits.Message)
	answer := ws.CloseHandler()
	ws.SetCloseHandler(func(code int, text string) error {
		conn.part()
		return answer(code, text)
	})
	go s.write()
	return s
}

// RemoteAddr returns the address of the other end of the socket.
func (s *Socket) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Read implements Transport.
func (s *Socket) Read() ([]byte, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	for s.ended == nil {
		frame, err := s.next()
		if err != nil {
			s.end(err)
			break
		}
		if frame != nil && !s.closing.Load() {
			return frame, nil
		}
	}
	return nil, s.ended
}

// next reads one frame into the buffer; nil means a binary frame.
func (s *Socket) next() ([]byte, error) {
	kind, r, err := s.ws.NextReader()
	if err != nil {
		return nil, err
	}
	if kind != websocket.TextMessage {
		return nil, nil
	}
	// A burst's largest frame is forgotten once smaller ones follow.
	const usual = 1 << 20
	if cap(s.buf) > usual || s.buf == nil {
		s.buf = make([]byte, 0, 512)
	}
	buf := s.buf[:0]
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > s.limits.Message {
			// The library counts what came over the network; this is what it
			// became when decompressed.
			s.sendClose(CodeTooBig, "message too big")
			return nil, websocket.ErrReadLimit
		}
		if err == io.EOF {
			s.buf = buf
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), 2*cap(buf))
			copy(grown, buf)
			buf = grown
		}
	}
}

// end fixes what Read returns from now on, and stops the writers.
func (s *Socket) end(err error) {
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	var closed *websocket.CloseError
	var network net.Error
	goodbye := errors.As(err, &closed)
	s.over.Store(goodbye || cause != nil || errors.As(err, &network))
	if !s.over.Load() {
		s.conn.part() // the library met a fault, and has said farewell
	}
	switch {
	case s.closing.Load():
		s.ended = ErrClosed
	case goodbye && closed.Code == CodeDropped:
		s.ended = &CloseError{Code: CodeDropped}
	case goodbye:
		s.ended = &CloseError{Code: closed.Code, Text: closed.Text}
	case errors.Is(err, websocket.ErrReadLimit):
		s.ended = &TooBigError{Limit: s.limits.Message}
	case cause != nil:
		s.ended = cause
	default:
		s.ended = err
	}
	s.queue.close(s.ended)
}

// Write implements Transport.
func (s *Socket) Write(ctx context.Context, frame []byte, urgent bool) error {
	return s.queue.put(ctx, frame, urgent)
}

// write is the goroutine that empties the queue into the socket.
func (s *Socket) write() {
	defer close(s.written)
	var urgent, normal batch
	for closed := false; !closed; {
		s.queue.wait(&urgent, &normal)
		closed = s.queue.take(&urgent, &normal)
		s.conn.hold()
		err := urgent.each(s.writeFrame)
		if err == nil {
			err = normal.each(s.writeFrame)
		}
		if last := s.farewell.Load(); closed && last != nil {
			s.ws.WriteControl(websocket.CloseMessage, *last, time.Now().Add(linger))
		}
		if e := s.conn.release(); err == nil {
			err = e
		}
		if err != nil {
			s.fail(err)
			return
		}
		urgent.reset(2 * s.limits.Queue) // growth overshoots the limit
		normal.reset(2 * s.limits.Queue)
	}
}

func (s *Socket) writeFrame(frame []byte) error {
	deflate := s.limits.Deflate >= 0 && len(frame) >= s.limits.Deflate
	if s.server && !deflate && len(frame) <= maxOwnFrame {
		return s.conn.frame(frame)
	}
	s.ws.EnableWriteCompression(deflate)
	return s.ws.WriteMessage(websocket.TextMessage, frame)
}

// fail ends the transport because of a write. The reader notices, since the
// connection is closed under it, and gives this error as its own.
func (s *Socket) fail(err error) {
	if errors.Is(err, websocket.ErrCloseSent) {
		return // the other side's close frame was answered: the reader knows
	}
	s.mu.Lock()
	s.cause = err
	s.mu.Unlock()
	s.queue.close(err)
	s.conn.abort()
}

// Close implements Transport.
func (s *Socket) Close(code int, text string) error {
	s.close(code, text, nil)
	return nil
}

// close is Close with one frame more, if not nil, behind what is queued.
func (s *Socket) close(code int, text string, last []byte) {
	s.closeOnce.Do(func() {
		s.closing.Store(true)
		if code == CodeDrop {
			s.conn.abort()
			s.queue.close(ErrClosed)
			<-s.written
			return
		}
		s.conn.expire(time.Now().Add(linger))
		s.finish(code, text, last, ErrClosed)
		<-s.written
		s.drain()
		s.conn.Close()
	})
}

// finish makes the writer send what is queued, one frame more if last is not nil, and
// a close frame, unless it was told so before.
func (s *Socket) finish(code int, text string, last []byte, err error) {
	payload := farewell(code, text)
	s.farewell.CompareAndSwap(nil, &payload)
	s.queue.finish(last, err)
}

// drain reads until the other side has said farewell, or the deadline. To close a
// socket with unread input would reset it, and the other side could lose what it
// was sent last.
func (s *Socket) drain() {
	s.reading.Lock() // a reader that is at it discards, until the same end
	defer s.reading.Unlock()
	if s.ended != nil && !s.over.Load() {
		// The library reads no more: it met a frame that it refused, told the other
		// side why, and that side may still be sending.
		io.Copy(io.Discard, s.conn.Conn)
	}
	for s.ended == nil {
		if _, _, err := s.ws.NextReader(); err != nil {
			s.end(err)
		}
	}
}

// sendClose writes a close frame on behalf of the reader.
func (s *Socket) sendClose(code int, text string) {
	s.conn.part()
	s.ws.WriteControl(websocket.CloseMessage, farewell(code, text), time.Now().Add(linger))
}

// farewell returns the payload of a close frame; the text is cut to the 123 bytes
// that it may have.
func farewell(code int, text string) []byte {
	const most = 123
	if len(text) > most {
		n := most
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return websocket.FormatCloseMessage(code, text)
}
