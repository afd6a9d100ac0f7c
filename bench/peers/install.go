package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// us is the name of what all others are compared with.
const us = "replicad"

// known are the peers in the order of the tables.
var known = []struct{ name, kind, source string }{
	{us, "go", "replicad"},
	{"go-memdb", "go", "memdb"},
	{"buntdb", "go", "buntdb"},
	{"badger", "go", "badger"},
	{"bolthold", "go", "bolthold"},
	{"sqlite", "go", "sqlite"},
	{"gopackage/ddp", "go", "gopackage"},
	{"LokiJS", "npm", "lokijs"},
	{"NeDB", "npm", "nedb"},
	{"RxDB", "npm", "rxdb"},
	{"TanStack DB", "npm", "tanstack"},
	{"SignalDB", "npm", "signaldb"},
	{"mingo", "npm", "mingo"},
	{"minimongo", "npm", "minimongo"},
}

// install makes the peers' programs. Those that cannot be made are named in missing,
// with the reason.
func install(ctx context.Context, only string) (procs []*proc, missing map[string]string, err error) {
	pick, err := regexp.Compile(only)
	if err != nil {
		return nil, nil, err
	}
	build, err := filepath.Abs("build")
	if err != nil {
		return nil, nil, err
	}
	missing = map[string]string{}
	npm := ""
	tried := false
	for _, k := range known {
		if k.name != us && !pick.MatchString(k.name) && !pick.MatchString(k.source) {
			missing[k.name] = "left out by -only"
			continue
		}
		if k.kind == "npm" {
			if !tried {
				tried = true
				progress("npm install")
				npm = npmInstall(ctx)
			}
			if npm != "" {
				missing[k.name] = npm
				continue
			}
			procs = append(procs, &proc{name: k.name, argv: []string{"node", "--expose-gc", "--max-old-space-size=6000", "js/run.mjs", k.source}})
			continue
		}
		progress("go build %s", k.name)
		bin := filepath.Join(build, k.source)
		if err := command(ctx, "go", "build", "-o", bin, "./go/"+k.source); err != nil {
			if k.name == us {
				return nil, nil, err
			}
			missing[k.name] = "it could not be built: " + err.Error()
			continue
		}
		procs = append(procs, &proc{name: k.name, argv: []string{bin}})
	}
	return procs, missing, nil
}

// npmInstall returns why the packages are not to be had, or "".
func npmInstall(ctx context.Context) string {
	if _, err := exec.LookPath("node"); err != nil {
		return "Node is not installed"
	}
	// What is installed already will do: so it works without a network, too.
	installed, err := os.ReadFile("node_modules/.package-lock.json")
	if err == nil && !stale(installed) {
		return ""
	}
	if err := command(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"); err != nil {
		return "npm ci: " + err.Error()
	}
	return ""
}

// lockfile is what npm writes of the packages that it has installed or is to install.
type lockfile struct {
	Packages map[string]struct {
		Version       string
		Optional, Dev bool
	}
}

// stale reports whether an installed package has another version than the one that is
// locked, or is not there.
func stale(installed []byte) bool {
	var have, want lockfile
	locked, err := os.ReadFile("package-lock.json")
	if err != nil || json.Unmarshal(locked, &want) != nil || json.Unmarshal(installed, &have) != nil {
		return true
	}
	for name, p := range want.Packages {
		if name != "" && !p.Optional && !p.Dev && have.Packages[name].Version != p.Version {
			return true
		}
	}
	return false
}

// command runs a command and returns the end of what it said if it ends with an error.
func command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	said := strings.TrimSpace(lines[len(lines)-1])
	if len(said) > 160 {
		said = said[:160] + "…"
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && said != "" {
		return fmt.Errorf("%s", said)
	}
	return err
}
