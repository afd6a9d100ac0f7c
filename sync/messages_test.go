package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// How data are buffered and applied: chapters 7, 8 and 22, by line.
func TestData(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"70: together if within 5ms", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			time.Sleep(4 * time.Millisecond)
			sc.seen()
			sc.p.added("b", 1)
			time.Sleep(4 * time.Millisecond)
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			time.Sleep(4 * time.Millisecond)
			sc.seen()
			time.Sleep(time.Millisecond)
			sc.seen("+a +b")
			time.Sleep(time.Second)
			sc.seen()
		}},
		{"70 71: after 500ms in any case", func(t *testing.T, sc *scene) {
			sc.live()
			for i := range 200 {
				sc.p.added(fmt.Sprint("d", i), 1)
				time.Sleep(4 * time.Millisecond)
			}
			if n := len(sc.told()); n != 1 {
				t.Errorf("%d commits in 800ms", n)
			}
			if n := sc.r.Store().Snapshot().Len("items"); n != 125 {
				t.Errorf("%d documents in the first", n)
			}
		}},
		{"70: and where there are many", func(t *testing.T, sc *scene) {
			sc.live()
			for i := range 2*flushSize + 1 {
				sc.p.added(fmt.Sprint("d", i), 1)
			}
			synctest.Wait()
			if n := sc.r.Store().Snapshot().Len("items"); n != 2*flushSize {
				t.Errorf("%d documents at once", n)
			}
		}},
		{"73: ready, updated and nosub end a batch", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			sc.p.send(`{"msg":"ready","subs":["unknown"]}`)
			sc.seen("+a")
			sc.p.added("b", 1)
			sc.p.send(`{"msg":"updated","methods":["unknown"]}`)
			sc.seen("+b")
			sc.p.added("c", 1)
			sc.p.send(`{"msg":"nosub","id":"unknown"}`)
			sc.seen("+c")
		}},
		{"74: so does result", func(t *testing.T, sc *scene) {
			sc.live()
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			sc.p.updated(m)
			sc.p.added("a", 1)
			sc.p.result(m, "")
			sc.came(o, nil, nil)
			sc.seen("+a")
		}},
		{"77: a refused document loses nothing else", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			sc.p.send(`{"msg":"added","collection":"sync.meta","id":"replica","fields":{"id":"stolen"}}`)
			sc.p.send(`{"msg":"added","collection":"items","id":"bad","fields":{"x":{"$type":"oid","$value":7}}}`)
			sc.p.send(`{"msg":"added","collection":"items","id":"b","fields":{"n":1}}`)
			sc.p.send(`{"msg":"added"`, `[]`, `7`, `{"msg":"added","id":3}`, `{"msg":"added","collection":"items"}`)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+a +b")
			st := sc.phase(Live)
			if st.Skipped < 2 {
				t.Errorf("%d skipped", st.Skipped)
			}
			if doc, _ := sc.r.Store().Snapshot().Get("sync.meta", ejson.StringID("replica")); doc.Field("id").Str() != sc.r.ID() {
				t.Errorf("the server wrote %v", doc)
			}
		}},
		{"83: lenient", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"changed","collection":"items","id":"new","fields":{"n":1},"cleared":["m"]}`,
				`{"msg":"removed","collection":"items","id":"absent"}`,
				`{"msg":"added","collection":"items","id":"twice","fields":{"a":1,"b":1}}`,
				`{"msg":"added","collection":"items","id":"twice","fields":{"b":2,"c":2}}`,
				`{"msg":"removed","collection":"items","id":"twice-not"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"new","n":1}`, `{"_id":"twice","a":1,"b":2,"c":2}`)
			sc.p.send(`{"msg":"changed","collection":"items","id":"new","fields":{"n":1}}`)
			sc.p.added("new", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+new +twice") // and no change that is none
		}},
		{"87 88: fields and cleared", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"added","collection":"items","id":"a"}`,
				`{"msg":"added","collection":"items","id":"b","fields":{"x":1,"y":1},"cleared":["x","z"]}`,
				`{"msg":"added","collection":"items","id":"c","fields":{"_id":"other","x":1,"y":1}}`,
				`{"msg":"changed","collection":"items","id":"c","fields":{"_id":"other"},"cleared":["y","_id"]}`,
				`{"msg":"changed","collection":"items","id":"b","cleared":["y","w"]}`,
				`{"msg":"changed","collection":"items","id":"a"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"a"}`, `{"_id":"b","x":1}`, `{"_id":"c","x":1}`)
		}},
		{"89: places are ignored, documents are not", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"addedBefore","collection":"items","id":"a","fields":{"n":1},"before":null}`,
				`{"msg":"movedBefore","collection":"items","id":"a","before":"z"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"a","n":1}`)
		}},
		{"222-225: ids of all kinds", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"added","collection":"items","id":"0123456789abcdef01234567"}`,
				`{"msg":"added","collection":"items","id":"-0123456789abcdef01234567"}`,
				`{"msg":"added","collection":"items","id":"~7"}`,
				`{"msg":"removed","collection":"items","id":"0123456789abcdef01234567"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"0123456789abcdef01234567"}`, `{"_id":7}`)
		}},
		{"19 20 243: strange messages", func(t *testing.T, sc *scene) {
			sc.live()
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			sc.p.send(`{"server_id":"0"}`, `{}`, `null`, `"x"`, `{"msg":7}`, `{"msg":"strange"}`,
				`{"msg":"updated"}`, `{"msg":"updated","id":"1"}`, `{"msg":"ready"}`, `{"msg":"nosub"}`,
				`{"msg":"error","reason":"Bad request","offendingMessage":{}}`, `{"msg":"connected","session":"again"}`,
				`{"msg":"failed","version":"1"}`, `{"msg":"result"}`, `{"msg":"result","id":"nobody's"}`, `{`)
			sc.p.result(m, "")
			sc.p.updated(m)
			sc.came(o, nil, nil)
			sc.phase(Live)
		}},
		{"a result that cannot be read is an error", func(t *testing.T, sc *scene) {
			sc.live()
			var err error
			go func() { _, err = sc.r.Call(context.Background(), "m") }()
			m := sc.p.wantMethod("m")
			sc.p.updated(m)
			sc.p.result(m, `,"result":{"$type":"oid","$value":7}`)
			synctest.Wait()
			if err == nil || !strings.Contains(err.Error(), "unreadable result") {
				t.Errorf("error %v", err)
			}
		}},
		{"collections of the program's own", func(t *testing.T, sc *scene) {
			sc.live("a")
			drafts := sc.r.Store().Collection("drafts")
			if _, err := drafts.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "d"})); err != nil {
				t.Fatal(err)
			}
			items := sc.r.Store().Collection("items")
			if _, err := items.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "d"})); !errors.Is(err, store.ErrReplicated) {
				t.Errorf("direct write: %v", err)
			}
			sc.p.send(`{"msg":"removed","collection":"drafts","id":"d"}`)
			p := sc.again(sc.p)
			p.added("a", 1)
			p.ready(sc.sub)
			sc.seen("+d")
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}

