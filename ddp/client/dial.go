package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// Dial connects, agrees on a version, and returns a live session. ctx bounds the
// dialing and not the session. The URL may be http, https, ws or wss, or a bare
// host; where it has no path, /websocket is meant. A path that ends in /sockjs, and
// Meteor's schemes ddp+sockjs (with TLS) and ddpi+sockjs (without), mean the WebSocket
// transport of SockJS; in the hosts of the latter two each asterisk becomes a random
// digit.
//
// A server that wants another version is dialed once more with that one. Errors are
// of type *DialError; ErrVersion and ErrURL among them are for good, all others may
// pass.
func Dial(ctx context.Context, url string, opts Options) (*Conn, error) {
	opts = opts.withDefaults()
	t := target{url: url, shown: shown(url)}
	dial := opts.Dial
	if dial == nil {
		var err error
		if t, err = parseURL(url, opts.Header); err != nil {
			return nil, err
		}
		dial = func(ctx context.Context, _ string) (Transport, error) { return t.dial(ctx, opts) }
	}
	ctx, cancel := opts.bound(ctx)
	defer cancel()
	for again := false; ; again = true {
		transport, err := dial(ctx, t.url)
		if err != nil {
			return nil, dialError(t, err)
		}
		c, err := open(ctx, transport, opts)
		if err == nil {
			return c, nil
		}
		var other *VersionError
		if again || !errors.As(err, &other) ||
			other.Server == opts.Version || !slices.Contains(opts.Versions, other.Server) {
			return nil, dialError(t, err)
		}
		opts.Version = other.Server
	}
}

// New is Dial on a transport that is open already, which the session then owns. The
// server's wish for another version is a *VersionError here.
func New(ctx context.Context, t Transport, opts Options) (*Conn, error) {
	opts = opts.withDefaults()
	ctx, cancel := opts.bound(ctx)
	defer cancel()
	return open(ctx, t, opts)
}

// errHandshake is the cause of a context that Options.Handshake ended.
var errHandshake = errors.New("no answer in time")

func (o Options) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Handshake < 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, o.Handshake,
		fmt.Errorf("client: %w (%v)", errHandshake, o.Handshake))
}

// open does the handshake of the protocol and starts the session. Where it fails it
// closes the transport.
func open(ctx context.Context, t Transport, opts Options) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { t.Close(wire.CodeDrop, "") })
	c := newConn(t, opts)
	err := c.handshake(ctx)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		t.Close(wire.CodeNormal, "")
		return nil, err
	}
	c.start()
	return c, nil
}

// handshake sends connect and waits for the answer. Until then servers may send
// objects that are no messages, and pings.
func (c *Conn) handshake(ctx context.Context) error {
	err := c.write(ctx, ddp.Connect{
		Version:       c.opts.Version,
		Support:       c.opts.Versions,
		Session:       c.opts.Session,
		ReceivedCount: c.opts.ReceivedCount,
	}, false)
	for err == nil {
		var frame []byte
		if frame, err = c.receive(); err != nil {
			break
		}
		m, derr := c.dec.Decode(frame)
		switch m := m.(type) {
		case ddp.Connected:
			c.session, c.version = m.Session, c.opts.Version
			return nil
		case ddp.Failed:
			return &VersionError{Server: m.Version, Client: c.opts.Versions}
		case ddp.Ping:
			err = c.write(ctx, ddp.Pong(m), true)
		case ddp.ErrorMessage:
			c.complained(m)
		case nil:
			c.unreadable(derr)
		}
	}
	return err
}
