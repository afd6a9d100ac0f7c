package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// behindLink starts a server with the fruit, and a link to it that can be cut.
func behindLink(t *testing.T, args ...string) (srv *running, l *link) {
	t.Helper()
	srv = startServe(t, append([]string{"--load", "fruit=" + fruitFile(t), "--allow-writes"}, args...)...)
	l, err := newLink(srv.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cut)
	return srv, l
}

// ok runs a command that goes well, and returns what it printed.
func ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	got := replicad(t.Context(), stdin, args...)
	if got.code != exitOK {
		t.Fatalf("%q: exit %d: %s", args, got.code, got.errors)
	}
	return got.out
}

// refused runs a command that does not, and wants to be told why.
func refused(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	got := replicad(t.Context(), "", args...)
	if got.code != code || !strings.Contains(got.errors, want) || got.out != "" {
		t.Fatalf("%q: exit %d, %q, %q; wants exit %d, %q", args, got.code, got.out, got.errors, code, want)
	}
}

func hasOutbox(n float64) func(ejson.Doc) bool {
	return func(d ejson.Doc) bool { return d.Field("outbox").Number() == n }
}

// whole says that the replica has been given all that it subscribes to.
func whole(d ejson.Doc) bool {
	return live(d) && d.Field("whole").Number() > 0 && d.Field("whole").Number() == d.Field("subscriptions").Number()
}

func offline(d ejson.Doc) bool { return d.Field("phase").Str() != "live" }

// TestOutbox leaves calls while the link is cut, through a restart, on the file alone and
// by import; has one refused; and sees each of them made.
func TestOutbox(t *testing.T) {
	srv, l := behindLink(t)
	db := filepath.Join(t.TempDir(), "fruit.db")
	start := func() *running { return startSync(t, "ws://"+l.addr, "--db", db, "--sub", "fruit") }
	d := start()
	await(t, d.addr, whole)
	l.cut()
	await(t, d.addr, offline)

	ids := make([]string, 3)
	for i := range ids {
		ids[i] = strings.TrimSpace(ok(t, "", "do", "/fruit/insert", fmt.Sprintf(`{"_id":"q%d","name":"quince"}`, i), "--addr", d.addr))
	}
	if got := ok(t, "", "count", "fruit", `{"name":"quince"}`, "--addr", d.addr); got != "3\n" {
		t.Errorf("%q quinces at once, wants 3", got)
	}
	if got := ok(t, "", "outbox", "list", "--addr", d.addr); strings.Count(got, "queued") != 3 || !strings.Contains(got, `/fruit/insert[{"_id":"q0"`) {
		t.Errorf("the list: %q", got)
	}
	if got := ok(t, "", "outbox", "show", ids[1], "--addr", d.addr); !strings.Contains(got, `"q1"`) || !strings.Contains(got, "state         queued") {
		t.Errorf("show: %q", got)
	}
	if got := ok(t, "", "status", "--addr", d.addr); !strings.Contains(got, "outbox        3") {
		t.Errorf("status: %q", got)
	}
	ok(t, "", "outbox", "drop", ids[2], "--addr", d.addr)
	if got := ok(t, "", "count", "fruit", `{"name":"quince"}`, "--addr", d.addr); got != "2\n" {
		t.Errorf("%q quinces after one call was dropped, wants 2", got)
	}
	for _, verb := range []string{"show", "drop", "retry", "export"} { // it may have ended well
		refused(t, exitFailed, "no call", "outbox", verb, "nosuch", "--addr", d.addr)
	}
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"has not failed", []string{"outbox", "retry", ids[0]}},
		{"either IDs or --failed", []string{"outbox", "retry"}},
		{"either IDs or --failed", []string{"outbox", "drop", "x", "--failed"}},
		{"--state \"lost\"", []string{"outbox", "list", "--state", "lost"}},
		{"'replicad login'", []string{"do", "getNewToken"}},
		{"a METHOD", []string{"do"}},
		{"--ttl wants", []string{"do", "m", "--ttl", "-1s"}},
	} {
		refused(t, exitUsage, tt.want, append(tt.args, "--addr", d.addr)...)
	}
	d.stop()

	// The file alone.
	if got := ok(t, "", "outbox", "list", "--json", "--db", db); strings.Count(got, "\n") != 2 || !strings.Contains(got, ids[0]) {
		t.Fatalf("the file's outbox: %q", got)
	}
	ok(t, "", "do", "/fruit/insert", `{"_id":"q3","name":"quince"}`, "--db", db)
	if got := ok(t, "", "status", "--db", db); !strings.Contains(got, "outbox        3") {
		t.Errorf("the file's status: %q", got)
	}
	refused(t, exitUsage, "--wait wants a daemon", "do", "m", "--wait", "--db", db)
	exported := ok(t, "", "outbox", "export", "--db", db)
	if strings.Count(exported, "\n") != 3 {
		t.Fatalf("exported: %q", exported)
	}

	d = start()
	refused(t, exitFailed, "--addr", "outbox", "list", "--db", db, "--timeout", "10ms")
	await(t, d.addr, hasOutbox(3))
	if err := l.mend(); err != nil {
		t.Fatal(err)
	}
	await(t, d.addr, func(d ejson.Doc) bool { return whole(d) && hasOutbox(0)(d) })
	if got := ok(t, "", "count", "fruit", `{"name":"quince"}`, "--addr", d.addr); got != "3\n" {
		t.Errorf("%q quinces, wants 3", got)
	}

	// What the server refuses is kept, and holds up nobody.
	poison := strings.TrimSpace(ok(t, "", "do", "nosuch", "1", "--addr", d.addr))
	if got := ok(t, "", "do", "/fruit/remove", "q3", "--wait", "--addr", d.addr); !strings.HasSuffix(got, "\n1\n") {
		t.Errorf("a call behind one that was refused: %q", got)
	}
	await(t, d.addr, func(d ejson.Doc) bool { return d.Field("failed").Number() == 1 })
	if got := ok(t, "", "outbox", "list", "--state", "failed", "--addr", d.addr); !strings.Contains(got, poison) || !strings.Contains(got, "[404]") {
		t.Errorf("what failed: %q", got)
	}
	ok(t, "", "outbox", "retry", "--failed", "--addr", d.addr)
	await(t, d.addr, func(d ejson.Doc) bool { return d.Field("failed").Number() == 1 && hasOutbox(0)(d) })
	got := replicad(t.Context(), "", "do", "nosuch", "--wait", "--addr", d.addr)
	if got.code != exitFailed || !strings.Contains(got.errors, "404") {
		t.Errorf("--wait for a call that is refused: exit %d, %q", got.code, got.errors)
	}
	await(t, d.addr, func(d ejson.Doc) bool { return d.Field("failed").Number() == 2 })
	ok(t, "", "outbox", "drop", "--failed", "--addr", d.addr)
	if got := ok(t, "", "outbox", "list", "--addr", d.addr); got != "" {
		t.Errorf("the outbox still has %q", got)
	}

	// Imported, the calls have the ids that they had: the server has made them.
	calls := filepath.Join(t.TempDir(), "calls.jsonl")
	if err := os.WriteFile(calls, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	other := startSync(t, "ws://"+srv.addr, "--db", filepath.Join(t.TempDir(), "other.db"), "--sub", "fruit")
	await(t, other.addr, whole)
	if got := replicad(t.Context(), "", "outbox", "import", calls, "--addr", other.addr); got.code != exitOK || !strings.Contains(got.errors, "3 calls imported") {
		t.Fatalf("import: exit %d, %q", got.code, got.errors)
	}
	await(t, other.addr, func(d ejson.Doc) bool {
		if d.Field("failed").Number() > 0 {
			t.Fatalf("imported calls were made again: %s", ok(t, "", "outbox", "list", "--addr", other.addr))
		}
		return hasOutbox(0)(d)
	})
	if got := replicad(t.Context(), "{\n", "outbox", "import", "-", "--addr", other.addr); got.code == exitOK || !strings.Contains(got.errors, "line 1") {
		t.Fatalf("import of what is no call: exit %d, %q", got.code, got.errors)
	}
	refused(t, exitFailed, "no such file", "outbox", "import", filepath.Join(t.TempDir(), "none"), "--addr", other.addr)
}

