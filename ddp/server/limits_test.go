package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// sleepy is a link on which little is under way, so that what the client does not
// read stays with the server.
var sleepy = client.PipeOptions{Queue: 1}

// TestSlowClient: what lies unread is bounded, nobody waits for it once the
// subscription is ready, and the session ends with a line in the log.
func TestSlowClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Grace: -1, Logger: log.logger(), Heartbeat: -1, MaxQueue: 1 << 20}
		k := keep(srv, "p")
		c := dialAsleep(t, srv, sleepy)
		c.send(`{"msg":"connect","version":"1","support":["1"]}`, sub("s", "p"))
		synctest.Wait()
		p := <-k.got
		gone := make(chan struct{})
		p.OnStop(func() { close(gone) })
		text := strings.Repeat("x", 1000)
		n := 0
		for ; n < 10_000; n++ {
			p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, n, text))) // never waits: time would not go on
			if p.Session().Context().Err() != nil {
				break
			}
		}
		if n < 900 || n > 1100 {
			t.Errorf("the session ended after %d kB, want 1 MiB", n)
		}
		<-c.done
		<-gone
		if !errors.Is(c.ended, server.ErrSlow) {
			t.Errorf("ended with %v", c.ended)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "does not read") {
			t.Errorf("logged:\n%s", text)
		}
	})
}

// TestSlowAsker: answers count as well.
func TestSlowAsker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.MaxQueue = 100 << 10
		srv.Method("m", func(context.Context, *server.Call) (any, error) { return strings.Repeat("x", 1000), nil })
		for _, frame := range []string{
			method("1", "m", ""), // answered from memory
			`{"msg":"sub","id":"s","name":"none"}`,
			`{"msg":"unsub","id":"s"}`,
			`{"msg":"bogus"}`,
			`bogus`,
			`{"msg":"method","id":"1","method":"none"}`,
			`{"msg":"connect"}`,
		} {
			c := dialAsleep(t, srv, sleepy)
			c.send(`{"msg":"connect","version":"1","support":["1"]}`)
			for i := 0; i < 10_000; i++ {
				if err := c.end.Write(t.Context(), []byte(frame), false); err != nil {
					break
				}
			}
			<-c.done
			if !errors.Is(c.ended, server.ErrSlow) {
				t.Errorf("%s: ended with %v", frame, c.ended)
			}
		}
	})
}

// TestFillingWaits: before it is ready a publication goes no faster than its
// client, and a client that takes nothing at all is given up after Timeout.
func TestFillingWaits(t *testing.T) {
	const documents = 20_000
	fill := func(told chan<- int) server.PublishFunc {
		text := strings.Repeat("x", 1000)
		return func(ctx context.Context, p *server.Publication) error {
			n := 0
			defer func() { told <- n }()
			for ; n < documents && ctx.Err() == nil; n++ {
				p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, n, text)))
			}
			return ctx.Err()
		}
	}
	t.Run("asleep", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			srv, told := quiet(), make(chan int, 1)
			srv.Publish("all", fill(told))
			c := dialAsleep(t, srv, sleepy)
			c.send(`{"msg":"connect","version":"1","support":["1"]}`, sub("s", "all"))
			began := time.Now()
			if n := <-told; n > 3000 {
				t.Errorf("%d kB were queued", n)
			}
			if d := time.Since(began); d != 15*time.Second {
				t.Errorf("given up after %v", d)
			}
			<-c.done
			if !errors.Is(c.ended, server.ErrSlow) {
				t.Errorf("ended with %v", c.ended)
			}
		})
	})
	t.Run("slow", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			srv, told := quiet(), make(chan int, 1)
			srv.Publish("all", fill(told))
			c := dialAsleep(t, srv, sleepy)
			c.send(`{"msg":"connect","version":"1","support":["1"]}`, sub("s", "all"))
			for i := range documents + 2 {
				if i%100 == 0 {
					time.Sleep(time.Second)
				}
				frame, err := c.end.Read()
				if err != nil {
					t.Fatal(err)
				}
				if ready := strings.HasPrefix(string(frame), `{"msg":"ready"`); ready != (i == documents+1) {
					t.Fatalf("frame %d: %.50s", i, frame)
				}
			}
			<-told
		})
	})
}

// TestDrain: a publisher that asks does not outrun its client.
func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.MaxQueue = 1 << 20
		k := keep(srv, "p")
		c := dialAsleep(t, srv, sleepy)
		c.send(`{"msg":"connect","version":"1","support":["1"]}`, sub("s", "p"))
		synctest.Wait()
		p, text := <-k.got, strings.Repeat("x", 1000)
		const documents = 10_000
		go func() {
			for i := range documents {
				p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, i, text)))
				if i%100 == 0 {
					if err := p.Drain(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
		for i := range documents + 2 {
			if i%10 == 0 {
				time.Sleep(time.Second)
			}
			if _, err := c.end.Read(); err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Drain(ctx); err == nil {
			t.Error("no error from a context that is done")
		}
		c.cut()
		if err := p.Drain(t.Context()); err == nil {
			t.Error("no error from a session that has ended")
		}
	})
}

