package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// keeping is a server whose sessions outlive their connections.
func keeping() *server.Server {
	srv := quiet()
	srv.Grace = 0
	return srv
}

// session returns the id in a connected message.
func session(t testing.TB, frames []string) string {
	t.Helper()
	var m struct{ Msg, Session string }
	if len(frames) == 0 || json.Unmarshal([]byte(frames[0]), &m) != nil || m.Msg != "connected" || m.Session == "" {
		t.Fatalf("not connected: %q", frames)
	}
	return m.Session
}

func reconnect(session string, count int) string {
	return fmt.Sprintf(`{"msg":"connect","version":"1","support":["1"],"session":%q,"receivedCount":%d}`, session, count)
}

func connected(session string) string { return `{"msg":"connected","session":"` + session + `"}` }

// open connects for the first time.
func (p *peer) open() (id string) {
	p.t.Helper()
	p.send(connect)
	return session(p.t, p.take())
}

// refused connects with a session that is no more, and returns the new one.
func (p *peer) refused(id string, count int) string {
	p.t.Helper()
	p.send(reconnect(id, count))
	got := p.take()
	now := session(p.t, got)
	if now == id {
		p.t.Fatalf("taken up with a count of %d: %q", count, got)
	}
	return now
}

// finish ends all sessions.
func finish(t testing.TB, srv *server.Server) {
	t.Helper()
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func changed(n int) string {
	return fmt.Sprintf(`{"msg":"changed","collection":"c","id":"d","fields":{"n":%d}}`, n)
}

// TestResume holds lines 226 to 229, 232, 235 and 237: whatever the client lacks is
// sent again, and the count goes on.
func TestResume(t *testing.T) {
	for count := 1; count <= 5; count++ {
		t.Run(fmt.Sprint("received=", count), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				srv := keeping()
				var n notes
				srv.OnConnect = func(s *server.Session) { n.add("connect"); s.OnClose(func() { n.add("close") }) }
				k := keep(srv, "p")
				c := dial(t, srv)
				id := c.open()
				if len(id) != 43 {
					t.Errorf("an id of %d characters", len(id))
				}
				c.send(sub("s", "p"))
				synctest.Wait()
				p := <-k.got
				p.Added("c", must(`{"_id":"d","n":0}`))
				p.Changed("c", ejson.StringID("d"), must(`{"n":1}`), nil)
				p.Changed("c", ejson.StringID("d"), must(`{"n":2}`), nil)
				sent := c.take()
				if len(sent) != 4 {
					t.Fatalf("%q", sent)
				}
				if err := c.cut(); !errors.Is(err, wire.ErrCut) {
					t.Error(err)
				}
				if !p.Session().Away() || p.Session().Context().Err() != nil || len(collect(srv)) != 1 {
					t.Error("the session has not survived")
				}
				p.Changed("c", ejson.StringID("d"), must(`{"n":3}`), nil)
				for i := range 5 { // again and again, also before it heard of anything
					time.Sleep(50 * time.Second)
					c = dial(t, srv)
					c.send(reconnect(id, count), sub("s", "p"), `{"msg":"ping"}`)
					want := append([]string{connected(id)}, sent[count-1:]...)
					want = append(want, changed(3))
					got := c.take()
					pong := -1
					for i, m := range got {
						if m == `{"msg":"pong"}` {
							pong = i
						}
					}
					if pong < 0 {
						t.Fatalf("no pong in %q", got)
					}
					c.same(append(got[:pong:pong], got[pong+1:]...), want)
					if p.Session().Away() {
						t.Error("away")
					}
					if i < 4 {
						c.cut()
					}
				}
				// It has them all now, and goes on counting from what it said.
				count += 1 + len(sent[count-1:]) + 1
				sent = nil
				p.Changed("c", ejson.StringID("d"), must(`{"n":4}`), nil)
				c.expect(changed(4))
				c.cut()
				c = dial(t, srv)
				c.ask(reconnect(id, count), connected(id), changed(4))
				n.expect(t, "connect")
				// An announced end is final.
				c.ask(`{"msg":"disconnect"}`)
				<-c.done
				if c.ended != nil {
					t.Error(c.ended)
				}
				n.expect(t, "close")
				dial(t, srv).refused(id, count+2)
				finish(t, srv)
			})
		})
	}
}

