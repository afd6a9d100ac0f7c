package main

import (
	"errors"
	"io"
	"net"
	"sync"
)

// link is a wire that can be cut: it listens on a port of this machine and
// passes bytes on to a server. While it is cut nobody listens there.
type link struct {
	server string // where to pass the bytes on
	addr   string // where we listen, also while cut

	wg sync.WaitGroup

	mu       sync.Mutex // guards the next two
	listener net.Listener
	conns    map[net.Conn]struct{}
}

// newLink returns a link to a server, in one piece.
func newLink(server string) (*link, error) {
	l := &link{server: server, addr: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	return l, l.mend()
}

// mend makes the link whole again, on the same port.
func (l *link) mend() error {
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = listener.Addr().String()
	l.listener = listener
	l.wg.Go(func() { l.accept(listener) })
	return nil
}

// cut breaks every connection, refuses new ones, and waits until that is so.
func (l *link) cut() {
	l.mu.Lock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *link) accept(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.server)
		if err != nil || !l.keep(listener, near, far) {
			near.Close()
			if far != nil {
				far.Close()
			}
			continue
		}
		l.wg.Go(func() { l.pump(near, far) })
		l.wg.Go(func() { l.pump(far, near) })
	}
}

// keep notes two connections to be cut later; not if the link is cut already.
func (l *link) keep(listener net.Listener, conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener {
		return false
	}
	for _, c := range conns {
		l.conns[c] = struct{}{}
	}
	return true
}

// pump copies one direction, and ends the other when it ends.
func (l *link) pump(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		from.Close()
	}
	to.Close()
	l.mu.Lock()
	delete(l.conns, to)
	l.mu.Unlock()
}
