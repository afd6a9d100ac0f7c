package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/replicad/replicad/ddp/server"
)

// listen serves over HTTP, and returns the server's ws:// URL.
func listen(t *testing.T, srv *server.Server) string {
	t.Helper()
	h := httptest.NewServer(srv)
	t.Cleanup(h.Close)
	return "ws" + strings.TrimPrefix(h.URL, "http")
}

func dialWS(t *testing.T, url string, header http.Header) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(url, header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func say(t *testing.T, ws *websocket.Conn, frames ...string) {
	t.Helper()
	for _, f := range frames {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
}

func hear(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	_, frame, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(frame)
}

const connect = `{"msg":"connect","version":"1","support":["1"]}`

// TestWebSocket: a session over a real socket, end to end.
func TestWebSocket(t *testing.T) {
	srv := quiet()
	srv.TrustedProxies = 1
	srv.Authorize = func(r *http.Request) (string, error) {
		if r.Header.Get("Authorization") == "" {
			return "", errors.New("who are you?")
		}
		return r.Header.Get("Authorization"), nil
	}
	srv.Method("who", func(_ context.Context, c *server.Call) (any, error) {
		return c.UserID + " from " + c.Session().Addr() + " with " + c.Session().Header().Get("X-App"), nil
	})
	url := listen(t, srv)
	ws := dialWS(t, url, http.Header{"Authorization": {"ann"}, "X-Forwarded-For": {"6.6.6.6, 10.0.0.7"}, "X-App": {"tests"}})
	// A binary frame is no message; nor is what is said before connect.
	if err := ws.WriteMessage(websocket.BinaryMessage, []byte(connect)); err != nil {
		t.Fatal(err)
	}
	say(t, ws, connect, method("1", "who", ""))
	if m := hear(t, ws); !strings.Contains(m, `"connected"`) {
		t.Error(m)
	}
	if m := hear(t, ws); m != `{"msg":"updated","methods":["1"]}` {
		t.Error(m)
	}
	if m := hear(t, ws); !strings.Contains(m, `"result":"ann from 10.0.0.7 with tests"`) {
		t.Error(m)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	_, _, err := ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Error(err)
	}
}

// TestHTTPRefusals: what is no WebSocket, not authorized, from elsewhere or too
// late is told so in HTTP.
func TestHTTPRefusals(t *testing.T) {
	var log journal
	srv := quiet()
	srv.Logger = log.logger()
	srv.Authorize = func(r *http.Request) (string, error) {
		if r.Header.Get("X-Bad") != "" {
			return "", errors.New("secret reason")
		}
		return "", nil
	}
	url := listen(t, srv)
	said := ""
	try := func(header http.Header) int {
		t.Helper()
		ws, resp, err := websocket.DefaultDialer.Dial(url, header)
		if err == nil {
			ws.Close()
			return http.StatusSwitchingProtocols
		}
		if resp == nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if said = string(body); strings.Contains(said, "secret") {
			t.Errorf("told the client: %s", body)
		}
		return resp.StatusCode
	}
	if code := try(nil); code != http.StatusSwitchingProtocols {
		t.Errorf("no browser: %d", code)
	}
	if code := try(http.Header{"Origin": {"http" + strings.TrimPrefix(url, "ws")}}); code != http.StatusSwitchingProtocols {
		t.Errorf("a page of this host: %d", code)
	}
	if code := try(http.Header{"Origin": {"http://elsewhere.example"}}); code != http.StatusForbidden ||
		!strings.Contains(said, "pages of http://elsewhere.example may not connect") || !strings.Contains(log.String(), "see CheckOrigin") {
		t.Errorf("a page of another host: %d %s; logged %s", code, said, log.String())
	}
	if code := try(http.Header{"X-Bad": {"1"}}); code != http.StatusUnauthorized {
		t.Errorf("not authorized: %d", code)
	}
	resp, err := http.Get("http" + strings.TrimPrefix(url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "WebSocket only: connect with a DDP client") {
		t.Errorf("no WebSocket: %d %s", resp.StatusCode, body)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if code := try(nil); code != http.StatusServiceUnavailable {
		t.Errorf("after Shutdown: %d", code)
	}
}

// TestOversized: a message over the limit ends the session with code 1009, and
// what was asked before is answered.
func TestOversized(t *testing.T) {
	srv := quiet()
	log := make(lines, 10)
	srv.Logger = slog.New(slog.NewTextHandler(log, nil))
	srv.MaxMessage = 1000
	ended := make(chan error, 1)
	srv.OnConnect = func(s *server.Session) { s.OnClose(func() { ended <- context.Cause(s.Context()) }) }
	srv.Method("echo", func(_ context.Context, c *server.Call) (any, error) { return c.Params.At(0), nil })
	ws := dialWS(t, listen(t, srv), nil)
	say(t, ws, connect)
	hear(t, ws)
	say(t, ws, method("1", "echo", `"hello"`))
	hear(t, ws)
	hear(t, ws)
	say(t, ws, method("2", "echo", `"`+strings.Repeat("x", 1000)+`"`))
	_, _, err := ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Error(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "1000 bytes") {
		t.Errorf("ended with %v", err)
	}
	if line := <-log; !strings.Contains(line, "level=WARN") || !strings.Contains(line, "see MaxMessage") {
		t.Errorf("the log says %s", line)
	}
}

// lines is a log that can be waited for.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestForwarded holds line 8.
func TestForwarded(t *testing.T) {
	for _, tt := range []struct {
		proxies int
		header  []string
		want    string
	}{
		{0, nil, "(socket)"},
		{0, []string{"1.1.1.1"}, "(socket)"},
		{1, nil, ""},
		{1, []string{"1.1.1.1"}, "1.1.1.1"},
		{1, []string{"1.1.1.1, 2.2.2.2"}, "2.2.2.2"},
		{2, []string{"1.1.1.1, 2.2.2.2"}, "1.1.1.1"},
		{2, []string{"1.1.1.1", " 2.2.2.2 "}, "1.1.1.1"},
		{3, []string{"1.1.1.1, 2.2.2.2"}, ""},
	} {
		srv := quiet()
		srv.TrustedProxies = tt.proxies
		addr := make(chan string, 1)
		srv.OnConnect = func(s *server.Session) { addr <- s.Addr() }
		ws := dialWS(t, listen(t, srv), http.Header{"X-Forwarded-For": tt.header})
		say(t, ws, connect)
		want := tt.want
		if want == "(socket)" {
			want = ws.LocalAddr().String()
		}
		if got := <-addr; got != want {
			t.Errorf("%d proxies, %q: got %q, want %q", tt.proxies, tt.header, got, want)
		}
		ws.Close()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// byHeader names the user in the header.
func byHeader(r *http.Request) (string, error) { return r.Header.Get("User"), nil }
