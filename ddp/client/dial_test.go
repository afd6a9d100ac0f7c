package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://example.com":                "ws://example.com/websocket",
		"https://example.com":               "wss://example.com/websocket",
		"https://example.com/":              "wss://example.com/websocket",
		"ws://example.com:3000":             "ws://example.com:3000/websocket",
		"wss://example.com/websocket":       "wss://example.com/websocket",
		"wss://example.com/websocket/":      "wss://example.com/websocket/",
		"HTTPS://example.com/app/websocket": "wss://example.com/app/websocket",
		"localhost:3000":                    "ws://localhost:3000/websocket",
		"example.com":                       "ws://example.com/websocket",
		"example.com/ddp":                   "ws://example.com/ddp",
		"127.0.0.1:7357":                    "ws://127.0.0.1:7357/websocket",
		"ws:3000":                           "ws://ws:3000/websocket", // a host can have any name
		"http:80/ddp":                       "ws://http:80/ddp",
		"[::1]:3000":                        "ws://[::1]:3000/websocket",
		" ws://h?x=1#frag ":                 "ws://h/websocket?x=1",
		"ws://user:pass@h/p":                "ws://h/p",
	} {
		got, err := parseURL(in, nil)
		if err != nil || got.url != want {
			t.Errorf("%q: %q, %v; want %q", in, got.url, err, want)
		}
		if strings.Contains(got.shown, "pass") {
			t.Errorf("%q shows the password: %q", in, got.shown)
		}
		if auth := got.header.Get("Authorization"); strings.Contains(in, "@") != (auth == "Basic dXNlcjpwYXNz") {
			t.Errorf("%q: authorization %q", in, auth)
		}
	}
	if err := CheckURL("WSS:/me:secret@h:80/x"); !strings.Contains(err.Error(), "did you mean WSS://me:xxxxx@h:80/x?") {
		t.Error(err)
	}
	for _, in := range []string{"", "  ", "ftp://h", "ddp+sockjs://", "http://", "ws://:80", "http://h:port", "http://[::1", "http://a b/",
		"ws:/127.0.0.1:3100", "wss:h", "http:///h", "https:h:80"} {
		err := CheckURL(in)
		var de *DialError
		if !errors.Is(err, ErrURL) || !errors.As(err, &de) || de.Hint == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// TestSockJSURLs: which URLs mean the framing of SockJS, and where they lead.
func TestSockJSURLs(t *testing.T) {
	const session = `/\d\d\d/[a-z0-5]{8}/websocket`
	for in, want := range map[string]string{
		"ddp+sockjs://h.com":                       "sockjs wss://h.com/sockjs" + session,
		"ddp+sockjs://h.com/":                      "sockjs wss://h.com/sockjs" + session,
		"ddpi+sockjs://h.com:3000/app/sockjs/":     "sockjs ws://h.com:3000/app/sockjs" + session,
		"DDP+SockJS://ddp--**-x.h.com/*":           "sockjs wss://ddp--\\d\\d-x.h.com/%2A" + session,
		"ddpi+sockjs://h/else?x=*":                 "sockjs ws://h/else" + session + "\\?x=\\*",
		"https://h.com/sockjs":                     "sockjs wss://h.com/sockjs" + session,
		"ws://h/sockjs/":                           "sockjs ws://h/sockjs" + session,
		"ws://h/app/sockjs/123/abc/websocket":      "sockjs ws://h/app/sockjs/123/abc/websocket",
		"ddpi+sockjs://h/sockjs/123/abc/websocket": "sockjs ws://h/sockjs/123/abc/websocket",
		"ddp+sockjs://h/sockjs/websocket":          "raw wss://h/sockjs/websocket",
		"wss://h/sockjs/websocket":                 "raw wss://h/sockjs/websocket",
		"h/websocket":                              "raw ws://h/websocket",
	} {
		target, err := parseURL(in, nil)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		to, framing := target.address(), "raw"
		if target.sockjs {
			framing = "sockjs"
		}
		if !regexp.MustCompile("^" + want + "$").MatchString(framing + " " + to) {
			t.Errorf("%q: %s %s, want %s", in, framing, to, want)
		}
		if again := target.address(); (again == to) == target.base {
			t.Errorf("%q: %s and again %s", in, to, again)
		}
	}
}

// TestVersions plays servers that want other versions.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		name     string
		opts     Options
		server   []string // what each connect is answered: a version that failed, or "ok"
		proposed string   // the versions that were proposed
		version  string   // what was agreed on; "" means ErrVersion
	}{
		{name: "first", server: []string{"ok"}, proposed: "[1]", version: "1"},
		{name: "old server", server: []string{"pre1", "ok"}, proposed: "[1 pre1]", version: "pre1"},
		{name: "last session's", opts: Options{Version: "pre2"}, server: []string{"ok"}, proposed: "[pre2]", version: "pre2"},
		{name: "unknown", server: []string{"2"}, proposed: "[1]"},
		{name: "what was proposed", server: []string{"1"}, proposed: "[1]"},
		{name: "never content", server: []string{"pre1", "pre2"}, proposed: "[1 pre1]"},
		{name: "only one", opts: Options{Versions: []string{"pre2"}}, server: []string{"1"}, proposed: "[pre2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var proposed []string
				dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
					frame, err := p.Read()
					m, err2 := ddp.Decode(frame)
					if err != nil || err2 != nil {
						t.Error(err, err2)
						return
					}
					proposed = append(proposed, m.(ddp.Connect).Version)
					answer := c.server[len(proposed)-1]
					if answer == "ok" {
						say(p, ddp.Connected{Session: "s"})
						untilEnd(p)
						return
					}
					say(p, ddp.Failed{Version: answer})
				})
				c.opts.Dial, c.opts.Logger = dial, silent
				conn, err := Dial(t.Context(), "pipe", c.opts)
				version := ""
				if err == nil {
					version = conn.Version()
					conn.Close()
				}
				wait()
				if version != c.version || errors.Is(err, ErrVersion) != (c.version == "") {
					t.Errorf("version %q, %v", version, err)
				}
				if fmt.Sprint(proposed) != c.proposed {
					t.Errorf("proposed %v", proposed)
				}
			})
		})
	}
}

func TestSessionIsQuoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
			if m, err := accept(p); err != nil || m.Session != "old" || m.ReceivedCount != 12 {
				t.Error(m, err)
			}
			untilEnd(p)
		})
		c, err := Dial(t.Context(), "pipe", Options{Dial: dial, Session: "old", ReceivedCount: 12})
		if err != nil || c.Session() != "session" {
			t.Fatal(err)
		}
		c.Close()
		wait()
	})
}

func TestHandshakeEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(p *PipeEnd)
		is     error
		says   string
		after  time.Duration
	}{
		{"mute", func(p *PipeEnd) { untilEnd(p) }, errHandshake, "no answer in time (10s); ", 10 * time.Second},
		{"accepts and drops", func(p *PipeEnd) { p.Close(wire.CodeDrop, "") }, nil, "dropped the connection before it said connected", 0},
		{"closes", func(p *PipeEnd) { p.Close(4000, "go away") }, nil, "4000 (unnamed code): go away", 0},
		{"cut", func(p *PipeEnd) { p.Cut() }, wire.ErrCut, "pipe cut", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				dial, wait := pipes(PipeOptions{}, c.server)
				_, err := Dial(t.Context(), "pipe", Options{Dial: dial})
				wait()
				var de *DialError
				if !errors.As(err, &de) || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
					t.Error(err)
				}
				if d := time.Since(start); d != c.after {
					t.Error("after", d)
				}
			})
		})
	}
}

// listen accepts TCP connections and gives each to handle.
func listen(t *testing.T, handle func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func page(code int, kind, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	})
}

func TestDialTLSWithBasicAuth(t *testing.T) {
	got := make(chan string, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got <- fmt.Sprint(r.URL.Path, " ", user, " ", password, " ", r.Header.Get("X-Extra"))
		s, err := wire.Upgrade(w, r, wire.UpgradeOptions{})
		if err != nil {
			return
		}
		defer s.Close(wire.CodeNormal, "")
		accept(s)
		say(s, ddp.Ready{Subs: []string{strings.Repeat("x", 100_000)}})
		untilEnd(s)
	}))
	defer srv.Close()
	url := strings.Replace(srv.URL, "https://", "https://me:secret@", 1)
	c, err := Dial(t.Context(), url, Options{
		TLS:    srv.Client().Transport.(*http.Transport).TLSClientConfig,
		Header: http.Header{"X-Extra": {"yes"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Ready()
	if m := c.Take(); len(m[0].(ddp.Ready).Subs[0]) != 100_000 {
		t.Error("the message is broken")
	}
	c.Close()
	if got := <-got; got != "/websocket me secret yes" {
		t.Error(got)
	}
}
