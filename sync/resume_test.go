package sync

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// quoted waits for the replica to dial, and checks the session and the count that it
// quotes; "" for none.
func (sc *scene) quoted(session string, received int) *peer {
	sc.t.Helper()
	p := <-sc.conns
	m := p.want(`{"msg":"connect"}`)
	id, _ := m["session"].(string)
	n, _ := m["receivedCount"].(float64)
	if id != session || int(n) != received {
		sc.t.Errorf("quoted session %q, %v messages; want %q, %d", id, n, session, received)
	}
	return p
}

// takenUp has the server take up the session.
func (p *peer) takenUp(session string) *peer {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"msg":"connected","session":%q}`, session))
	return p
}

func (sc *scene) lose(p *peer) {
	synctest.Wait()
	p.end.Cut()
}

// Sessions that are taken up: chapter 21, by line.
func TestResume(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene, path string)
	}{
		{"226 227 235: nothing is reset, nothing waits, and what was sent goes again", func(t *testing.T, sc *scene, path string) {
			sc.live("a", "b") // connected, two documents, ready
			x := sc.call(Method{Name: "x"})
			mx := sc.p.wantMethod("x")
			sc.p.send(`{"msg":"ping","id":"1"}`) // does not count
			sc.p.want(`{"msg":"pong"}`)
			sc.p.added("c", 1)
			sc.told()
			sc.lose(sc.p)
			p := sc.quoted("s1", 5).takenUp("s1")
			p.same(mx, p.wantMethod("x"))
			p.same(sc.sub, p.wantSub("s"))
			p.quiet()
			if st := sc.phase(Live); !st.Resumed || st.Stale != 0 {
				t.Errorf("status %+v", st)
			}
			sc.isReady(sc.s, true)
			sc.seen("+c")
			p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			time.Sleep(flushIdle)
			sc.seen("~a")
			p.answer(mx, `,"result":1`)
			sc.came(x, 1.0, nil)
			sc.lose(p)
			p = sc.quoted("s1", 10).takenUp("s1") // the answer that ends the replay counts
			p.same(sc.sub, p.wantSub("s"))
			p.quiet()
			sc.seen()
		}},
		{"229: another session is begun anew", func(t *testing.T, sc *scene, path string) {
			sc.live("a", "b")
			sc.lose(sc.p)
			p := sc.quoted("s1", 4).takenUp("other")
			p.same(sc.sub, p.wantSub("s"))
			if st := sc.phase(Catching); st.Resumed {
				t.Errorf("status %+v", st)
			}
			p.added("b", 1)
			sc.lose(p) // not yet whole, and so not to be taken up
			p = sc.quoted("", 0).takenUp("third")
			p.wantSub("s")
			p.added("b", 1)
			p.ready(sc.sub)
			sc.seen("-a")
			sc.lose(p)
			sc.quoted("third", 3)
		}},
		{"a subscription that ended while it was sent again", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.lose(sc.p)
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			p.send(`{"msg":"removed","collection":"items","id":"a"}`,
				fmt.Sprintf(`{"msg":"nosub","id":%q,"error":{"error":500}}`, sc.sub["id"]))
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, sc.sub["id"])) // the server may have begun it again
			<-sc.s.Done()
		}},
		{"46: an updated that came is not needed again", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.stubs()
			x, y := sc.call(Method{Name: "x"}), sc.call(setCall("a", map[string]any{"n": 2}))
			mx, my := sc.p.wantMethod("x"), sc.p.wantMethod("set")
			sc.p.updated(mx)
			sc.p.result(my, `,"result":"y"`)
			sc.lose(sc.p)
			p := sc.quoted("s1", 5).takenUp("s1")
			p.same(mx, p.wantMethod("x"))
			p.wantSub("s")
			p.quiet()
			sc.shadows(1)
			p.result(mx, `,"result":"x"`)
			sc.came(x, nil, errPending) // while a guess is shown
			sc.came(y, nil, errPending)
			p.updated(my)
			sc.came(x, "x", nil)
			sc.came(y, "y", nil)
			sc.shadows(0)
		}},
		{"44 46: a result without updated, while a guess is shown of the next session", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.stubs()
			x := sc.call(Method{Name: "x"})
			sc.p.result(sc.p.wantMethod("x"), `,"result":"x"`)
			sc.lose(sc.p)
			p := sc.quoted("s1", 4).takenUp("other")
			p.wantSub("s")
			y := sc.call(setCall("a", map[string]any{"n": 2}))
			my := p.wantMethod("set")
			p.added("a", 1)
			p.ready(sc.sub)
			sc.came(x, nil, errPending)
			sc.lose(p)
			p = sc.quoted("other", 3).takenUp("other")
			p.same(my, p.wantMethod("set"))
			p.wantSub("s")
			p.answer(my, `,"result":"y"`)
			sc.came(y, "y", nil)
			sc.came(x, "x", nil)
			sc.shadows(0)
		}},
		{"a NoRetry call that the server never saw", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.stubs()
			m := setCall("a", map[string]any{"n": 2})
			m.NoRetry = true
			o := sc.call(m)
			sc.lose(sc.p)
			sc.came(o, nil, ErrUnknownOutcome)
			sc.quoted("s1", 3).takenUp("s1")
			sc.shadows(0)
			sc.has("items", `{"_id":"a","n":1}`)
		}},
		{"data that are held up do not count", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.call(Method{Name: "w", Wait: true})
			w := sc.p.wantMethod("w")
			sc.p.added("b", 1)
			sc.lose(sc.p)
			p := sc.quoted("s1", 3).takenUp("s1")
			p.same(w, p.wantMethod("w"))
			p.wantSub("s")
			p.added("b", 1) // again
			sc.seen()
			p.updated(w)
			sc.seen("+b")
			p.result(w, "")
		}},
		{"231: a replica without a file says farewell", func(t *testing.T, sc *scene, path string) {
			sc.live("a")
			sc.r.Close()
			sc.p.want(`{"msg":"disconnect"}`)
			sc.liveKept(path, "a")
			sc.p.quiet()
		}},
	} {
		t.Run(test.lines, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
