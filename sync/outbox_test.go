package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/store"
)

// must makes a call that the outbox takes.
func (sc *scene) must(m Method) *Pending {
	sc.t.Helper()
	p, err := sc.r.Do(context.Background(), m)
	if err != nil {
		sc.t.Fatal(err)
	}
	return p
}

// ended checks how a call ended; errPending: not yet.
func (sc *scene) ended(p *Pending, value any, err error) {
	sc.t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v, got := p.Result(ctx)
	if errors.Is(got, context.Canceled) {
		got = errPending
	}
	if !errors.Is(got, err) || v != value {
		sc.t.Errorf("call %s: %v (%v), want %v (%v)", p.ID(), v, got, value, err)
	}
}

// outbox checks what is in the outbox: "method state" each.
func (sc *scene) outbox(want ...string) {
	sc.t.Helper()
	synctest.Wait()
	var got []string
	failed := 0
	for e, err := range store.Of[Entry](sc.r.Store(), OutboxCollection).Find(nil).Each() {
		if err != nil {
			sc.t.Fatal(err)
		}
		got = append(got, e.Method+" "+string(e.State))
		if e.State == Failed {
			failed++
		}
	}
	if !slices.Equal(got, want) {
		sc.t.Errorf("outbox has %q, want %q", got, want)
	}
	if st := sc.r.Status(); st.Outbox != len(want)-failed || st.Failed != failed {
		sc.t.Errorf("status: %d in the outbox, %d failed; want %q", st.Outbox, st.Failed, want)
	}
}

// answer has the server answer a call.
func (p *peer) answer(m map[string]any, rest string) {
	p.t.Helper()
	p.updated(m)
	p.result(m, rest)
}

