package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	addr string
	wg   sync.WaitGroup

	mu  sync.Mutex // guards log
	log strings.Builder
}

// startProcess starts `replicad serve` in a process, and waits for its address.
func startProcess(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], append([]string{"serve"}, args...)...)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	p.wg.Go(func() {
		defer close(told)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if addr, ok := strings.CutPrefix(lines.Text(), serveLine); ok {
				told <- strings.TrimSuffix(addr, "/websocket")
			}
			p.mu.Lock()
			fmt.Fprintln(&p.log, lines.Text())
			p.mu.Unlock()
		}
	})
	if p.addr = <-told; p.addr == "" {
		p.kill()
		t.Fatalf("the server told no address; it said: %s", p.said())
	}
	return p
}

// kill ends the process with SIGKILL, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wg.Wait()
	_ = p.cmd.Wait() // it was killed: its exit tells nothing
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// ask sends one call under an id of the test's choice, in a session of its own.
func ask(t *testing.T, addr string, m ddp.Method) ddp.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := client.Dial(ctx, "ws://"+addr, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send(ctx, m); err != nil {
		t.Fatal(err)
	}
	for got := range conn.Messages() {
		if r, ok := got.(ddp.Result); ok && r.ID == m.ID {
			return r
		}
	}
	t.Fatalf("no result of %v: %v", m, conn.Err())
	return ddp.Result{}
}

// TestServeRemembers sends calls again, under their ids, to servers that were killed
// and started again meanwhile: each is answered as before, and not made again.
func TestServeRemembers(t *testing.T) {
	asCommand(t)
	db := filepath.Join(t.TempDir(), "served.db")
	start := func() *process {
		return startProcess(t, "--listen", "127.0.0.1:0", "--db", db, "--collection", "notes", "--allow-writes")
	}
	method := func(name string, params ...any) ddp.Method {
		return ddp.Method{ID: uuid.NewString() + "-1", Name: "/notes/" + name, Params: ejson.MakeArray(params...)}
	}
	seeded := method("insert", map[string]any{"text": "without id"})
	seeded.RandomSeed = "seed"
	calls := []ddp.Method{
		method("insert", map[string]any{"_id": "n", "n": 0}),
		method("update", "n", map[string]any{"$inc": map[string]any{"n": 1}}),
		method("update", map[string]any{"n": 1}, map[string]any{"$inc": map[string]any{"n": 10}}, map[string]any{"multi": true}),
		method("update", "m", map[string]any{"$inc": map[string]any{"n": 1}}, map[string]any{"upsert": true}),
		method("insert", map[string]any{"_id": "gone"}),
		method("remove", "gone"),
		seeded,
	}
	var first []ddp.Result
	srv := start()
	for _, m := range calls {
		first = append(first, ask(t, srv.addr, m))
	}
	for range 2 {
		srv.kill()
		srv = start()
		for i, m := range calls {
			got := ask(t, srv.addr, m)
			if got.Err != nil || !got.Value.Equal(first[i].Value) {
				t.Errorf("%s %v: first %v (%v), again %v (%v)", m.Name, m.Params.Value(), first[i].Value, first[i].Err, got.Value, got.Err)
			}
		}
	}
	// Under another id it is another call, and so it is with other params.
	if got := ask(t, srv.addr, method("insert", map[string]any{"_id": "n"})); got.Err == nil || got.Err.Code != "409" {
		t.Errorf("a second insert of n: %v %v", got.Value, got.Err)
	}
	other := calls[1]
	other.Params = ejson.MakeArray("n", map[string]any{"$inc": map[string]any{"n": 100}})
	if got := ask(t, srv.addr, other); got.Err != nil {
		t.Errorf("another call under an id that was used: %v", got.Err)
	}
	// Meteor's own clients number their calls in each page from 1.
	for range 2 {
		if got := ask(t, srv.addr, ddp.Method{ID: "1", Name: "/notes/update", Params: ejson.MakeArray("m", map[string]any{"$inc": map[string]any{"n": 1}})}); got.Err != nil {
			t.Errorf("a numbered call: %v", got.Err)
		}
	}
	srv.kill()
	got := ok(t, "", "find", "notes", "--db", db, "--fields", "n", "--sort", "n")
	want := `{"_id":"m","n":3}` + "\n" + `{"_id":"n","n":111}` + "\n"
	if !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 3 {
		t.Errorf("the file has %q, wants one without id, and %q", got, want)
	}
}

// TestServeForgets keeps answers up to a horizon that may change.
func TestServeForgets(t *testing.T) {
	s := store.New(store.Options{})
	defer s.Close()
	for _, age := range []time.Duration{time.Hour, time.Hour, 2 * time.Hour} {
		if err := rememberFor(s, age); err != nil {
			t.Fatal(err)
		}
		list := s.Collection(callsCollection).Definitions()
		if len(list) != 1 || list[0].TTL != age || !list[0].Expire {
			t.Fatalf("for %v there is %v", age, list)
		}
	}
	wantUsage := replicad(t.Context(), "", "serve", "--listen", "127.0.0.1:0", "--remember", "-1h")
	if wantUsage.code != exitUsage {
		t.Fatalf("exit %d: %s", wantUsage.code, wantUsage.errors)
	}
}

// TestServeOnAFullDisk answers a call that is remembered when the disk works again, and
// refuses one that is not.
func TestServeOnAFullDisk(t *testing.T) {
	s := store.New(store.Options{})
	defer s.Close()
	var left atomic.Int64
	full := errors.New("no space left on device")
	srv := newStoreServer(s, storeServerOptions{
		collections: []string{"notes"}, allowWrites: true, logger: slog.New(slog.DiscardHandler),
		flush: func(context.Context, store.Seq) error {
			if left.Add(-1) >= 0 {
				return full
			}
			return nil
		},
	})
	web := httptest.NewServer(srv.handler())
	defer web.Close()
	defer func() { _ = srv.shutdown(context.Background()) }()
	left.Store(2)
	m := ddp.Method{ID: uuid.NewString(), Name: "/notes/insert", Params: ejson.MakeArray(map[string]any{"_id": "a"})}
	if got := ask(t, web.Listener.Addr().String(), m); got.Err != nil || left.Load() >= 0 {
		t.Errorf("a remembered call: %v, with %d failures left", got.Err, left.Load())
	}
	left.Store(2)
	m.ID, m.Params = "1", ejson.MakeArray(map[string]any{"_id": "b"})
	if got := ask(t, web.Listener.Addr().String(), m); got.Err == nil || got.Err.Code != "not-durable" || !strings.Contains(got.Err.Reason, full.Error()) {
		t.Errorf("a numbered call: %v", got.Err)
	}
}
