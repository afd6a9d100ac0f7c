package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// SockJS is a Transport that speaks the framing of SockJS on a WebSocket. From the
// server come o (it is open), a["…","…"] (messages), h (a heartbeat) and
// c[code,"reason"] (it closes); from the client lists of messages. Each message is
// one frame of the Transport.
//
// A frame of the server that is none of these is given as it came, so that whoever
// decodes it can tell. A frame of a client that is no list of text, and no text
// either, ends the transport with code 1002, as other servers do.
type SockJS struct {
	socket  *Socket
	server  bool
	message int64 // the longest message, in bytes

	reading sync.Mutex // held during Read; guards the next three
	in      batch      // the messages of the last frame
	next    int        // the index of the first that Read has not given
	ended   error      // what Read returns from now on

	mu     sync.Mutex // guards the rest; a leaf
	pulse  *time.Timer
	closed bool
}

// CodeBroken is the close code for a client whose frames are not those of SockJS.
const CodeBroken = 1002

// sockJSLimits returns the limits of the socket below: the escapes of SockJS make a
// message longer.
func sockJSLimits(l Limits) Limits {
	l.Message = 2*l.Message + 1024
	return l
}

// newSockJS makes a SockJS of a socket. A server says that it is open, and then
// sends a heartbeat whenever pulse has passed.
func newSockJS(s *Socket, message int64, server bool, pulse time.Duration) *SockJS {
	t := &SockJS{socket: s, server: server, message: message}
	if !server {
		return t
	}
	s.Write(context.Background(), []byte("o"), true) // before anything urgent, too
	if pulse > 0 {
		t.mu.Lock()
		t.pulse = time.AfterFunc(pulse, func() { t.beat(pulse) })
		t.mu.Unlock()
	}
	return t
}

func (t *SockJS) beat(pulse time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.socket.Write(context.Background(), []byte("h"), true) == nil {
		t.pulse.Reset(pulse)
	}
}

// Read implements Transport.
func (t *SockJS) Read() ([]byte, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	for t.ended == nil {
		if t.next < len(t.in.ends) && !t.socket.closing.Load() {
			start, end := 0, t.in.ends[t.next]
			if t.next > 0 {
				start = t.in.ends[t.next-1]
			}
			t.next++
			if int64(end-start) > t.message {
				t.end(&TooBigError{Limit: t.message}, CodeTooBig, "message too big")
				break
			}
			return t.in.bytes[start:end:end], nil
		}
		frame, err := t.socket.Read()
		if err != nil {
			var big *TooBigError
			if errors.As(err, &big) {
				err = &TooBigError{Limit: t.message}
			}
			t.ended = err
			break
		}
		t.in.reset(2 << 20) // a burst's largest frame is forgotten
		t.next = 0
		t.unpack(frame)
	}
	return nil, t.ended
}

// unpack puts the messages of a frame where Read finds them.
func (t *SockJS) unpack(frame []byte) {
	if t.server {
		if len(frame) > 0 && !t.in.messages(frame) {
			t.end(&CloseError{Code: CodeBroken, Text: broken}, CodeBroken, broken)
		}
		return
	}
	if len(frame) == 0 {
		return
	}
	switch rest := frame[1:]; frame[0] {
	case 'o', 'h':
		if len(rest) == 0 {
			return
		}
	case 'a', 'm': // m is a single message, of the oldest servers
		if t.in.messages(rest) && (frame[0] == 'a' || len(t.in.ends) > 0) {
			return
		}
	case 'c':
		if end := closeFrame(rest); end != nil {
			t.ended = end
			return
		}
	}
	t.in.reset(2 << 20)
	t.in.add(frame)
}

const broken = "Broken framing."

// end ends the transport because of what came; the reader's. The socket says why, and
// stays open for it until Close.
func (t *SockJS) end(err error, code int, text string) {
	t.ended = err
	t.stop()
	t.socket.finish(code, text, t.goodbye(code, text), err)
}

// Write implements Transport.
func (t *SockJS) Write(ctx context.Context, frame []byte, urgent bool) error {
	b := packed.Get().(*[]byte)
	defer func() {
		if cap(*b) <= 64<<10 {
			packed.Put(b)
		}
	}()
	open, closed := `["`, `"]`
	if t.server {
		open = `a["`
	}
	*b = append(appendEscaped(append((*b)[:0], open...), frame), closed...)
	return t.socket.Write(ctx, *b, urgent)
}

var packed = sync.Pool{New: func() any { return new([]byte) }}

// Close implements Transport.
func (t *SockJS) Close(code int, text string) error {
	t.stop()
	t.socket.close(code, text, t.goodbye(code, text))
	return nil
}

// stop ends the heartbeat.
func (t *SockJS) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.pulse != nil {
		t.pulse.Stop()
	}
}

// goodbye returns the frame by which a server says why it closes; clients have none.
func (t *SockJS) goodbye(code int, text string) []byte {
	if !t.server {
		return nil
	}
	return appendClose(nil, code, text)
}

// appendClose writes the frame of a close.
func appendClose(b []byte, code int, text string) []byte {
	switch {
	case text != "":
	case code == CodeNormal:
		text = "Normal closure" // as other servers have it
	default:
		text = closeNames[code]
	}
	b = strconv.AppendInt(append(b, "c["...), int64(code), 10)
	return append(appendEscaped(append(b, `,"`...), []byte(text)), `"]`...)
}

// SockJSPath returns where a client opens a session below the path at which a server
// has its SockJS: the base, three random digits, eight random letters, /websocket.
func SockJSPath(base string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz012345"
	b := append([]byte(base), '/')
	for range 3 {
		b = append(b, byte('0'+rand.IntN(10)))
	}
	b = append(b, '/')
	for range 8 {
		b = append(b, letters[rand.IntN(len(letters))])
	}
	return string(append(b, "/websocket"...))
}
