package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
)

// bank is a server with accounts, whose publication and method are for users only.
type bank struct {
	addr     string
	accounts *accounts.Accounts
	users    *accounts.Memory
	alice    string // her id
}

func newBank(t *testing.T) *bank {
	t.Helper()
	s := store.New(store.Options{})
	t.Cleanup(func() { _ = s.Close() })
	srv := newStoreServer(s, storeServerOptions{collections: []string{"notes"}, allowWrites: true, logger: slog.New(slog.DiscardHandler)})
	srv.ddp.WrapPublications(func(next server.PublishFunc) server.PublishFunc {
		return func(ctx context.Context, p *server.Publication) error {
			if p.UserID == "" && p.Name() == "notes" {
				return ddp.NumericError(403, "for users only")
			}
			return next(ctx, p)
		}
	})
	srv.ddp.Method("whoami", func(_ context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, ddp.NumericError(403, "for users only")
		}
		return c.UserID, nil
	})
	users := &accounts.Memory{}
	b := &bank{users: users, accounts: accounts.New(&srv.ddp, users, accounts.Options{Cost: 4, Limits: []server.Limit{}})}
	var err error
	if b.alice, err = b.accounts.Create(t.Context(), accounts.NewUser{Username: "alice", Password: "wonder"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.accounts.Create(t.Context(), accounts.NewUser{Username: "bob", Email: "bob@x.example", Password: "builder"}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv.handler())
	b.addr = web.Listener.Addr().String()
	t.Cleanup(func() {
		_ = srv.shutdown(context.Background())
		web.Close()
	})
	return b
}

// secret makes a file with a secret in it.
func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSyncWithLogin starts daemons that log in.
func TestSyncWithLogin(t *testing.T) {
	b := newBank(t)
	db := filepath.Join(t.TempDir(), "notes.db")
	args := []string{"--db", db, "--sub", "notes", "--user", "alice", "--password-file", secret(t, "wonder")}
	d := startSync(t, "ws://"+b.addr, args...)
	if st := await(t, d.addr, whole); st.Field("user").Str() != b.alice {
		t.Fatalf("status: %v", st)
	}
	if got := ok(t, "", "do", "whoami", "--wait", "--addr", d.addr); !strings.HasSuffix(got, "\""+b.alice+"\"\n") {
		t.Fatalf("whoami: %q", got)
	}
	d.stop()

	// The file has the login: the next daemon takes it up, and the session with it.
	d = startSync(t, "ws://"+b.addr, args...)
	if st := await(t, d.addr, whole); st.Field("user").Str() != b.alice || !st.Field("resumed").Bool() {
		t.Fatalf("status of the second daemon: %v", st)
	}
	d.stop()
	if got := ok(t, "", "status", "--db", db); strings.Contains(got, "wonder") {
		t.Fatalf("the status has the password: %q", got)
	}

	// Another user is another login.
	t.Setenv("REPLICAD_PASSWORD", "builder")
	d = startSync(t, "ws://"+b.addr, "--db", db, "--sub", "notes", "--user", "bob@x.example")
	await(t, d.addr, func(d ejson.Doc) bool { u := d.Field("user").Str(); return u != "" && u != b.alice })
	d.stop()

	t.Setenv("REPLICAD_PASSWORD", "wrong")
	for _, args := range [][]string{
		{"--user", "alice"},
		{"--user", "nobody"},
		{"--token-file", secret(t, "no-such-token")},
	} {
		refused(t, exitFailed, "login: ", append([]string{"sync", "ws://" + b.addr, "--listen", "127.0.0.1:0"}, args...)...)
	}
}

// TestLogin logs a running daemon in and out.
func TestLogin(t *testing.T) {
	b := newBank(t)
	d := startSync(t, "ws://"+b.addr)
	await(t, d.addr, live)
	refused(t, exitFailed, "403", "call", "whoami", "--addr", d.addr)
	refused(t, exitFailed, "403", "login", "--user", "alice", "--password-file", secret(t, "wrong"), "--addr", d.addr)
	got := replicad(t.Context(), "wonder\n", "login", "--user", "alice", "--password-file", "-", "--addr", d.addr)
	if got.code != exitOK || !strings.Contains(got.errors, b.alice) || strings.Contains(got.errors+got.out, "wonder") {
		t.Fatalf("exit %d, %q", got.code, got.errors)
	}
	if got := ok(t, "", "call", "whoami", "--addr", d.addr); got != "\""+b.alice+"\"\n" {
		t.Fatalf("whoami: %q", got)
	}
	// What the user did waits for the user.
	ok(t, "", "logout", "--addr", d.addr)
	refused(t, exitFailed, "403", "call", "whoami", "--addr", d.addr)
	if st := await(t, d.addr, live); !st.Field("user").IsMissing() {
		t.Fatalf("status after the logout: %v", st)
	}
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"no terminal to ask at", []string{"login", "--user", "alice"}},
		{"wants --user NAME or --token-file", []string{"login"}},
		{"--password-file wants --user", []string{"login", "--password-file", "x"}},
		{"if any flags in the group", []string{"login", "--user", "a", "--token-file", "x"}},
	} {
		refused(t, exitUsage, tt.want, append(tt.args, "--addr", d.addr)...)
	}
	refused(t, exitFailed, "--token-file", "login", "--token-file", filepath.Join(t.TempDir(), "none"), "--addr", d.addr)
	refused(t, exitFailed, "its first line is empty", "login", "--token-file", secret(t, ""), "--addr", d.addr)
	status, answer := post(t, d.addr, "/login", `{"user":"alice","password":{"$hidden":"wonder"}}`)
	if status != 400 || strings.Contains(answer, "wonder") {
		t.Fatalf("%d %s", status, answer)
	}
}

