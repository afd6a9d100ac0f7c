package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a client that sends and reads raw frames. It reads on its own goroutine
// from the start, unless it is told to sleep.
type peer struct {
	t     testing.TB
	end   *client.PipeEnd
	ended error         // what Serve returned
	done  chan struct{} // closed when it has

	mu  sync.Mutex // guards the next two
	got []string
	err error
}

// dial opens a session on a pipe, in a synctest bubble.
func dial(t testing.TB, srv *server.Server) *peer {
	p := dialAsleep(t, srv, client.PipeOptions{})
	p.wake()
	return p
}

// dialAsleep is dial without the reading.
func dialAsleep(t testing.TB, srv *server.Server, opts client.PipeOptions) *peer {
	a, b := client.Pipe(opts)
	p := &peer{t: t, end: a, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.ended = srv.Serve(t.Context(), b)
	}()
	t.Cleanup(p.close)
	return p
}

// wake begins to read.
func (p *peer) wake() {
	go func() {
		for {
			frame, err := p.end.Read()
			p.mu.Lock()
			if err != nil {
				p.err = err
				p.mu.Unlock()
				return
			}
			p.got = append(p.got, string(frame))
			p.mu.Unlock()
		}
	}()
}

// connect does the handshake.
func (p *peer) connect() *peer {
	p.t.Helper()
	p.send(`{"msg":"connect","version":"1","support":["1"]}`)
	if got := p.take(); len(got) == 0 || !strings.HasPrefix(got[0], `{"msg":"connected"`) {
		p.t.Fatalf("not connected: %q", got)
	}
	return p
}

func (p *peer) send(frames ...string) {
	p.t.Helper()
	for _, f := range frames {
		if err := p.end.Write(p.t.Context(), []byte(f), false); err != nil {
			p.t.Fatalf("%s: %v", f, err)
		}
	}
}

// take returns what has come, once nobody has anything to do any more.
func (p *peer) take() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

// expect checks what has come, frame by frame, whatever the order of keys.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	p.same(p.take(), want)
}

func (p *peer) same(got, want []string) {
	p.t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w any
		if i < len(got) {
			json.Unmarshal([]byte(got[i]), &g)
		}
		if i < len(want) {
			if err := json.Unmarshal([]byte(want[i]), &w); err != nil {
				p.t.Fatalf("%s: %v", want[i], err)
			}
		}
		if !reflect.DeepEqual(g, w) {
			p.t.Fatalf("message %d:\n got %s\nwant %s", i, strings.Join(got[min(i, len(got)):], "\n     "), strings.Join(want[min(i, len(want)):], "\n     "))
		}
	}
}

// ask sends frames and checks what comes of it.
func (p *peer) ask(frame string, want ...string) {
	p.t.Helper()
	p.send(frame)
	p.expect(want...)
}

// cut ends the connection without a word, and returns what Serve did.
func (p *peer) cut() error {
	p.end.Cut()
	<-p.done
	return p.ended
}

func (p *peer) close() {
	p.end.Close(wire.CodeNormal, "")
	<-p.done
}

// closedWith returns the close code that the server sent, 0 if none.
func (p *peer) closedWith() int {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var e *wire.CloseError
	if errors.As(p.err, &e) {
		return e.Code
	}
	return 0
}

// journal keeps what is logged.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// quiet is a server that logs nowhere, does not ping, and whose sessions end with
// their connections.
func quiet() *server.Server {
	return &server.Server{Logger: slog.New(slog.DiscardHandler), Heartbeat: -1, Grace: -1}
}

// notes is a list of things that happened, in order.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, s)
}

func (n *notes) expect(t testing.TB, want ...string) {
	t.Helper()
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.list, want) {
		t.Fatalf("got %q, want %q", n.list, want)
	}
	n.list = nil
}

const internalError = `{"isClientSafe":true,"error":500,"reason":"Internal server error","message":"Internal server error [500]","errorType":"Meteor.Error"}`

// bubble runs a test in a synctest bubble.
func bubble(t *testing.T, fn func(t *testing.T)) { synctest.Test(t, fn) }
