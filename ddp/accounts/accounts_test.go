package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"golang.org/x/crypto/bcrypt"
)

// TestPassword holds lines 201, 202 and 209.
func TestPassword(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		for _, user := range []ejson.Doc{
			ejson.Make().With("username", "Alice"), ejson.Make().With("email", "alice@example.org"), ejson.Make().With("id", w.alice),
		} {
			r := c.call("login", ejson.Make().With("user", user).With("password", digest("wonder")))
			if r.code() != "" || r.field("id") != w.alice || r.field("type") != "password" || len(r.field("token")) != 43 {
				t.Fatalf("%s: %s %s", user, r.Result, r.code())
			}
			want := fmt.Sprint(map[string]any{"$date": float64(time.Now().Add(90 * 24 * time.Hour).UnixMilli())})
			if r.field("tokenExpires") != want {
				t.Errorf("expires %s, want %s", r.field("tokenExpires"), want)
			}
		}
		if who := c.whoami(); who != w.alice {
			t.Errorf("logged in as %s", who)
		}
		want := `{"msg":"added","collection":"users","id":"` + w.alice + `","fields":{"username":"alice",` +
			`"emails":[{"address":"Alice@Example.org","verified":false}],"profile":{"name":"Alice"}}}`
		if got := c.data(); got != want {
			t.Errorf("is shown %s", got)
		}
		// What is stored is what Meteor stores, and nothing to log in with.
		u := w.user(t)
		if err := bcrypt.CompareHashAndPassword([]byte(u.Password), []byte(digest("wonder").Field("digest").Str())); err != nil {
			t.Error(err)
		}
		if len(u.Tokens) != 3 || c.call("login", resume(u.Tokens[0].Hash)).code() != "403" {
			t.Error("a stored token logs in")
		}
		if r := c.call("login", ejson.Make().With("user", "alice").With("password", "wonder")); r.code() != "" {
			t.Errorf("a plain password: %s", r.code())
		}
	})
}

// TestRefused: whoever cannot log in learns nothing else.
func TestRefused(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		if _, err := w.Create(t.Context(), accounts.NewUser{Username: "bare"}); err != nil {
			t.Fatal(err)
		}
		c := dial(t, w.srv, "", 0)
		wrong := c.call("login", byName("alice", "wrong"))
		for _, how := range []ejson.Doc{byName("nobody", "wonder"), byName("bare", ""), byName("bare", "x"),
			ejson.Make().With("user", ejson.Make().With("username", "alice")).With("password", ejson.Make().With("digest", "xx").With("algorithm", "sha-256")),
			ejson.Make().With("user", ejson.Make().With("username", "alice")).With("password", digest("wonder").With("algorithm", "md5")),
		} {
			r := c.call("login", how)
			if r.Error == nil || *r.Error != *wrong.Error || r.code() != "403" {
				t.Errorf("%s: %+v, want %+v", how, r.Error, wrong.Error)
			}
		}
		for how, code := range map[string]string{
			`{"user":{"username":{"$gt":""}},"password":"x"}`:     "400",
			`{"user":{"username":"alice","id":"x"},"password":1}`: "400",
			`{"password":"x"}`:        "400",
			`{"resume":{"$ne":null}}`: "400",
			`{"resume":"none"}`:       "403",
			`{"other":1}`:             "400",
			`{}`:                      "400",
		} {
			d, err := ejson.Parse([]byte(how))
			if err != nil {
				t.Fatal(err)
			}
			if r := c.call("login", d); r.code() != code {
				t.Errorf("%s: %s, want %s", how, r.code(), code)
			}
		}
		if r := c.call("login"); r.code() != "400" {
			t.Error(r.code())
		}
		if r := c.call("createUser", ejson.Make()); r.code() != "404" {
			t.Errorf("may sign up: %s", r.code())
		}
		for _, name := range []string{"getNewToken", "removeOtherTokens", "generate2faActivationQrCode", "enableUser2fa", "disableUser2fa", "has2faEnabled"} {
			if r := c.call(name, "x"); r.code() != "not-logged-in" {
				t.Errorf("%s: %s", name, r.code())
			}
		}
		if c.whoami() != "" || c.data() != "" {
			t.Error("somebody is logged in")
		}
	})
}

