package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// alone is a daemon that has found nobody at its server's address.
func alone(d ejson.Doc) bool {
	return d.Field("phase").Str() == "offline" && !d.Field("because").IsMissing()
}

// TestStatusTells has a daemon in trouble tell what is wrong, and what to do.
func TestStatusTells(t *testing.T) {
	srv, l := behindLink(t)
	d := startSync(t, "ws://"+l.addr, "--sub", "fruit", "--sub", `nosuch:[{"a":1}]`, "--max-backoff", "1h")
	await(t, d.addr, func(st ejson.Doc) bool { return live(st) && st.Field("refused").Array().Len() == 1 })
	got := ok(t, "", "status", "--addr", d.addr)
	for _, want := range []string{`refused       nosuch:[{"a":1}]: [404] Subscription 'nosuch' not found`, "subscriptions 1, of which the documents of 1 are all here"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if got := replicad(t.Context(), "", "status", "--check", "--addr", d.addr); got.code != exitFailed || !strings.Contains(got.errors, "not all is well: 1 subscription refused") || got.out == "" {
		t.Errorf("--check: exit %d, %q", got.code, got.errors)
	}
	if got := replicad(t.Context(), "", "do", "nosuch", "--wait", "--addr", d.addr); got.code != exitFailed || !strings.Contains(got.errors, "outbox retry") {
		t.Errorf("do --wait of what is refused: exit %d, %q", got.code, got.errors)
	}
	srv.stop()
	l.cut()
	var told strings.Builder
	st := await(t, d.addr, alone)
	if err := printStatus(&told, st); err != nil {
		t.Fatal(err)
	}
	got = told.String()
	for _, want := range []string{"phase         offline", "because       client: ", "; the next is at ", "failed        1 call refused or given up: see 'replicad outbox list --state failed'"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "$date") {
		t.Errorf("a time for programs, in\n%s", got)
	}
	if got, want := strings.Join(ailments(st), ", "), "offline, 1 subscription refused, 1 call failed"; got != want {
		t.Errorf("ailments: got %q, wants %q", got, want)
	}
}

// TestStatusWell is a daemon that has nothing to complain of.
func TestStatusWell(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	d := startSync(t, "ws://"+srv.addr, "--sub", "fruit")
	await(t, d.addr, whole)
	ok(t, "", "status", "--check", "--addr", d.addr)
	if got := ok(t, "", "explain", "fruit", "--json", "--addr", d.addr); !strings.HasPrefix(got, `{"plan":"by scan`) {
		t.Errorf("explain --json: %q", got)
	}
}

// TestCallOffline makes no call when there is no connection, and leaves none behind.
func TestCallOffline(t *testing.T) {
	d := startSync(t, "ws://127.0.0.1:1", "--max-backoff", "1h")
	await(t, d.addr, alone)
	refused(t, exitFailed, "the call was not made ('replicad do' leaves it", "call", "m", "--addr", d.addr)
	res, err := http.Post("http://"+d.addr+"/call", "application/json", strings.NewReader(`{"method":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("POST /call: %s", res.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if st := await(t, d.addr, alone); !st.Field("calls").IsMissing() {
		t.Errorf("a call waits: %v", st)
	}
	t.Setenv("REPLICAD_PASSWORD", "x")
	refused(t, exitFailed, "gave no answer within 50ms; it is ", "login", "--user", "x", "--timeout", "50ms", "--addr", d.addr)
}

// TestKeptSubscriptions starts a daemon again without --sub, and with another: it goes on
// with what the file has, or tells what goes.
func TestKeptSubscriptions(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t), "--collection", "notes")
	db := filepath.Join(t.TempDir(), "kept.db")
	d := startSync(t, "ws://"+srv.addr, "--db", db, "--sub", `fruit:[{"price":{"$gt":2}}]`)
	await(t, d.addr, whole)
	d.stop()

	d = startSync(t, "ws://"+srv.addr, "--db", db)
	await(t, d.addr, whole)
	if !strings.Contains(d.said(), "going on with 1 subscription of the file") {
		t.Errorf("without --sub: %s", d.said())
	}
	if st := await(t, d.addr, live); st.Field("collections").Doc().Field("fruit").Number() != 2 {
		t.Errorf("status: %v", st)
	}
	d.stop()

	d = startSync(t, "ws://"+srv.addr, "--db", db, "--sub", "notes")
	await(t, d.addr, live)
	if !strings.Contains(d.said(), `fruit:[{"price":{"$gt":2}}] is not asked for any more`) {
		t.Errorf("with another --sub: %s", d.said())
	}
}

// TestSubscribesAgain has a daemon log in that asked for what is for users only.
func TestSubscribesAgain(t *testing.T) {
	b := newBank(t)
	d := startSync(t, "ws://"+b.addr, "--sub", "notes")
	await(t, d.addr, func(st ejson.Doc) bool { return st.Field("refused").Array().Len() == 1 })
	ok(t, "", "login", "--user", "alice", "--password-file", secret(t, "wonder"), "--addr", d.addr)
	await(t, d.addr, func(st ejson.Doc) bool { return whole(st) && st.Field("refused").IsMissing() })
}

// TestIndexDisk has a disk that fails be no fault of who adds an index.
func TestIndexDisk(t *testing.T) {
	full := errors.New("no space left")
	src := &storeSource{store: store.New(store.Options{}), flush: func(context.Context, store.Seq) error { return full }}
	_, err := src.index(t.Context(), indexRequest{collection: "c", add: store.IndexOptions{Keys: []string{"a"}}})
	if !errors.Is(err, full) || isUsage(err) {
		t.Fatalf("got %v", err)
	}
}

// TestDaemonEnds has who watches a daemon told that it has ended, be it in the midst of a
// line.
func TestDaemonEnds(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	for _, args := range [][]string{{"watch", "fruit"}, {"outbox", "watch"}} {
		d := startSync(t, "ws://"+srv.addr, "--sub", "fruit")
		await(t, d.addr, whole)
		var errs strings.Builder
		out, told := io.Pipe()
		code := make(chan int, 1)
		go func() {
			code <- run(t.Context(), append(args, "--addr", d.addr), strings.NewReader(""), told, &errs)
		}()
		if _, err := out.Read(make([]byte, 1<<16)); err != nil { // it has begun
			t.Fatal(err)
		}
		go io.Copy(io.Discard, out)
		d.stop()
		if got := <-code; got != exitFailed || !strings.Contains(errs.String(), "the daemon has ended") {
			t.Errorf("%q: exit %d, %q", args, got, errs.String())
		}
		told.Close()
	}

	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"_id":"a"}`+"\n"+`{"_id"`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer web.Close()
	got := replicad(t.Context(), "", "find", "fruit", "--addr", web.URL)
	if got.code != exitFailed || !strings.Contains(got.errors, "has ended in the midst of its answer") {
		t.Errorf("half an answer: exit %d, %q", got.code, got.errors)
	}
}

// TestReconnect has a daemon find its server long before the next try is due.
func TestReconnect(t *testing.T) {
	srv, l := behindLink(t)
	l.cut()
	d := startSync(t, "ws://"+l.addr, "--sub", "fruit", "--max-backoff", "1h")
	await(t, d.addr, func(st ejson.Doc) bool { return alone(st) && st.Field("tries").Number() >= 3 })
	if err := l.mend(); err != nil {
		t.Fatal(err)
	}
	ok(t, "", "reconnect", "--addr", d.addr)
	await(t, d.addr, whole)
	ok(t, "", "reconnect", "--addr", d.addr)
	srv.stop()
	refused(t, exitFailed, "no daemon at", "reconnect", "--addr", "127.0.0.1:1")
}
