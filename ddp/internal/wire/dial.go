package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// DialOptions configure Dial. The zero value is the default.
type DialOptions struct {
	Limits
	Header http.Header // sent with the handshake
	TLS    *tls.Config // for wss; nil means the system's roots
	// Proxy tells which proxy to use; nil means that of the environment.
	Proxy func(*http.Request) (*url.URL, error)
	// NetDial makes the network connection; nil means that of package net.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A HandshakeError is the answer of an HTTP server that did not switch to the
// WebSocket protocol.
type HandshakeError struct {
	Status   string // "404 Not Found"
	Code     int    // 404
	Type     string // media type of the body
	Location string // where a redirect points
	Body     string // its beginning, at most 1,024 bytes
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("wire: the server answered %s instead of switching to WebSocket", e.Status)
}

// writeBuffers are lent to sockets while they write one frame, so that a thousand
// idle ones have none.
var writeBuffers sync.Pool

const writeBufferSize = 4 << 10

// Dial opens a WebSocket at a ws or wss URL; proxies of the environment are used.
// ctx bounds the dialing only.
func Dial(ctx context.Context, url string, opts DialOptions) (*Socket, error) {
	s, err := dial(ctx, url, opts)
	if err != nil && opts.Deflate >= 0 && strings.Contains(err.Error(), "invalid compression negotiation") {
		// The server insists on compressing with memory of earlier messages, which
		// was not offered and which the library cannot read.
		opts.Deflate = -1
		s, err = dial(ctx, url, opts)
	}
	return s, err
}

// DialSockJS is Dial for the WebSocket transport of SockJS; see SockJSPath for the
// path of the URL. It does not wait for the server to say that it is open: that comes
// before all messages.
func DialSockJS(ctx context.Context, url string, opts DialOptions) (*SockJS, error) {
	message := opts.withDefaults().Message
	opts.Limits = sockJSLimits(opts.withDefaults())
	s, err := Dial(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	return newSockJS(s, message, false, 0), nil
}

func dial(ctx context.Context, url string, opts DialOptions) (*Socket, error) {
	limits := opts.withDefaults()
	n := network{DialOptions: opts}
	d := websocket.Dialer{
		Proxy:             n.proxy,
		NetDialContext:    n.plain,
		TLSClientConfig:   n.config(),
		ReadBufferSize:    limits.ReadBuffer,
		WriteBufferSize:   writeBufferSize,
		WriteBufferPool:   &writeBuffers,
		EnableCompression: limits.Deflate >= 0,
	}
	if n.direct(url) {
		d.NetDialTLSContext = n.secure
	}
	// The library waits for the server's answer without looking at ctx.
	stop := context.AfterFunc(ctx, n.abort)
	ws, resp, err := d.DialContext(ctx, url, opts.Header)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		n.abort()
		return nil, dialError(ctx, err, resp, n.via.Load())
	}
	c := n.conn.Load()
	c.answer.Store(0)
	return newSocket(ws, c, limits, false), nil
}

// A ProxyError reports a failure on the way through a proxy: to reach it, or of the proxy
// to reach the server.
type ProxyError struct {
	Proxy string // its URL, without a password
	Err   error
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("wire: through the proxy %s: %v", e.Proxy, e.Err)
}

func (e *ProxyError) Unwrap() error { return e.Err }

func dialError(ctx context.Context, err error, resp *http.Response, via *url.URL) error {
	if _, bounded := ctx.Deadline(); bounded && errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done() // the socket has the same deadline and was a moment earlier
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !errors.Is(err, websocket.ErrBadHandshake) || resp == nil {
		if via != nil {
			err = &ProxyError{Proxy: via.Redacted(), Err: err}
		}
		return err
	}
	body, _ := io.ReadAll(resp.Body)
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return &HandshakeError{
		Status:   cmp.Or(resp.Status, http.StatusText(resp.StatusCode)),
		Code:     resp.StatusCode,
		Type:     strings.TrimSpace(kind),
		Location: resp.Header.Get("Location"),
		Body:     string(body),
	}
}