// TestOutboxOfNoReplica refuses a file that a server made.
func TestOutboxOfNoReplica(t *testing.T) {
	db := filepath.Join(t.TempDir(), "served.db")
	startServe(t, "--db", db, "--collection", "fruit").stop()
	refused(t, exitFailed, "it is no replica's", "outbox", "list", "--db", db)
	refused(t, exitFailed, "no such file", "do", "m", "--db", filepath.Join(t.TempDir(), "none.db"))
}

// TestDoInterrupted leaves the call where it is.
func TestDoInterrupted(t *testing.T) {
	d := startSync(t, "ws://127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan result, 1)
	go func() { out <- replicad(ctx, "", "do", "m", "--wait", "--addr", d.addr) }()
	await(t, d.addr, hasOutbox(1))
	cancel()
	if got := <-out; got.code != exitSignal {
		t.Fatalf("exit %d, %q %q", got.code, got.out, got.errors)
	}
	await(t, d.addr, hasOutbox(1))
}

// TestOutboxWatch sees a call come into the outbox and leave it.
func TestOutboxWatch(t *testing.T) {
	_, l := behindLink(t)
	d := startSync(t, "ws://"+l.addr, "--sub", "fruit")
	await(t, d.addr, whole)
	l.cut()
	await(t, d.addr, offline)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := newAPIClient(d.addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var kinds []string
	err = c.follow(ctx, func(ev ejson.Doc) error {
		kind := ev.Field("event").Str()
		if kind == "changed" { // sent: it may be gone before that is told
			return nil
		}
		kinds = append(kinds, kind)
		switch kind {
		case "ready":
			ok(t, "", "do", "/fruit/insert", `{"_id":"w"}`, "--addr", d.addr)
		case "added":
			return l.mend()
		case "removed":
			cancel()
		}
		return nil
	})
	if ctx.Err() == nil || strings.Join(kinds, " ") != "ready added removed" {
		t.Fatalf("%v: %v", kinds, err)
	}
}
