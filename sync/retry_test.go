package sync

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// TestRetryPolicy: which refusals are tried again, how often and after how long.
func TestRetryPolicy(t *testing.T) {
	named := ejson.Make(ejson.Field{Name: "timeToReset", Value: 7000})
	for _, test := range []struct {
		name     string
		policies map[string]RetryPolicy
		err      ddp.Error
		refusals int
		low      time.Duration // the wait is at least this, and below twice as much; 0: it is not tried again
	}{
		{"nothing said: rate limits only", nil, ddp.Error{Code: "too-many-requests"}, 50, 225 * time.Second},
		{"nothing said: nothing else", nil, ddp.Error{Code: "500"}, 0, 0},
		{"the time that the error names", nil, ddp.Error{Code: "too-many-requests", Details: named}, 0, 7 * time.Second},
		{"a class of errors", map[string]RetryPolicy{"m": {Codes: []string{"503", "500"}}}, ddp.Error{Code: "500"}, 0, 750 * time.Millisecond},
		{"and no other", map[string]RetryPolicy{"m": {Codes: []string{"503", "500"}}}, ddp.Error{Code: "403"}, 0, 0},
		{"all", map[string]RetryPolicy{"m": {Codes: []string{"*"}}}, ddp.Error{Code: "403"}, 1, 1650 * time.Millisecond},
		{"so often", map[string]RetryPolicy{"m": {Codes: []string{"*"}, Attempts: 3}}, ddp.Error{Code: "500"}, 1, 1650 * time.Millisecond},
		{"and not more often", map[string]RetryPolicy{"m": {Codes: []string{"*"}, Attempts: 3}}, ddp.Error{Code: "500"}, 2, 0},
		{"another method's", map[string]RetryPolicy{"other": {Codes: []string{"*"}}}, ddp.Error{Code: "500"}, 0, 0},
		{"everybody's", map[string]RetryPolicy{"": {Codes: []string{"500"}}}, ddp.Error{Code: "500"}, 0, 750 * time.Millisecond},
		{"everybody's, but not this one's", map[string]RetryPolicy{"": {Codes: []string{"500"}}, "m": {}}, ddp.Error{Code: "500"}, 0, 0},
		{"its own waits", map[string]RetryPolicy{"m": {Codes: []string{"*"}, After: time.Minute, Max: 2 * time.Minute}}, ddp.Error{Code: "500"}, 9, 90 * time.Second},
		{"never before the time that is named", map[string]RetryPolicy{"m": {Codes: []string{"*"}, After: time.Millisecond}}, ddp.Error{Code: "500", Details: named}, 0, 7 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Retries: test.policies, Logger: quietLog()}.withDefaults()
			after, again := o.Retry("m", &test.err, test.refusals)
			if again != (test.low > 0) || after < test.low || test.low > 0 && after >= 2*test.low {
				t.Errorf("again %v after %v, want %v or a little more", again, after, test.low)
			}
		})
	}
}

// A call is tried as often as its method's policy says, and is a dead letter then; it
// does not start anew with the process.
func TestRetryAttempts(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		policy := func(o *Options) {
			o.Retries = map[string]RetryPolicy{"m": {Codes: []string{"500"}, Attempts: 3, After: time.Second}}
		}
		sc.open(kept(path), policy)
		p := sc.accept()
		call := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		p.quiet()
		time.Sleep(2 * time.Second)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.outbox("m queued")
		sc.ended(call, nil, errPending)
		sc.r.Close()

		sc.open(kept(path), policy)
		p = sc.accept()
		time.Sleep(5 * time.Second)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.outbox("m failed")
		again, err := sc.r.Pending(call.ID())
		if err != nil {
			t.Fatal(err)
		}
		sc.ended(again, nil, &ddp.Error{Code: "500"})
		other := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":403}`) // of no class that is tried again
		sc.ended(other, nil, &ddp.Error{Code: "403"})
	})
}

// The program's own Retry decides instead.
func TestRetryFunction(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		var asked []int
		sc.open(func(o *Options) {
			o.Retries = map[string]RetryPolicy{"m": {Codes: []string{"*"}}}
			o.Retry = func(method string, err *ddp.Error, refusals int) (time.Duration, bool) {
				asked = append(asked, refusals)
				return time.Hour, refusals < 1
			}
		})
		p := sc.accept()
		call := sc.must(Method{Name: "m"})
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		synctest.Wait()
		time.Sleep(time.Hour)
		p.answer(p.wantMethod("m"), `,"error":{"error":500}`)
		sc.ended(call, nil, &ddp.Error{Code: "500"})
		if len(asked) != 2 || asked[0] != 0 || asked[1] != 1 {
			t.Errorf("asked after %v refusals", asked)
		}
	})
}

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
