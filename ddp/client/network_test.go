package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// endpoint serves everything that a DDP server answers over HTTP; each session hears
// ready, and then all is read until the end.
func endpoint(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := wire.Accept(w, r, wire.UpgradeOptions{})
		if err != nil {
			return
		}
		defer tr.Close(wire.CodeNormal, "")
		accept(tr)
		for i := range 100 {
			say(tr, ddp.Ready{Subs: []string{fmt.Sprint(r.Host, r.URL.Path), fmt.Sprint(i)}})
		}
		untilEnd(tr)
	}))
	srv.Config.ErrorLog = quiet
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

// hear dials, waits for all that endpoint says, and returns where it was reached.
func hear(t *testing.T, url string, opts Options) string {
	t.Helper()
	c, err := Dial(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for m := range c.Messages() {
		if subs := m.(ddp.Ready).Subs; subs[1] == "99" {
			return subs[0]
		}
	}
	t.Fatal(c.Err())
	return ""
}

func trust(srv *httptest.Server) Options {
	return Options{TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig}
}

func TestDialSockJS(t *testing.T) {
	srv := endpoint(t, true)
	at := strings.Replace(srv.URL, "https", "ddp+sockjs", 1)
	if got := hear(t, at, trust(srv)); !wire.IsSockJS(got) {
		t.Error(got)
	}
	srv = endpoint(t, false)
	at = strings.Replace(srv.URL, "http", "ddpi+sockjs", 1)
	for url, framed := range map[string]bool{at: true, srv.URL + "/x/sockjs": true, at + "/sockjs/websocket": false, srv.URL: false} {
		if got := hear(t, url, Options{}); wire.IsSockJS(got) != framed {
			t.Error(got)
		}
	}
	// Another version is asked for in another session of the SockJS.
	seen := map[string]bool{}
	wants := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := wire.Accept(w, r, wire.UpgradeOptions{})
		if err != nil {
			return
		}
		defer tr.Close(wire.CodeNormal, "")
		seen[r.URL.Path] = true
		tr.Read()
		say(tr, ddp.Failed{Version: "pre2"})
	}))
	defer wants.Close()
	if _, err := Dial(t.Context(), wants.URL+"/sockjs", Options{}); err == nil || len(seen) != 2 {
		t.Error(err, seen)
	}
	// No SockJS is there.
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	_, err := Dial(t.Context(), page.URL+"/sockjs", Options{})
	if err == nil || !strings.Contains(err.Error(), "try ws://") || !strings.Contains(err.Error(), "/websocket") {
		t.Error(err)
	}
}

func TestNetDial(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv := endpoint(t, secure)
		opts := Options{}
		if secure {
			opts = trust(srv)
		}
		asked := ""
		opts.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = network + " " + address
			return new(net.Dialer).DialContext(ctx, "tcp", srv.Listener.Addr().String())
		}
		scheme := map[bool]string{false: "ws", true: "wss"}[secure]
		if got := hear(t, scheme+"://example.com:7357/app", opts); got != "example.com:7357/app" || asked != "tcp example.com:7357" {
			t.Error(got, asked)
		}
		opts.NetDial = func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrNoProgress }
		if _, err := Dial(t.Context(), scheme+"://example.com", opts); err == nil || !strings.Contains(err.Error(), io.ErrNoProgress.Error()) {
			t.Error(err)
		}
	}
}

// proxy is an HTTP proxy that wants a password; it returns its URL and what it was
// asked for.
func proxy(t *testing.T) (*url.URL, <-chan string) {
	asked := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		if r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(there, bufio.NewReader(buf))
			there.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(here, there)
		here.Close()
		there.Close()
		<-done
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, asked
}

func TestProxy(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv := endpoint(t, secure)
		via, asked := proxy(t)
		via.User = url.UserPassword("me", "secret")
		opts := Options{}
		if secure {
			opts = trust(srv)
		}
		opts.Proxy = http.ProxyURL(via)
		hear(t, srv.URL, opts)
		if got := <-asked; got != "CONNECT "+srv.Listener.Addr().String() {
			t.Error(got)
		}
		via.User = nil
		_, err := Dial(t.Context(), srv.URL, opts)
		if err == nil || !strings.Contains(err.Error(), "through the proxy http://"+via.Host+": Proxy Authentication Required; the proxy wants a user and a password") {
			t.Error(err)
		}
	}
	nobody := &url.URL{Scheme: "http", Host: closedPort(t), User: url.UserPassword("me", "secret")}
	_, err := Dial(t.Context(), "ws://example.test", Options{Proxy: http.ProxyURL(nobody)})
	if err == nil || !strings.Contains(err.Error(), "through the proxy http://me:xxxxx@"+nobody.Host) || !strings.Contains(err.Error(), "is that the right proxy?") {
		t.Error(err)
	}
}

// widest notes the most that was ever asked of a connection at once.
type widest struct {
	net.Conn
	most atomic.Int64
}

func (w *widest) Read(p []byte) (int, error) {
	w.most.Store(max(w.most.Load(), int64(len(p)))) // only one goroutine reads at a time
	return w.Conn.Read(p)
}

// TestReadBuffer: the session reads through a buffer of that size, whatever it is.
func TestReadBuffer(t *testing.T) {
	srv := endpoint(t, false)
	for size, want := range map[int]int64{0: 64 << 10, 512: 512} {
		var conn *widest
		hear(t, srv.URL, Options{ReadBuffer: size, NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			conn = &widest{Conn: c}
			return conn, err
		}})
		if got := conn.most.Load(); got != want {
			t.Errorf("%d: reads up to %d bytes at once, want %d", size, got, want)
		}
	}
}
