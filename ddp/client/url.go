package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/internal/wire"
)

// target is where Dial goes.
type target struct {
	url    string      // ws or wss, no user
	base   bool        // the path is where a SockJS is, and a session is to be opened below
	sockjs bool        // the framing of SockJS is spoken; true with base
	shown  string      // for errors: no password
	header http.Header // with the user's credentials, if the URL had any
}

// CheckURL returns what Dial would say about the URL alone: nil, or a *DialError
// that is an ErrURL.
func CheckURL(url string) error {
	_, err := parseURL(url, nil)
	return err
}

// parseURL understands what people give as the address of a server: http, https, ws
// and wss URLs, and a bare host with or without a port and path. Where there is no
// path it is /websocket.
//
// ddp+sockjs (with TLS) and ddpi+sockjs (without) are Meteor's own: each asterisk of
// the host becomes a random digit, which spreads clients over hosts, and the path is
// that of a SockJS, /sockjs if there is none. A path that ends in /sockjs means one
// with the other schemes, too.
func parseURL(s string, header http.Header) (target, error) {
	fail := func(format string, args ...any) (target, error) {
		return target{}, &DialError{URL: shown(s), Err: fmt.Errorf("%w: %s", ErrURL, fmt.Sprintf(format, args...)),
			Hint: "give something like wss://example.com/websocket"}
	}
	trimmed := strings.TrimSpace(s)
	if trimmed == "" {
		return fail("it is empty")
	}
	scheme, rest, ok := strings.Cut(trimmed, "://")
	if !ok {
		if name, rest, _ := strings.Cut(trimmed, ":"); isScheme(name) && !beginsWithPort(rest) {
			return fail("two slashes are missing; did you mean %s://%s?", name, shown(strings.TrimLeft(rest, "/")))
		}
		scheme, rest = "ws", trimmed
	}
	t := target{header: header}
	switch strings.ToLower(scheme) {
	case "http", "ws":
		scheme = "ws"
	case "https", "wss":
		scheme = "wss"
	case "ddp+sockjs":
		scheme, rest, t.base = "wss", digits(rest), true
	case "ddpi+sockjs":
		scheme, rest, t.base = "ws", digits(rest), true
	default:
		return fail("scheme %q is none of http, https, ws, wss, ddp+sockjs, ddpi+sockjs", scheme)
	}
	trimmed = scheme + "://" + rest
	u, err := url.Parse(trimmed)
	if err != nil {
		if strings.Contains(rest, "@") { // what the error quotes may be a password
			return fail("it cannot be read; in names and passwords anything but letters and digits is written as %%40 and the like")
		}
		if e, ok := err.(*url.Error); ok {
			err = e.Err
		}
		return fail("%v", err)
	}
	if u.Hostname() == "" {
		return fail("it names no host")
	}
	t.path(u)
	u.Fragment, u.RawFragment = "", ""
	t.shown = u.Redacted()
	if u.User != nil {
		password, _ := u.User.Password()
		t.header = header.Clone()
		if t.header == nil {
			t.header = make(http.Header)
		}
		t.header.Set("Authorization", "Basic "+
			base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	t.url = u.String()
	return t, nil
}

func isScheme(s string) bool {
	return slices.Contains([]string{"http", "ws", "https", "wss", "ddp+sockjs", "ddpi+sockjs"}, strings.ToLower(s))
}

// beginsWithPort reports whether what stands behind the colon of a bare host is a port, and
// maybe a path.
func beginsWithPort(s string) bool {
	port, _, _ := strings.Cut(s, "/")
	_, err := strconv.ParseUint(port, 10, 16)
	return err == nil
}

// shown returns a URL, or what was given for one, without its password.
func shown(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.Redacted()
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	}
	at := strings.LastIndexByte(rest, '@')
	user, _, ok := strings.Cut(rest[:max(0, at)], ":")
	if !ok {
		return s
	}
	if scheme != "" {
		scheme += "://"
	}
	return scheme + user + ":xxxxx" + rest[at:]
}

// path finds out what is spoken at the path of u, and gives u one where it has none.
func (t *target) path(u *url.URL) {
	bare := u.Path == "" || u.Path == "/"
	path := strings.TrimSuffix(u.Path, "/")
	switch {
	case bare && t.base:
		u.Path = "/sockjs"
	case bare:
		u.Path = "/websocket"
	case wire.IsSockJS(path):
		t.sockjs, t.base = true, false
		return
	case strings.HasSuffix(path, "/websocket"):
		t.base = false
	case strings.HasSuffix(path, "/sockjs"):
		t.base = true
	}
	t.sockjs = t.base
	if t.base {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	}
}

// digits replaces the asterisks of the host with random digits.
func digits(rest string) string {
	host, _, _ := strings.Cut(rest, "/")
	b := []byte(host)
	for i, c := range b {
		if c == '*' {
			b[i] = byte('0' + rand.IntN(10))
		}
	}
	return string(b) + rest[len(host):]
}

// address returns the URL of the WebSocket.
func (t target) address() string {
	if !t.base {
		return t.url
	}
	bare, _, _ := strings.Cut(t.url, "?")
	return wire.SockJSPath(bare) + t.url[len(bare):]
}

// dial opens the transport. Every call opens another session of a SockJS.
func (t target) dial(ctx context.Context, opts Options) (Transport, error) {
	o := wire.DialOptions{
		Header:  t.header,
		TLS:     opts.TLS,
		Proxy:   opts.Proxy,
		NetDial: opts.NetDial,
		Limits:  wire.Limits{Message: opts.MaxMessage, ReadBuffer: opts.ReadBuffer, Deflate: opts.Deflate},
	}
	to := t.address()
	if t.sockjs {
		s, err := wire.DialSockJS(ctx, to, o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := wire.Dial(ctx, to, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}
