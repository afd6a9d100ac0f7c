package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/replicad/replicad/ddp/server"
)

// TestConformanceSockJS plays the recording of the framing of SockJS: what the client
// sent, and the frames that came.
func TestConformanceSockJS(t *testing.T) {
	a := newApp(0)
	a.Heartbeat = -1
	ws := dialWS(t, listen(t, a.Server)+"/app/sockjs/123/abcdefgh/websocket", nil)
	session := regexp.MustCompile(`session\\":\\"[^"\\]*`)
	var want, got []string
	hearAll := func() {
		for range want {
			got = append(got, session.ReplaceAllString(hear(t, ws), "session"))
		}
		// A pong does not wait for the answers before it.
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("\n got %q\nwant %q", got, want)
		}
		got, want = nil, nil
	}
	for _, r := range read(t, "testdata/transcripts/sockjs-framing.jsonl") {
		switch {
		case r.Dir == "s>c":
			want = append(want, session.ReplaceAllString(*r.Raw, "session"))
		case r.Dir == "c>s":
			hearAll()
			say(t, ws, string(r.Msg))
		case r.Event == "close":
			hearAll()
			if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, r.Code) {
				t.Error(err)
			}
		}
	}
	finish(t, a.Server)
}

// TestPaths: what is served where.
func TestPaths(t *testing.T) {
	srv := quiet()
	srv.Authorize = byHeader
	srv.Method("m", func(context.Context, *server.Call) (any, error) { return 1, nil })
	url := listen(t, srv)
	for _, path := range []string{"", "/", "/websocket", "/websocket/", "/app/websocket", "/sockjs/websocket", "/sockjs/websocket/"} {
		ws := dialWS(t, url+path, nil)
		say(t, ws, connect)
		session(t, []string{hear(t, ws)})
	}
	for _, path := range []string{"/sockjs/1/x/websocket", "/sockjs/1/x/websocket/", "/a/b/sockjs/999/abc/websocket"} {
		ws := dialWS(t, url+path, nil)
		if m := hear(t, ws); m != "o" {
			t.Errorf("%s: opened with %s", path, m)
		}
		say(t, ws, `["`+strings.ReplaceAll(connect, `"`, `\"`)+`"]`)
		if m := hear(t, ws); !strings.HasPrefix(m, `a["{\"msg\":\"connected\"`) {
			t.Errorf("%s: %s", path, m)
		}
	}
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http" + strings.TrimPrefix(url, "ws") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	code, body := get("/sockjs/info")
	var info struct{ Websocket bool }
	if err := json.Unmarshal([]byte(body), &info); code != http.StatusOK || err != nil || !info.Websocket {
		t.Errorf("info: %d %s", code, body)
	}
	if code, body := get("/sockjs"); code != http.StatusOK || body != "Welcome to SockJS!\n" {
		t.Errorf("greeting: %d %s", code, body)
	}
	if code, _ := get("/sockjs/1/x/xhr"); code != http.StatusNotFound {
		t.Errorf("xhr: %d", code)
	}
	finish(t, srv)
}
