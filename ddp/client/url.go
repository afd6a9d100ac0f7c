package client

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// target is where Dial goes.
type target struct {
	url    string      // ws or wss, no user
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
func parseURL(s string, header http.Header) (target, error) {
	fail := func(format string, args ...any) (target, error) {
		return target{}, &DialError{URL: s, Err: fmt.Errorf("%w: %s", ErrURL, fmt.Sprintf(format, args...)),
			Hint: "give something like wss://example.com/websocket"}
	}
	trimmed := strings.TrimSpace(s)
	if trimmed == "" {
		return fail("it is empty")
	}
	if !strings.Contains(trimmed, "://") {
		trimmed = "ws://" + trimmed
	}
	u, err := url.Parse(trimmed)
	if err != nil {
		if e, ok := err.(*url.Error); ok {
			err = e.Err
		}
		return fail("%v", err)
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return fail("scheme %q is none of http, https, ws, wss", u.Scheme)
	}
	if u.Hostname() == "" {
		return fail("it names no host")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/websocket"
	}
	u.Fragment, u.RawFragment = "", ""
	t := target{shown: u.Redacted(), header: header}
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
