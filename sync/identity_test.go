package sync

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
)

// Calls of the outbox, and in whose name they are made.
func TestIdentity(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"three users take turns, and nobody", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			for _, user := range []string{"ann", "bob", "cid"} {
				o := sc.login(Token(user))
				p.welcome(p.wantResume(user), user, user+"'s")
				sc.came(o, user, nil)
				p.quiet() // what others have made waits
				sc.r.Disconnect()
				sc.must(Method{Name: user + " 1", Entity: "e"})
				sc.must(Method{Name: user + " 2", Entity: "e"})
				if user != "cid" {
					next := map[string]string{"ann": "bob", "bob": "cid"}[user]
					o := sc.login(Token(next)) // waits for the connection, and goes before her calls
					sc.r.Reconnect()
					p = sc.accept()
					p.welcome(p.wantResume(next), next, next+"'s")
					sc.came(o, next, nil)
				}
			}
			if err := sc.r.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			sc.must(Method{Name: "nobody 1", Entity: "e"})
			sc.outbox("ann 1 parked", "ann 2 parked", "bob 1 parked", "bob 2 parked", "cid 1 parked", "cid 2 parked", "nobody 1 queued")
			sc.r.Close()

			sc.open(kept(path))
			p = sc.accept()
			p.answer(p.wantMethod("nobody 1"), "")
			p.quiet()
			for _, user := range []string{"bob", "ann", "cid"} {
				o := sc.login(Token(user))
				p.answer(p.wantResume(user), `,"error":{"error":403}`)
				sc.came(o, nil, &ddp.Error{Code: "403"})
				p.quiet()
				o = sc.login(Token(user))
				p.welcome(p.wantResume(user), user, user+"'s")
				sc.came(o, user, nil)
				one := p.wantMethod(user + " 1")
				p.quiet()
				p.answer(one, "")
				p.answer(p.wantMethod(user+" 2"), "")
				p.quiet()
			}
			sc.outbox()
		}},
		{"the token expires in the midst of a burst", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.stubs()
			p := sc.p
			var made []string
			var sent []map[string]any
			for i := range 60 {
				m := setCall("a", map[string]any{fmt.Sprint("f", i): i})
				if i%6 == 0 {
					m.Entity = "e"
				}
				made = append(made, sc.must(m).ID())
			}
			for len(sent) < 51 { // of e only the first
				sent = append(sent, p.wantMethod("set"))
			}
			p.quiet()
			left := slices.Clone(made)
			for i, m := range sent[1:16] { // and her session is ended by the server
				switch i % 3 {
				case 0:
					p.answer(m, "")
				case 1:
					p.result(m, "")
				default:
					p.updated(m)
					continue
				}
				left = slices.DeleteFunc(left, func(id string) bool { return id == m["id"] })
			}
			p = sc.cut(p)
			p.answer(p.wantResume("t1"), `,"error":{"error":403,"reason":"expired"}`)
			sc.user("ann", true)
			p = sc.accept()
			p.quiet()
			if st := sc.r.Status(); st.Parked != len(left) || st.Outbox != len(left) {
				t.Errorf("%d calls are left: %+v", len(left), st)
			}
			sc.r.Close()

			sc.open(kept(path))
			p = sc.accept()
			p.quiet()
			sc.login(Password{User: "ann", Password: "secret"})
			p.welcome(p.wantMethod("login"), "ann", "t2")
			var again []string
			for len(again) < len(left) {
				m := p.want(`{}`)
				if m["msg"] == "sub" {
					p.added("a", 1)
					p.ready(m)
					continue
				}
				again = append(again, m["id"].(string))
				p.answer(m, "")
			}
			slices.SortFunc(again, func(a, b string) int { return slices.Index(made, a) - slices.Index(made, b) })
			if !slices.Equal(again, left) {
				t.Errorf("%d calls were sent again, want %d", len(again), len(left))
			}
			sc.outbox()
			sc.shadows(0)
			sc.has("items", `{"_id":"a","n":1}`) // where nothing was changed
		}},
		{"a token that is another's, and an answer that names nobody, are not asked for without end", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.must(Method{Name: "m"})
			sc.p.wantMethod("m")
			p := sc.cut(sc.p)
			login := p.wantResume("t1")
			p.wantSub("s")
			p.answer(login, `,"result":{"token":"t1"}`)
			p.quiet()
			p = sc.accept() // but on another connection
			login = p.wantResume("t1")
			p.wantSub("s")
			sc.user("ann", false)
			p.welcome(login, "bob", "t2")
			p = sc.accept()
			p.quiet()
			sc.user("ann", true)
			sc.outbox("m parked")
			sc.has("items", `{"_id":"a","n":1}`)
		}},
		{"an entity's calls keep their order through a retry, a logout and a restart", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			p := sc.p
			for _, name := range []string{"one", "two", "three"} {
				sc.must(Method{Name: name, Entity: "e"})
			}
			p.answer(p.wantMethod("one"), `,"error":{"error":"too-many-requests","details":{"timeToReset":60000}}`)
			p.quiet()
			go sc.r.Logout(context.Background())
			p.answer(p.wantMethod("logout"), "")
			sc.outbox("one parked", "two parked", "three parked")
			p.quiet()
			sc.r.Close()

			sc.open(kept(path))
			p = sc.accept()
			p.wantSub("s")
			sc.subscribe("s", "x")
			sc.login(Token("t1"))
			p.welcome(p.wantResume("t1"), "ann", "t1")
			p.quiet() // one may not be tried yet, and the others are behind it
			time.Sleep(time.Minute)
			p.answer(p.wantMethod("one"), `,"error":{"error":403}`)
			p.answer(p.wantMethod("two"), "")
			p.answer(p.wantMethod("three"), "")
			sc.outbox("one failed")
		}},
		{"parked and failed calls move to another replica", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.must(Method{Name: "bad"})
			sc.p.answer(sc.p.wantMethod("bad"), `,"error":{"error":403}`)
			sc.outbox("bad failed")
			sc.r.Disconnect()
			anns := sc.must(Method{Name: "anns"})
			if err := sc.r.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			sc.outbox("bad failed", "anns parked")
			var text bytes.Buffer
			if n, err := sc.r.Export(&text); n != 2 || err != nil {
				t.Errorf("%d exported (%v)", n, err)
			}
			sc.r.Close()

			sc.open(kept(t.TempDir() + "/other.db"))
			p := sc.accept()
			sc.signIn(p, "bob")
			if n, err := sc.r.Import(t.Context(), &text); n != 2 || err != nil {
				t.Errorf("%d imported (%v)", n, err)
			}
			p.quiet() // nothing of hers in his name
			sc.outbox("bad failed", "anns parked")
			sc.signIn(p, "ann")
			m := p.wantMethod("anns")
			if m["id"] != anns.ID() {
				t.Errorf("sent %v", m)
			}
			p.answer(m, "")
			sc.outbox("bad failed")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