// TestLoginLost tells when the server does not accept the token any more, and logs in
// again by the password that the daemon was started with.
func TestLoginLost(t *testing.T) {
	b := newBank(t)
	l, err := newLink(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cut)
	with := startSync(t, "ws://"+l.addr, "--user", "alice", "--password-file", secret(t, "wonder"))
	without := startSync(t, "ws://"+l.addr)
	ok(t, "wonder\n", "login", "--user", "alice", "--password-file", "-", "--addr", without.addr)
	user := func(d ejson.Doc) bool {
		return live(d) && d.Field("user").Str() == b.alice && !d.Field("needsLogin").Bool()
	}
	await(t, with.addr, user)
	await(t, without.addr, user)
	l.cut()
	await(t, with.addr, offline)
	await(t, without.addr, offline)
	if err := b.accounts.LogOut(t.Context(), b.alice); err != nil {
		t.Fatal(err)
	}
	if err := l.mend(); err != nil {
		t.Fatal(err)
	}
	await(t, with.addr, user)
	await(t, without.addr, func(d ejson.Doc) bool { return d.Field("needsLogin").Bool() })
	ok(t, "wonder\n", "login", "--user", "alice", "--password-file", "-", "--addr", without.addr)
	await(t, without.addr, user)
}

// codeNow is the one-time code of a secret, now.
func codeNow(secret []byte) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, uint64(time.Now().Unix())/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// TestSecondFactor asks for the code where there is somebody to ask, and says how else.
func TestSecondFactor(t *testing.T) {
	b := newBank(t)
	key := []byte("0123456789abcdefghij")
	err := b.users.Update(t.Context(), b.alice, func(u *accounts.User) error {
		u.TOTP = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file := secret(t, "wonder")
	refused(t, exitFailed, "run 'replicad login' at a terminal", "sync", "ws://"+b.addr, "--listen", "127.0.0.1:0", "--user", "alice", "--password-file", file)
	d := startSync(t, "ws://"+b.addr)
	await(t, d.addr, live)
	refused(t, exitFailed, "second factor", "login", "--user", "alice", "--password-file", file, "--addr", d.addr)
	c, err := newAPIClient(d.addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	asked := 0
	user, err := loginAsking(t.Context(), c.login, credential{user: "alice", password: "wonder"}, func(string) (string, error) {
		asked++
		return codeNow(key), nil
	})
	if err != nil || user != b.alice || asked != 1 {
		t.Fatalf("user %q, asked %d times: %v", user, asked, err)
	}
	await(t, d.addr, func(d ejson.Doc) bool { return d.Field("user").Str() == b.alice })
}
