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

// login logs in on a goroutine of its own.
func (sc *scene) login(c Credential) *outcome {
	o := &outcome{err: errPending}
	go func() {
		user, err := sc.r.Login(context.Background(), c)
		o.value, o.err = user, err
	}()
	synctest.Wait()
	return o
}

// welcome answers a login.
func (p *peer) welcome(m map[string]any, user, token string) {
	p.t.Helper()
	p.answer(m, fmt.Sprintf(`,"result":{"id":%q,"token":%q,"tokenExpires":{"$date":%d},"type":"resume"}`,
		user, token, time.Now().Add(90*24*time.Hour).UnixMilli()))
}

// wantResume reads the login with a token.
func (p *peer) wantResume(token string) map[string]any {
	p.t.Helper()
	return p.want(fmt.Sprintf(`{"msg":"method","method":"login","params":[{"resume":%q}]}`, token))
}

// user checks in whose name the replica works.
func (sc *scene) user(want string, needs bool) {
	sc.t.Helper()
	synctest.Wait()
	if st := sc.r.Status(); st.UserID != want || st.NeedsLogin != needs {
		sc.t.Errorf("user %q, needs login: %v; want %q, %v", st.UserID, st.NeedsLogin, want, needs)
	}
}

// loggedIn is live with a file, and ann logged in.
func (sc *scene) loggedIn(path string, ids ...string) {
	sc.t.Helper()
	sc.open(kept(path))
	sc.p = sc.accept()
	sc.s = sc.subscribe("s", "x")
	sc.sub = sc.p.wantSub("s")
	for _, id := range ids {
		sc.p.added(id, 1)
	}
	sc.p.ready(sc.sub)
	o := sc.login(Password{User: "ann", Password: "secret"})
	sc.p.welcome(sc.p.wantMethod("login"), "ann", "t1")
	sc.came(o, "ann", nil)
	sc.told()
}

type custom struct{ params any }

func (c custom) LoginParams() (any, error) {
	if c.params == nil {
		return nil, errors.New("nothing to say")
	}
	return c.params, nil
}

type signup struct{ custom }

func (signup) LoginMethod() string { return "createUser" }

