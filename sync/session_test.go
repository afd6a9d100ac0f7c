package sync

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What is sent on a connection, and what a new session does to the documents:
// chapters 5 and 6 of the behaviour sheet, by line.
func TestSessions(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"43 45 51: methods, then subscriptions, as they were", func(t *testing.T, sc *scene) {
			sc.open()
			s1 := sc.subscribe("one", 1)
			sc.call(Method{Name: "m1", Params: []any{1.0}})
			s2 := sc.subscribe("two")
			sc.call(Method{Name: "m2"})
			p := sc.accept()
			m1, m2 := p.wantMethod("m1"), p.wantMethod("m2")
			w1, w2 := p.wantSub("one"), p.wantSub("two")
			p.ready(w2)
			sc.isReady(s1, false)
			sc.isReady(s2, true)
			p = sc.cut(p)
			p.same(m1, p.wantMethod("m1"))
			p.same(m2, p.wantMethod("m2"))
			p.same(w1, p.wantSub("one"))
			p.same(w2, p.wantSub("two"))
			p.quiet()
		}},
		{"44 63: a result is enough; its updated comes with the new session's data", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			sub := sc.subscribe("s")
			w := p.wantSub("s")
			p.ready(w)
			o := sc.call(Method{Name: "m"})
			p.result(p.wantMethod("m"), `,"result":1`)
			sc.came(o, nil, errPending)
			p = sc.cut(p)
			w = p.wantSub("s")
			p.quiet()
			sc.came(o, nil, errPending)
			p.ready(w)
			sc.came(o, 1.0, nil)
			sc.isReady(sub, true)
		}},
		{"62 63: and at once where nothing blocks", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			o := sc.call(Method{Name: "m"})
			p.result(p.wantMethod("m"), `,"result":1`)
			p = sc.cut(p)
			p.quiet()
			sc.came(o, 1.0, nil)
		}},
		{"46: an updated without a result is forgotten", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			o := sc.call(Method{Name: "m"})
			m := p.wantMethod("m")
			p.updated(m)
			p = sc.cut(p)
			p.same(m, p.wantMethod("m"))
			p.result(m, `,"result":1`)
			sc.came(o, nil, errPending)
			p.updated(m)
			sc.came(o, 1.0, nil)
		}},
		{"47: NoRetry, sent and not sent", func(t *testing.T, sc *scene) {
			sc.open()
			unsent := sc.call(Method{Name: "unsent", NoRetry: true})
			p := sc.accept()
			p.wantMethod("unsent")
			sc.came(unsent, nil, errPending)
			answered := sc.call(Method{Name: "answered", NoRetry: true})
			p.result(p.wantMethod("answered"), `,"result":2`)
			p = sc.cut(p)
			p.quiet()
			sc.came(unsent, nil, ErrUnknownOutcome)
			sc.came(answered, 2.0, nil)
		}},
		{"48: queued behind a Wait, and still", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			sc.call(Method{Name: "first"})
			p.wantMethod("first")
			sc.call(Method{Name: "second", Wait: true})
			sc.call(Method{Name: "third", NoRetry: true})
			p.quiet()
			p = sc.cut(p)
			m := p.wantMethod("first")
			p.quiet()
			p.updated(m)
			p.result(m, "")
			m = p.wantMethod("second")
			p.quiet()
			p.updated(m)
			p.result(m, "")
			p.wantMethod("third")
		}},
		{"52: stopped offline, not revived", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			sub := sc.subscribe("gone")
			p.wantSub("gone")
			sc.subscribe("kept")
			p.wantSub("kept")
			p.end.Cut()
			sub.Stop()
			p = sc.accept()
			p.wantSub("kept")
			p.quiet()
		}},
		{"54 55 58 61 69: old documents stay until the difference is known", func(t *testing.T, sc *scene) {
			sc.live("a", "b", "c")
			p := sc.again(sc.p)
			sc.phase(Catching)
			p.added("c", 1)
			p.added("d", 1)
			p.added("b", 2)
			sc.isReady(sc.s, true)
			time.Sleep(time.Second)
			sc.seen()
			p.ready(sc.sub)
			sc.seen("+d -a ~b")
			sc.phase(Live)
			sc.has("items", `{"_id":"b","n":2}`, `{"_id":"c","n":1}`, `{"_id":"d","n":1}`)
		}},
		{"54: what is lost again is forgotten", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			p := sc.again(sc.p)
			p.added("x", 1)
			synctest.Wait()
			p = sc.again(p)
			p.added("b", 1)
			p.ready(sc.sub)
			sc.seen("-a")
		}},
		{"55 59: a method sent again blocks until updated", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			p := sc.cut(sc.p)
			p.same(m, p.wantMethod("m"))
			w := p.wantSub("s")
			p.added("a", 2)
			p.ready(w)
			p.result(m, `,"result":"x"`)
			sc.seen()
			sc.came(o, nil, errPending)
			p.updated(m)
			sc.seen("-b ~a")
			sc.came(o, "x", nil)
		}},
		{"56: subscriptions that never were ready do not block", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			other := sc.subscribe("other")
			w2 := sc.p.wantSub("other")
			sc.p.added("o1", 1) // of other
			sc.seen()
			time.Sleep(10 * time.Millisecond)
			sc.seen("+o1")
			p := sc.again(sc.p)
			p.same(w2, p.wantSub("other"))
			p.added("a", 2)
			p.ready(sc.sub)
			// What has come is shown. But o1 may come yet, and so might b.
			sc.seen("~a")
			sc.phase(Live)
			sc.isReady(other, false)
			p.added("o1", 1)
			p.added("o2", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+o2")
			p.ready(w2)
			sc.seen("-b")
			sc.isReady(other, true)
		}},
		{"56: nor do new ones hold anything up", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			p := sc.again(sc.p)
			other := sc.subscribe("new")
			w2 := p.wantSub("new")
			p.ready(w2)
			sc.isReady(other, false)
			p.added("a", 1)
			p.ready(sc.sub)
			sc.seen("-b")
			sc.isReady(other, true)
		}},
		{"57: a Wait call holds data up", func(t *testing.T, sc *scene) {
			sc.live("a")
			o := sc.call(Method{Name: "m", Wait: true})
			m := sc.p.wantMethod("m")
			sc.p.send(`{"msg":"removed","collection":"items","id":"a"}`)
			time.Sleep(time.Second)
			sc.p.added("a", 1)
			sc.p.added("b", 1)
			sc.p.result(m, "")
			sc.seen()
			sc.came(o, nil, errPending)
			sc.p.updated(m)
			sc.seen("+b")
			sc.came(o, nil, nil)
		}},
		{"57 68: but not for ever", func(t *testing.T, sc *scene) {
			sc.live("a")
			o := sc.call(Method{Name: "m", Wait: true})
			m := sc.p.wantMethod("m")
			sc.p.added("b", 1)
			time.Sleep(29 * time.Second)
			sc.seen()
			time.Sleep(time.Second + time.Millisecond)
			sc.seen("+b")
			sc.p.result(m, "")
			sc.p.updated(m)
			sc.came(o, nil, nil)
			sc.p.quiet()
		}},
		{"60: nosub is told at once", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			other := sc.subscribe("other")
			w2 := sc.p.wantSub("other")
			sc.p.ready(w2)
			p := sc.again(sc.p)
			p.wantSub("other")
			p.send(`{"msg":"nosub","id":"` + w2["id"].(string) + `","error":{"error":403,"reason":"no"}}`)
			synctest.Wait()
			if err := other.Err(); err == nil {
				t.Error("not told")
			}
			sc.seen()
			p.added("b", 1)
			p.ready(sc.sub)
			sc.seen("-a")
		}},
		{"60 61: nosub ends the wait as ready does", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			p := sc.again(sc.p)
			p.send(`{"msg":"nosub","id":"` + sc.sub["id"].(string) + `"}`)
			sc.seen("-a -b")
		}},
		{"55: so does a Stop", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			p := sc.again(sc.p)
			p.added("b", 1)
			sc.seen()
			sc.s.Stop()
			p.want(`{"msg":"unsub"}`)
			// Nobody speaks for a any more, and b will go when the server says so.
			time.Sleep(time.Second)
			sc.seen("-a")
		}},
		{"62: nothing subscribed, nothing kept, after the grace", func(t *testing.T, sc *scene) {
			sc.live("a", "b")
			sc.p.end.Cut()
			sc.s.Stop()
			p := sc.accept()
			st := sc.phase(Live)
			if st.Stale != 2 {
				t.Errorf("%d stale", st.Stale)
			}
			p.added("a", 1)
			time.Sleep(29 * time.Second)
			sc.seen()
			p.quiet()
			time.Sleep(time.Second)
			sc.seen() // the connection may be dead
			p.lives()
			sc.seen("-b")
			if st := sc.phase(Live); st.Stale != 0 {
				t.Errorf("%d stale", st.Stale)
			}
		}},
		{"67: universal documents do not flicker", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			p.added("u", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+u")
			p = sc.cut(p)
			time.Sleep(time.Second)
			p.added("u", 1)
			time.Sleep(time.Hour)
			sc.seen()
		}},
		{"68: one subscription does not freeze the rest; nothing is removed before it is answered", func(t *testing.T, sc *scene) {
			sc.live("a", "b", "c")
			other := sc.subscribe("other")
			w2 := sc.p.wantSub("other")
			sc.p.ready(w2)
			sc.isReady(other, true)
			p := sc.again(sc.p)
			p.wantSub("other")
			p.added("a", 2)
			p.added("d", 1)
			p.ready(sc.sub)
			time.Sleep(29 * time.Second)
			sc.seen()
			time.Sleep(time.Second)
			sc.seen("+d ~a")
			if st := sc.phase(Live); st.Stale != 2 {
				t.Errorf("%d stale", st.Stale)
			}
			p.added("e", 1) // as it comes
			sc.seen("+e")
			p.send(`{"msg":"added","collection":"items","id":"b","fields":{"other":1}}`) // replaces what was
			time.Sleep(time.Hour)
			sc.seen("~b")
			p.ready(w2)
			sc.seen("-c")
			sc.has("items", `{"_id":"a","n":2}`, `{"_id":"b","other":1}`, `{"_id":"d","n":1}`, `{"_id":"e","n":1}`)
			if st := sc.phase(Live); st.Stale != 0 {
				t.Errorf("%d stale", st.Stale)
			}
		}},
		{"68: publications that never say ready do not keep the dead for ever", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			sc.subscribe("never")
			p.wantSub("never")
			p.added("a", 1)
			p.added("b", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+a +b")
			p = sc.cut(p)
			p.wantSub("never")
			time.Sleep(20 * time.Second)
			p.added("a", 1)
			time.Sleep(20 * time.Second)
			sc.seen()
			time.Sleep(10*time.Second + flushIdle)
			sc.seen()
			p.lives()
			sc.seen("-b")
		}},
		{"68: nor do dead connections kill the living", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			sc.subscribe("never")
			p.wantSub("never")
			p.added("a", 1)
			p.added("b", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+a +b")
			p = sc.cut(p)
			p.wantSub("never")
			time.Sleep(time.Hour)
			probe := p.want(`{"msg":"unsub"}`)
			p.quiet()
			p.added("a", 1) // it lives, and had not come to it
			p.send(fmt.Sprintf(`{"msg":"nosub","id":%q}`, probe["id"]))
			time.Sleep(29 * time.Second)
			sc.seen()
			p.quiet()
			time.Sleep(time.Second)
			p.lives()
			sc.seen("-b")
			p.quiet()
		}},
		{"66 85: every collection has a store", func(t *testing.T, sc *scene) {
			sc.open()
			p := sc.accept()
			p.send(`{"msg":"added","collection":"never heard of","id":"x","fields":{}}`)
			time.Sleep(10 * time.Millisecond)
			sc.has("never heard of", `{"_id":"x"}`)
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}