// TestResumeRefused holds line 230, as far as it is not better to go on.
func TestResumeRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(*server.Server)
		lose  func(t *testing.T, srv *server.Server, c *peer, p *server.Publication)
		quote func(id string) string
	}{
		{name: "no count", quote: func(id string) string {
			return `{"msg":"connect","version":"1","support":["1"],"session":"` + id + `"}`
		}},
		{name: "a count from the future", quote: func(id string) string { return reconnect(id, 5) }},
		{name: "an absurd count", quote: func(id string) string { return reconnect(id, 1<<40) }},
		{name: "a negative count", quote: func(id string) string { return reconnect(id, -1) }},
		{name: "another secret", quote: func(id string) string { return reconnect(id[:42]+"!", 1) }},
		{name: "the public part", quote: func(id string) string { return reconnect(id[:17], 1) }},
		{name: "not a string", quote: func(string) string {
			return `{"msg":"connect","version":"1","support":["1"],"session":12345,"receivedCount":1}`
		}},
		{name: "too late", lose: func(*testing.T, *server.Server, *peer, *server.Publication) { time.Sleep(61 * time.Second) }},
		{name: "kicked while away", lose: func(t *testing.T, srv *server.Server, _ *peer, p *server.Publication) {
			p.Session().Close()
			synctest.Wait()
			if p.Session().Context().Err() == nil {
				t.Error("the session lives")
			}
			p.Added("c", must(`{"_id":"late"}`)) // line 236: no harm
			p.Ready()
			p.Stop(nil)
		}},
		{name: "too many messages", setup: func(srv *server.Server) { srv.MaxTailMessages = 10 },
			lose: func(_ *testing.T, _ *server.Server, _ *peer, p *server.Publication) {
				for i := range 11 {
					p.Added("c", must(fmt.Sprintf(`{"_id":"%d"}`, i)))
				}
			}},
		{name: "too many bytes", setup: func(srv *server.Server) { srv.MaxTail = 1000 },
			lose: func(_ *testing.T, _ *server.Server, _ *peer, p *server.Publication) {
				p.Added("c", must(`{"_id":"1","x":"`+strings.Repeat("x", 1000)+`"}`))
			}},
		{name: "never", setup: func(srv *server.Server) { srv.Grace = -1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				srv := keeping()
				if tt.setup != nil {
					tt.setup(srv)
				}
				k := keep(srv, "p")
				c := dial(t, srv)
				id := c.open()
				c.send(sub("s", "p"))
				synctest.Wait()
				p := <-k.got
				c.expect(`{"msg":"ready","subs":["s"]}`)
				c.cut()
				if tt.lose != nil {
					tt.lose(t, srv, c, p)
				}
				quote := reconnect(id, 1)
				if tt.quote != nil {
					quote = tt.quote(id)
				}
				c = dial(t, srv)
				c.send(quote)
				if now := session(t, c.take()); now == id {
					t.Error("taken up")
				}
				finish(t, srv)
			})
		})
	}
}

// TestClosedByTheServer: what the server ends, or ends for a fault, is not resumed.
func TestClosedByTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.Method("close", func(_ context.Context, c *server.Call) (any, error) { c.Session().Close(); return nil, nil })
		c := dial(t, srv)
		id := c.open()
		c.send(method("1", "close", ""))
		<-c.done
		c = dial(t, srv)
		id = c.refused(id, 3)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := client.Pipe(client.PipeOptions{})
		done := make(chan struct{})
		go func() { srv.Serve(ctx, b); close(done) }()
		second := &peer{t: t, end: a, done: done}
		second.wake()
		second.ask(reconnect(id, 1), connected(id))
		<-c.done
		cancel()
		<-done
		dial(t, srv).refused(id, 2)
		finish(t, srv)
	})
}

// TestTakeover: a socket that quotes the session has it, and the one before is let
// go; what that one still says is part of the conversation as far as it was read.
func TestTakeover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		g := new(gates).of("a")
		srv.Method("gate", g.method)
		first := dial(t, srv)
		id := first.open()
		first.send(method("1", "gate", `"a"`))
		g.expect(t, "begin a")
		var all []*peer
		for range 10 { // all at once: one of them has it in the end
			c := dial(t, srv)
			c.send(reconnect(id, 1), method("1", "gate", `"a"`))
			all = append(all, c)
		}
		synctest.Wait()
		<-first.done
		if first.ended != nil || first.closedWith() != wire.CodeDropped {
			t.Errorf("the first ended with %v, code %d", first.ended, first.closedWith())
		}
		if n := len(collect(srv)); n < 1 || n > 10 {
			t.Errorf("%d sessions", n)
		}
		close(g.open["a"])
		answers := 0
		for _, c := range all {
			got := c.take()
			if len(got) > 0 && session(t, got) == id && len(got) == 3 {
				c.same(got[1:], answer("1", `"a"`))
				answers++
			}
		}
		if answers != 1 {
			t.Errorf("%d sockets have the session", answers)
		}
		finish(t, srv)
	})
}

// TestResumeOfAnotherUser: a session belongs to the user whom Authorize named.
func TestResumeOfAnotherUser(t *testing.T) {
	srv := &server.Server{Logger: slog.New(slog.DiscardHandler)}
	srv.Authorize = byHeader
	url := listen(t, srv)
	ann := dialWS(t, url, map[string][]string{"User": {"ann"}})
	say(t, ann, connect)
	id := session(t, []string{hear(t, ann)})
	bob := dialWS(t, url, map[string][]string{"User": {"bob"}})
	say(t, bob, reconnect(id, 1))
	if session(t, []string{hear(t, bob)}) == id {
		t.Error("bob has ann's session")
	}
	ann.NetConn().Close()
	again := dialWS(t, url, map[string][]string{"User": {"ann"}})
	say(t, again, reconnect(id, 1))
	if session(t, []string{hear(t, again)}) != id {
		t.Error("ann has lost hers")
	}
	finish(t, srv)
}

// TestTakeoverUnderWay: while one connection waits to take a session over, a connect that
// cannot have it, having been long under way, does not end it.
func TestTakeoverUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		release := make(chan struct{})
		srv.WrapIncoming(func(next server.FrameFunc) server.FrameFunc {
			return func(s *server.Session, frame []byte) error {
				if strings.Contains(string(frame), "hold") {
					<-release
				}
				return next(s, frame)
			}
		})
		first := dial(t, srv)
		id := first.open()
		first.ask(`{"msg":"ping","id":"hold"}`) // is being read
		second := dial(t, srv)
		second.send(reconnect(id, 1))
		second.expect() // waits for what the first has been reading
		dial(t, srv).refused(id, 0)
		close(release)
		second.expect(connected(id))
		finish(t, srv)
	})
}
