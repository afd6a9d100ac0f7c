package main

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestBookkeepingIsClosed tries every door to the collections in which a replica
// keeps its books, the login's token and the session's id among them.
func TestBookkeepingIsClosed(t *testing.T) {
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	db := filepath.Join(t.TempDir(), "fruit.db")
	d := startSync(t, "ws://"+srv.addr, "--db", db, "--sub", "fruit")
	await(t, d.addr, live)

	doors := func(t *testing.T, flags ...string) {
		for coll, instead := range map[string]string{
			"sync.meta": "replicad status", "sync.subs": "replicad status", "sync.shadow": "replicad status",
			"sync.outbox": "replicad outbox list", "system.indexes": "replicad index", "sync.nosuch": "replicad status",
		} {
			for _, args := range [][]string{
				{"find", coll}, {"find", coll, "--explain"}, {"count", coll}, {"explain", coll},
				{"distinct", coll, "token"}, {"watch", coll}, {"index", coll}, {"index", coll, "token"},
			} {
				got := replicad(t.Context(), fruit, append(args, flags...)...)
				if got.code != exitUsage || got.out != "" || !strings.Contains(got.errors, "bookkeeping") || !strings.Contains(got.errors, instead) {
					t.Errorf("%q: exit %d, %q, %q; wants exit %d and the way to %q", args, got.code, got.out, got.errors, exitUsage, instead)
				}
			}
		}
	}
	t.Run("commands, through the daemon", func(t *testing.T) { doors(t, "--addr", d.addr) })
	t.Run("commands, on lines", func(t *testing.T) { doors(t, "--file", "-") })
	t.Run("the API", func(t *testing.T) {
		for _, path := range []string{"/find", "/count", "/distinct", "/explain", "/watch", "/index"} {
			body := `{"collection":"sync.meta"}`
			if path == "/distinct" {
				body = `{"collection":"sync.meta","path":"token"}`
			}
			status, answer := post(t, d.addr, path, body)
			if status != http.StatusBadRequest || !strings.Contains(answer, "bookkeeping") {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
	})
	t.Run("methods that are about the login", func(t *testing.T) {
		for _, name := range loginMethods {
			status, answer := post(t, d.addr, "/call", `{"method":"`+name+`","params":[]}`)
			if status != http.StatusBadRequest || !strings.Contains(answer, "replicad login") {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
	})
	t.Run("an index of the daemon's", func(t *testing.T) {
		wantUsage(t, "sync", "ws://"+srv.addr, "--listen", "127.0.0.1:0", "--index", "sync.meta:token")
	})
	d.stop()
	t.Run("commands, on the file", func(t *testing.T) { doors(t, "--db", db) })
	t.Run("serve", func(t *testing.T) {
		serve := []string{"serve", "--listen", "127.0.0.1:0", "--db", db}
		wantUsage(t, append(serve, "--collection", "sync.meta")...)
		wantUsage(t, append(serve, "--collection", "fruit,system.indexes")...)
		wantUsage(t, append(serve, "--load", "sync.meta="+fruitFile(t))...)
		wantUsage(t, append(serve, "--index", "sync.meta:token")...)
	})
	t.Run("a server over the replica's file", func(t *testing.T) {
		over := startServe(t, "--db", db, "--allow-writes")
		for _, method := range []string{"/sync.meta/insert", "/sync.meta/update", "/sync.meta/remove"} {
			got := replicad(t.Context(), "", "call", method, `{"_id":"login"}`, "--url", "ws://"+over.addr)
			if got.code != exitFailed || !strings.Contains(got.errors, "404") {
				t.Errorf("%s: exit %d, %q %s", method, got.code, got.out, got.errors)
			}
		}
		r := startSync(t, "ws://"+over.addr, "--sub", "fruit", "--sub", "sync.meta")
		await(t, r.addr, func(d ejson.Doc) bool {
			// The subscription that was refused is gone.
			return live(d) && d.Field("subscriptions").Number() == 1 && d.Field("collections").Doc().Field("fruit").Number() == 3
		})
	})
}

// wantUsage runs a command that is called wrongly.
func wantUsage(t *testing.T, args ...string) {
	t.Helper()
	if got := replicad(t.Context(), "", args...); got.code != exitUsage || !strings.Contains(got.errors, "bookkeeping") {
		t.Errorf("%q: exit %d, %q; wants exit %d", args, got.code, got.errors, exitUsage)
	}
}

// post sends a body to the local API of a daemon.
func post(t *testing.T, addr, path, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
