package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// Subscriptions: chapter 11, by line.
func TestSubscriptions(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"118 119: equal ones share one", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			a := sc.subscribe("s", map[string]any{"x": 1, "y": []any{1, "1"}}, nil)
			w := p.want(`{"msg":"sub","name":"s","params":[{"x":1,"y":[1,"1"]},null]}`)
			b := sc.subscribe("s", ejson.Make(ejson.Field{Name: "y", Value: []any{1, "1"}}, ejson.Field{Name: "x", Value: 1}), nil)
			p.quiet()
			for i, other := range [][]any{{}, {1}, {"1"}, {nil}, {map[string]any{}}, {[]any{}}, {[]any{1}}, {[]any{1, nil}}, {1, nil}, {true}} {
				sc.subscribe("s", other...)
				if p.wantSub("s")["id"] == w["id"] {
					t.Errorf("%d: not another", i)
				}
			}
			p.ready(w)
			sc.isReady(a, true)
			sc.isReady(b, true)
			a.Stop()
			a.Stop()
			sc.isReady(b, true)
			if err := a.Ready(t.Context()); !errors.Is(err, ErrStopped) {
				t.Errorf("stopped: %v", err)
			}
			p.quiet()
			c := sc.subscribe("s", map[string]any{"y": []any{1, "1"}, "x": 1}, nil)
			sc.isReady(c, true) // line 128
			b.Stop()
			c.Stop()
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, w["id"]))
			p.quiet()
		}},
		{"121 125: Stop forgets at once, data go when the server says so", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.s.Stop()
			sc.p.want(`{"msg":"unsub"}`)
			sc.seen()
			again := sc.subscribe("s")
			if id := sc.p.wantSub("s")["id"]; id == sc.sub["id"] {
				t.Error("the id was used again")
			}
			sc.p.send(`{"msg":"removed","collection":"items","id":"a"}`, fmt.Sprintf(`{"msg":"nosub","id":%q}`, sc.sub["id"]))
			sc.seen("-a")
			if again.Err() != nil {
				t.Error("the other one ended")
			}
		}},
		{"123 127: ready again, of several, of nobody", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			a, b := sc.subscribe("a"), sc.subscribe("b")
			wa, wb := p.wantSub("a"), p.wantSub("b")
			p.send(fmt.Sprintf(`{"msg":"ready","subs":[%q,"nobody",%q,%q]}`, wa["id"], wb["id"], wa["id"]))
			sc.isReady(a, true)
			sc.isReady(b, true)
			p.ready(wa, wb)
			sc.isReady(a, true)
		}},
		{"124: nosub with an error", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			before, after := sc.subscribe("before"), sc.subscribe("after")
			wb, wa := p.wantSub("before"), p.wantSub("after")
			p.ready(wa)
			sc.isReady(after, true)
			for _, w := range []map[string]any{wb, wa} {
				p.send(fmt.Sprintf(`{"msg":"nosub","id":%q,"error":{"error":403,"reason":"no"}}`, w["id"]))
			}
			<-before.Done()
			<-after.Done()
			for _, sub := range []*Subscription{before, after} {
				var e *ddp.Error
				if err := sub.Ready(t.Context()); !errors.As(err, &e) || e.Code != "403" || sub.Err() != err {
					t.Errorf("Ready: %v, Err: %v", err, sub.Err())
				}
				sub.Stop()
			}
			p = sc.cut(p)
			p.quiet()
			sc.subscribe("before") // it may be asked again
			p.wantSub("before")
		}},
		{"124: nosub without", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(fmt.Sprintf(`{"msg":"nosub","id":%q}`, sc.sub["id"]))
			<-sc.s.Done()
			if err := sc.s.Ready(t.Context()); !errors.Is(err, ErrEnded) {
				t.Errorf("Ready: %v", err)
			}
		}},
		{"126: unsub after sub, also before connected", func(t *testing.T, sc *scene) {
			sc.open()
			sc.subscribe("never").Stop()
			p := sc.accept()
			p.quiet()
			s := sc.subscribe("s")
			s.Stop()
			w := p.wantSub("s")
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, w["id"]))
			p.ready(w)
			sc.phase(Live)
		}},
		{"Ready is for the data too", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			s := sc.subscribe("s")
			n := -1
			go func() {
				if s.Ready(context.Background()) == nil {
					n = sc.r.Store().Snapshot().Len("items")
				}
			}()
			w := p.wantSub("s")
			for i := range 10 {
				p.added(fmt.Sprint(i), i)
			}
			p.ready(w)
			synctest.Wait()
			if n != 10 {
				t.Errorf("%d documents when ready", n)
			}
		}},
		{"contexts and Close", func(t *testing.T, sc *scene) {
			sc.open()
			s := sc.subscribe("s")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Ready: %v", err)
			}
			sc.r.Close()
			if err := s.Ready(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("Ready: %v", err)
			}
			s.Stop()
			if _, err := sc.r.Subscribe("s"); !errors.Is(err, ErrClosed) {
				t.Errorf("Subscribe: %v", err)
			}
			if err := sc.r.Close(); err != nil {
				t.Errorf("Close again: %v", err)
			}
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}
