package accounts_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

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
