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

// setStub sets fields of a document: set(id, {fields}).
func setStub(tx *Tx, in Invocation) error {
	_, err := tx.Update("items", in.Params.At(0).Str(), map[string]any{"$set": in.Params.At(1).Doc()})
	return err
}

func removeStub(tx *Tx, in Invocation) error {
	tx.Delete("items", ejson.StringID(in.Params.At(0).Str()))
	return nil
}

// insertStub inserts a document, which gets its id from the seed.
func insertStub(tx *Tx, in Invocation) error {
	_, err := tx.Insert("items", in.Params.At(0).Doc())
	return err
}

func (sc *scene) stubs() {
	sc.r.Stub("set", setStub)
	sc.r.Stub("remove", removeStub)
	sc.r.Stub("insert", insertStub)
}

func setCall(id string, fields map[string]any) Method {
	return Method{Name: "set", Params: []any{id, fields}}
}

// shadows checks how many documents have one.
func (sc *scene) shadows(want int) {
	sc.t.Helper()
	synctest.Wait()
	if n := sc.r.Store().Snapshot().Len(shadowCollection); n != want {
		sc.t.Errorf("%d shadows, want %d", n, want)
	}
}

// Latency compensation: chapter 9, by line.
func TestStubs(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"90 93: seen at once, and the server's at updated", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			o := sc.call(setCall("a", map[string]any{"n": 2}))
			sc.seen("~a")
			sc.has("items", `{"_id":"a","n":2}`)
			m := sc.p.wantMethod("set")
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":3}}`)
			time.Sleep(time.Second)
			sc.seen() // the same field: the stub's word stands until updated
			sc.p.result(m, "")
			sc.came(o, nil, errPending)
			sc.p.updated(m)
			sc.seen("~a")
			sc.has("items", `{"_id":"a","n":3}`)
			sc.came(o, nil, nil)
			sc.shadows(0)
		}},
		{"93: stub and server agree, nobody hears of it", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.seen("~a")
			m := sc.p.wantMethod("set")
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			sc.p.updated(m)
			sc.p.result(m, "")
			sc.seen()
			sc.shadows(0)
		}},
		{"other fields are seen at once", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.seen("~a")
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":5,"x":1}}`)
			sc.seen()
			time.Sleep(flushIdle)
			sc.seen("~a")
			sc.has("items", `{"_id":"a","n":2,"x":1}`)
			sc.p.updated(sc.p.wantMethod("set"))
			sc.seen("~a")
			sc.has("items", `{"_id":"a","n":5,"x":1}`)
		}},
		{"94: several on one document", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.call(setCall("a", map[string]any{"n": 3, "x": 1}))
			sc.call(setCall("a", map[string]any{"y": 1}))
			sc.seen("~a", "~a", "~a")
			m1, m2, m3 := sc.p.wantMethod("set"), sc.p.wantMethod("set"), sc.p.wantMethod("set")
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			sc.p.updated(m1)
			sc.seen()
			sc.has("items", `{"_id":"a","n":3,"x":1,"y":1}`)
			sc.p.updated(m3) // refused
			sc.seen("~a")
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":3,"x":1}}`)
			sc.p.updated(m2)
			sc.seen()
			sc.has("items", `{"_id":"a","n":3,"x":1}`)
			sc.shadows(0)
		}},
		{"95: an error is the undo", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			sc.stubs()
			o := sc.call(setCall("a", map[string]any{"n": 2}))
			sc.call(Method{Name: "remove", Params: []any{"b"}})
			sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": "c"}}})
			sc.seen("~a", "-b", "+c")
			for _, name := range []string{"set", "remove", "insert"} {
				m := sc.p.wantMethod(name)
				sc.p.result(m, `,"error":{"error":403}`)
				sc.p.updated(m)
			}
			sc.seen("~a", "+b", "-c")
			sc.has("items", `{"_id":"a","n":1}`, `{"_id":"b","n":1}`)
			sc.came(o, nil, &ddp.Error{Code: "403"})
		}},
		{"the stub's error refuses the call", func(t *testing.T, sc *scene) {
			sc.live("a")
			no := errors.New("no")
			sc.r.Stub("m", func(tx *Tx, in Invocation) error {
				tx.Delete("items", ejson.StringID("a"))
				return no
			})
			sc.came(sc.call(Method{Name: "m"}), nil, no)
			sc.seen()
			sc.p.quiet()
			sc.r.Stub("m", func(tx *Tx, in Invocation) error {
				tx.Delete(metaCollection, replicaID)
				return nil
			})
			sc.came(sc.call(Method{Name: "m"}), nil, store.ErrReplicated)
			sc.p.quiet()
			sc.r.Stub("m", func(tx *Tx, in Invocation) error { return in.Call("m") })
			if o := sc.call(Method{Name: "m"}); o.err == nil || !strings.Contains(o.err.Error(), "deep") {
				t.Errorf("a circle of stubs: %v", o.err)
			}
			sc.p.quiet()
		}},
		{"a stub's panic is its caller's", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.r.Stub("m", func(tx *Tx, in Invocation) error {
				tx.Delete("items", ejson.StringID("a"))
				panic("at the disco")
			})
			func() {
				defer func() {
					if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "at the disco") {
						t.Errorf("panic %v", p)
					}
				}()
				sc.r.Call(context.Background(), "m")
			}()
			sc.seen()
			sc.p.quiet()
			sc.phase(Live)
		}},
		{"97 104: calls of a stub are stubs only", func(t *testing.T, sc *scene) {
			sc.live()
			sc.stubs()
			sc.r.Stub("outer", func(tx *Tx, in Invocation) error {
				if _, err := tx.Insert("items", ejson.Make()); err != nil {
					return err
				}
				if err := in.Call("insert", map[string]any{"in": true}); err != nil {
					return err
				}
				if err := in.Call("unknown"); err != nil {
					return err
				}
				_, err := tx.Insert("items", ejson.Make())
				return err
			})
			sc.call(Method{Name: "outer"})
			m := sc.p.wantMethod("outer")
			sc.p.quiet()
			s := ddp.NewStreams(m["randomSeed"].(string))
			inner := ddp.NewStreams(s.CallSeed("insert"))
			sc.has("items", fmt.Sprintf(`{"_id":%q}`, s.DocumentID("items")),
				fmt.Sprintf(`{"_id":%q,"in":true}`, inner.DocumentID("items")),
				fmt.Sprintf(`{"_id":%q}`, s.DocumentID("items")))
		}},
		{"98: the user", func(t *testing.T, sc *scene) {
			sc.live()
			var user any
			sc.r.Stub("m", func(tx *Tx, in Invocation) error { user = in.UserID; return nil })
			sc.call(Method{Name: "m"})
			if user != "" {
				t.Errorf("user %v", user)
			}
		}},
		{"100: what stubs write nothing is not tracked", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 1}))
			sc.call(setCall("none", map[string]any{"n": 1}))
			sc.shadows(0)
			sc.seen()
		}},
		{"101 102: the seed is sent where it was drawn", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			if m := sc.p.wantMethod("set"); m["randomSeed"] != nil {
				t.Errorf("seed %v", m["randomSeed"])
			}
			sc.call(Method{Name: "insert", Params: []any{map[string]any{"n": 1}}})
			m := sc.p.wantMethod("insert")
			seed, _ := m["randomSeed"].(string)
			id := ddp.NewStreams(seed).DocumentID("items")
			if len(seed) != 20 {
				t.Errorf("seed %q", seed)
			}
			sc.seen("~a", "+"+id)
			sc.p.send(fmt.Sprintf(`{"msg":"added","collection":"items","id":%q,"fields":{"n":1,"by":"server"}}`, id))
			time.Sleep(flushIdle)
			sc.seen("~" + id)
			sc.p.updated(m)
			sc.seen()
			next := sc.cut(sc.p)
			if again := next.wantMethod("set"); again["randomSeed"] != nil {
				t.Errorf("seed %v", again)
			}
			next.same(m, next.wantMethod("insert"))
		}},
		{"75: a stub sees the latest data", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.p.added("b", 1)
			synctest.Wait()
			sc.call(Method{Name: "remove", Params: []any{"b"}})
			sc.seen("+b", "-b")
			sc.p.wantMethod("remove")
		}},
		{"114 115: ready vouches for no guess", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(Method{Name: "w", Wait: true})
			sc.call(setCall("a", map[string]any{"n": 2})) // not yet sent
			w := sc.p.wantMethod("w")
			sub := sc.subscribe("t")
			sc.p.updated(w)
			sc.p.ready(sc.p.wantSub("t"))
			sc.isReady(sub, true)
			sc.p.result(w, "")
			m := sc.p.wantMethod("set")
			sub = sc.subscribe("u")
			x := sc.call(Method{Name: "x"})
			sc.p.ready(sc.p.wantSub("u"))
			mx := sc.p.wantMethod("x")
			sc.p.result(mx, "")
			sc.p.updated(mx)
			sc.isReady(sub, false)
			sc.came(x, nil, errPending)
			sc.p.updated(m)
			sc.isReady(sub, true)
			sc.came(x, nil, nil)
		}},
		{"83 84: the server's data are taken leniently under a stub too", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.call(Method{Name: "remove", Params: []any{"b"}})
			sc.p.added("a", 7)
			sc.p.send(`{"msg":"removed","collection":"items","id":"b"}`, `{"msg":"removed","collection":"items","id":"b"}`,
				`{"msg":"changed","collection":"items","id":"b","fields":{"n":8}}`)
			sc.p.updated(sc.p.wantMethod("set"), sc.p.wantMethod("remove"))
			sc.has("items", `{"_id":"a","n":7}`, `{"_id":"b","n":8}`)
		}},
		{"a document that the server removes under a stub goes", func(t *testing.T, sc *scene) {
			sc.live("a")
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			sc.p.send(`{"msg":"removed","collection":"items","id":"a"}`)
			time.Sleep(flushIdle)
			sc.seen("~a", "-a")
			sc.p.updated(sc.p.wantMethod("set"))
			sc.seen()
			sc.shadows(0)
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}

// A call that is not in the outbox dies with its process, and what its stub wrote with
// it.
func TestStubsOfTheDead(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		path := t.TempDir() + "/r.db"
		sc.liveKept(path, "a", "b")
		sc.open(kept(path))
		sc.stubs()
		sc.call(setCall("a", map[string]any{"n": 2}))
		sc.call(Method{Name: "remove", Params: []any{"b"}})
		sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": "c"}}})
		sc.shadows(3)
		sc.r.Close()
		sc.refuse = errors.New("away")
		sc.open(kept(path))
		sc.has("items", `{"_id":"a","n":1}`, `{"_id":"b","n":1}`)
		sc.shadows(0)
	})
}
