package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// TestDoFlags holds the entry in the outbox to the flags of do.
func TestDoFlags(t *testing.T) {
	d := startSync(t, "ws://127.0.0.1:1")
	list := func() []string {
		return strings.Split(strings.TrimSpace(ok(t, "", "outbox", "list", "--json", "--addr", d.addr)), "\n")
	}
	ok(t, "", "do", "m", "1", "--entity", "task/t1", "--no-retry", "--ttl", "1h", "--addr", d.addr)
	entry, err := ejson.Parse([]byte(list()[0]))
	if err != nil {
		t.Fatal(err)
	}
	if entry.Field("entity").Str() != "task/t1" || !entry.Field("noRetry").Bool() ||
		entry.Field("expires").Millis()-entry.Field("at").Millis() != 3_600_000 {
		t.Errorf("the entry is %v", entry)
	}
	ok(t, "", "do", "set", "1", "--squash", "level", "--addr", d.addr)
	ok(t, "", "do", "set", "2", "--squash", "level", "--addr", d.addr)
	if got := list(); len(got) != 2 || !strings.Contains(got[1], `"params":[2]`) {
		t.Errorf("of two calls that set the same, the outbox has %q", got)
	}
}

// TestDropForce drops a call that was sent, and has no answer, with --force only.
func TestDropForce(t *testing.T) {
	var srv server.Server
	srv.Logger = slog.New(slog.DiscardHandler)
	srv.Method("stall", func(ctx context.Context, _ *server.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	web := httptest.NewServer(&srv)
	defer web.Close()
	defer func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = srv.Shutdown(ctx) // which does not wait for the call
	}()
	d := startSync(t, web.URL)
	id := strings.TrimSpace(ok(t, "", "do", "stall", "--addr", d.addr))
	await(t, d.addr, func(ejson.Doc) bool {
		return ok(t, "", "outbox", "list", "--state", "sent", "--addr", d.addr) != ""
	})
	got := replicad(t.Context(), "", "outbox", "drop", id, "--addr", d.addr)
	if got.code == exitOK || !strings.Contains(got.errors, "--force") {
		t.Errorf("without --force: exit %d, %q", got.code, got.errors)
	}
	ok(t, "", "outbox", "drop", id, "--force", "--addr", d.addr)
	await(t, d.addr, hasOutbox(0))
}

// TestVerbose wants of --verbose a log, and without it none.
func TestVerbose(t *testing.T) {
	// said runs a command until it says what is waited for, and has done with it.
	said := func(until string, args ...string) (all string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stderr, tell := io.Pipe()
		go func() {
			run(ctx, args, strings.NewReader(""), io.Discard, tell)
			tell.Close()
		}()
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			all += lines.Text() + "\n"
			if strings.Contains(lines.Text(), until) {
				cancel()
			}
		}
		return all
	}
	args := []string{"sync", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0"}
	if got := said("offline, with", args...); strings.Contains(got, "level=") {
		t.Errorf("without --verbose: %s", got)
	}
	if got := said("from=connecting to=offline", append(args, "--verbose")...); !strings.Contains(got, "level=") {
		t.Errorf("with --verbose: %s", got)
	}
}
