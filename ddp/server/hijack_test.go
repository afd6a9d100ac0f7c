package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// echo is what is spoken after a Hijack: it repeats frames until "bye".
func echo(ctx context.Context, t server.Transport) error {
	for {
		frame, err := t.Read()
		if err != nil {
			return err
		}
		if string(frame) == "bye" {
			return errors.New("said bye")
		}
		if err := t.Write(ctx, append([]byte("echo "), frame...), false); err != nil {
			return err
		}
	}
}

// hijacking is a server whose method raw hands the connection over.
func hijacking(fn func(context.Context, server.Transport) error) *server.Server {
	srv := keeping()
	srv.Method("raw", func(_ context.Context, c *server.Call) (any, error) {
		if err := c.Session().Hijack(fn); err != nil {
			return nil, err
		}
		if err := c.Session().Hijack(fn); !errors.Is(err, server.ErrNoConnection) {
			return nil, errors.New("twice")
		}
		return "go on", nil
	})
	return srv
}

// TestHijack: a method takes the connection over; the client hears the answer first, and
// the session is no more.
func TestHijack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := hijacking(echo)
		k := keep(srv, "p")
		p := dial(t, srv).connect()
		p.send(sub("s", "p"))
		p.take()
		ended := false
		(<-k.got).Session().OnClose(func() { ended = true })
		p.ask(method("1", "raw", ""), answer("1", `"go on"`)...)
		for range 3 {
			p.send("a", "b")
			if got := strings.Join(p.take(), ","); got != "echo a,echo b" {
				t.Fatal(got)
			}
		}
		if n := len(collect(srv)); n != 0 || !ended {
			t.Errorf("%d sessions", n)
		}
		p.send("bye")
		<-p.done
		if p.ended == nil || p.ended.Error() != "said bye" || p.closedWith() != wire.CodeNormal {
			t.Error(p.ended, p.closedWith())
		}
		finish(t, srv)
	})
}

// TestHijackEnds: the connection is lost, the server is shut down, the taker panics, or
// nobody is there.
func TestHijackEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := hijacking(echo)
		p := dial(t, srv).connect()
		p.ask(method("1", "raw", ""), answer("1", `"go on"`)...)
		p.end.Write(t.Context(), []byte("x"), false)
		if err := p.cut(); !errors.Is(err, wire.ErrCut) {
			t.Error("lost:", err)
		}
		p = dial(t, srv).connect()
		p.ask(method("1", "raw", ""), answer("1", `"go on"`)...)
		finish(t, srv) // waits
		if <-p.done; !errors.Is(p.ended, server.ErrShutdown) || p.closedWith() != wire.CodeAway {
			t.Error("shut down:", p.ended, p.closedWith())
		}

		// A call that has not been answered yet is, before the taker is told to go.
		srv = hijacking(echo)
		gate := make(chan struct{})
		srv.Method("slow", func(_ context.Context, c *server.Call) (any, error) {
			c.Unblock()
			<-gate
			return "done", nil
		})
		p = dial(t, srv).connect()
		p.send(method("0", "slow", ""))
		p.ask(method("1", "raw", ""), answer("1", `"go on"`)...)
		down := make(chan error, 1)
		go func() { down <- srv.Shutdown(context.Background()) }()
		p.expect()
		close(gate)
		p.expect(answer("0", `"done"`)...)
		if <-p.done; !errors.Is(p.ended, server.ErrShutdown) || <-down != nil {
			t.Error("shut down:", p.ended)
		}

		srv = hijacking(func(context.Context, server.Transport) error { panic("boom") })
		p = dial(t, srv).connect()
		p.ask(method("1", "raw", ""), answer("1", `"go on"`)...)
		if <-p.done; p.ended == nil || !strings.Contains(p.ended.Error(), "boom") {
			t.Error("panic:", p.ended)
		}
		var s *server.Session
		srv.OnConnect = func(session *server.Session) { s = session }
		p = dial(t, srv).connect()
		p.cut()
		if err := s.Hijack(echo); !errors.Is(err, server.ErrNoConnection) {
			t.Error("away:", err)
		}
		finish(t, srv)
	})
}

// counting is a transport of the owner's around another one.
type counting struct {
	server.Transport
	frames int
}

func (c *counting) Read() ([]byte, error) {
	c.frames++
	return c.Transport.Read()
}

// TestUpgrade: the owner of a server takes connections over himself, behind a wrapper of
// the response as middleware puts there, and has them served through a transport of
// his own.
func TestUpgrade(t *testing.T) {
	srv := quiet()
	srv.Authorize = func(r *http.Request) (string, error) {
		if r.URL.Query().Get("who") == "" {
			return "", errors.New("nobody")
		}
		return r.URL.Query().Get("who"), nil
	}
	srv.Method("who", func(_ context.Context, c *server.Call) (any, error) {
		return c.UserID + " of " + c.Session().Header().Get("X-Team"), nil
	})
	frames := make(chan int, 1)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, peer, err := srv.Upgrade(wrapping{w}, r)
		if err != nil {
			return
		}
		c := &counting{Transport: conn}
		peer.UserID = strings.ToUpper(peer.UserID)
		if err := srv.ServePeer(r.Context(), c, peer); err != nil {
			t.Error(err)
		}
		frames <- c.frames
	}))
	defer h.Close()
	url := "ws" + strings.TrimPrefix(h.URL, "http")
	if _, resp, _ := websocket.DefaultDialer.Dial(url, nil); resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Error("let in:", resp)
	}
	ws := dialWS(t, url+"/websocket?who=ann", http.Header{"X-Team": {"red"}})
	say(t, ws, connect, method("1", "who", ""))
	for _, want := range []string{`"connected"`, `"updated"`, `"ANN of red"`} {
		if got := hear(t, ws); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
	if n := <-frames; n != 3 {
		t.Errorf("%d reads", n)
	}
	finish(t, srv)
	if _, resp, _ := websocket.DefaultDialer.Dial(url+"?who=ann", nil); resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Error("let in:", resp)
	}
}

// wrapping is a response as middleware makes it: it can be hijacked only by way of Unwrap.
type wrapping struct{ w http.ResponseWriter }

func (w wrapping) Header() http.Header         { return w.w.Header() }
func (w wrapping) Write(b []byte) (int, error) { return w.w.Write(b) }
func (w wrapping) WriteHeader(code int)        { w.w.WriteHeader(code) }
func (w wrapping) Unwrap() http.ResponseWriter { return w.w }
