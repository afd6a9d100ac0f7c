package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// accept serves DDP endpoints whose transports are given to handle.
func accept(t testing.TB, opts UpgradeOptions, handle func(t Transport)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr, err := Accept(w, r, opts)
		if err != nil {
			return
		}
		defer tr.Close(CodeNormal, "")
		handle(tr)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func echoAll(t Transport) {
	for {
		frame, err := t.Read()
		if err != nil || t.Write(context.Background(), frame, false) != nil {
			return
		}
	}
}

func wsURL(srv *httptest.Server, path string) string {
	return "ws" + strings.TrimPrefix(srv.URL, "http") + path
}

// rawClient opens a WebSocket that knows nothing of SockJS.
func rawClient(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func dialSockJS(t testing.TB, srv *httptest.Server, opts DialOptions) *SockJS {
	t.Helper()
	s, err := DialSockJS(t.Context(), wsURL(srv, SockJSPath("/sockjs")), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(CodeNormal, "") })
	return s
}

// TestSockJSEcho sends text that needs escapes, of every size, both ways.
func TestSockJSEcho(t *testing.T) {
	srv := accept(t, UpgradeOptions{}, echoAll)
	s := dialSockJS(t, srv, DialOptions{})
	for _, text := range []string{"", `{"msg":"ping"}`, "a\"b\\c\n\t\x00\x1f é\u2028😀", strings.Repeat(`"\`, 50_000), strings.Repeat("x", 1<<20)} {
		if err := s.Write(t.Context(), []byte(text), false); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(); err != nil || string(got) != text {
			t.Fatalf("sent %.30q, got %.30q, %v", text, got, err)
		}
	}
}

// TestSockJSServerFrames: what clients send, and what the server makes of it.
func TestSockJSServerFrames(t *testing.T) {
	for _, c := range []struct {
		frame string
		want  []string // answers; nil: the session is closed as broken
	}{
		{`["a","b"]`, []string{`a["a"]`, `a["b"]`}},
		{` [ "a" , "b" ] `, []string{`a["a"]`, `a["b"]`}},
		{`"single"`, []string{`a["single"]`}},
		{`[]`, []string{}},
		{``, []string{}},
		{`["\ud83d\ude00 \ud83d \u00e9\/\b"]`, []string{`a["😀 \\ud83d é/\u0008"]`}},
		{`["a`, nil},
		{`["a",]`, nil},
		{`["a"]x`, nil},
		{`[1]`, nil},
		{`{}`, nil},
		{`["\q"]`, nil},
		{"[\"\n\"]", nil},
		{`["\u12"]`, nil},
	} {
		srv := accept(t, UpgradeOptions{}, echoAll)
		ws := rawClient(t, wsURL(srv, "/app/sockjs/000/x/websocket/"))
		read := func(want string) {
			t.Helper()
			if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
				t.Fatalf("%s: got %s, %v, want %s", c.frame, got, err, want)
			}
		}
		read("o")
		ws.WriteMessage(websocket.TextMessage, []byte(c.frame))
		ws.WriteMessage(websocket.TextMessage, []byte(`["end"]`))
		if c.want == nil {
			read(`c[1002,"Broken framing."]`)
			if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, CodeBroken) {
				t.Fatal(err)
			}
			continue
		}
		for _, want := range append(c.want, `a["end"]`) {
			read(want)
		}
	}
}

// TestSockJSClientFrames: what servers send, and what the client makes of it.
func TestSockJSClientFrames(t *testing.T) {
	for _, c := range []struct{ frame, want string }{
		{`a["1","2"]`, "1 2 end"},
		{`a[]`, "end"},
		{`h`, "end"},
		{`o`, "end"},
		{``, "end"},
		{`m"1"`, "1 end"},
		{`a["1",2]`, `a["1",2] end`}, // as it came, for the log
		{`hello`, `hello end`},
		{`c`, `c end`},
		{`c{}`, `c{} end`},
		{`c[3000,"Go away!"]`, "wire: closed by the other side: 3000 (unnamed code): Go away!"},
		{`c[1001]`, "wire: closed by the other side: 1001 (going away)"},
	} {
		url := serve(t, UpgradeOptions{}, func(s *Socket) {
			s.Write(context.Background(), []byte("o"), false)
			s.Write(context.Background(), []byte(c.frame), false)
			s.Write(context.Background(), []byte(`a["end"]`), false)
			s.Read()
		})
		s, err := DialSockJS(t.Context(), url, DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			frame, err := s.Read()
			if err != nil {
				got = append(got, err.Error())
				break
			}
			if got = append(got, string(frame)); string(frame) == "end" {
				break
			}
		}
		s.Close(CodeNormal, "")
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %s", c.frame, got, c.want)
		}
		if _, err := s.Read(); err == nil {
			t.Error("read after Close")
		}
	}
}

func TestSockJSPulse(t *testing.T) {
	srv := accept(t, UpgradeOptions{Pulse: time.Millisecond}, echoAll)
	ws := rawClient(t, wsURL(srv, "/sockjs/1/1/websocket"))
	for _, want := range []string{"o", "h", "h", "h"} {
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
			t.Fatalf("%s, %v", got, err)
		}
	}
}

