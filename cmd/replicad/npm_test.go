package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// waitDelay is how long a process that was given up may hold on to its output: its own
// children may have it too.
const waitDelay = 5 * time.Second

// TestClientsFromNpm has three clients of others subscribe to and call `replicad
// serve`.
func TestClientsFromNpm(t *testing.T) {
	node, modules := npmClients(t)
	srv := startServe(t, "--load", "fruit="+fruitFile(t), "--allow-writes")
	for _, tt := range []struct{ script, want string }{
		{"simpleddp.cjs", `
{"connected":true}
{"ready":["apple","banana"]}
{"idLength":17,"change":"elderberry"}
{"error":404}`},
		{"ddpjs.cjs", `
{"ready":["b"]}
{"fields":{"price":8},"cleared":["name"],"result":1}
{"error":404}
{"removed":"b"}`},
		{"ddp.cjs", `
{"connected":"1"}
{"ready":["a","c"],"at":1000}
{"inserted":"d","seen":true}
{"updated":1,"price":9}
{"removed":3,"left":[]}
{"error":404}
{"error":409}`},
	} {
		t.Run(tt.script, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			script := filepath.Join(modules, tt.script)
			cmd := exec.CommandContext(ctx, node, script, srv.addr)
			cmd.WaitDelay = waitDelay
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != strings.TrimSpace(tt.want) {
				t.Fatalf("%v; it printed\n%s\nwants\n%s", err, got, strings.TrimSpace(tt.want))
			}
		})
	}
}

// TestClientFromGo has the other client in Go do the same. It is a module of its own,
// and skipped where that cannot be had.
func TestClientFromGo(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("testdata/gopackage")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	binary := filepath.Join(folder, "client")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	build.Dir = folder
	build.WaitDelay = waitDelay
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("github.com/gopackage/ddp could not be built: %v\n%s", err, out)
	}
	srv := startServe(t, "--load", "fruit="+fruitFile(t), "--allow-writes")
	client := exec.CommandContext(ctx, binary, srv.addr)
	client.WaitDelay = waitDelay
	out, err := client.Output() // what it logs is its own
	const want = "documents 3\ninserted g\nname grape\nrefused true\n"
	if got := string(out); err != nil || got != want {
		t.Fatalf("%v; it printed\n%s\nwants\n%s", err, got, want)
	}
}

// npmClients installs the clients into a folder of the test's. Where Node or npm
// is missing, or the packages cannot be had, the test is skipped.
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
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
		"--prefer-offline", "--fetch-retries=1", "--fetch-timeout=20000")
	cmd.Dir = folder
	cmd.WaitDelay = waitDelay
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the clients from npm could not be installed: %v\n%s", err, out)
	}
	return node, folder
}
