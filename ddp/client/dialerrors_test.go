package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestPasswordsAreNotTold: errors name the URL without its password, also where it is
// none that can be dialed.
func TestPasswordsAreNotTold(t *testing.T) {
	fails := func(context.Context, string) (Transport, error) { return nil, errors.New("no network") }
	for url, opts := range map[string]Options{
		"ftp://me:secret@host/x":  {},
		"ws://me:se/cret@host/x":  {},
		"ws://me:se%cret@host":    {},
		"me:secret@ho st":         {},
		"wss://me:secret@host/x":  {Dial: fails},
		"wss://me:se%cret@host/x": {Dial: fails},
		"ws://me:secret@[::1/x":   {},
		"ddp+sockjs://a:secret@":  {},
	} {
		_, err := Dial(t.Context(), url, opts)
		var de *DialError
		if !errors.As(err, &de) || strings.Contains(err.Error(), "cret") || strings.Contains(de.URL, "cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestDialErrors meets what people meet, and looks for the way out in the error.
func TestDialErrors(t *testing.T) {
	plain := func(h http.Handler) func(*testing.T) string {
		return func(t *testing.T) string {
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			return srv.URL
		}
	}
	for _, c := range []struct {
		name string
		url  func(t *testing.T) string
		opts Options
		says string
	}{
		{name: "nobody listens", url: closedPort, says: "nobody listens there"},
		{name: "web page", url: plain(page(200, "text/html", "<html>")), says: "200 OK instead of switching"},
		{name: "web page, hint", url: plain(page(200, "text/html", "<html>")), says: "a web page is there"},
		{name: "not found", url: func(t *testing.T) string {
			return plain(page(404, "text/plain", "no"))(t) + "/app"
		}, says: "/app/websocket"},
		{name: "redirect", url: plain(page(301, "text/html", "", "Location", "https://else.where/x")), says: "dial that"},
		{name: "busy", url: plain(page(503, "text/html", "")), says: "try again later"},
		{name: "forbidden", url: plain(page(403, "text/html", "")), says: "Options.Header"},
		{name: "ws to TLS", url: func(t *testing.T) string {
			srv := httptest.NewUnstartedServer(page(200, "", ""))
			srv.Config.ErrorLog = quiet
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return strings.Replace(srv.URL, "https", "ws", 1)
		}, says: "use wss://"},
		{name: "wss to plain", url: func(t *testing.T) string {
			return strings.Replace(plain(page(200, "", ""))(t), "http", "wss", 1)
		}, says: "no TLS at that port"},
		{name: "unknown authority", url: func(t *testing.T) string {
			srv := httptest.NewUnstartedServer(page(200, "", ""))
			srv.Config.ErrorLog = quiet
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv.URL
		}, says: "Options.TLS"},
		{name: "another host's certificate", url: func(t *testing.T) string {
			srv := httptest.NewUnstartedServer(page(200, "", ""))
			srv.Config.ErrorLog = quiet
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv.URL
		}, opts: Options{TLS: &tls.Config{ServerName: "other.test", RootCAs: x509.NewCertPool()}}, says: "certificate"},
		{name: "wants a certificate", url: func(t *testing.T) string {
			srv := httptest.NewUnstartedServer(page(200, "", ""))
			srv.Config.ErrorLog = quiet
			srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv.URL
		}, opts: Options{TLS: &tls.Config{InsecureSkipVerify: true}}, says: "does it want a client's certificate"},
		{name: "old TLS", url: func(t *testing.T) string {
			srv := httptest.NewUnstartedServer(page(200, "", ""))
			srv.Config.ErrorLog = quiet
			srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv.URL
		}, opts: Options{TLS: &tls.Config{InsecureSkipVerify: true}}, says: "version of TLS"},
		{name: "no HTTP", url: func(t *testing.T) string {
			return listen(t, func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.6\r\n") })
		}, says: "no HTTP server"},
		{name: "accepts and drops", url: func(t *testing.T) string {
			return listen(t, func(c net.Conn) { c.Read(make([]byte, 4096)) })
		}, says: "without an answer: if it speaks TLS there, use wss://"},
		{name: "mute", url: func(t *testing.T) string {
			return listen(t, func(c net.Conn) {
				for b := make([]byte, 4096); ; {
					if _, err := c.Read(b); err != nil {
						return
					}
				}
			})
		}, opts: Options{Handshake: 50 * time.Millisecond}, says: "did not speak"},
		{name: "mute WebSocket", url: func(t *testing.T) string {
			return serveSocket(t, func(tr Transport) { untilEnd(tr) })
		}, opts: Options{Handshake: 50 * time.Millisecond}, says: "did not speak"},
		{name: "drops after connect", url: func(t *testing.T) string {
			return serveSocket(t, func(tr Transport) { tr.Read(); tr.Close(wire.CodeDrop, "") })
		}, says: "before it said connected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Dial(t.Context(), c.url(t), c.opts)
			var de *DialError
			if !errors.As(err, &de) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "client: dial ws") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		url := serveSocket(t, func(tr Transport) {
			tr.Read()
			cancel()
			untilEnd(tr)
		})
		if _, err := Dial(ctx, url, Options{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for says, err := range map[string]error{
		"the host is not known":  &net.DNSError{Err: "no such host", Name: "h"},
		"no way leads there":     os.NewSyscallError("connect", syscall.EHOSTUNREACH),
		"nothing answers there:": os.NewSyscallError("connect", syscall.ETIMEDOUT),
	} {
		if err := dialError(target{}, &net.OpError{Op: "dial", Err: err}); !strings.Contains(err.Error(), says) {
			t.Error(err)
		}
	}
}
