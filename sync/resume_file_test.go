package sync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// Sessions that are taken up by the next process.
func TestResumeFromFile(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene, path string)
	}{
		{"across a restart", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b")
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.quoted("s1", 4).takenUp("s1")
			p.same(sc.sub, p.wantSub("s"))
			sub := sc.subscribe("s", "x")
			sc.isReady(sub, true)
			sc.phase(Live)
			p.send(`{"msg":"removed","collection":"items","id":"a"}`)
			time.Sleep(flushIdle)
			sc.seen("-a")
			p.quiet()
		}},
		{"the file says what it has, whenever the process ends", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			sub := sc.subscribe("s")
			w := p.wantSub("s")
			var images [][]byte
			for n := range 4 {
				p.added(fmt.Sprint("d", n), 1)
				if n == 2 {
					p.ready(w)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				image, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				images = append(images, image)
			}
			sc.isReady(sub, true)
			sc.r.Close()
			for n, image := range images {
				if err := os.WriteFile(path, image, 0o600); err != nil {
					t.Fatal(err)
				}
				sc.open(kept(path))
				if got := sc.r.Store().Snapshot().Len("items"); got != n+1 {
					t.Errorf("%d documents, want %d", got, n+1)
				}
				count := []int{2, 3, 5, 6}[n]
				p := sc.quoted("s1", count).takenUp("s1")
				p.same(w, p.wantSub("s"))
				sub := sc.subscribe("s")
				sc.isReady(sub, n >= 2)
				for i := n + 1; i < 4; i++ { // what the server has kept
					p.added(fmt.Sprint("d", i), 1)
					if i == 2 {
						p.ready(w)
					}
				}
				time.Sleep(time.Second)
				sc.isReady(sub, true)
				if got := sc.r.Store().Snapshot().Len("items"); got != 4 {
					t.Errorf("%d documents in the end", got)
				}
				sc.r.Close()
			}
		}},
		{"52: the end of a subscription is not lost", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sub := sc.subscribe("s", "x")
			sc.phase(Live)
			sc.r.Disconnect()
			sub.Stop()
			sc.r.Close()
			sc.open(kept(path))
			p = sc.quoted("s1", 5).takenUp("s1")
			p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, sc.sub["id"]))
			p.quiet()
			p.send(`{"msg":"removed","collection":"items","id":"a"}`, fmt.Sprintf(`{"msg":"nosub","id":%q}`, sc.sub["id"]))
			sc.has("items")
			sc.lose(p)
			p = sc.quoted("s1", 9).takenUp("s1")
			p.quiet()
		}},
		{"what a process that was killed had asked for is ended", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			p.added("x", 1)
			p.send(`{"msg":"ready","subs":["unknown"]}`)
			p.want(`{"msg":"unsub","id":"unknown"}`)
			p.send(`{"msg":"removed","collection":"items","id":"x"}`, `{"msg":"nosub","id":"unknown"}`)
			p.quiet()
			sc.has("items", `{"_id":"a","n":1}`)
		}},
		{"a subscription is on disk before a session that is has it", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path), func(o *Options) { o.Delay = time.Hour })
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			if _, err := sc.r.Subscribe("more"); err != nil {
				t.Fatal(err)
			}
			p.wantSub("more")
			if st := sc.r.Status(); st.Durable == 0 || st.Durable < st.Seq {
				t.Errorf("status %+v", st)
			}
			sub, err := sc.r.Subscribe("brief")
			if err != nil {
				t.Fatal(err)
			}
			sub.Stop()
			synctest.Wait()
			for len(p.frames) > 0 { // asked for and ended, or neither
				m := p.want(`{}`)
				if m["msg"] == "sub" {
					p.want(fmt.Sprintf(`{"msg":"unsub","id":%q}`, m["id"]))
				}
			}
		}},
		{"the outbox, across a restart", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			sc.stubs()
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sc.must(setCall("a", map[string]any{"n": 2}))
			m := p.wantMethod("set")
			p.updated(m)
			synctest.Wait()
			sc.r.Close()
			sc.open(kept(path))
			p = sc.quoted("s1", 6).takenUp("s1")
			p.same(m, p.wantMethod("set"))
			p.wantSub("s")
			p.answer(m, "")
			sc.outbox()
			sc.shadows(0)
		}},
		{"an answer that is kept is not given again: it counts before the call was sent again", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sc.subscribe("s", "x")
			sc.must(Method{Name: "one", Entity: "e"})
			sc.must(Method{Name: "two", Entity: "e"})
			m1 := p.wantMethod("one")
			time.Sleep(time.Second)
			synctest.Wait()
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p.answer(m1, "")
			m2 := p.wantMethod("two")
			sc.r.Close()
			if err := os.WriteFile(path, image, 0o600); err != nil { // killed meanwhile
				t.Fatal(err)
			}
			sc.open(kept(path))
			p = <-sc.conns
			p.want(`{"msg":"connect"}`)
			p.takenUp("s1").answer(m2, "")
			p.same(m1, p.wantMethod("one"))
			p.wantSub("s")
			p.answer(m1, "")
			sc.outbox()
			p.quiet()
			three := sc.must(Method{Name: "three", Entity: "e"})
			p.answer(p.wantMethod("three"), `,"error":{"error":"already-called"}`)
			sc.ended(three, nil, nil)
		}},
		{"an updated that the process before has heard", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			sc.stubs()
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sc.subscribe("s", "x")
			sc.must(setCall("a", map[string]any{"n": 2}))
			m := p.wantMethod("set")
			p.updated(m)
			sc.shadows(0)
			sc.r.Close()
			sc.open(kept(path))
			p = <-sc.conns
			p.want(`{"msg":"connect"}`)
			p.takenUp("s1")
			p.same(m, p.wantMethod("set"))
			p.wantSub("s")
			p.result(m, "")
			sc.outbox()
		}},
		{"who is logged in stays so; while one logs in nobody takes the session up", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a") // connected, a document, ready, updated, result
			sc.lose(sc.p)
			p := sc.quoted("s1", 5).takenUp("s1")
			p.wantSub("s") // and no login
			sc.must(Method{Name: "m"})
			p.wantMethod("m")
			sc.login(Token("bob"))
			p.wantResume("bob")
			if st := sc.r.Status(); st.Durable < st.Seq {
				t.Errorf("the file does not know yet: %+v", st)
			}
			sc.r.Close()
			sc.open(kept(path))
			p = sc.quoted("", 0).takenUp("s2")
			login := p.wantResume("t1")
			p.wantSub("s")
			p.welcome(login, "ann", "t1")
			p.wantMethod("m")
			p.ready(sc.sub)
			synctest.Wait()
			sc.r.Close()
			sc.open(kept(path))
			p = sc.quoted("s2", 4).takenUp("s2")
			p.wantMethod("m")
			sc.user("ann", false)
			if err := sc.r.Disconnect(); err != nil {
				t.Fatal(err)
			}
			if err := sc.r.Logout(context.Background()); err != nil {
				t.Fatal(err)
			}
			sc.r.Reconnect()
			p = sc.quoted("s2", 6).takenUp("s2")
			p.wantMethod("logout") // the session is still hers
		}},
		{"a call whose data were held up does not return before they come again", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.open(kept(path))
			p := sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sub := sc.subscribe("s", "x")
			sc.isReady(sub, true)
			wait := sc.must(Method{Name: "w", Wait: true})
			w := p.wantMethod("w") // holds data up until it is updated
			if err := wait.Drop(); err != nil {
				t.Error(err)
			}
			o := sc.call(Method{Name: "m"})
			m := p.wantMethod("m")
			p.added("b", 1)
			p.answer(m, `,"result":1`)
			sc.came(o, nil, errPending)
			sc.lose(p)
			p = sc.quoted("s1", 3).takenUp("s1")
			p.wantSub("s")
			sc.came(o, nil, errPending)
			sc.has("items", `{"_id":"a","n":1}`)
			p.answer(w, "")
			p.added("b", 1)
			p.answer(m, `,"result":1`)
			sc.came(o, 1.0, nil)
			sc.has("items", `{"_id":"a","n":1}`, `{"_id":"b","n":1}`)

			wait = sc.must(Method{Name: "w", Wait: true})
			w = p.wantMethod("w")
			if err := wait.Drop(); err != nil {
				t.Error(err)
			}
			p.added("c", 1)
			sc.seen("+b")
			p.answer(w, "") // which lets them go, though nobody waits for it
			sc.seen("+c")
		}},
		{"a login begins a new session, which is no fault", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			o := sc.login(Token("t"))
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.quoted("s1", 3).takenUp("s1")
			p.want(`{"msg":"disconnect"}`) // nobody comes back for it
			next := sc.quoted("", 0)
			if st := sc.phase(Connecting); st.Tries > 0 || st.NeedsLogin {
				t.Errorf("status %+v", st)
			}
			next.send(`{"msg":"connected","session":"s2"}`)
			next.welcome(next.wantResume("t"), "ann", "t1")
			sc.came(o, "ann", nil)
			next.wantSub("s")
		}},
		{"a file that holds nonsense", func(t *testing.T, sc *scene, path string) {
			l := &loop{}
			for _, text := range []string{`{"_id":"session"}`, `{"session":7,"received":1,"user":""}`, `{"session":"x","received":-1,"user":""}`} {
				doc, err := ejson.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if l.restorePosition(doc); l.at != (position{}) {
					t.Errorf("%s: %+v", text, l.at)
				}
			}
		}},
	} {
		t.Run(test.lines, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