func TestOutbox(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"on disk, shown, sent, ended", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.accept()
			p.wantSub("s")
			sc.stubs()
			sub := sc.subscribe("s", "x")
			p.added("a", 1)
			p.ready(sc.sub)
			sc.isReady(sub, true)
			sc.told()
			call := sc.must(setCall("a", map[string]any{"n": 2}))
			if st := sc.r.Status(); st.Durable == 0 || st.Outbox != 1 {
				t.Errorf("status %+v", st)
			}
			sc.seen("~a")
			m := p.wantMethod("set")
			if !strings.HasPrefix(call.ID(), sc.r.ID()) || m["id"] != call.ID() || len(m["randomSeed"].(string)) != 20 {
				t.Errorf("call %s sent as %v", call.ID(), m)
			}
			sc.outbox("set sent")
			sc.ended(call, nil, errPending)
			p.result(m, `,"result":7`)
			sc.ended(call, nil, errPending)
			p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			p.updated(m)
			sc.ended(call, 7.0, nil)
			sc.outbox()
			sc.shadows(0)
			sc.seen()
			if _, err := sc.r.Pending(call.ID()); !errors.Is(err, ErrNoCall) {
				t.Errorf("pending: %v", err)
			}
		}},
		{"a process that ends: nothing is lost, and the stub not run again", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.stubs()
			one := sc.must(setCall("a", map[string]any{"n": 2}))
			two := sc.must(Method{Name: "insert", Params: []any{map[string]any{"n": 3}}})
			three := sc.must(Method{Name: "plain", Wait: true})
			sc.outbox("set queued", "insert queued", "plain queued")
			sc.shadows(2)
			sc.r.Close()
			sc.ended(one, nil, ErrClosed)

			sc.refuse = nil
			sc.open(kept(path)) // and no stubs
			sc.shadows(2)
			p := sc.accept()
			m1, m2 := p.wantMethod("set"), p.wantMethod("insert")
			id := ddp.NewStreams(m2["randomSeed"].(string)).DocumentID("items")
			sc.has("items", `{"_id":"a","n":2}`, fmt.Sprintf(`{"_id":%q,"n":3}`, id))
			if m1["id"] != one.ID() || m2["id"] != two.ID() {
				t.Errorf("sent %v, %v", m1, m2)
			}
			p.wantSub("s")
			p.added("a", 2)
			p.ready(sc.sub)
			p.quiet()
			sc.seen()
			two, err := sc.r.Pending(two.ID())
			if err != nil {
				t.Fatal(err)
			}
			p.answer(m1, "")
			sc.seen()
			sc.r.Close() // again

			sc.open(kept(path))
			sc.outbox("insert sent", "plain queued")
			p = sc.accept()
			p.same(m2, p.wantMethod("insert"))
			p.wantSub("s")
			two, err = sc.r.Pending(two.ID())
			if err != nil {
				t.Fatal(err)
			}
			p.answer(m2, `,"result":"x"`)
			sc.ended(two, "x", nil)
			m3 := p.wantMethod("plain")
			if m3["id"] != three.ID() {
				t.Errorf("sent %v", m3)
			}
			p.answer(m3, "")
			p.added("a", 2)
			p.ready(sc.sub)
			sc.outbox()
			sc.shadows(0)
			sc.has("items", `{"_id":"a","n":2}`)
		}},
		{"one bad write does not block the queue", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			sc.stubs()
			p := sc.accept()
			bad := sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}})
			good := sc.must(Method{Name: "good"})
			m := p.wantMethod("insert")
			p.answer(m, `,"error":{"error":403,"reason":"not yours","details":{"a":1}}`)
			sc.ended(bad, nil, &ddp.Error{Code: "403"})
			sc.has("items")
			p.answer(p.wantMethod("good"), "")
			sc.ended(good, nil, nil)
			sc.outbox("insert failed")
			sc.r.Close()

			sc.open(kept(path))
			sc.outbox("insert failed")
			p = sc.accept()
			p.quiet() // it is a dead letter
			bad, err := sc.r.Pending(bad.ID())
			if err != nil {
				t.Fatal(err)
			}
			var de *ddp.Error
			if _, err := bad.Result(context.Background()); !errors.As(err, &de) || de.Reason != "not yours" || de.Details == nil {
				t.Errorf("%#v", err)
			}
			again, err := bad.Retry()
			if err != nil {
				t.Fatal(err)
			}
			m2 := p.wantMethod("insert")
			if m2["id"] == m["id"] || m2["randomSeed"] != m["randomSeed"] || again.ID() != bad.ID() {
				t.Errorf("retried as %v, was %v", m2, m)
			}
			p.answer(m2, `,"error":{"error":403}`)
			sc.ended(again, nil, &ddp.Error{Code: "403"})
			sc.outbox("insert failed")
			if err := again.Dismiss(); err != nil {
				t.Error(err)
			}
			sc.outbox()
			if err := again.Dismiss(); !errors.Is(err, ErrNoCall) {
				t.Errorf("dismissed twice: %v", err)
			}
			if _, err := again.Retry(); !errors.Is(err, ErrNoCall) {
				t.Errorf("retried after dismissal: %v", err)
			}
		}},
		{"dead letters are capped", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path), func(o *Options) { o.MaxFailed = 2 })
			p := sc.accept()
			for _, name := range []string{"a", "b", "c"} {
				sc.must(Method{Name: name})
				p.answer(p.wantMethod(name), `,"error":{"error":1}`)
			}
			sc.outbox("b failed", "c failed")
		}},
		{"too many requests: later, under another id", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			call := sc.must(Method{Name: "m"})
			m := p.wantMethod("m")
			p.answer(m, `,"error":{"error":"too-many-requests","details":{"timeToReset":5000}}`)
			sc.ended(call, nil, errPending)
			sc.outbox("m queued")
			time.Sleep(5 * time.Second)
			p.quiet()
			time.Sleep(10 * time.Millisecond)
			m2 := p.wantMethod("m")
			if m2["id"] == m["id"] || m2["randomSeed"] != m["randomSeed"] {
				t.Errorf("tried again as %v, was %v", m2, m)
			}
			p.answer(m, `,"result":"late"`) // of the first try
			sc.ended(call, nil, errPending)
			p.result(m2, `,"error":{"error":"too-many-requests"}`)
			p.updated(m2)
			synctest.Wait()
			sc.r.Close()
			sc.open(kept(path))
			p = sc.accept()
			p.quiet() // not before its time, and under a third id
			time.Sleep(time.Minute)
			m3 := p.wantMethod("m")
			if m3["id"] == m2["id"] || m3["id"] == m["id"] {
				t.Errorf("tried again as %v, was %v", m3, m2)
			}
			p.answer(m3, "")
			sc.outbox()
		}},
		{"refused by its stub, or by ctx: not made", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			no := errors.New("no")
			sc.r.Stub("m", func(*Tx, Invocation) error { return no })
			if _, err := sc.r.Do(context.Background(), Method{Name: "m"}); !errors.Is(err, no) {
				t.Errorf("error %v", err)
			}
			if _, err := sc.r.Do(context.Background(), Method{Name: "m", Params: []any{make(chan int)}}); err == nil {
				t.Error("a channel was taken")
			}
			p.quiet()
			sc.outbox()
			sc.r.Close()
			if _, err := sc.r.Do(context.Background(), Method{Name: "m"}); !errors.Is(err, ErrClosed) {
				t.Errorf("error %v", err)
			}
		}},
		{"what was refused with its result still to be said is not sent again", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			sc.stubs()
			p := sc.accept()
			call := sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}})
			m := p.wantMethod("insert")
			p.result(m, "")
			p = sc.cut(p)
			p.quiet() // its updated is lost
			sc.ended(call, nil, nil)
			sc.shadows(0)
			sc.outbox()
			call = sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}})
			m = p.wantMethod("insert")
			p.updated(m)
			p = sc.cut(p)
			p.same(m, p.wantMethod("insert"))
			p.result(m, "")
			sc.ended(call, nil, errPending) // a new updated is needed
			p.updated(m)
			sc.ended(call, nil, nil)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
