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

	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

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
