package sync

import (
	"context"
	"errors"
	"testing"
)

// TestSquash: of calls that set the same thing, and were not sent, the last counts.
func TestSquash(t *testing.T) {
	away := errors.New("away")
	set := func(id string, n int) Method {
		m := setCall(id, map[string]any{"n": n})
		m.Squash = "n of " + id
		return m
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"the last takes the place of those before, in one commit", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b")
			sc.refuse = away
			sc.open(kept(path), func(o *Options) { o.MaxOutbox = 3 })
			sc.stubs()
			one := sc.must(set("a", 2))
			other := sc.must(set("b", 9))
			sc.must(Method{Name: "plain"})
			sc.seen("~a", "~b")
			two := sc.must(set("a", 3)) // though the outbox is full
			sc.seen("~a")
			sc.ended(one, nil, ErrSuperseded)
			sc.must(set("a", 2))
			sc.ended(two, nil, ErrSuperseded)
			sc.outbox("set queued", "plain queued", "set queued")
			sc.shadows(2)
			sc.has("items", `{"_id":"a","n":2}`, `{"_id":"b","n":9}`)
			if _, err := sc.r.Do(context.Background(), Method{Name: "x", Squash: "x"}); !errors.Is(err, ErrOutboxFull) {
				t.Errorf("error %v", err)
			}
			sc.r.Close()

			sc.refuse = nil
			sc.open(kept(path))
			sc.stubs()
			last := sc.must(set("a", 5)) // also of what the file brought
			sc.outbox("set queued", "plain queued", "set queued")
			p := sc.accept()
			b, plain, a := p.wantMethod("set"), p.wantMethod("plain"), p.wantMethod("set")
			if b["id"] != other.ID() || a["id"] != last.ID() {
				t.Errorf("sent %v, %v", b, a)
			}
			p.wantSub("s")
			p.quiet()
			for _, m := range []map[string]any{a, b, plain} {
				p.answer(m, "")
			}
			p.added("a", 5)
			p.added("b", 9)
			p.ready(sc.sub)
			sc.outbox()
			sc.shadows(0)
			sc.has("items", `{"_id":"a","n":5}`, `{"_id":"b","n":9}`)
		}},
		{"in the lane of an entity, with stubs", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.refuse = away
			sc.open(kept(path))
			sc.stubs()
			lane := func(m Method) Method { m.Entity = "e"; return m }
			sc.must(lane(setCall("a", map[string]any{"x": 1})))
			one := sc.must(lane(set("a", 2)))
			sc.must(lane(setCall("a", map[string]any{"x": 2})))
			sc.must(lane(set("a", 3)))
			sc.ended(one, nil, ErrSuperseded)
			sc.has("items", `{"_id":"a","n":3,"x":2}`)
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			for i, fields := range []string{`{"x":1}`, `{"x":2}`, `{"n":3}`} {
				p.answer(p.want(`{"msg":"method","method":"set","params":["a",`+fields+`]}`), "")
				if i == 0 {
					p.wantSub("s")
					p.added("a", 1)
					p.ready(sc.sub)
				}
				sc.has("items", []string{`{"_id":"a","n":3,"x":2}`, `{"_id":"a","n":3}`, `{"_id":"a","n":1}`}[i])
			}
			sc.outbox()
			sc.shadows(0)
		}},
		{"what was sent stays", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sc.must(set("a", 1))
			m1 := p.wantMethod("set")
			p = sc.cut(p)
			p.same(m1, p.wantMethod("set"))
			sc.must(set("a", 2))
			m2 := p.wantMethod("set")
			sc.outbox("set sent", "set sent")
			p.answer(m1, "")
			p.answer(m2, "")
			sc.outbox()
		}},
		{"nor is another user's touched, nor a dead letter", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sc.must(set("a", 1))
			p.answer(p.wantMethod("set"), `,"error":{"error":403}`)
			sc.outbox("set failed")
			sc.must(set("a", 2))
			p.answer(p.wantMethod("set"), "")
			sc.outbox("set failed")
		}},
		{"a stub that fails leaves what it would have superseded", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.refuse = away
			sc.open(kept(path))
			sc.stubs()
			one := sc.must(set("a", 2))
			bad := set("a", 3)
			bad.Name = "bad"
			no := errors.New("no")
			sc.r.Stub("bad", func(tx *Tx, in Invocation) error { return no })
			if _, err := sc.r.Do(context.Background(), bad); !errors.Is(err, no) {
				t.Errorf("error %v", err)
			}
			sc.ended(one, nil, errPending)
			sc.has("items", `{"_id":"a","n":2}`)
			sc.shadows(1)
		}},
		{"the stub does not see what it supersedes, whatever it asks for", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.refuse = away
			sc.open(kept(path))
			sc.r.Stub("tag", func(tx *Tx, in Invocation) error {
				n, err := tx.Update("items", map[string]any{"tag": map[string]any{"$exists": false}}, map[string]any{"$set": map[string]any{"tag": in.Params.At(0)}})
				if n != 1 {
					t.Errorf("%d documents without a tag", n)
				}
				return err
			})
			sc.must(Method{Name: "tag", Params: []any{"x"}, Squash: "tag"})
			sc.must(Method{Name: "tag", Params: []any{"y"}, Squash: "tag"})
			sc.has("items", `{"_id":"a","n":1,"tag":"y"}`)
		}},
		{"what nobody made becomes the user's, and is squashed as such", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			go sc.r.Login(context.Background(), Token("t"))
			login := p.wantMethod("login")
			one := sc.must(set("a", 1))
			two := sc.must(set("a", 2))
			sc.ended(one, nil, ErrSuperseded)
			p.answer(login, `,"result":{"id":"u","token":"t"}`)
			if m := p.wantMethod("set"); m["id"] != two.ID() {
				t.Errorf("sent %v", m)
			}
			p.quiet()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
