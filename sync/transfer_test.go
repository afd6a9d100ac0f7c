package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// TestOutboxFile: the outbox of a file is looked at and mended without the network.
func TestOutboxFile(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.liveKept(path, "a")
		sc.open(kept(path))
		sc.stubs()
		p := sc.accept()
		p.wantSub("s")
		sc.must(setCall("a", map[string]any{"n": 2}))
		p.wantMethod("set")
		bad := sc.must(Method{Name: "bad"})
		p.answer(p.wantMethod("bad"), `,"error":{"error":403}`)
		sc.ended(bad, nil, &ddp.Error{Code: "403"})
		sc.r.Disconnect()
		never := sc.must(setCall("a", map[string]any{"x": 1}))
		sc.r.Close()

		r, err := Open(t.Context(), "", Options{Path: path, Offline: true, Logger: quietLog()})
		if err != nil {
			t.Fatal(err)
		}
		sc.r = r
		if st := sc.phase(Offline); !errors.Is(st.Err, ErrOffline) {
			t.Errorf("status %+v", st)
		}
		sc.outbox("set sent", "bad failed", "set queued")
		get := func(id string) *Pending {
			t.Helper()
			p, err := r.Pending(id)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if _, err := get(bad.ID()).Retry(); err != nil {
			t.Error(err)
		}
		sc.outbox("set sent", "bad queued", "set queued")
		if err := get(never.ID()).Drop(); err != nil {
			t.Error(err)
		}
		sc.has("items", `{"_id":"a","n":2}`)
		if err := r.Close(); err != nil {
			t.Error(err)
		}

		sc.open(kept(path))
		sc.outbox("set sent", "bad queued")
		p = sc.accept()
		p.wantMethod("set")
		p.wantMethod("bad")
	})
}

// TestDrop: a call goes out of the outbox however far it has come.
func TestDrop(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.liveKept(path, "a")
		sc.open(kept(path))
		sc.stubs()
		p := sc.accept()
		sub := sc.subscribe("s", "x")
		p.wantSub("s")
		p.added("a", 1)
		p.ready(sc.sub)
		sc.isReady(sub, true)
		call := sc.must(setCall("a", map[string]any{"n": 2}))
		m := p.wantMethod("set")
		if err := call.Drop(); err != nil {
			t.Error(err)
		}
		sc.ended(call, nil, ErrDropped)
		sc.outbox()
		sc.has("items", `{"_id":"a","n":2}`) // until the server has said
		p.answer(m, "")
		sc.has("items", `{"_id":"a","n":1}`)
		sc.shadows(0)
		if err := call.Drop(); !errors.Is(err, ErrNoCall) {
			t.Errorf("dropped twice: %v", err)
		}

		call = sc.must(setCall("a", map[string]any{"n": 3}))
		p.wantMethod("set")
		sc.refuse = errors.New("away")
		p.end.Cut()
		synctest.Wait()
		if err := call.Drop(); err != nil { // it was sent, and is not any more
			t.Error(err)
		}
		sc.has("items", `{"_id":"a","n":3}`)
		sc.refuse = nil
		sc.r.Reconnect()
		p = sc.accept()
		p.wantSub("s")
		p.added("a", 1)
		p.ready(sc.sub)
		sc.has("items", `{"_id":"a","n":1}`)
		sc.shadows(0)

		for _, resumed := range []bool{false, true} { // dropped while the line was dead already
			call = sc.must(setCall("a", map[string]any{"n": 4}))
			p.wantMethod("set")
			if err := call.Drop(); err != nil {
				t.Error(err)
			}
			sc.told()
			sc.lose(p)
			p = <-sc.conns
			session, _ := p.want(`{"msg":"connect"}`)["session"].(string)
			if resumed { // it had arrived, and the server has kept what it came to
				p.kept = []string{`{"msg":"changed","collection":"items","id":"a","fields":{"n":5}}`}
				p.takenUp(session)
				p.wantSub("s")
			} else {
				p.takenUp("another")
				p.wantSub("s")
				p.added("a", 1)
				sc.has("items", `{"_id":"a","n":4}`)
				p.ready(sc.sub)
			}
			sc.seen("~a") // what it foretold goes, and nothing else is seen
			sc.has("items", fmt.Sprintf(`{"_id":"a","n":%d}`, map[bool]int{false: 1, true: 5}[resumed]))
			sc.shadows(0)
		}

		call = sc.must(Method{Name: "bad"})
		p.answer(p.wantMethod("bad"), `,"error":{"error":403}`)
		sc.outbox("bad failed")
		if err := call.Drop(); err != nil {
			t.Error(err)
		}
		sc.outbox()
		p.quiet()
	})
}

