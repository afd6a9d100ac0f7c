package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

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
		{"many", func(t *testing.T, sc *scene) {
			sc.live()
			var all []*outcome
			for range 5000 {
				o := &outcome{err: errPending}
				all = append(all, o)
				go func() { _, o.err = sc.r.Invoke(context.Background(), Method{Name: "m"}) }()
			}
			for range all {
				m := sc.p.wantMethod("m")
				sc.p.result(m, "")
				sc.p.updated(m)
			}
			for _, o := range all {
				sc.came(o, nil, nil)
			}
		}},
		{"a server that does not read keeps nobody waiting", func(t *testing.T, sc *scene) {
			sc.open(func(o *Options) {
				o.Client.Dial = func(ctx context.Context, url string) (client.Transport, error) {
					ours, theirs := client.Pipe(client.PipeOptions{Queue: 1000})
					p := &peer{t: t, end: theirs}
					p.send(`{"msg":"connected","session":"s"}`)
					return ours, nil
				}
			})
			sc.phase(Live)
			for i := range 100 {
				sc.subscribe("s", i)
				sc.call(Method{Name: "m"})
			}
			sc.subscribe("s", 7).Stop()
			if st := sc.phase(Live); st.Calls != 100 {
				t.Errorf("%d calls wait", st.Calls)
			}
			sc.r.Close()
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
