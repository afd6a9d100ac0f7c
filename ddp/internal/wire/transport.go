package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// Close codes of RFC 6455 that this module sends or explains.
const (
	CodeNormal  = 1000
	CodeAway    = 1001
	CodeNoCode  = 1005 // never sent: the close frame had no code
	CodeDropped = 1006 // never sent: there was no close frame
	CodeTooBig  = 1009
	CodeFailed  = 1011 // the server met something it did not expect
	CodeDrop    = 0    // for Transport.Close: no close frame, no farewell
)

// ErrClosed is given after the transport was closed by this side.
var ErrClosed = errors.New("wire: closed")

// ErrCut is given by both ends of a pipe that was cut.
var ErrCut = errors.New("wire: pipe cut")

// A CloseError is the close frame that the other side sent.
type CloseError struct {
	Code int
	Text string
}

func (e *CloseError) Error() string {
	name := closeNames[e.Code]
	if name == "" {
		name = "unnamed code"
	}
	if e.Text == "" {
		return fmt.Sprintf("wire: closed by the other side: %d (%s)", e.Code, name)
	}
	return fmt.Sprintf("wire: closed by the other side: %d (%s): %s", e.Code, name, e.Text)
}

var closeNames = map[int]string{
	1000: "normal closure",
	1001: "going away",
	1002: "protocol error",
	1003: "unsupported data",
	1005: "no code given",
	1006: "connection dropped without a close frame",
	1007: "invalid payload",
	1008: "policy violation",
	1009: "message too big",
	1010: "extension wanted",
	1011: "internal error",
	1012: "service restart",
	1013: "try again later",
}

// A TooBigError reports a frame longer than the limit. The other side was told
// with close code 1009.
type TooBigError struct{ Limit int64 }

func (e *TooBigError) Error() string {
	return fmt.Sprintf("wire: the other side sent a message of more than %d bytes, the limit set here", e.Limit)
}

// Transport carries whole frames in order, until it ends.
type Transport interface {
	// Read waits for the next frame and lends it until the next Read. Only one
	// goroutine may read. Every error is final.
	Read() ([]byte, error)
	// Write queues a copy of the frame. While the queue is full it waits, until ctx
	// is done; an urgent frame goes ahead of the queue and does not wait. A nil
	// error does not mean that the frame arrived, or will; one that is not of ctx
	// means that the transport has ended, as Read tells.
	Write(ctx context.Context, frame []byte, urgent bool) error
	// Close sends what is queued and a close frame of that code and text, waits a
	// second at most for the other side's farewell, and ends the transport and its
	// goroutines. With CodeDrop it ends at once and frames are lost. Only the first
	// Close counts, but all wait for the end.
	Close(code int, text string) error
}

// Limits bound a transport. The zero value is the default.
type Limits struct {
	// Message is the longest frame that is read, in bytes (after decompression); 0
	// means 16 MiB, the largest document of a Meteor server and room for its text.
	Message int64
	// Queue is how many bytes may wait to be written before Write waits; 0 means
	// 1 MiB. One frame may always wait, however long.
	Queue int
	// ReadBuffer is the size of the socket's read buffer in bytes; 0 means 64 KiB for a
	// client, and for a server, which has thousands, the 4 KiB of its HTTP server.
	ReadBuffer int
	// Deflate is the shortest frame that is compressed, in bytes; 0 means 1,024,
	// negative that compression is not offered.
	Deflate int
}

func (l Limits) withDefaults() Limits {
	l.Message = cmp.Or(l.Message, 16<<20)
	// A megabyte is 3,000 documents of usual size: some milliseconds of a fast
	// link, so the socket never runs dry while writers are woken.
	l.Queue = cmp.Or(l.Queue, 1<<20)
	// With 64 KiB a burst of small frames costs one system call in 200 frames.
	l.ReadBuffer = cmp.Or(l.ReadBuffer, 64<<10)
	l.Deflate = cmp.Or(l.Deflate, 1024)
	return l
}