// TestSecondFactor: a code is asked for, is good once, and cannot be guessed around.
func TestSecondFactor(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		c.call("login", byName("alice", "wonder"))
		if r := c.call("enableUser2fa", "123456"); r.code() != "2fa-not-generated" {
			t.Error(r.code())
		}
		r := c.call("generate2faActivationQrCode", "App")
		secret := r.field("secret")
		if !strings.HasPrefix(r.field("uri"), "otpauth://totp/App:alice?") {
			t.Error(r.field("uri"))
		}
		code := func() string {
			code, err := totp.GenerateCode(secret, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		if r := c.call("login", byName("alice", "wonder")); r.code() != "" {
			t.Errorf("a secret that was not confirmed counts: %s", r.code())
		}
		if r := c.call("enableUser2fa", "12345"); r.code() != "invalid-2fa-code" {
			t.Error(r.code())
		}
		if r := c.call("enableUser2fa", code()); r.code() != "" {
			t.Fatal(r.code())
		}
		if string(c.call("has2faEnabled").Result) != "true" || c.call("generate2faActivationQrCode").code() != "2fa-activated" {
			t.Error("not enabled")
		}
		with := func(code any) string { return c.call("login", byName("alice", "wonder").With("code", code)).code() }
		if got := with(code()); got != "invalid-2fa-code" {
			t.Errorf("a code that was used: %q", got)
		}
		time.Sleep(time.Minute)
		if got := c.call("login", byName("alice", "wonder")).code(); got != "no-2fa-code" {
			t.Errorf("without a code: %q", got)
		}
		if got := c.call("login", byName("alice", "wrong").With("code", code())).code(); got != "403" {
			t.Errorf("a wrong password: %q", got)
		}
		for _, wrong := range []any{"000000", 123456, ejson.Make().With("$ne", 1)} {
			if got := with(wrong); got != "invalid-2fa-code" {
				t.Errorf("%v: %q", wrong, got)
			}
		}
		now := code()
		if got := with(now); got != "" {
			t.Errorf("a good code: %q", got)
		}
		if got := with(now); got != "invalid-2fa-code" {
			t.Errorf("twice: %q", got)
		}
		// A clock that was a year ahead when a code was used locks nobody out for a year.
		err := w.store.Update(t.Context(), w.alice, func(u *accounts.User) error { u.TOTPStep += 1_000_000; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, again := with(now), with(now); got != "" || again != "invalid-2fa-code" {
			t.Errorf("after the clock was put right: %q, then %q", got, again)
		}
		time.Sleep(time.Minute)
		if c.call("disableUser2fa"); c.call("login", byName("alice", "wonder")).code() != "" {
			t.Error("not disabled")
		}
	})
}

// TestHandlers: other ways to log in, and who has the last word.
func TestHandlers(t *testing.T) {
	var refuse bool
	play(t, func(o *accounts.Options) {
		o.Validate = func(_ context.Context, _ *server.Call, u accounts.User) error {
			if refuse {
				return &ddp.Error{Code: "locked", Reason: u.Username + " is locked"}
			}
			return nil
		}
	}, func(t *testing.T, w *world) {
		w.Handle(func(_ context.Context, _ *server.Call, how ejson.Doc) (string, string, error) {
			switch how.Field("oauth").Str() {
			case "":
				return "", "", nil
			case "good":
				return w.alice, "oauth", nil
			case "stranger":
				return "nobody", "oauth", nil
			case "broken":
				return "", "", errors.New("secret")
			}
			return "", "", ddp.NumericError(403, "No")
		})
		c := dial(t, w.srv, "", 0)
		by := func(credential string) reply { return c.call("login", ejson.Make().With("oauth", credential)) }
		for credential, code := range map[string]string{"bad": "403", "broken": "500", "stranger": "403"} {
			if r := by(credential); r.code() != code {
				t.Errorf("%s: %s, want %s", credential, r.code(), code)
			}
		}
		r := by("good")
		if r.code() != "" || r.field("type") != "oauth" || c.whoami() != w.alice {
			t.Errorf("%s %s", r.Result, r.code())
		}
		refuse = true
		for _, how := range []ejson.Doc{ejson.Make().With("oauth", "good"), byName("alice", "wonder"), resume(r.field("token"))} {
			if r := c.call("login", how); r.code() != "locked" {
				t.Errorf("%s: %s", how, r.code())
			}
		}
		if c.whoami() != w.alice {
			t.Error("a login that fails logs out")
		}
	})
}

// TestSignUp: accounts can be made by clients, if that is wished, and none twice.
func TestSignUp(t *testing.T) {
	play(t, func(o *accounts.Options) { o.SignUp = true }, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		bob := ejson.Make().With("username", "bob").With("email", "b@x.org").With("password", digest("builder"))
		r := c.call("createUser", bob)
		if r.code() != "" || c.whoami() != r.field("id") {
			t.Fatal(r.code())
		}
		if got := c.data(); !strings.Contains(got, `"fields":{"username":"bob","emails":[{"address":"b@x.org","verified":false}]}`) {
			t.Error(got)
		}
		for _, twice := range []ejson.Doc{bob, bob.With("username", "x"), bob.With("username", "BOB").With("email", "y@x.org")} {
			if r := c.call("createUser", twice); r.code() != "403" {
				t.Errorf("%s: %s", twice, r.code())
			}
		}
		for _, bad := range []ejson.Doc{ejson.Make(), bob.Without("password"), bob.With("username", "a@b"), bob.Without("username", "email")} {
			if r := c.call("createUser", bad); r.code() != "400" {
				t.Errorf("%s: %s", bad, r.code())
			}
		}
	})
}

// TestChangePassword: it takes the old one, and logs out the others.
func TestChangePassword(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
		c, other := dial(t, w.srv, "", 0), dial(t, w.srv, "", 0)
		if r := c.call("changePassword", digest("wonder"), digest("new")); r.code() != "not-logged-in" {
			t.Error(r.code())
		}
		token := c.call("login", byName("alice", "wonder")).field("token")
		other.call("login", byName("alice", "wonder"))
		if r := c.call("changePassword", digest("wrong"), digest("new")); r.code() != "403" || other.gone() {
			t.Error(r.code())
		}
		if r := c.call("changePassword", digest("wonder"), digest("new")); r.code() != "" || c.gone() || !other.gone() {
			t.Errorf("%s; gone: %v %v", r.code(), c.gone(), other.gone())
		}
		if c.call("login", byName("alice", "wonder")).code() != "403" || c.call("login", byName("alice", "new")).code() != "" {
			t.Error("the password is not the new one")
		}
		if c.call("login", resume(token)).code() != "" {
			t.Error("the own token is gone")
		}
		if err := w.SetPassword(t.Context(), w.alice, "newer"); err != nil || !c.gone() {
			t.Errorf("still there, or %v", err)
		}
		if err := w.SetPassword(t.Context(), w.alice, ""); err != nil {
			t.Error(err)
		}
		if dial(t, w.srv, "", 0).call("login", byName("alice", "newer")).code() != "403" {
			t.Error("logged in without a password")
		}
	})
}