func TestLogin(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"201: credentials", func(t *testing.T, sc *scene, path string) {
			sc.open()
			p := sc.accept()
			const digest = `{"digest":"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b","algorithm":"sha-256"}`
			for _, login := range []struct {
				c    Credential
				wire string
			}{
				{Password{User: "ann", Password: "secret"}, `"method":"login","params":[{"user":{"username":"ann"},"password":` + digest + `}]`},
				{Password{Email: "a@b", Password: "secret"}, `"method":"login","params":[{"user":{"email":"a@b"},"password":` + digest + `}]`},
				{Password{ID: "7", Password: "secret", Code: "123"}, `"method":"login","params":[{"user":{"id":"7"},"password":` + digest + `,"code":"123"}]`},
				{Token("tok"), `"method":"login","params":[{"resume":"tok"}]`},
				{custom{map[string]any{"ldap": true}}, `"method":"login","params":[{"ldap":true}]`},
				{signup{custom{map[string]any{"username": "new"}}}, `"method":"createUser","params":[{"username":"new"}]`},
			} {
				o := sc.login(login.c)
				p.welcome(p.want(`{"msg":"method",`+login.wire+`}`), "ann", "t")
				sc.came(o, "ann", nil)
			}
			if o := sc.login(custom{}); o.err == nil || o.err == errPending {
				t.Errorf("%v", o.err)
			}
			if o := sc.login(Password{}); o.err == nil || o.err == errPending {
				t.Errorf("%v", o.err)
			}
			p.quiet()
		}},
		{"first on every connection, and calls wait for it; subscriptions do not", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.user("ann", false)
			sc.stubs()
			sc.call(setCall("a", map[string]any{"n": 2}))
			call := sc.must(Method{Name: "kept"})
			m1, m2 := sc.p.wantMethod("set"), sc.p.wantMethod("kept")
			p := sc.cut(sc.p)
			login := p.wantResume("t1")
			p.same(sc.sub, p.wantSub("s"))
			p.quiet()
			sc.phase(Catching)
			p.added("a", 1)
			p.ready(sc.sub)
			p.quiet()
			p.welcome(login, "ann", "t1")
			p.same(m1, p.wantMethod("set"))
			p.same(m2, p.wantMethod("kept"))
			p.answer(m2, "")
			sc.ended(call, nil, nil)
			p.answer(m1, "")
			sc.seen("~a", "~a")
			sc.phase(Live)
		}},
		{"the token is in the file", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.must(Method{Name: "m"})
			sc.p.wantMethod("m")
			sc.r.Close()
			sc.open(kept(path))
			sc.user("ann", false)
			sc.outbox("m sent")
			p := sc.accept()
			login := p.wantResume("t1")
			p.wantSub("s")
			p.quiet()
			p.welcome(login, "ann", "t2")
			p.wantMethod("m")
			sc.r.Close()
			sc.open(kept(path))
			sc.accept().wantResume("t2")
		}},
		{"refused: who was logged in still is", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			o := sc.login(Password{User: "bob"})
			sc.p.answer(sc.p.wantMethod("login"), `,"error":{"error":403,"reason":"Incorrect password"}`)
			sc.came(o, nil, &ddp.Error{Code: "403"})
			sc.user("ann", false)
			sc.must(Method{Name: "m"})
			sc.p.wantMethod("m")
			p := sc.cut(sc.p)
			p.wantResume("t1")
		}},
		{"an expired token parks everything, and nothing blanks", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a", "b")
			sc.stubs()
			sc.refuse = errors.New("away")
			sc.lose(sc.p)
			synctest.Wait()
			call := sc.must(setCall("a", map[string]any{"n": 2}))
			plain := sc.call(Method{Name: "plain"})
			sc.outbox("set queued")
			sc.told()
			sc.refuse = nil
			sc.r.Reconnect()
			p := sc.accept()
			login := p.wantResume("t1")
			p.wantSub("s")
			p.ready(sc.sub) // of nobody's view, which is empty
			p.answer(login, `,"error":{"error":403,"reason":"You've been logged out by the server. Please log in again."}`)
			sc.user("ann", true)
			sc.came(plain, nil, ErrNeedsLogin)
			p = sc.accept()
			p.quiet()
			sc.phase(Catching)
			if n := sc.must(Method{Name: "later"}); n == nil {
				t.Error("nothing")
			}
			sc.came(sc.call(Method{Name: "plain"}), nil, ErrNeedsLogin)
			p.quiet()
			sc.outbox("set parked", "later parked")
			sc.seen()
			p = sc.cut(p)
			p.quiet()
			sc.r.Close()
			sc.open(kept(path))
			sc.user("ann", true)
			sc.outbox("set parked", "later parked")
			p = sc.accept()
			p.quiet()
			sc.has("items", `{"_id":"a","n":2}`, `{"_id":"b","n":1}`)
			sc.told()

			o := sc.login(Password{User: "ann"})
			p.welcome(p.wantMethod("login"), "ann", "t2")
			sc.came(o, "ann", nil)
			sc.user("ann", false)
			m := p.wantMethod("set")
			if m["id"] != call.ID() {
				t.Errorf("sent %v", m)
			}
			p.wantMethod("later")
			w := p.wantSub("s")
			p.added("a", 1)
			p.added("b", 1)
			p.ready(w)
			sc.seen()
			p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			p.answer(m, "")
			sc.seen()
			sc.phase(Live)
			sc.outbox("later sent")
		}},
		{"another's calls are held back", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			sc.r.Disconnect()
			sc.must(Method{Name: "anns"})
			sc.r.Reconnect()
			o := sc.login(Password{User: "bob"})
			p := sc.accept()
			p.welcome(p.want(`{"msg":"method","method":"login"}`), "bob", "b1")
			sc.came(o, "bob", nil)
			p.wantSub("s")
			p.quiet()
			sc.outbox("anns parked")
			sc.must(Method{Name: "bobs"})
			b := p.wantMethod("bobs")
			sc.outbox("anns parked", "bobs sent")
			p.answer(b, "")
			o = sc.login(Token("t1"))
			p.welcome(p.wantResume("t1"), "ann", "t1")
			sc.came(o, "ann", nil)
			p.answer(p.wantMethod("anns"), "")
			sc.outbox()
		}},
		{"logout", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			sc.r.Disconnect()
			sc.must(Method{Name: "anns"})
			sc.r.Reconnect()
			p := sc.accept()
			login := p.wantResume("t1")
			p.wantSub("s")
			out := make(chan error, 1)
			go func() { out <- sc.r.Logout(context.Background()) }()
			synctest.Wait()
			sc.user("", false)
			p.welcome(login, "ann", "t1") // too late
			p.answer(p.wantMethod("logout"), "")
			if err := <-out; err != nil {
				t.Error(err)
			}
			sc.user("", false)
			sc.must(Method{Name: "anyones"})
			p.wantMethod("anyones")
			p.quiet()
			sc.outbox("anns parked", "anyones sent")
			p = sc.cut(p)
			p.wantMethod("anyones") // no login
			sc.r.Disconnect()
			if err := sc.r.Logout(context.Background()); err != nil {
				t.Error(err)
			}
		}},
		{"a login that is never answered", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			sc.must(Method{Name: "m"})
			sc.p.wantMethod("m")
			p := sc.cut(sc.p)
			p.wantResume("t1")
			p.wantSub("s")
			time.Sleep(loginTimeout)
			p = sc.accept()
			login := p.wantResume("t1")
			p.wantSub("s")
			p.answer(login, `,"error":{"error":500}`) // for now
			sc.user("ann", false)
			p = sc.accept()
			login = p.wantResume("t1")
			p.welcome(login, "ann", "t1")
			p.wantSub("s")
			p.wantMethod("m")
			o := sc.login(Password{User: "bob"})
			p.wantMethod("login")
			time.Sleep(loginTimeout)
			sc.came(o, nil, ErrLoginTimeout)
			sc.user("ann", false)
			sc.accept().wantResume("t1")
		}},
		{"offline it waits, and is sent first; given up in time it is forgotten", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			sc.accept()
			sc.r.Disconnect()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := sc.r.Login(ctx, Token("x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			o := sc.login(Token("t"))
			sc.must(Method{Name: "m"})
			sc.subscribe("s")
			sc.r.Reconnect()
			p := <-sc.conns
			p.want(`{"msg":"connect"}`)
			p.send(`{"msg":"connected","session":"z"}`)
			login := p.wantResume("t")
			p.quiet()
			p.welcome(login, "ann", "t1")
			p.wantMethod("m") // made while the login was on its way
			p.wantSub("s")
			sc.came(o, "ann", nil)
		}},
		{"205: the token is renewed in time", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			time.Sleep(90*24*time.Hour - time.Hour)
			sc.p.welcome(sc.p.wantMethod("getNewToken"), "ann", "t2")
			p := sc.cut(sc.p)
			p.welcome(p.wantResume("t2"), "ann", "t2")
			p.wantSub("s")
			time.Sleep(90*24*time.Hour - time.Hour)
			p.answer(p.wantMethod("getNewToken"), `,"error":{"error":404}`)
			p.quiet()
			sc.user("ann", false)
		}},
		{"a user without a token is proved anew", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			o := sc.login(custom{map[string]any{"card": 7}})
			login := p.wantMethod("login")
			p.answer(login, `,"result":{"id":"ann"}`)
			sc.came(o, "ann", nil)
			p = sc.cut(p)
			p.want(`{"msg":"method","method":"login","params":[{"card":7}]}`)
			sc.r.Close()
			sc.open(kept(path))
			p = sc.accept()
			p.quiet()
			sc.user("ann", true)
		}},
		{"98: the stub's user", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path)
			user := ""
			sc.r.Stub("m", func(tx *Tx, in Invocation) error { user = in.UserID; return nil })
			sc.must(Method{Name: "m"})
			if user != "ann" {
				t.Errorf("user %q", user)
			}
		}},
		{"the user's data come as one", func(t *testing.T, sc *scene, path string) {
			sc.loggedIn(path, "a")
			o := sc.login(Token("b"))
			login := sc.p.wantResume("b")
			sc.p.send(`{"msg":"removed","collection":"items","id":"a"}`)
			sc.p.added("b", 1)
			time.Sleep(time.Second)
			sc.seen()
			sc.p.ready(sc.sub)
			sc.p.welcome(login, "bob", "b")
			sc.seen("+b -a")
			sc.came(o, "bob", nil)
		}},
		{"an answer that names nobody", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path))
			p := sc.accept()
			o := sc.login(Token("b"))
			p.answer(p.wantResume("b"), `,"result":[{"id":7}]`)
			synctest.Wait()
			if o.err == nil || o.err == errPending {
				t.Errorf("%v", o.err)
			}
			sc.user("", false)
			sc.phase(Live)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/r.db"
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}
