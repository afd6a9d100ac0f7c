package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// TestSessionLife: what a session knows of itself, and what is called when.
func TestSessionLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		var n notes
		var session *server.Session
		srv.OnConnect = func(s *server.Session) {
			session = s
			n.add("connect " + s.User())
			s.OnClose(func() { n.add("close") })
			s.OnClose(func() { panic("in a hook") })
		}
		srv.Publish("", func(context.Context, *server.Publication) error { n.add("universal"); return nil })
		c := dial(t, srv)
		if n := len(collect(srv)); n != 0 {
			t.Errorf("%d sessions before connect", n)
		}
		c.connect()
		n.expect(t, "connect ", "universal")
		if all := collect(srv); len(all) != 1 || all[0] != session || len(session.ID()) != 17 {
			t.Errorf("sessions are %v", all)
		}
		c.ask(`{"msg":"disconnect"}`)
		<-c.done
		if c.ended != nil || c.closedWith() != wire.CodeNormal {
			t.Errorf("ended with %v, code %d", c.ended, c.closedWith())
		}
		n.expect(t, "close")
		session.OnClose(func() { n.add("at once") })
		n.expect(t, "at once")
		if len(collect(srv)) != 0 || session.Context().Err() == nil {
			t.Error("the session lives on")
		}
	})
}

func collect(srv *server.Server) (all []*server.Session) {
	for s := range srv.Sessions() {
		all = append(all, s)
	}
	return all
}

// TestSessionClose: what runs is finished and answered, what waits is not begun.
func TestSessionClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		gate, begun := make(chan struct{}), 0
		srv.Method("m", func(_ context.Context, c *server.Call) (any, error) {
			begun++
			c.Unblock()
			<-gate
			return 1, nil
		})
		srv.Method("last", func(_ context.Context, c *server.Call) (any, error) {
			c.Session().Close()
			c.Session().Close()
			return 2, nil
		})
		c := dial(t, srv).connect()
		c.send(method("1", "m", ""), method("2", "last", ""), method("3", "m", ""))
		c.expect(answer("2", "2")...)
		close(gate)
		c.expect(answer("1", "1")...)
		<-c.done
		if c.ended != nil || c.closedWith() != wire.CodeNormal || begun != 1 {
			t.Errorf("ended with %v, code %d, %d begun", c.ended, c.closedWith(), begun)
		}
	})
}

// TestCloseDespiteACall: a call that waits for the end of its session, or for ever, does
// not keep the session alive that is closed.
func TestCloseDespiteACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		var n notes
		srv.Method("wait", func(ctx context.Context, _ *server.Call) (any, error) {
			<-ctx.Done()
			n.add("ended")
			return nil, ctx.Err()
		})
		srv.Method("slow", func(context.Context, *server.Call) (any, error) { time.Sleep(10 * time.Second); return 1, nil })
		for _, name := range []string{"wait", "slow"} {
			c := dial(t, srv).connect()
			c.ask(method("1", name, ""))
			for s := range srv.Sessions() {
				s.Close()
				s.Close()
			}
			start := time.Now()
			<-c.done
			if name == "slow" {
				c.expect(answer("1", "1")...) // what finishes in time is answered
				n.expect(t)
			} else if took := time.Since(start); took != 15*time.Second || c.closedWith() != wire.CodeNormal {
				t.Errorf("closed after %v with %d", took, c.closedWith())
			} else {
				n.expect(t, "ended")
			}
			if c.ended != nil {
				t.Error(c.ended)
			}
		}
		finish(t, srv)
	})
}

// TestCloseOfASleepingClient: an orderly end does not wait for ever.
func TestCloseOfASleepingClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Method("m", func(_ context.Context, c *server.Call) (any, error) {
			c.Session().Close()
			return strings.Repeat("x", 1000), nil
		})
		c := dialAsleep(t, srv, sleepy)
		c.send(`{"msg":"connect","version":"1","support":["1"]}`, method("1", "m", ""))
		began := time.Now()
		<-c.done
		if d := time.Since(began); d != 15*time.Second || !errors.Is(c.ended, server.ErrSlow) {
			t.Errorf("ended after %v with %v", d, c.ended)
		}
	})
}

// TestShutdown: the same for all sessions.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Method("m", func(context.Context, *server.Call) (any, error) { time.Sleep(time.Minute); return 1, nil })
		busy, idle, fresh := dial(t, srv).connect(), dial(t, srv).connect(), dial(t, srv)
		busy.ask(method("1", "m", ""))
		began := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != time.Minute {
			t.Errorf("took %v", d)
		}
		busy.expect(answer("1", "1")...)
		for _, c := range []*peer{busy, idle, fresh} {
			<-c.done
			if !errors.Is(c.ended, server.ErrShutdown) || c.closedWith() != wire.CodeAway {
				t.Errorf("ended with %v, code %d", c.ended, c.closedWith())
			}
		}
		late := dial(t, srv)
		<-late.done
		if !errors.Is(late.ended, server.ErrShutdown) || late.closedWith() != wire.CodeAway {
			t.Errorf("a late client: %v, code %d", late.ended, late.closedWith())
		}
	})
}

// TestShutdownInTime: when its context is done, the rest is cut off.
func TestShutdownInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Method("m", func(ctx context.Context, c *server.Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		c := dial(t, srv).connect()
		c.ask(method("1", "m", ""))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		<-c.done
		if !errors.Is(c.ended, server.ErrShutdown) {
			t.Errorf("ended with %v", c.ended)
		}
	})
}

// TestServeContext: the context of Serve ends the session.
func TestServeContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		ctx, cancel := context.WithCancelCause(t.Context())
		a, b := wire.Pipe(wire.PipeOptions{})
		why := errors.New("enough")
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ctx, b) }()
		synctest.Wait()
		cancel(why)
		if err := <-ended; err != why {
			t.Errorf("got %v", err)
		}
		if _, err := a.Read(); err == nil {
			t.Error("the transport is open")
		}
	})
}

// TestFramesAfterFailed: a refused client gets no second chance on the same socket.
func TestFramesAfterFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		c := dial(t, srv)
		c.send(`{"msg":"connect","version":"9","support":["9"]}`, `{"msg":"connect","version":"1","support":["1"]}`)
		c.expect(`{"msg":"failed","version":"1"}`)
		<-c.done
		if !errors.Is(c.ended, server.ErrVersion) || c.closedWith() != wire.CodeNormal {
			t.Errorf("ended with %v, code %d", c.ended, c.closedWith())
		}
	})
}