// TestSockJSTooBig: the limit is that of a message, not of the frame around it.
func TestSockJSTooBig(t *testing.T) {
	limits := Limits{Message: 1000}
	for _, c := range []struct {
		frame string
		fits  bool
	}{
		{`["` + strings.Repeat(`\"`, 1000) + `"]`, true},
		{`["` + strings.Repeat(`x`, 1001) + `"]`, false},
		{`["` + strings.Repeat(`x`, 9999) + `"]`, false},
	} {
		ended := make(chan error, 1)
		srv := accept(t, UpgradeOptions{Limits: limits}, func(tr Transport) {
			_, err := tr.Read()
			ended <- err
		})
		ws := rawClient(t, wsURL(srv, SockJSPath("/sockjs")))
		ws.WriteMessage(websocket.TextMessage, []byte(c.frame))
		var big *TooBigError
		if err := <-ended; errors.As(err, &big) == c.fits || !c.fits && big.Limit != 1000 {
			t.Error(err)
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				if websocket.IsCloseError(err, CodeTooBig) == c.fits {
					t.Error(err)
				}
				break
			}
		}
	}
}

// TestSockJSClose: a full queue does not keep the farewell back, in either direction,
// and what was queued arrives first.
func TestSockJSClose(t *testing.T) {
	const n = 1000
	srv := accept(t, UpgradeOptions{}, func(tr Transport) {
		for range n {
			tr.Write(context.Background(), []byte("frame"), false)
		}
		tr.Close(4001, `kicked "hard"`)
	})
	s := dialSockJS(t, srv, DialOptions{})
	for i := range n {
		if frame, err := s.Read(); err != nil || string(frame) != "frame" {
			t.Fatal(i, string(frame), err)
		}
	}
	var closed *CloseError
	if _, err := s.Read(); !errors.As(err, &closed) || *closed != (CloseError{4001, `kicked "hard"`}) {
		t.Fatal(err)
	}
	s.Close(CodeNormal, "")
	if err := s.Write(t.Context(), []byte("x"), false); err == nil {
		t.Error("write after the end succeeded")
	}

	ended := make(chan error, 1)
	srv = accept(t, UpgradeOptions{}, func(tr Transport) {
		for i := range n {
			if _, err := tr.Read(); err != nil {
				t.Error(i, err)
			}
		}
		_, err := tr.Read()
		ended <- err
	})
	s = dialSockJS(t, srv, DialOptions{})
	for range n {
		s.Write(t.Context(), []byte("frame"), false)
	}
	s.Close(CodeNormal, "bye")
	if _, err := s.Read(); err != ErrClosed {
		t.Error(err)
	}
	if err := <-ended; !errors.As(err, &closed) || *closed != (CloseError{CodeNormal, "bye"}) {
		t.Error(err)
	}
	// At once, without a farewell.
	srv = accept(t, UpgradeOptions{}, func(tr Transport) {
		tr.Write(context.Background(), []byte("x"), false)
		tr.Read()
		tr.Close(CodeDrop, "")
	})
	s = dialSockJS(t, srv, DialOptions{})
	s.Read()
	s.Close(CodeDrop, "")
}

func TestAcceptPaths(t *testing.T) {
	srv := accept(t, UpgradeOptions{}, echoAll)
	for _, path := range []string{"/websocket", "/websocket/", "/", "/app/websocket", "/sockjs/websocket", "/app/sockjs/websocket"} {
		ws := rawClient(t, wsURL(srv, path))
		ws.WriteMessage(websocket.TextMessage, []byte(`["raw"]`))
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != `["raw"]` {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
	for _, c := range []struct {
		method, path, origin string
		status               int
		body, header         string
	}{
		{"GET", "/sockjs/info", "", 200, `{"websocket":true,"origins":\["\*:\*"\],"cookie_needed":false,"entropy":\d+}`, "*"},
		{"GET", "/sockjs/info?cb=x1", "http://page", 200, `{.*}`, "http://page"},
		{"OPTIONS", "/app/sockjs/info", "http://page", 204, ``, "http://page"},
		{"POST", "/sockjs/info", "", 405, "wants GET\n", "*"},
		{"GET", "/sockjs", "", 200, "Welcome to SockJS!\n", ""},
		{"GET", "/sockjs/", "", 200, "Welcome to SockJS!\n", ""},
		{"POST", "/sockjs/123/abc/xhr", "", 404, "404 page not found\n", ""},
		{"GET", "/sockjs/1.2/abc/websocket", "", 404, "404 page not found\n", ""},
		{"GET", "/sockjs/x", "", 404, "404 page not found\n", ""},
		{"GET", "/websocket", "", 400, "here is a DDP server, .*\n", ""},
		{"GET", "/sockjs/1/2/websocket", "", 400, "here is a DDP server, .*\n", ""},
	} {
		req, _ := http.NewRequest(c.method, srv.URL+c.path, nil)
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
			req.Header.Set("Access-Control-Request-Headers", "x-extra")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !regexp.MustCompile("^"+c.body+"$").Match(body) ||
			resp.Header.Get("Access-Control-Allow-Origin") != c.header {
			t.Errorf("%s %s: %s %q %v", c.method, c.path, resp.Status, body, resp.Header)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