// TestExportImport: calls are taken from one outbox to another, and keep what they are.
func TestExportImport(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path))
		sc.stubs()
		p := sc.accept()
		bad := sc.must(Method{Name: "bad", Params: []any{time.UnixMilli(5), map[string]any{"$x": 1}}})
		p.answer(p.wantMethod("bad"), `,"error":{"error":403,"reason":"no"}`)
		sent := sc.must(Method{Name: "insert", Params: []any{map[string]any{"n": 1}}, Entity: "e"})
		was := p.wantMethod("insert")
		sc.must(Method{Name: "once", NoRetry: true})
		p.wantMethod("once")
		waits := sc.must(Method{Name: "later", Entity: "e", TTL: time.Hour})
		sc.outbox("bad failed", "insert sent", "once sent", "later queued")

		var all, one bytes.Buffer
		if n, err := sc.r.Export(&all); n != 4 || err != nil {
			t.Errorf("%d exported (%v)", n, err)
		}
		if n, err := sc.r.Export(&one, waits.ID()); n != 1 || err != nil || strings.Count(one.String(), "\n") != 1 {
			t.Errorf("%d exported (%v): %s", n, err, &one)
		}
		if _, err := sc.r.Export(&one, "nobody"); !errors.Is(err, ErrNoCall) {
			t.Errorf("error %v", err)
		}
		if n, err := sc.r.Import(context.Background(), bytes.NewReader(all.Bytes())); n != 0 || err != nil {
			t.Errorf("%d imported of what is there (%v)", n, err)
		}
		sc.r.Close()
		p.end.Cut()

		other := t.TempDir() + "/other.db"
		r := sc.open(kept(other), func(o *Options) { o.MaxOutbox = 2 })
		p = sc.accept()
		text := strings.Replace(all.String(), "\n", "\n\n", 1) // empty lines are none
		if n, err := r.Import(context.Background(), strings.NewReader(text)); n != 4 || err != nil {
			t.Fatalf("%d imported (%v)", n, err)
		}
		if st := r.Status(); st.Durable < 2 { // the first has made the replica's id
			t.Errorf("status %+v", st)
		}
		sc.outbox("bad failed", "insert sent", "once failed", "later queued")
		m := p.wantMethod("insert")
		if m["id"] != sent.ID() || m["randomSeed"] != was["randomSeed"] {
			t.Errorf("sent %v, was %v", m, was)
		}
		p.quiet() // the other of the entity waits
		p.answer(m, "")
		p.wantMethod("later")
		if letter, err := r.Pending(bad.ID()); err != nil {
			t.Error(err)
		} else {
			sc.ended(letter, nil, &ddp.Error{Code: "403"})
			if _, err := letter.Retry(); err != nil {
				t.Error(err)
			}
			if got := p.wantMethod("bad"); len(got["params"].([]any)) != 2 {
				t.Errorf("sent %v", got)
			}
		}

		for _, test := range []struct {
			text string
			want string
		}{
			{"{\n", "line 1"},
			{`{"_id":"x","method":"m","state":"queued"}` + "\n7", "line 2"},
			{`{"_id":"x","state":"queued"}`, `line 1: call "x" has no method`},
			{`{"method":"m","state":"queued"}`, "line 1: a call without _id"},
			{`{"_id":"x","method":"m","state":"done"}`, `state "done"`},
		} {
			if n, err := r.Import(context.Background(), strings.NewReader(test.text)); n != 0 || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %d imported (%v), want %q", test.text, n, err, test.want)
			}
		}
		full := ""
		for _, id := range []string{"1", "2", "3"} {
			full += `{"_id":"` + id + `","method":"m","state":"queued"}` + "\n"
		}
		if n, err := r.Import(context.Background(), strings.NewReader(full)); n != 0 || !errors.Is(err, ErrOutboxFull) {
			t.Errorf("%d imported (%v)", n, err)
		}
	})
}
