package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// running is a command that runs in a goroutine of the test's.
type running struct {
	addr string // HOST:PORT
	stop func() // waits, and wants exit code 0

	mu  sync.Mutex // guards log
	log strings.Builder
}

// said returns what the command has said on standard error.
func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// start runs a command until it tells its address on a line that begins so.
func start(t *testing.T, begins string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stderr, tell := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, strings.NewReader(""), io.Discard, tell)
		tell.Close()
	}()
	addr := make(chan string, 1)
	r := &running{}
	go func() {
		defer close(addr)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			r.mu.Lock()
			fmt.Fprintln(&r.log, lines.Text())
			r.mu.Unlock()
			if rest, ok := strings.CutPrefix(lines.Text(), begins); ok {
				addr <- strings.TrimSuffix(rest, "/websocket")
			}
		}
	}()
	stopped := false
	r.stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("%q: exit %d", args, got)
		}
	}
	t.Cleanup(r.stop)
	r.addr = <-addr
	if r.addr == "" {
		t.Fatalf("%q told no address", args)
	}
	return r
}

func startServe(t *testing.T, args ...string) *running {
	t.Helper()
	return start(t, serveLine, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
}

func startSync(t *testing.T, url string, args ...string) *running {
	t.Helper()
	return start(t, apiLine, append([]string{"sync", url, "--listen", "127.0.0.1:0", "--max-backoff", "50ms"}, args...)...)
}

// await polls a daemon's status until it is good.
func await(t *testing.T, addr string, good func(ejson.Doc) bool) ejson.Doc {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := newAPIClient(addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := c.status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if good(d) {
			return d
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting; status %v", d)
		}
	}
}

func live(d ejson.Doc) bool { return d.Field("phase").Str() == "live" }

// TestDaemon asks the daemon each of its questions.
func TestDaemon(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t), "--allow-writes")
	db := filepath.Join(t.TempDir(), "fruit.db")
	d := startSync(t, "ws://"+srv.addr, "--db", db, "--sub", "fruit", "--index", "fruit:price")
	st := await(t, d.addr, func(d ejson.Doc) bool {
		return live(d) && d.Field("collections").Doc().Field("fruit").Number() == 3
	})
	if st.Field("file").Str() != db || st.Field("subscriptions").Number() != 1 {
		t.Errorf("status names no file, or no subscription: %v", st)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"find", []string{"find", "fruit", `{"price":{"$gt":2}}`, "--sort", "-price", "--fields", "name"}, exitOK, `{"_id":"c","name":"cherry"}` + "\n" + `{"_id":"a","name":"apple"}` + "\n"},
		{"explain", []string{"find", "fruit", `{"price":{"$gt":2}}`, "--explain"}, exitOK, "returned  2 of 3 documents"},
		{"find by id", []string{"find", "fruit", "b", "--fields", "price"}, exitOK, `{"_id":"b","price":1}` + "\n"},
		{"count", []string{"count", "fruit", `{"price":{"$gt":2}}`}, exitOK, "2\n"},
		{"the address as it was told", []string{"count", "fruit", "--addr", "http://" + d.addr + "/"}, exitOK, "3\n"},
		{"distinct", []string{"distinct", "fruit", "name", `{"price":{"$lt":4}}`}, exitOK, "\"apple\"\n\"banana\"\n"},
		{"hint", []string{"explain", "fruit", `{"price":{"$gt":2}}`, "--hint", "$natural"}, exitOK, "by scan"},
		{"list of indexes", []string{"index", "fruit"}, exitOK, `{"name":"price","keys":["price"],"entries":3}`},
		{"add an index", []string{"index", "fruit", "tags", "--sparse", "--name", "by tag"}, exitOK, `{"name":"by tag","keys":["tags"],"sparse":true,"entries":4}`},
		{"use it", []string{"explain", "fruit", `{"tags":"red"}`, "--hint", "by tag"}, exitOK, "by index by tag"},
		{"another of its name", []string{"index", "fruit", "name", "--name", "by tag"}, exitUsage, "by tag"},
		{"drop it", []string{"index", "fruit", "by tag", "--drop"}, exitOK, `"name":"price"`},
		{"drop it again", []string{"index", "fruit", "by tag", "--drop"}, exitUsage, "by tag"},
		{"partial", []string{"index", "fruit", "name", "--partial", `{"price":{"$gt":2}}`}, exitOK, `"partial":{"price":{"$gt":2}},"entries":2`},
		{"nobody watches", []string{"observers"}, exitOK, "nothing is being watched"},
		{"a slip in the collection", []string{"find", "friut"}, exitOK, `there is no collection "friut" here, but fruit`},
		{"a slip, counted", []string{"count", "friut"}, exitOK, `there is no collection "friut" here, but fruit`},
		{"a slip, distinct", []string{"distinct", "friut", "name"}, exitOK, `there is no collection "friut" here, but fruit`},
		{"a slip, explained", []string{"explain", "friut"}, exitOK, `there is no collection "friut" here, but fruit`},
		{"bad operator", []string{"find", "fruit", `{"a":{"$gtt":1}}`}, exitUsage, "$gtt"},
		{"status", []string{"status"}, exitOK, "3 documents"},
		{"status as JSON", []string{"status", "--json"}, exitOK, `"collections":{"fruit":3}`},
		{"call", []string{"call", "/fruit/insert", `{"_id":"d","name":"date","price":2}`}, exitOK, `"d"`},
		{"the call's effect", []string{"find", "fruit", "d", "--fields", "name"}, exitOK, `{"_id":"d","name":"date"}`},
		{"call with an error", []string{"call", "/fruit/insert", `{"_id":"d"}`, "--url", "ws://" + srv.addr}, exitFailed, "409"},
		{"call with a bad id", []string{"call", "/fruit/insert", `{"_id":[1]}`, "--url", "ws://" + srv.addr}, exitFailed, "[400]"},
		{"call with a bad modifier", []string{"call", "/fruit/update", "{}", `{"$set":{"a.$":1}}`, "--url", "ws://" + srv.addr}, exitFailed, "[400]"},
		{"an address that is none", []string{"status", "--addr", "nonsense"}, exitUsage, "wants HOST:PORT"},
		{"unknown method", []string{"call", "nosuch"}, exitFailed, "404"},
		{"call without the daemon", []string{"call", "/fruit/remove", `{"_id":"d"}`, "--url", "ws://" + srv.addr}, exitOK, "1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if !slices.Contains(args, "--url") && !slices.Contains(args, "--addr") {
				args = append(args, "--addr", d.addr)
			}
			got := replicad(t.Context(), "", args...)
			if got.code != tt.code || !strings.Contains(got.out+got.errors, tt.want) {
				t.Fatalf("exit %d, %q %q; wants exit %d, %q", got.code, got.out, got.errors, tt.code, tt.want)
			}
		})
	}

	t.Run("a file that the daemon holds", func(t *testing.T) {
		got := replicad(t.Context(), "", "find", "fruit", "--db", db, "--timeout", "10ms")
		if got.code != exitFailed || !strings.Contains(got.errors, "--addr") {
			t.Fatalf("exit %d, %q", got.code, got.errors)
		}
	})
	t.Run("a second daemon on the file", func(t *testing.T) {
		got := replicad(t.Context(), "", "sync", "ws://"+srv.addr, "--db", db, "--listen", "127.0.0.1:0")
		if got.code != exitFailed || !strings.Contains(got.errors, "locked by this process") || strings.Contains(got.errors, "deadline") {
			t.Fatalf("exit %d, %q", got.code, got.errors)
		}
	})
	d.stop()
	t.Run("the file alone", func(t *testing.T) {
		got := replicad(t.Context(), "", "find", "fruit", "--db", db, "--sort", "price")
		if got.code != exitOK || names(got.out) != "banana apple cherry" {
			t.Fatalf("exit %d, %q %s", got.code, got.out, got.errors)
		}
		got = replicad(t.Context(), "", "find", "fruit", "nosuch", "--db", db)
		if got.code != exitOK || got.out != "" || got.errors != "" {
			t.Fatalf("a selector that matches nothing: exit %d, %q %q", got.code, got.out, got.errors)
		}
		got = replicad(t.Context(), "", "watch", "fruit", "b", "--db", db)
		if got.code != exitOK || names(got.out) != "banana" || !strings.Contains(got.out, `"event":"ready"`) {
			t.Fatalf("exit %d, %q %s", got.code, got.out, got.errors)
		}
		got = replicad(t.Context(), "", "index", "fruit", "--db", db)
		if got.code != exitOK || !strings.Contains(got.out, `"partial":{"price":{"$gt":2}}`) {
			t.Fatalf("exit %d, %q %s", got.code, got.out, got.errors)
		}
		got = replicad(t.Context(), "", "status", "--db", db)
		if got.code != exitOK || !strings.Contains(got.out, "3 documents") {
			t.Fatalf("exit %d, %q %s", got.code, got.out, got.errors)
		}
	})
}