// TestLargeStep: a subscription of any size may end, or change its user, with a
// client that does its best.
func TestLargeStep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.MaxQueue = 64 << 10
		const documents = 5000
		srv.Publish("all", func(_ context.Context, p *server.Publication) error {
			for i := range documents {
				p.Added("c", must(fmt.Sprintf(`{"_id":"%s%d","user":%q}`, p.UserID, i, p.UserID)))
			}
			return nil
		})
		srv.Method("login", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("u") })
		c := dialAsleep(t, srv, sleepy)
		count := func(n int, last string) {
			t.Helper()
			for i := range n {
				frame, err := c.end.Read()
				if err != nil {
					t.Fatalf("frame %d of %d: %v", i, n, err)
				}
				if i == n-1 && !strings.HasPrefix(string(frame), `{"msg":"`+last) {
					t.Fatalf("last is %s, want %s", frame, last)
				}
			}
		}
		c.send(`{"msg":"connect","version":"1","support":["1"]}`, sub("s", "all"))
		count(documents+2, "ready")
		c.send(method("1", "login", ""))
		count(2*documents+3, "result")
		c.send(`{"msg":"unsub","id":"s"}`)
		count(documents+1, "nosub")
	})
}

// TestLimits: one subscription or call too many is refused with a clean error.
func TestLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.MaxSubs, srv.MaxCalls = 2, 2
		srv.Publish("p", func(context.Context, *server.Publication) error { return nil })
		gate := make(chan struct{})
		srv.Method("m", func(context.Context, *server.Call) (any, error) { <-gate; return 1, nil })
		c := dial(t, srv).connect()
		c.send(sub("1", "p"), sub("2", "p"), sub("3", "p"), `{"msg":"unsub","id":"1"}`, sub("4", "p"))
		c.expect(`{"msg":"ready","subs":["1"]}`, `{"msg":"ready","subs":["2"]}`,
			`{"msg":"nosub","id":"3","error":`+clean("too-many-subscriptions", "No more than 2 subscriptions")+`}`,
			`{"msg":"nosub","id":"1"}`, `{"msg":"ready","subs":["4"]}`)
		c.send(method("a", "m", ""), method("b", "m", ""), method("c", "m", ""))
		c.expect(failure("c", clean("too-many-requests", "Too many calls wait for their answer"))...)
		close(gate)
		c.expect(append(answer("a", "1"), answer("b", "1")...)...)
		c.ask(method("c", "m", ""), answer("c", "1")...) // a refused call was not made
	})
}

// TestLimitsInBytes: what is kept of subscriptions and calls is bounded in bytes as well,
// and given back.
func TestLimitsInBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.MaxAsked = 25_000
		srv.Publish("p", func(context.Context, *server.Publication) error { return nil })
		gate := make(chan struct{})
		srv.Method("m", func(_ context.Context, c *server.Call) (any, error) {
			c.Unblock()
			<-gate
			return 1, c.SetUserID("never")
		})
		srv.Method("login", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("ann") })
		c := dial(t, srv).connect()
		pad := `"` + strings.Repeat("x", 10_000) + `"`
		big := func(id string) string { return strings.Replace(sub(id, "p"), "}", `,"params":[`+pad+`]}`, 1) }
		refused := `{"msg":"nosub","id":"3","error":` + clean("too-many-subscriptions", "Subscriptions and calls with too many parameters") + `}`
		for range 3 {
			c.ask(big("1"), `{"msg":"ready","subs":["1"]}`)
			c.ask(big("2"), `{"msg":"ready","subs":["2"]}`)
			c.ask(big("3"), refused)
			c.send(method("u", "login", ""))
			c.take()
			c.ask(big("3"), refused)
			c.ask(method("x", "m", pad), failure("x", clean("too-many-requests", "Too many calls wait for their answer"))...)
			for _, id := range []string{"1", "2"} {
				c.ask(`{"msg":"unsub","id":"`+id+`"}`, `{"msg":"nosub","id":"`+id+`"}`)
			}
		}
		c.ask(method("a", "m", pad))
		c.ask(method("b", "m", pad))
		c.ask(method("c", "m", pad), failure("c", clean("too-many-requests", "Too many calls wait for their answer"))...)
		close(gate)
		c.take()
		c.ask(big("1"), `{"msg":"ready","subs":["1"]}`)
		c.ask(big("2"), `{"msg":"ready","subs":["2"]}`)

		// Ids are kept longest, so they must be short.
		long := strings.Repeat("i", 2000)
		c.ask(sub(long, "p"), `{"msg":"error","reason":"Malformed subscription","offendingMessage":`+sub(long, "p")+`}`)
		c.ask(method(long, "m", ""), `{"msg":"error","reason":"Malformed method invocation","offendingMessage":`+method(long, "m", "")+`}`)
	})
}

