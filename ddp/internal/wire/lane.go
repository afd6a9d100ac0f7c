package wire

import (
	"errors"
	"sync"
	"time"
)

// lane carries the frames of one direction of a pipe, from any number of writers
// to one reader.
type lane struct {
	limit int

	mu     sync.Mutex // guards the rest; a leaf
	frames []sent
	bytes  int
	last   time.Time     // when the latest frame arrives
	end    error         // what the reader gets after the frames; nil while open
	shut   bool          // the reader has closed: frames are refused
	more   chan struct{} // closed when the reader should look again; nil if it does not wait
	room   chan struct{} // closed when writers should look again; nil if none waits
}

type sent struct {
	frame []byte
	at    time.Time // zero: at once
}

// errRefused is given by push when the reader has closed its end.
var errRefused = errors.New("wire: the other end is closed")

// next takes the first frame out. Where none has arrived yet it returns a channel
// that is closed when to look again, and how long the first frame still needs (0:
// there is none). err says that there will be none.
func (l *lane) next() (frame []byte, wait time.Duration, more <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return nil, 0, nil, ErrClosed
	}
	if len(l.frames) == 0 {
		if l.end != nil {
			return nil, 0, nil, l.end
		}
		return nil, 0, waitOn(&l.more), nil
	}
	first := l.frames[0]
	if !first.at.IsZero() {
		if wait := time.Until(first.at); wait > 0 {
			return nil, wait, waitOn(&l.more), nil
		}
	}
	l.bytes -= len(first.frame)
	l.frames[0] = sent{}
	l.frames = l.frames[1:]
	wake(&l.room)
	return first.frame, 0, nil, nil
}

// push adds a copy of the frame, or returns a channel that is closed when there may
// be room for it.
func (l *lane) push(frame []byte, delay time.Duration, urgent bool) (room <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.end != nil:
		return nil, ErrClosed
	case l.shut:
		return nil, errRefused
	case !urgent && l.bytes > 0 && l.bytes+len(frame) > l.limit:
		return waitOn(&l.room), nil
	}
	s := sent{frame: append([]byte(nil), frame...)}
	if delay > 0 {
		s.at = time.Now().Add(delay)
	}
	if s.at.Before(l.last) {
		s.at = l.last
	}
	l.last = s.at
	l.bytes += len(frame)
	l.frames = append(l.frames, s)
	wake(&l.more)
	return nil, nil
}

// finish is the writer's Close: the reader gets err after what is under way, or
// instead of it.
func (l *lane) finish(err error, drop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = err
	if drop {
		l.frames, l.bytes = nil, 0
	}
	wake(&l.more)
	wake(&l.room)
}

// refuse is the reader's Close.
func (l *lane) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	l.frames, l.bytes = nil, 0
	wake(&l.more)
	wake(&l.room)
}

// reason returns why the writer of the lane closed it.
func (l *lane) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		return ErrClosed
	}
	return l.end
}

func waitOn(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

func wake(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