// TestDaemonWatch follows a live list through a change on the server.
func TestDaemonWatch(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t), "--allow-writes")
	d := startSync(t, "ws://"+srv.addr, "--sub", `fruit:[{"price":{"$lt":5}}]`)
	await(t, d.addr, live)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := newAPIClient(d.addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var list topList
	r := request{collection: "fruit", sort: []string{"-price"}}
	err = c.watch(ctx, r, func(ev ejson.Doc) error {
		if err := list.take(ev); err != nil {
			return err
		}
		if ev.Field("event").Str() == "ready" {
			if got := replicad(ctx, "", "observers", "--addr", d.addr); got.code != exitOK || !strings.Contains(got.out, "fruit") {
				t.Errorf("observers: %q %s", got.out, got.errors)
			}
			_, err := c.call(ctx, "/fruit/update", ejson.MakeArray("b", map[string]any{"$set": map[string]any{"price": 4}}))
			return err
		}
		if len(list.docs) == 2 && list.docs[0].ID() == ejson.StringID("b") {
			cancel()
		}
		return nil
	})
	if ctx.Err() == nil {
		t.Fatalf("the watch ended early, with %v: %v", list.docs, err)
	}
}

// TestAPIGuards keeps pages and strangers out of the local API.
func TestAPIGuards(t *testing.T) {
	d := startSync(t, "ws://127.0.0.1:1")
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"as it should be", func(*http.Request) {}, http.StatusOK},
		{"a name that was bent to loopback", func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
		{"a page of another site", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, http.StatusForbidden},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{"no JSON", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{")); r.ContentLength = 1 }, http.StatusBadRequest},
		{"no collection", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")); r.ContentLength = 2 }, http.StatusBadRequest},
		{"limit is no number", func(r *http.Request) {
			const body = `{"collection":"c","limit":"x"}`
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}, http.StatusBadRequest},
		{"a name that says nothing", func(r *http.Request) {
			const body = `{"collection":"c","filter":{"a":1}}`
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}, http.StatusBadRequest},
		{"a method that is not", func(r *http.Request) { r.Method = http.MethodPut }, http.StatusNotFound},
		{"no such path", func(r *http.Request) { r.URL.Path = "/nosuch" }, http.StatusNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.addr+"/find", strings.NewReader(`{"collection":"c"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			tt.change(req)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != tt.want {
				body, _ := io.ReadAll(res.Body)
				t.Fatalf("%s: %s; wants %d", res.Status, body, tt.want)
			}
			if tt.want != http.StatusOK {
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				if d, err := ejson.Parse(body); err != nil || errorOf(d) == nil {
					t.Fatalf("%q is no {error: …}", body)
				}
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestServeKeeps writes through one server, and reads from the next on its file.
func TestServeKeeps(t *testing.T) {
	db := filepath.Join(t.TempDir(), "served.db")
	srv := startServe(t, "--db", db, "--collection", "notes", "--allow-writes")
	for _, id := range []string{"z", "y", "x"} {
		got := replicad(t.Context(), "", "call", "/notes/insert", `{"_id":"`+id+`"}`, "--url", "ws://"+srv.addr)
		if got.code != exitOK {
			t.Fatalf("exit %d: %s", got.code, got.errors)
		}
	}
	got := replicad(t.Context(), "", "call", "/notes/update", `["y", {"$set": {"text": "hm"}}]`, "--url", "ws://"+srv.addr)
	if got.code != exitOK || got.out != "1\n" {
		t.Fatalf("exit %d: %q %s", got.code, got.out, got.errors)
	}
	srv.stop()
	want := `{"_id":"z"}` + "\n" + `{"_id":"y","text":"hm"}` + "\n" + `{"_id":"x"}` + "\n"
	if got := replicad(t.Context(), "", "find", "notes", "--db", db); got.out != want {
		t.Fatalf("got %q %s, wants %q", got.out, got.errors, want)
	}
}

// TestServeAnswersWhenDurable kills a server at once after each answer: what was
// answered is in the file.
func TestServeAnswersWhenDurable(t *testing.T) {
	asCommand(t)
	db := filepath.Join(t.TempDir(), "served.db")
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--db", db, "--collection", "notes", "--allow-writes")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		addr := ""
		for lines := bufio.NewScanner(stderr); addr == "" && lines.Scan(); {
			addr, _ = strings.CutPrefix(lines.Text(), serveLine)
			if addr == lines.Text() {
				addr = ""
			}
		}
		for i := range 3 {
			id := fmt.Sprintf("%d-%d", round, i)
			got := replicad(t.Context(), "", "call", "/notes/insert", `{"_id":"`+id+`"}`, "--url", "ws://"+addr)
			if got.code != exitOK {
				t.Fatalf("exit %d: %s", got.code, got.errors)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		if got := replicad(t.Context(), "", "count", "notes", "--db", db); got.out != fmt.Sprintf("%d\n", 3*(round+1)) {
			t.Fatalf("round %d: %q notes of %d: %s", round, got.out, 3*(round+1), got.errors)
		}
	}
}

// TestPortTaken says so, and makes no file.
func TestPortTaken(t *testing.T) {
	srv := startServe(t, "--collection", "notes")
	db := filepath.Join(t.TempDir(), "new.db")
	refused(t, exitFailed, "another process listens there", "serve", "--listen", srv.addr, "--db", db)
	refused(t, exitFailed, "another process listens there", "sync", "ws://127.0.0.1:1", "--listen", srv.addr, "--db", db)
	if _, err := os.Stat(db); err == nil {
		t.Error("and yet there is a file")
	}
}

// TestServeWithoutWrites refuses them.
func TestServeWithoutWrites(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	got := replicad(t.Context(), "", "call", "/fruit/remove", "a", "--url", "ws://"+srv.addr)
	if got.code != exitFailed || !strings.Contains(got.errors, "404") {
		t.Fatalf("exit %d: %s", got.code, got.errors)
	}
}
