package main

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// badLink passes the messages of WebSockets on to a server, and treats them badly: it
// cuts connections, in the midst of a frame too, holds messages back, and sends calls
// twice.
type badLink struct {
	addr string
	web  *httptest.Server
	wg   sync.WaitGroup

	mu     sync.Mutex // guards the rest
	rng    *rand.Rand
	target string // HOST:PORT of the server; "": nobody is let through
	slow   time.Duration
	twice  float64 // the share of calls that are sent twice
	conns  map[*websocket.Conn]struct{}
}

func newBadLink(t *testing.T, rng *rand.Rand) *badLink {
	l := &badLink{rng: rng, conns: map[*websocket.Conn]struct{}{}}
	l.web = httptest.NewServer(http.HandlerFunc(l.serve))
	l.addr = l.web.Listener.Addr().String()
	t.Cleanup(func() {
		l.cut()
		l.web.Close()
		l.wg.Wait()
	})
	return l
}

// point lets clients through to a server.
func (l *badLink) point(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = target
}

// temper sets how long messages are held back at most, and which share of calls is sent
// twice.
func (l *badLink) temper(slow time.Duration, twice float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow, l.twice = slow, twice
}

// cut ends every connection, half of them in the midst of a frame. New ones are let
// through.
func (l *badLink) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if l.rng.IntN(2) == 0 {
			_, _ = c.UnderlyingConn().Write([]byte{0x81, 0x7e, 0x01})
		}
		_ = c.UnderlyingConn().Close()
	}
	clear(l.conns)
}

func (l *badLink) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	target := l.target
	l.mu.Unlock()
	if target == "" {
		http.Error(w, "nobody is there", http.StatusBadGateway)
		return
	}
	far, _, err := websocket.DefaultDialer.DialContext(r.Context(), "ws://"+target+"/websocket", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		far.Close()
		return
	}
	l.mu.Lock()
	l.conns[near], l.conns[far] = struct{}{}, struct{}{}
	l.mu.Unlock()
	l.wg.Go(func() { l.pump(far, near, true) })
	l.wg.Go(func() { l.pump(near, far, false) })
}

// pump passes messages on, in order.
func (l *badLink) pump(to, from *websocket.Conn, calls bool) {
	defer func() {
		_ = to.UnderlyingConn().Close()
		l.mu.Lock()
		delete(l.conns, to)
		l.mu.Unlock()
	}()
	for {
		kind, text, err := from.ReadMessage()
		if err != nil {
			return
		}
		l.mu.Lock()
		var wait time.Duration
		if l.slow > 0 && l.rng.IntN(8) == 0 {
			wait = time.Duration(l.rng.Int64N(int64(l.slow)))
		}
		again := calls && bytes.HasPrefix(text, []byte(`{"msg":"method"`)) && l.rng.Float64() < l.twice
		l.mu.Unlock()
		if wait > 0 {
			<-time.After(wait)
		}
		if to.WriteMessage(kind, text) != nil {
			return
		}
		if again && to.WriteMessage(kind, text) != nil {
			return
		}
	}
}

// TestBadLink holds the link to what it is for: a call that it sends twice arrives twice.
func TestBadLink(t *testing.T) {
	srv := startServe(t, "--collection", "docs", "--allow-writes")
	l := newBadLink(t, rand.New(rand.NewPCG(1, 1)))
	l.point(srv.addr)
	l.temper(0, 1)
	// A number is no id for ever, so that the server makes the call as often as it is new:
	// in one session it is the same call.
	if got := ok(t, "", "call", "/docs/insert", `{"_id":"a"}`, "--url", "ws://"+l.addr); strings.TrimSpace(got) != `"a"` {
		t.Fatalf("through the link: %q", got)
	}
	l.point("")
	refused(t, exitFailed, "502", "call", "/docs/insert", `{"_id":"b"}`, "--url", "ws://"+l.addr)
}