// TestLimit holds line 140 for logins.
func TestLimit(t *testing.T) {
	play(t, func(o *accounts.Options) { o.Limits = nil }, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		for range 5 {
			if r := c.call("login", byName("alice", "wrong")); r.code() != "403" {
				t.Fatal(r.code())
			}
		}
		if r := c.call("login", byName("alice", "wonder")); r.code() != "too-many-requests" {
			t.Error(r.code())
		}
		time.Sleep(10 * time.Second)
		if r := c.call("login", byName("alice", "wonder")); r.code() != "" {
			t.Error(r.code())
		}
	})
}

// TestRefresh: a user sees what has become of them, and nothing where nothing is to be seen
// any more.
func TestRefresh(t *testing.T) {
	hide := func(o *accounts.Options) {
		o.Document = func(u accounts.User) ejson.Doc {
			if u.Username == "hidden" {
				return ejson.Doc{}
			}
			d := ejson.Make().With("username", u.Username)
			if !u.Profile.IsZero() {
				d = d.With("profile", u.Profile)
			}
			return d
		}
	}
	play(t, hide, func(t *testing.T, w *world) {
		c := dial(t, w.srv, "", 0)
		c.call("login", byName("alice", "wonder"))
		c.data()
		err := w.store.Update(t.Context(), w.alice, func(u *accounts.User) error {
			u.Username, u.Profile = "al", ejson.Doc{}
			return nil
		})
		if err == nil {
			err = w.Refresh(t.Context(), w.alice)
		}
		if got := c.data(); err != nil || got != `{"msg":"changed","collection":"users","id":"`+w.alice+`","fields":{"username":"al"},"cleared":["profile"]}` {
			t.Errorf("%s, %v", got, err)
		}
		for range 2 {
			err = w.store.Update(t.Context(), w.alice, func(u *accounts.User) error { u.Username = "hidden"; return nil })
			if err == nil {
				err = w.Refresh(t.Context(), w.alice)
			}
		}
		if got := c.data(); err != nil || got != `{"msg":"removed","collection":"users","id":"`+w.alice+`"}` {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// broken is a store that fails, unless it works.
type broken struct {
	accounts.Memory
	works atomic.Bool
}

func (b *broken) Find(ctx context.Context, k accounts.Key) (accounts.User, error) {
	if b.works.Load() {
		return b.Memory.Find(ctx, k)
	}
	return accounts.User{}, errors.New("disk on fire")
}

// TestBrokenStore: nobody gets in, and nobody is told why.
func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server.Server{Heartbeat: -1, Logger: slog.New(slog.DiscardHandler)}
		a := accounts.New(srv, new(broken), accounts.Options{Cost: bcrypt.MinCost, SignUp: true})
		c := dial(t, srv, "", 0)
		for _, how := range []ejson.Doc{byName("alice", "wonder"), resume("x")} {
			if r := c.call("login", how); r.code() != "500" || strings.Contains(r.Error.Reason, "fire") {
				t.Errorf("%+v", r.Error)
			}
		}
		if err := a.Refresh(t.Context(), "x"); err == nil {
			t.Error("no error")
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
