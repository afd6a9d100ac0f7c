package server_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// TestWrapHandlers: what was wrapped first is outermost, and may let the rest run or not.
func TestWrapHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		var n notes
		for _, who := range []string{"outer", "inner"} {
			srv.WrapMethods(func(next server.MethodFunc) server.MethodFunc {
				return func(ctx context.Context, c *server.Call) (any, error) {
					if c.Name() == "secret" && c.UserID == "" {
						return nil, errors.New("no")
					}
					n.add(who + " before " + c.Name())
					defer n.add(who + " after")
					return next(ctx, c)
				}
			})
			srv.WrapPublications(func(next server.PublishFunc) server.PublishFunc {
				return func(ctx context.Context, p *server.Publication) error {
					n.add(who + " publication " + p.Name())
					return next(ctx, p)
				}
			})
		}
		srv.Method("m", func(ctx context.Context, c *server.Call) (any, error) {
			n.add("m")
			if c.Params.Len() > 0 {
				c.Call(ctx, "secret")
				return c.Call(ctx, "m")
			}
			return 1, nil
		})
		srv.Method("secret", func(context.Context, *server.Call) (any, error) { n.add("secret"); return nil, nil })
		srv.Publish("", func(context.Context, *server.Publication) error { return nil })
		srv.Publish("p", func(context.Context, *server.Publication) error { n.add("p"); return nil })
		c := dial(t, srv).connect()
		n.expect(t, "outer publication ", "inner publication ")
		c.ask(method("1", "m", "1"), answer("1", "1")...)
		n.expect(t, "outer before m", "inner before m", "m", "outer before m", "inner before m", "m",
			"inner after", "outer after", "inner after", "outer after")
		c.ask(method("2", "secret", ""), failure("2", internalError)...)
		n.expect(t)
		c.ask(sub("s", "p"), `{"msg":"ready","subs":["s"]}`)
		n.expect(t, "outer publication p", "inner publication p", "p")
	})
}

// TestWrapFrames: frames can be watched, replaced and dropped on their way, and a client
// that comes back still counts right.
func TestWrapFrames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.WrapIncoming(func(next server.FrameFunc) server.FrameFunc {
			return func(s *server.Session, frame []byte) error {
				switch {
				case bytes.Contains(frame, []byte("drop in")):
					return nil
				case bytes.Contains(frame, []byte("twice")):
					next(s, []byte(`{"msg":"ping","id":"first"}`))
				case bytes.Contains(frame, []byte("kick")):
					return errors.New("kicked")
				}
				return next(s, bytes.ReplaceAll(frame, []byte("wrong"), []byte("right")))
			}
		})
		srv.WrapOutgoing(func(next server.FrameFunc) server.FrameFunc {
			return func(s *server.Session, frame []byte) error {
				if bytes.Contains(frame, []byte("drop out")) {
					return nil
				}
				next(s, bytes.ReplaceAll(frame, []byte("red"), []byte("green")))
				return next(s, frame) // once is enough
			}
		})
		srv.Method("echo", func(_ context.Context, c *server.Call) (any, error) { return c.Params.At(0), nil })
		k := keep(srv, "p")
		c := dial(t, srv)
		id := c.open()
		c.ask(`{"msg":"ping","id":"drop in"}`)
		c.ask(`{"msg":"ping","id":"twice"}`, `{"msg":"pong","id":"first"}`, `{"msg":"pong","id":"twice"}`)
		c.ask(method("1", "echo", `"wrong red"`), answer("1", `"right green"`)...)
		c.ask(sub("s", "p"), `{"msg":"ready","subs":["s"]}`)
		p := <-k.got
		const nothing = `{"msg":"ready","subs":[]}`
		p.Added("c", must(`{"_id":"1","x":"drop out"}`))
		c.expect(nothing)
		c.cut()
		p.Added("c", must(`{"_id":"2","x":"red"}`))
		c = dial(t, srv)
		c.ask(reconnect(id, 3), connected(id), `{"msg":"ready","subs":["s"]}`, nothing,
			`{"msg":"added","collection":"c","id":"2","fields":{"x":"green"}}`)
		c.ask(`{"msg":"ping","id":"kick"}`)
		<-c.done
		if c.ended == nil || c.ended.Error() != "kicked" {
			t.Error(c.ended)
		}
		dial(t, srv).refused(id, 7)
		finish(t, srv)
	})
}