// Methods: chapter 10, by line.
func TestCalls(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"106: ids are unique across replicas", func(t *testing.T, sc *scene) {
			sc.live()
			sc.call(Method{Name: "m"})
			sc.call(Method{Name: "m"})
			a, b := sc.p.wantMethod("m")["id"].(string), sc.p.wantMethod("m")["id"].(string)
			if a == b || len(a) < 36 {
				t.Errorf("ids %q, %q", a, b)
			}
			sc.r.Close()
			sc.live()
			sc.call(Method{Name: "m"})
			if c := sc.p.wantMethod("m")["id"].(string); c == a || c == b {
				t.Errorf("id %q again", c)
			}
		}},
		{"107 108: blocks", func(t *testing.T, sc *scene) {
			sc.live()
			sc.call(Method{Name: "a"})
			sc.call(Method{Name: "b"})
			sc.call(Method{Name: "w1", Wait: true})
			sc.call(Method{Name: "w2", Wait: true})
			sc.call(Method{Name: "c"})
			sc.call(Method{Name: "d"})
			a, b := sc.p.wantMethod("a"), sc.p.wantMethod("b")
			done := func(m map[string]any) {
				sc.p.result(m, "")
				sc.p.updated(m)
			}
			done(b)
			sc.p.result(a, "")
			sc.p.quiet() // not merely its result
			sc.p.updated(a)
			w := sc.p.wantMethod("w1")
			sc.p.quiet()
			done(w)
			w = sc.p.wantMethod("w2")
			sc.p.quiet()
			done(w)
			sc.p.wantMethod("c")
			sc.p.wantMethod("d")
			o := sc.call(Method{Name: "e"})
			done(sc.p.wantMethod("e"))
			sc.came(o, nil, nil)
		}},
		{"109 110: any order, and the data before the return", func(t *testing.T, sc *scene) {
			sc.live()
			x, y := sc.call(Method{Name: "x"}), sc.call(Method{Name: "y"})
			mx, my := sc.p.wantMethod("x"), sc.p.wantMethod("y")
			sc.p.result(my, `,"result":"y"`)
			sc.came(y, nil, errPending)
			sc.p.added("a", 1)
			sc.p.updated(my, mx)
			sc.came(y, "y", nil)
			sc.has("items", `{"_id":"a","n":1}`)
			sc.came(x, nil, errPending)
			sc.p.result(mx, `,"result":null`)
			sc.came(x, nil, nil)
		}},
		{"112 113: results and updateds of nobody", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(`{"msg":"result","id":"1","result":1}`, `{"msg":"updated","methods":["1","2"]}`)
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			sc.p.result(m, `,"result":1`)
			sc.p.result(m, `,"result":2`)
			sc.p.updated(m, m)
			sc.came(o, 1.0, nil)
			sc.p.result(m, `,"result":3`)
			sc.p.updated(m)
			sc.phase(Live)
		}},
		{"116 117: errors, and nothing", func(t *testing.T, sc *scene) {
			sc.live()
			var errs [2]error
			for i := range errs {
				go func() { _, errs[i] = sc.r.Call(context.Background(), "m") }()
				synctest.Wait()
				m := sc.p.wantMethod("m")
				sc.p.updated(m)
				sc.p.result(m, []string{`,"error":{"error":404,"reason":"no","details":"d"},"result":1`,
					`,"error":{"error":"busy"}`}[i])
			}
			synctest.Wait()
			var e *ddp.Error
			if !errors.As(errs[0], &e) || e.Code != "404" || e.Reason != "no" || e.Details != "d" {
				t.Errorf("error %#v", errs[0])
			}
			if !errors.Is(errs[1], &ddp.Error{Code: "busy"}) {
				t.Errorf("error %#v", errs[1])
			}
			var v ejson.Value
			go func() { v, _ = sc.r.Invoke(context.Background(), Method{Name: "m"}) }()
			m := sc.p.wantMethod("m")
			sc.p.updated(m)
			sc.p.result(m, "")
			synctest.Wait()
			if !v.IsMissing() {
				t.Errorf("value %v", v.Any())
			}
		}},
		{"the context bounds the wait, and the call goes on", func(t *testing.T, sc *scene) {
			sc.open()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := sc.r.Call(ctx, "m"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			p := sc.accept()
			p.wantMethod("m")
			if st := sc.phase(Live); st.Calls != 1 {
				t.Errorf("%d calls wait", st.Calls)
			}
		}},
		{"bounded", func(t *testing.T, sc *scene) {
			sc.open(func(o *Options) { o.MaxCalls = 2 })
			sc.call(Method{Name: "a"})
			sc.call(Method{Name: "b"})
			sc.came(sc.call(Method{Name: "c"}), nil, ErrTooManyCalls)
			p := sc.accept()
			m := p.wantMethod("a")
			p.result(m, "")
			p.updated(m)
			synctest.Wait()
			sc.call(Method{Name: "d"})
			p.wantMethod("b")
			p.wantMethod("d")
		}},
		{"closed", func(t *testing.T, sc *scene) {
			sc.open()
			o := sc.call(Method{Name: "a"})
			sc.r.Close()
			sc.came(o, nil, ErrClosed)
			sc.came(sc.call(Method{Name: "b"}), nil, ErrClosed)
		}},
		{"parameters", func(t *testing.T, sc *scene) {
			sc.live()
			sc.call(Method{Name: "m", Params: []any{1, "x", map[string]any{"a": []int{1}}, time.UnixMilli(5)}})
			sc.p.want(`{"msg":"method","method":"m","params":[1,"x",{"a":[1]},{"$date":5}]}`)
			if _, err := sc.r.Call(context.Background(), "m", 1, make(chan int)); err == nil || !strings.Contains(err.Error(), "parameter 2") {
				t.Errorf("error %v", err)
			}
			if _, err := sc.r.Subscribe("s", make(chan int)); err == nil || !strings.Contains(err.Error(), "parameter 1") {
				t.Errorf("error %v", err)
			}
			sc.p.quiet()
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}

func TestCallFor(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.live()
		answer := func(text string) {
			go func() {
				m := sc.p.wantMethod("m")
				sc.p.updated(m)
				sc.p.result(m, text)
			}()
		}
		type point struct {
			X int `json:"x"`
			Y int `json:"y"`
		}
		answer(`,"result":{"x":1,"y":2}`)
		if v, err := CallFor[point](t.Context(), sc.r, "m"); err != nil || v != (point{1, 2}) {
			t.Errorf("%v, %v", v, err)
		}
		answer(`,"result":7`)
		if v, err := CallFor[int](t.Context(), sc.r, "m"); err != nil || v != 7 {
			t.Errorf("%v, %v", v, err)
		}
		answer(`,"result":["a","b"]`)
		if v, err := CallFor[[]string](t.Context(), sc.r, "m"); err != nil || len(v) != 2 {
			t.Errorf("%v, %v", v, err)
		}
		answer("")
		if v, err := CallFor[string](t.Context(), sc.r, "m"); err != nil || v != "" {
			t.Errorf("%v, %v", v, err)
		}
		answer(`,"result":"seven"`)
		if _, err := CallFor[int](t.Context(), sc.r, "m"); err == nil || !strings.Contains(err.Error(), `result of "m"`) {
			t.Errorf("error %v", err)
		}
	})
}

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
