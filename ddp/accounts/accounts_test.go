package accounts_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a client that calls methods.
type peer struct {
	t       *testing.T
	end     *client.PipeEnd
	n       int
	session string

	mu      sync.Mutex // guards the rest
	got     []string
	count   int
	results map[string]reply
	closed  bool
}

// reply is a result.
type reply struct {
	Result json.RawMessage
	Error  *struct {
		Error  any
		Reason string
	}
}

// code returns the code of the error, "" if there is none.
func (r reply) code() string {
	if r.Error == nil {
		return ""
	}
	return fmt.Sprint(r.Error.Error)
}

func (r reply) field(name string) string {
	var m map[string]any
	json.Unmarshal(r.Result, &m)
	return fmt.Sprint(m[name])
}

func dial(t *testing.T, srv *server.Server, session string, count int) *peer {
	a, b := client.Pipe(client.PipeOptions{})
	p := &peer{t: t, end: a, results: make(map[string]reply)}
	go srv.Serve(context.Background(), b)
	go p.read()
	a.Write(t.Context(), ddp.Append(nil, ddp.Connect{Version: "1", Support: []string{"1"}, Session: session, ReceivedCount: count}), false)
	synctest.Wait()
	return p
}

func (p *peer) read() {
	for {
		frame, err := p.end.Read()
		p.mu.Lock()
		if err != nil {
			p.closed = true
			p.mu.Unlock()
			return
		}
		var m struct {
			Msg, ID, Session string
			reply
		}
		json.Unmarshal(frame, &m)
		p.count++
		switch m.Msg {
		case "connected":
			p.session = m.Session
		case "result":
			p.results[m.ID] = m.reply
		case "added", "changed", "removed":
			p.got = append(p.got, string(frame))
		}
		p.mu.Unlock()
	}
}

func (p *peer) call(name string, params ...any) reply {
	p.t.Helper()
	p.n++
	id := fmt.Sprint(p.n)
	p.end.Write(p.t.Context(), ddp.Append(nil, ddp.Method{ID: id, Name: name, Params: ejson.MakeArray(params...)}), false)
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.results[id]
	if !ok {
		p.t.Fatalf("%s has no result", name)
	}
	return r
}

// data returns the data messages since the last call of it.
func (p *peer) data() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := strings.Join(p.got, "\n")
	p.got = nil
	return got
}

func (p *peer) gone() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *peer) whoami() string {
	p.t.Helper()
	return strings.Trim(string(p.call("whoami").Result), `"`)
}

func digest(password string) ejson.Doc {
	sum := sha256.Sum256([]byte(password))
	return ejson.Make().With("digest", hex.EncodeToString(sum[:])).With("algorithm", "sha-256")
}

func byName(user, password string) ejson.Doc {
	return ejson.Make().With("user", ejson.Make().With("username", user)).With("password", digest(password))
}

func resume(token string) ejson.Doc { return ejson.Make().With("resume", token) }

// world is a server with accounts, of which alice is one.
type world struct {
	*accounts.Accounts
	srv   *server.Server
	store *accounts.Memory
	alice string
}

// play runs a test in a bubble. Options are changed by change, if it is not nil.
func play(t *testing.T, change func(*accounts.Options), fn func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{srv: &server.Server{Heartbeat: -1, Logger: slog.New(slog.DiscardHandler)}, store: new(accounts.Memory)}
		opts := accounts.Options{Cost: bcrypt.MinCost, Limits: []server.Limit{}}
		if change != nil {
			change(&opts)
		}
		w.Accounts = accounts.New(w.srv, w.store, opts)
		w.srv.Method("whoami", func(_ context.Context, c *server.Call) (any, error) { return c.UserID, nil })
		var err error
		w.alice, err = w.Create(t.Context(), accounts.NewUser{Username: "alice", Email: "Alice@Example.org", Password: "wonder",
			Profile: ejson.Make().With("name", "Alice")})
		if err != nil {
			t.Fatal(err)
		}
		fn(t, w)
		if err := w.srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) user(t *testing.T) accounts.User {
	u, err := w.store.Find(t.Context(), accounts.Key{ID: w.alice})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

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

// TestRefresh: a user sees what has become of them.
func TestRefresh(t *testing.T) {
	play(t, nil, func(t *testing.T, w *world) {
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
	})
}

// broken is a store that fails.
type broken struct{ accounts.Memory }

func (*broken) Find(context.Context, accounts.Key) (accounts.User, error) {
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