// TestTap: every frame is shown, and nothing that must not be.
func TestTap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		var mu sync.Mutex
		var seen []string
		srv.Tap = func(s server.Sighting) {
			mu.Lock()
			defer mu.Unlock()
			dir := "<"
			if s.Out {
				dir = ">"
			}
			if (s.Session == nil) != (len(seen) < 3) {
				t.Errorf("frame %d: session %v", len(seen), s.Session)
			}
			seen = append(seen, dir+string(s.Frame))
		}
		srv.Method("login", func(context.Context, *server.Call) (any, error) {
			return ejson.Make().With("id", "u").With("token", "hush"), nil
		})
		c := dial(t, srv)
		c.ask("bogus", `{"msg":"error","reason":"Bad request"}`)
		id := c.open()
		c.send(method("1", "login", `{"password":{"digest":"hush"}},{"resume":"hush"}`), `{"msg":"ping"}`)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		all := strings.Join(seen, "\n")
		if strings.Contains(all, "hush") || strings.Contains(all, id) {
			t.Errorf("secrets are seen:\n%s", all)
		}
		for _, want := range []string{"<bogus", `>{"msg":"error"`, `<{"msg":"connect"`, `>{"msg":"connected"`,
			`<{"msg":"method"`, `<{"msg":"ping"`, `>{"msg":"pong"`, `>{"msg":"updated"`, `>{"msg":"result"`} {
			if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("no %s in\n%s", want, all)
			}
		}
	})
}

// TestStats: the figures are those of what was done.
func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		gate := make(chan struct{})
		srv.Method("m", func(context.Context, *server.Call) (any, error) { <-gate; return 1, nil })
		k := keep(srv, "p")
		c := dial(t, srv)
		stranger := dial(t, srv)
		id := c.open()
		c.send(sub("s", "p"), method("1", "m", ""), method("2", "m", ""))
		c.take()
		p := <-k.got
		p.Added("c", must(`{"_id":"1"}`))
		c.take()
		want := func(got, want any) {
			t.Helper()
			if got != want {
				t.Errorf("\n got %#v\nwant %#v", got, want)
			}
		}
		s := p.Session().Stats()
		kept := int64(len(`{"msg":"ready","subs":["s"]}`) + len(`{"msg":"added","collection":"c","id":"1","fields":{}}`))
		in := len(sub("s", "p")) + 2*len(method("1", "m", ""))
		want(s, server.SessionStats{Began: s.Began, Connections: 1, Subscriptions: 1, Calls: 2, Made: 1, Subscribed: 1, Kept: kept,
			In: server.Traffic{Frames: 3, Bytes: uint64(in)}, Out: server.Traffic{Frames: 3, Bytes: uint64(kept) + uint64(len(connected(id)))}})
		if got, want := s.String(), "here, connection 1, 1 subscriptions (1 begun), 2 calls (1 made), in 3 frames (145 B), out 3 frames (156 B), 0 B queued, 81 B kept"; got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		p.Session().ResetStats()
		if s := p.Session().Stats(); s.In != (server.Traffic{}) || s.Out != s.In || s.Made+s.Subscribed != 0 || s.Subscriptions != 1 || s.Calls != 2 {
			t.Errorf("after a reset: %v", s)
		}
		c.cut()
		p.Added("c", must(`{"_id":"2"}`))
		g := srv.Stats()
		want(g, server.Stats{Connections: 1, Sessions: 1, Away: 1, Subscriptions: 1, Calls: 2, Made: 1, Subscribed: 1, Opened: 1,
			Kept: kept, Queued: int64(len(`{"msg":"added","collection":"c","id":"2","fields":{}}`)), In: s.In, Out: s.Out})
		close(gate)
		synctest.Wait()
		c = dial(t, srv)
		c.send(reconnect(id, 1))
		c.take()
		c.send(`{"msg":"disconnect"}`)
		<-c.done
		stranger.close()
		g = srv.Stats()
		want(g, server.Stats{Opened: 1, Resumed: 1, Made: 2, Subscribed: 1, In: g.In, Out: g.Out})
		if g.In.Frames != 4 || g.Out.Frames < 10 {
			t.Errorf("%v", g)
		}
		srv.ResetStats()
		if g := srv.Stats(); g != (server.Stats{}) {
			t.Errorf("after a reset: %v", g)
		}
		dial(t, srv).open()
		const want1 = "1 connections, 1 sessions (0 away, 1 opened, 0 resumed, 0 slow), 0 subscriptions (0 begun), 0 calls (0 made, 0 recalled), 0 refused, "
		if got := srv.Stats().String(); !strings.HasPrefix(got, want1) {
			t.Errorf("\n got %s\nwant %s…", got, want1)
		}
	})
}
