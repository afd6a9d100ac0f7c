package server_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// fruitShop is a server of a collection whose prices change, for clients of others.
func fruitShop() *server.Server {
	srv := quiet()
	var mu sync.Mutex // guards the next two
	fruit := []ejson.Doc{must(`{"_id":"apple","price":1}`), must(`{"_id":"pear","price":2}`)}
	live := make(map[*server.Publication]bool)
	srv.Publish("fruit", func(_ context.Context, p *server.Publication) error {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range fruit {
			p.Added("fruit", d)
		}
		live[p] = true
		p.OnStop(func() {
			mu.Lock()
			defer mu.Unlock()
			delete(live, p)
		})
		return nil
	})
	srv.Method("price", func(_ context.Context, c *server.Call) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		set := ejson.Make().WithValue("price", c.Params.At(1))
		for i, d := range fruit {
			if d.ID().String() == c.Params.At(0).Str() {
				fruit[i] = d.Merge(set, nil)
				for p := range live {
					p.Changed("fruit", d.ID(), set, nil)
				}
			}
		}
		return nil, nil
	})
	srv.Method("echo", func(_ context.Context, c *server.Call) (any, error) { return c.Params.At(0), nil })
	srv.Method("forbidden", func(context.Context, *server.Call) (any, error) { return nil, ddp.NumericError(403, "No") })
	srv.Method("kick", func(_ context.Context, c *server.Call) (any, error) {
		c.Session().Close()
		return nil, nil
	})
	return srv
}

// TestClientsFromNpm has two clients subscribe, call, fail, follow changes and come back
// after their connection was closed. (Three more do so in cmd/replicad; the recordings of
// all five are played in any case: see TestConformanceTranscripts.)
func TestClientsFromNpm(t *testing.T) {
	node, folder := npmClients(t)
	for _, tt := range []struct{ script, want string }{
		{"meteorrn.mjs", `
{"session":true}
{"seen":["apple","pear"]}
{"echo":{"when":{"$date":5},"bytes":{"$binary":"AQI="}}}
{"error":404}
{"error":403}
{"price":7}
{"nosub":404}
{"again":["apple","pear"]}
{"removed":"fruit"}`},
		{"rocketchat.cjs", `
{"connected":true,"session":true}
{"seen":["apple","pear"]}
{"echo":{"$date":5}}
{"error":404}
{"error":403}
{"price":7}
{"nosub":404}
{"again":["apple","pear"]}
{"removed":"fruit"}`},
	} {
		t.Run(tt.script, func(t *testing.T) {
			srv := fruitShop()
			h := httptest.NewServer(srv)
			defer h.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, filepath.Join(folder, tt.script), h.Listener.Addr().String())
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != strings.TrimSpace(tt.want) {
				t.Fatalf("%v; it printed\n%s\nwants\n%s", err, got, strings.TrimSpace(tt.want))
			}
			finish(t, srv)
		})
	}
}

// npmClients fetches the clients into a folder of the test's. Where Node or npm is
// missing, or the packages cannot be had, the test is skipped.
//
// What the two say that they depend on is React Native and all of Rocket.Chat, and npm
// cannot resolve it; what is tested of them needs a few small packages. So the
// two are unpacked beside those.
func npmClients(t *testing.T) (node, folder string) {
	t.Helper()
	node, err := exec.LookPath("node")
	npm, err2 := exec.LookPath("npm")
	if err := errors.Join(err, err2); err != nil {
		t.Skipf("the clients from npm need Node, which is not on this machine: %v", err)
	}
	folder = t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("testdata/npm")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := func(args ...string) {
		cmd := exec.CommandContext(ctx, npm, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("the clients from npm could not be fetched: npm %s: %v\n%s", args[0], err, out)
		}
	}
	run("install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--legacy-peer-deps")
	run("pack", "--ignore-scripts", "@meteorrn/core@2.9.1", "@rocket.chat/ddp-client@1.1.2")
	for file, name := range map[string]string{
		"meteorrn-core-2.9.1.tgz":          "@meteorrn/core",
		"rocket.chat-ddp-client-1.1.2.tgz": "@rocket.chat/ddp-client",
	} {
		if err := unpack(filepath.Join(folder, file), filepath.Join(folder, "node_modules", name)); err != nil {
			t.Fatal(err)
		}
	}
	// Its files are modules, though their names do not say so.
	module := filepath.Join(folder, "node_modules/@meteorrn/core/lib/package.json")
	if err := os.WriteFile(module, []byte(`{"type":"module"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return node, folder
}

// unpack unpacks the tarball of a package, whose files are below "package/".
func unpack(file, folder string) error {
	packed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(h.Name, "package/")
		if !ok || !filepath.IsLocal(name) || h.Typeflag != tar.TypeReg {
			continue
		}
		to := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return err
		}
	}
}
