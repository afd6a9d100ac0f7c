package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/persist"
)

// TestLife is the life of a replica at its edges.
func TestLife(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"opened and closed, again and again, at any moment of a connection", func(t *testing.T, sc *scene, path string) {
			for n := range 20 {
				r, err := Open(t.Context(), "ws://test.example", Options{Path: path, Logger: quietLog(), Client: client.Options{Dial: sc.dial, Heartbeat: -1}})
				if err != nil {
					t.Fatal(err)
				}
				if n%2 == 0 {
					if _, err := r.Do(t.Context(), Method{Name: "m", Params: []any{n}}); err != nil {
						t.Fatal(err)
					}
				}
				if n%3 > 0 {
					synctest.Wait() // it has dialed
				}
				if n%3 > 1 {
					(<-sc.conns).send(`{"msg":"connected","session":"x"}`)
					synctest.Wait()
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				for len(sc.conns) > 0 {
					<-sc.conns
				}
			}
			sc.open(kept(path))
			p := sc.accept()
			for n := 0; n < 20; n += 2 {
				p.answer(p.want(fmt.Sprintf(`{"msg":"method","method":"m","params":[%d]}`, n)), "")
			}
			sc.outbox()
		}},
		{"closed offline with calls of all kinds", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			plain, login := sc.call(Method{Name: "a"}), sc.login(Token("t"))
			p := sc.must(Method{Name: "b"})
			sc.r.Close()
			sc.came(plain, nil, ErrClosed)
			sc.came(login, "", ErrClosed)
			sc.ended(p, nil, ErrClosed)
			for what, err := range map[string]error{
				"Cancel": p.Cancel(), "Dismiss": p.Dismiss(), "Reconnect": sc.r.Reconnect(), "Logout": sc.r.Logout(t.Context()),
			} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s: %v", what, err)
				}
			}
			sc.open(kept(path))
			sc.outbox("b queued")
		}},
		{"every wait ends with its context", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sub, p := sc.subscribe("s"), sc.must(Method{Name: "b"})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for what, wait := range map[string]func() error{
				"Call":   func() error { _, err := sc.r.Call(ctx, "m"); return err },
				"Result": func() error { _, err := p.Result(ctx); return err },
				"Ready":  func() error { return sub.Ready(ctx) },
				"Login":  func() error { _, err := sc.r.Login(ctx, Token("t")); return err },
			} {
				if err := wait(); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := sc.r.Do(ctx, Method{Name: "late"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Do: %v", err)
			}
			sc.outbox("b queued")
			if _, err := Open(ctx, "ws://test.example", Options{Path: path, Logger: quietLog()}); !errors.Is(err, persist.ErrLocked) {
				t.Errorf("Open of a file that is in use: %v", err)
			}
		}},
		{"a server that knows nothing", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.quoted("s1", 3).takenUp("other")
			sc.subscribe("s", "x")
			one, two := sc.subscribe("one"), sc.subscribe("two")
			call := sc.must(Method{Name: "m"})
			unknown := `,"error":{"error":404,"reason":"unknown"}`
			for range 4 {
				switch m := p.want(`{}`); m["msg"] {
				case "sub":
					p.send(fmt.Sprintf(`{"msg":"nosub","id":%q%s}`, m["id"], unknown))
				case "method":
					p.answer(m, unknown)
				}
			}
			for _, sub := range []*Subscription{one, two} {
				<-sub.Done()
				if sub.Err() == nil {
					t.Error("no error")
				}
			}
			sc.outbox("m failed")
			<-call.Done()
			p.quiet()
			p = sc.cut(p)
			p.quiet() // what was refused is not asked for again
			sc.phase(Live)
		}},
		{"a server that says ready too early", func(t *testing.T, sc *scene, path string) {
			sc.open()
			p := sc.accept()
			s := sc.subscribe("s")
			m := p.wantSub("s")
			p.ready(m)
			p.added("a", 1)
			p.ready(m)
			sc.isReady(s, true)
			time.Sleep(time.Second)
			sc.has("items", `{"_id":"a","n":1}`)
			sc.phase(Live)
		}},
		{"a logout with an outbox that is full", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			sc.r.Close()
			sc.refuse = errors.New("away")
			sc.open(kept(path), func(o *Options) { o.MaxOutbox = 2 })
			sc.must(Method{Name: "one"})
			sc.must(Method{Name: "two"})
			if err := sc.r.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			sc.outbox("one parked", "two parked")
			if _, err := sc.r.Do(t.Context(), Method{Name: "three"}); !errors.Is(err, ErrOutboxFull) {
				t.Errorf("error %v", err)
			}
			sc.refuse = nil
			sc.r.Reconnect()
			p := <-sc.conns
			p.want(`{"msg":"connect"}`)
			p.takenUp("new")
			p.wantSub("s")
			p.quiet() // nothing of hers
			sc.login(Token("t1"))
			p.welcome(p.wantResume("t1"), "ann", "t1")
			p.answer(p.wantMethod("one"), "")
			p.answer(p.wantMethod("two"), "")
			sc.outbox()
		}},
		{"clocks that do not agree: tokens that seem to have expired, or to expire at once", func(t *testing.T, sc *scene, path string) {
			for n, life := range []time.Duration{-time.Hour, time.Millisecond} {
				sc.open()
				p := sc.accept()
				o := sc.login(Token("t"))
				until := fmt.Sprintf(`,"result":{"id":"ann","token":"t","tokenExpires":{"$date":%d}}`, time.Now().Add(life).UnixMilli())
				p.answer(p.wantResume("t"), until)
				sc.came(o, "ann", nil)
				for range n * 3 {
					begun := time.Now()
					p.answer(p.wantMethod("getNewToken"), fmt.Sprintf(`,"result":{"id":"ann","token":"t","tokenExpires":{"$date":%d}}`, time.Now().Add(life).UnixMilli()))
					if time.Since(begun) < time.Minute {
						t.Error("asked for another token at once")
					}
				}
				p.quiet()
				sc.r.Close()
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
