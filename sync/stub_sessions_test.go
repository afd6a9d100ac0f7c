package sync

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// What stubs foretold outlives connections.
func TestStubsOverSessions(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"45 65: a reconnect changes nothing of what is seen", func(t *testing.T, sc *scene) {
			sc.live("a", "b", "c")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.call(Method{Name: "remove", Params: []any{"b"}})
			sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": "d"}}})
			sc.seen("~a", "-b", "+d")
			var was []map[string]any
			for range 3 {
				was = append(was, sc.p.want(`{"msg":"method"}`))
			}
			p := sc.cut(sc.p)
			for _, m := range was {
				p.same(m, p.want(`{"msg":"method"}`))
			}
			p.same(sc.sub, p.wantSub("s"))
			p.added("a", 1)
			p.added("b", 1)
			p.added("c", 1)
			p.ready(sc.sub)
			sc.seen()
			p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			p.updated(was[0])
			p.updated(was[1]) // refused
			p.added("d", 0)
			p.updated(was[2])
			sc.seen("+b ~d")
			sc.has("items", `{"_id":"a","n":2}`, `{"_id":"c","n":1}`, `{"_id":"d","n":0}`, `{"_id":"b","n":1}`)
			sc.shadows(0)
		}},
		{"what the first calls foretold stays until subscriptions behind them are ready", func(t *testing.T, sc *scene) {
			sc.open(func(o *Options) { o.QuiesceLimit = time.Minute })
			sc.stubs()
			s, never := sc.subscribe("s"), sc.subscribe("never")
			sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "a", "n": 1}}})
			sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "b", "n": 1}}})
			sc.seen("+a", "+b")
			p := sc.accept()
			a, b := p.wantMethod("insert"), p.wantMethod("insert")
			p.answer(a, "")
			sc.outbox("insert sent")
			sc.shadows(2)
			sc.sub = p.wantSub("s")
			p.wantSub("never")
			p.added("a", 1)
			p.ready(sc.sub)
			sc.shadows(1)
			p.answer(b, `,"error":{"error":403}`)
			sc.isReady(s, false) // it vouches for no guess
			sc.seen()
			time.Sleep(time.Minute)
			sc.seen("-b") // the other publication may never be ready
			sc.isReady(s, true)
			sc.isReady(never, false)
			sc.shadows(0)
			sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": "c"}}})
			p.updated(p.wantMethod("insert"))
			sc.seen("+c", "-c") // later ones do not wait
		}},
		{"63: what will not be sent again goes when the data are whole", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			sc.stubs()
			o := sc.call(setCall("a", map[string]any{"n": 2}))
			set := setCall("b", map[string]any{"n": 2})
			set.NoRetry = true
			nr := sc.call(set)
			sc.seen("~a", "~b")
			sc.p.result(sc.p.wantMethod("set"), "")
			sc.p.wantMethod("set")
			p := sc.again(sc.p)
			sc.came(nr, nil, ErrUnknownOutcome)
			p.added("a", 3)
			p = sc.again(p)
			p.added("a", 2)
			time.Sleep(time.Second)
			sc.seen()
			sc.came(o, nil, errPending)
			p.added("b", 1)
			p.ready(sc.sub)
			sc.seen("~b")
			sc.came(o, nil, nil)
			sc.shadows(0)
		}},
		{"a stub between connected and ready", func(t *testing.T, sc *scene) {
			sc.live("a", "b", "c")
			sc.stubs()
			p := sc.again(sc.p)
			sc.phase(Catching)
			p.added("a", 5)
			p.added("c", 1)
			synctest.Wait()
			sc.call(setCall("a", map[string]any{"x": 2}))
			sc.call(Method{Name: "remove", Params: []any{"b"}})
			sc.call(Method{Name: "remove", Params: []any{"c"}})
			sc.seen("~a", "-b", "-c")
			m := p.wantMethod("set")
			p.ready(sc.sub)
			sc.seen("~a")
			sc.has("items", `{"_id":"a","n":5,"x":2}`)
			p.updated(m, p.wantMethod("remove"), p.wantMethod("remove"))
			sc.seen("~a", "+c")
			sc.has("items", `{"_id":"a","n":5}`, `{"_id":"c","n":1}`)
			sc.shadows(0)
		}},
		{"what the program owns is put right too", func(t *testing.T, sc *scene) {
			sc.live()
			sc.stubs()
			if _, err := sc.r.Store().Collection("items").InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "mine"})); err != nil {
				t.Fatal(err)
			}
			sc.call(setCall("mine", map[string]any{"x": 2}))
			m := sc.p.wantMethod("set")
			p := sc.cut(sc.p)
			p.same(m, p.wantMethod("set"))
			p.same(sc.sub, p.wantSub("s"))
			p.ready(sc.sub)
			p.updated(m)
			sc.has("items", `{"_id":"mine"}`)
			sc.seen("+mine", "~mine", "~mine")
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}
