package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// dialError adds to a failure of Dial where it went, and what may help.
func dialError(t target, err error) error {
	var e *DialError
	if errors.As(err, &e) {
		return err
	}
	return &DialError{URL: t.shown, Err: err, Hint: hint(t, err)}
}

// hint finds, for the failures that people meet most, what to try.
func hint(t target, err error) string {
	var (
		handshake *HandshakeError
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		version   *VersionError
		closed    *CloseError
		proxy     *wire.ProxyError
	)
	switch {
	case errors.As(err, &handshake):
		return handshakeHint(t, handshake)
	case errors.As(err, &version):
		return "the server is too new or too old for this client; see Options.Versions"
	case errors.As(err, &record):
		return "there is no TLS at that port: try ws:// instead of wss://"
	case errors.As(err, &authority):
		return "the certificate is signed by nobody whom this machine trusts: " +
			"give its authority in Options.TLS"
	case errors.As(err, &hostname):
		return "the certificate is for another host: dial the name that it is for"
	case errors.As(err, &invalid):
		return "the server's certificate does not hold: " + invalid.Error()
	case strings.Contains(err.Error(), "remote error: tls:"):
		return "the server broke the TLS handshake off: does it want a client's certificate, " +
			"or another version of TLS? See Options.TLS"
	case strings.Contains(err.Error(), "unsupported protocol version"):
		return "the server speaks only versions of TLS that are not safe: see MinVersion of Options.TLS"
	case errors.Is(err, errHandshake):
		return "the server accepted the connection or swallowed it, but did not speak: " +
			"is it a DDP server, and does a firewall stand between?"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	case errors.As(err, &proxy):
		if strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)) {
			return "the proxy wants a user and a password: give them in its URL"
		}
		return "is that the right proxy? It is that of Options.Proxy, or of HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: is the server running, and is the port right?"
	case errors.As(err, &dns):
		return "the host is not known: is its name spelled right, and is there a network?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no way leads there: is there a network, or does it take a tunnel?"
	case errors.Is(err, syscall.ETIMEDOUT):
		return "nothing answers there: is the address right, and does a firewall stand between?"
	case errors.As(err, &closed):
		return "the server dropped the connection before it said connected: its log may tell why"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		s := "the server dropped the connection without an answer"
		if strings.HasPrefix(t.url, "ws://") {
			s += ": if it speaks TLS there, use wss://"
		}
		return s
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "what listens there is no HTTP server: is the port right, or is it TLS (wss://)?"
	}
	return ""
}

// handshakeHint explains an HTTP answer where the WebSocket protocol was wanted.
func handshakeHint(t target, e *HandshakeError) string {
	switch {
	case e.Location != "":
		return "it points to " + e.Location + ": dial that"
	case strings.Contains(e.Body, "HTTP request to an HTTPS server"),
		strings.Contains(e.Body, "plain HTTP request was sent to HTTPS port"):
		return "the server speaks TLS there: use wss://"
	case e.Code == 401 || e.Code == 403:
		return "the server, or a proxy before it, wants credentials (Options.Header) or another origin"
	case e.Code == 429 || e.Code == 502 || e.Code == 503 || e.Code == 504:
		return "the server is busy or away: try again later"
	case e.Code == 426 || e.Code == 400:
		return "a proxy between may not pass WebSocket upgrades on"
	}
	u, err := url.Parse(t.url)
	if err != nil {
		return ""
	}
	if !t.sockjs && !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/websocket") {
		u = u.JoinPath("websocket")
	} else {
		u.Path = "/websocket"
	}
	what := "no DDP server answers at that path"
	if e.Type == "text/html" {
		what = "a web page is there, not a DDP server"
	}
	if u.String() == t.url {
		return what + ": is it the right host and port?"
	}
	return fmt.Sprintf("%s: try %s", what, u)
}
