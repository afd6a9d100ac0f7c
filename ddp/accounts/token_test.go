package accounts_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/server"
	"golang.org/x/crypto/bcrypt"
)

// TestToken holds lines 202 to 205: a token logs in until it is too old or deleted, and
// lives on while it is used.
func TestToken(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		const day = 24 * time.Hour
		first := dial(t, w.srv, "", 0).call("login", byName("alice", "wonder"))
		token := first.field("token")
		time.Sleep(30 * day)
		r := dial(t, w.srv, "", 0).call("login", resume(token))
		if r.field("type") != "resume" || r.field("token") != token || r.field("tokenExpires") != first.field("tokenExpires") {
			t.Errorf("%s", r.Result)
		}
		time.Sleep(40 * day) // past half: it begins anew
		c := dial(t, w.srv, "", 0)
		want := fmt.Sprint(map[string]any{"$date": float64(time.Now().Add(90 * day).UnixMilli())})
		if r := c.call("login", resume(token)); r.field("tokenExpires") != want {
			t.Errorf("expires %s, want %s", r.field("tokenExpires"), want)
		}
		time.Sleep(90 * day)
		if r := dial(t, w.srv, "", 0).call("login", resume(token)); r.code() != "403" || !strings.Contains(r.Error.Reason, "logged out by the server") {
			t.Errorf("%s %s", r.Result, r.code())
		}
		if !c.gone() {
			t.Error("a session outlived its token")
		}
		c = dial(t, w.srv, "", 0)
		c.call("login", byName("alice", "wonder"))
		if r := c.call("logout"); r.code() != "" || c.whoami() != "" || len(w.user(t).Tokens) != 0 {
			t.Errorf("%s, %d tokens", r.code(), len(w.user(t).Tokens))
		}
		if got := c.data(); !strings.HasSuffix(got, `{"msg":"removed","collection":"users","id":"`+w.alice+`"}`) {
			t.Error(got)
		}
		if c.gone() {
			t.Error("who logs out need not leave")
		}
	})
}

// TestExpiry: a session ends when its token does, also when that was renewed meanwhile, or
// when the store fails just then.
func TestExpiry(t *testing.T) {
	life := func(o *accounts.Options) { o.TokenLife, o.Logger = time.Hour, slog.New(slog.DiscardHandler) }
	play(t, life, func(t *testing.T, w *world) {
		one, other := dial(t, w.srv, "", 0), dial(t, w.srv, "", 0)
		token := one.call("login", byName("alice", "wonder")).field("token")
		other.call("login", byName("alice", "wonder"))
		time.Sleep(40 * time.Minute)
		other.call("logout")
		two := dial(t, w.srv, "", 0)
		if r := two.call("login", resume(token)); r.code() != "" {
			t.Fatal(r.code())
		}
		time.Sleep(59 * time.Minute)
		if one.gone() || two.gone() || other.gone() {
			t.Error("gone before the renewed token, or without one")
		}
		time.Sleep(time.Minute)
		if !one.gone() || !two.gone() || other.gone() {
			t.Errorf("gone: %v %v, who logged out: %v", one.gone(), two.gone(), other.gone())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		srv := &server.Server{Heartbeat: -1, Logger: slog.New(slog.DiscardHandler)}
		store := new(broken)
		opts := accounts.Options{Cost: bcrypt.MinCost}
		life(&opts)
		a := accounts.New(srv, store, opts)
		if _, err := a.Create(t.Context(), accounts.NewUser{Username: "alice", Password: "wonder"}); err != nil {
			t.Fatal(err)
		}
		store.works.Store(true)
		c := dial(t, srv, "", 0)
		c.call("login", byName("alice", "wonder"))
		store.works.Store(false)
		time.Sleep(61 * time.Minute)
		if c.gone() {
			t.Error("sent away because the store fails")
		}
		store.works.Store(true)
		time.Sleep(time.Minute)
		if !c.gone() {
			t.Error("forgotten because the store failed")
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestDeletedTokens holds line 204: sessions go with their token, also those whose client
// is away.
func TestDeletedTokens(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		a, b, away := dial(t, w.srv, "", 0), dial(t, w.srv, "", 0), dial(t, w.srv, "", 0)
		token := a.call("login", byName("alice", "wonder")).field("token")
		b.call("login", resume(token))
		other := away.call("login", byName("alice", "wonder")).field("token")
		id, count := away.session, away.count
		away.end.Cut()
		synctest.Wait()
		// "Log out other clients", as Meteor's client does it.
		r := a.call("getNewToken")
		fresh := r.field("token")
		if r.code() != "" || fresh == token {
			t.Fatalf("%s %s", r.Result, r.code())
		}
		if r := a.call("removeOtherTokens"); r.code() != "" {
			t.Fatal(r.code())
		}
		if a.gone() || !b.gone() {
			t.Errorf("the caller is gone: %v, the other: %v", a.gone(), b.gone())
		}
		back := dial(t, w.srv, id, count)
		if back.session == id {
			t.Error("a session came back whose token was deleted")
		}
		for _, old := range []string{token, other} {
			if r := back.call("login", resume(old)); r.code() != "403" {
				t.Errorf("a deleted token: %s", r.code())
			}
		}
		if r := back.call("login", resume(fresh)); r.code() != "" {
			t.Error(r.code())
		}
		// Two with one token: one logs out, the other is logged out.
		a.call("logout")
		if a.gone() || !back.gone() {
			t.Errorf("the one is gone: %v, the other: %v", a.gone(), back.gone())
		}
		a.call("login", byName("alice", "wonder"))
		if err := w.LogOut(t.Context(), w.alice); err != nil || !a.gone() {
			t.Errorf("still there, or %v", err)
		}
		c := dial(t, w.srv, "", 0)
		c.call("login", byName("alice", "wonder"))
		w.store.Remove(w.alice)
		if err := w.Refresh(t.Context(), w.alice); err != nil || !c.gone() {
			t.Errorf("still there, or %v", err)
		}
	})
}

// TestOnlyToken: where a user may have one token only, who gets another keeps the session.
func TestOnlyToken(t *testing.T) {
	play(t, func(o *accounts.Options) { o.MaxTokens = 1 }, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		for range 2 {
			if r := c.call("login", byName("alice", "wonder")); r.code() != "" {
				t.Fatal(r.code())
			}
			if r := c.call("getNewToken"); r.code() != "" || c.gone() {
				t.Fatalf("%s, gone: %v", r.code(), c.gone())
			}
		}
		other := dial(t, w.srv, "", 0)
		other.call("login", byName("alice", "wonder"))
		if !c.gone() || other.gone() {
			t.Error("the other's session should have ended, not the caller's")
		}
	})
}

// TestTokensBounded: whoever logs in a thousand times has not a thousand tokens.
func TestTokensBounded(t *testing.T) {
	play(t, func(o *accounts.Options) { o.MaxTokens = 3 }, func(t *testing.T, w *world) {
		var all []*peer
		for range 5 {
			c := dial(t, w.srv, "", 0)
			c.call("login", byName("alice", "wonder"))
			all = append(all, c)
		}
		if n := len(w.user(t).Tokens); n != 3 || !all[1].gone() || all[2].gone() {
			t.Errorf("%d tokens; gone: %v %v", n, all[1].gone(), all[2].gone())
		}
	})
}
