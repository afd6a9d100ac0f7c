package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// network is the network connection of one Dial.
type network struct {
	DialOptions
	conn atomic.Pointer[cork]    // the connection, once there is one
	via  atomic.Pointer[url.URL] // the proxy, if one was used
}

// abort closes the connection, if there is one.
func (n *network) abort() {
	if c := n.conn.Load(); c != nil {
		c.abort()
	}
}

// proxy returns the proxy for a request.
func (n *network) proxy(r *http.Request) (via *url.URL, err error) {
	if n.Proxy != nil {
		via, err = n.Proxy(r)
	} else {
		via, err = http.ProxyFromEnvironment(r)
	}
	n.via.Store(via)
	return via, err
}

// direct reports whether a wss URL is reached without a proxy.
func (n *network) direct(to string) bool {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "wss" {
		return false
	}
	u.Scheme = "https"
	proxy, err := n.proxy(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: n.Header})
	return err == nil && proxy == nil
}

// config returns the settings for TLS. WebSockets are spoken over HTTP/1.1 only, also
// where the settings are shared with an HTTP client.
func (n *network) config() *tls.Config {
	c := n.TLS.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	c.NextProtos = []string{"http/1.1"}
	return c
}

// plain opens a connection.
func (n *network) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := n.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return n.corked(c), ctx.Err()
}

// corked notes the connection on which the handshake will be made.
func (n *network) corked(c net.Conn) net.Conn {
	k := &cork{Conn: c}
	k.answer.Store(maxAnswer + 1)
	n.conn.Store(k)
	return k
}

// secure opens a connection with TLS in it. The frames are gathered above TLS, so that
// many share one record. Behind a proxy the library does this, and they do not.
func (n *network) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := n.plain(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := n.config()
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	t := tls.Client(c.(*cork).Conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return n.corked(t), ctx.Err()
}
