package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
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
