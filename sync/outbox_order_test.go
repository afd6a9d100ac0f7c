package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// When calls of the outbox are sent, and when they are not.
func TestOutboxOrder(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"NoRetry", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			sc.stubs()
			p := sc.accept()
			insert := Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}, NoRetry: true}
			call := sc.must(insert)
			p.wantMethod("insert")
			if st := sc.r.Status(); st.Durable != st.Seq {
				t.Errorf("sent before it was on disk that it was: %+v", st)
			}
			p = sc.cut(p)
			p.quiet()
			sc.ended(call, nil, ErrUnknownOutcome)
			sc.outbox("insert failed")
			sc.shadows(0)
			call = sc.must(insert)
			p.wantMethod("insert")
			sc.r.Close()
			sc.open(kept(path))
			sc.outbox("insert failed", "insert failed")
			call, err := sc.r.Pending(call.ID())
			if err != nil {
				t.Fatal(err)
			}
			sc.ended(call, nil, ErrUnknownOutcome)
			sc.shadows(0)
			p = sc.accept()
			p.quiet()
			sc.r.Disconnect()
			sc.must(insert)
			synctest.Wait()
			sc.r.Close()
			sc.open(kept(path)) // never sent
			p = sc.accept()
			p.wantMethod("insert")
		}},
		{"expiry", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.stubs()
			insert := Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}, TTL: time.Minute}
			call := sc.must(insert)
			later := insert
			later.Params, later.TTL = []any{map[string]any{"_id": "y"}}, time.Hour
			second := sc.must(later)
			time.Sleep(time.Minute)
			sc.ended(call, nil, ErrExpired)
			sc.has("items", `{"_id":"y"}`)
			sc.outbox("insert failed", "insert queued")
			sc.r.Close()
			time.Sleep(2 * time.Hour)
			sc.open(kept(path))
			sc.outbox("insert failed", "insert failed")
			second, err := sc.r.Pending(second.ID())
			if err != nil {
				t.Fatal(err)
			}
			sc.ended(second, nil, ErrExpired)
			sc.has("items")
			sc.shadows(0)
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			sent := sc.must(insert)
			p.wantMethod("insert")
			p = sc.cut(p)
			time.Sleep(time.Hour)
			p.answer(p.wantMethod("insert"), "") // it was sent once
			sc.ended(sent, nil, nil)
		}},
		{"expiry, at the very moment of sending", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.stubs()
			ttl := func(id string, ttl time.Duration) Method {
				return Method{Name: "insert", Params: []any{map[string]any{"_id": id}}, TTL: ttl, Entity: "e"}
			}
			one := sc.must(ttl("x", time.Minute))
			two := sc.must(ttl("y", time.Minute+200*time.Millisecond))
			sc.must(Method{Name: "after", Entity: "e"})
			time.Sleep(time.Minute)
			sc.ended(one, nil, ErrExpired)
			time.Sleep(300 * time.Millisecond)
			synctest.Wait()
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			p.wantMethod("after")
			sc.ended(two, nil, ErrExpired)
			sc.has("items")
			p.quiet()
		}},
		{"cancel", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.stubs()
			one := sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "x"}}})
			two := sc.must(Method{Name: "two"})
			if err := one.Cancel(); err != nil {
				t.Error(err)
			}
			sc.ended(one, nil, ErrCancelled)
			sc.has("items")
			sc.shadows(0)
			sc.outbox("two queued")
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			m := p.wantMethod("two")
			for range 2 {
				if err := two.Cancel(); !errors.Is(err, ErrSent) {
					t.Errorf("cancelled what was sent: %v", err)
				}
				p.answer(m, "")
				synctest.Wait()
			}
			if err := one.Cancel(); !errors.Is(err, ErrSent) {
				t.Errorf("cancelled twice: %v", err)
			}
			p.quiet()
		}},
		{"order of an entity; others do not wait", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			a1 := sc.must(Method{Name: "a1", Entity: "a"})
			sc.must(Method{Name: "a2", Entity: "a"})
			sc.must(Method{Name: "b1", Entity: "b"})
			a3 := sc.must(Method{Name: "a3", Entity: "a"})
			sc.must(Method{Name: "x"})
			m1 := p.wantMethod("a1")
			b1 := p.wantMethod("b1")
			x := p.wantMethod("x")
			p.quiet()
			p.result(m1, `,"error":{"error":500}`)
			p.quiet()
			p.updated(m1)
			m2 := p.wantMethod("a2")
			sc.ended(a1, nil, &ddp.Error{Code: "500"})
			p.quiet()
			p = sc.cut(p)
			p.same(m2, p.wantMethod("a2"))
			p.same(b1, p.wantMethod("b1"))
			p.same(x, p.wantMethod("x"))
			if err := a3.Cancel(); err != nil {
				t.Error(err)
			}
			sc.must(Method{Name: "a4", Entity: "a"})
			p.answer(m2, `,"error":{"error":"too-many-requests","details":{"timeToReset":1000}}`)
			p.quiet() // the others of the lane wait until it is tried again
			time.Sleep(2 * time.Second)
			p.answer(p.wantMethod("a2"), "")
			p.wantMethod("a4")
		}},
		{"Wait, among calls of both kinds", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sc.must(Method{Name: "a"})
			sc.call(Method{Name: "b"})
			sc.must(Method{Name: "w", Wait: true})
			sc.call(Method{Name: "c"})
			sc.must(Method{Name: "d"})
			a, b := p.wantMethod("a"), p.wantMethod("b")
			p.quiet()
			p.answer(a, "")
			p.answer(b, "")
			w := p.wantMethod("w")
			p.quiet()
			p.answer(w, `,"error":{"error":1}`)
			p.wantMethod("c")
			p.wantMethod("d")
		}},
		{"bounded", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open(kept(path), func(o *Options) { o.MaxOutbox = 2 })
			sc.stubs()
			sc.must(Method{Name: "a"})
			two := sc.must(Method{Name: "b"})
			if _, err := sc.r.Do(context.Background(), Method{Name: "insert", Params: []any{map[string]any{}}}); !errors.Is(err, ErrOutboxFull) {
				t.Errorf("error %v", err)
			}
			sc.has("items")
			two.Cancel()
			sc.must(Method{Name: "c"})
			sc.outbox("a queued", "c queued")
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			p.answer(p.wantMethod("a"), "")
			p.answer(p.wantMethod("c"), `,"error":{"error":403}`)
			sc.outbox("c failed")
			sc.must(Method{Name: "d"}) // there is room again, also beside what has failed
			sc.must(Method{Name: "e"})
			sc.outbox("c failed", "d sent", "e sent")
		}},
		{"sent in windows", func(t *testing.T, sc *scene, path string) {
			sc.refuse = errors.New("away")
			sc.open()
			for i := range sendWindow + 10 {
				sc.must(Method{Name: fmt.Sprint("m", i)})
			}
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			var sent []map[string]any
			for i := range sendWindow {
				sent = append(sent, p.wantMethod(fmt.Sprint("m", i)))
			}
			p.quiet()
			p.answer(sent[5], "")
			sent = append(sent, p.wantMethod(fmt.Sprint("m", sendWindow)))
			p.quiet()
			for i, m := range sent {
				if i != 5 {
					p.answer(m, "")
				}
			}
			for i := range 9 {
				p.answer(p.wantMethod(fmt.Sprint("m", sendWindow+1+i)), "")
			}
			sc.outbox()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