// TestMaxAway: of too many sessions whose clients are away, those end that wait longest.
func TestMaxAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.MaxAway = 3
		var ids []string
		for range 5 {
			p := dial(t, srv)
			ids = append(ids, p.open())
			p.cut()
			time.Sleep(time.Second)
		}
		back := dial(t, srv) // the third comes back, and so leaves room
		back.ask(reconnect(ids[2], 1), connected(ids[2]))
		p := dial(t, srv)
		ids = append(ids, p.open())
		p.cut()
		for i, id := range ids {
			p := dial(t, srv)
			switch p.send(reconnect(id, 1)); {
			case i == 2: // is taken over
			case i < 2 && session(t, p.take()) == id:
				t.Errorf("session %d is still there", i)
			case i > 2 && session(t, p.take()) != id:
				t.Errorf("session %d is gone", i)
			}
			p.send(`{"msg":"disconnect"}`)
			<-p.done
		}
		finish(t, srv)
	})
}

func clean(code, reason string) string {
	return `{"isClientSafe":true,"error":"` + code + `","reason":"` + reason + `","message":"` + reason + ` [` + code + `]","errorType":"Meteor.Error"}`
}

// TestBacklog: a client that sends much more than is handled is slowed down, and
// loses nothing; meanwhile its silence is not held against it.
func TestBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Heartbeat = time.Second
		gate, n := make(chan struct{}), 0
		srv.Method("m", func(context.Context, *server.Call) (any, error) { n++; <-gate; return nil, nil })
		c := dial(t, srv).connect()
		const calls = 2000
		pad := strings.Repeat("x", 10_000)
		sent := make(chan struct{})
		go func() {
			for i := range calls {
				c.send(method(fmt.Sprint(i), "m", `"`+pad+`"`))
			}
			close(sent)
		}()
		time.Sleep(time.Hour)
		select {
		case <-sent:
			t.Error("20 MB were taken from a client that has to wait")
		case <-c.done:
			t.Fatal("the session ended: ", c.ended)
		default:
		}
		close(gate)
		<-sent
		synctest.Wait()
		results := 0
		for _, m := range c.take() {
			if strings.HasPrefix(m, `{"msg":"result"`) {
				results++
			}
		}
		if results != calls || n != calls {
			t.Errorf("%d results of %d calls", results, n)
		}
	})
}

// TestVanishedBehindABacklog: that a client is gone is noticed also while nothing is
// read from it.
func TestVanishedBehindABacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Heartbeat = time.Second
		srv.Method("stuck", func(ctx context.Context, _ *server.Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		c := dial(t, srv).connect()
		go func() {
			frame := []byte(method("1", "none", `"`+strings.Repeat("x", 100_000)+`"`))
			c.end.Write(t.Context(), []byte(method("0", "stuck", "")), false)
			for i := 0; c.end.Write(t.Context(), bytes.Replace(frame, []byte(`"1"`), fmt.Appendf(nil, `"%d"`, i), 1), false) == nil; i++ {
			}
		}()
		time.Sleep(time.Minute)
		c.end.Cut()
		began := time.Now()
		<-c.done
		if d := time.Since(began); d > time.Second || !errors.Is(c.ended, wire.ErrCut) {
			t.Errorf("ended after %v with %v", d, c.ended)
		}
	})
}

// TestHandshakeLimit holds line 7.
func TestHandshakeLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		began := time.Now()
		c := dial(t, srv)
		c.ask(`{"msg":"ping"}`, `{"msg":"error","reason":"Must connect first","offendingMessage":{"msg":"ping"}}`)
		<-c.done
		if d := time.Since(began); d != 45*time.Second || !errors.Is(c.ended, server.ErrNoConnect) {
			t.Errorf("ended after %v with %v", d, c.ended)
		}
		connected := dial(t, srv).connect()
		time.Sleep(time.Hour)
		connected.ask(`{"msg":"ping"}`, `{"msg":"pong"}`)
	})
}

// TestSilentClient holds line 27.
func TestSilentClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Heartbeat = 0
		c := dial(t, srv).connect()
		began := time.Now()
		<-c.done
		if d := time.Since(began); d != 30*time.Second || !errors.Is(c.ended, server.ErrSilent) || c.closedWith() != wire.CodeNormal {
			t.Errorf("ended after %v with %v, code %d", d, c.ended, c.closedWith())
		}
	})
}
