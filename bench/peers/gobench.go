package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Bench is one line of go test -bench.
type Bench struct {
	Name    string             `json:"name"` // less Benchmark and -cpus
	Runs    int                `json:"runs"`
	Metrics map[string]float64 `json:"metrics"` // by unit: ns/op, B/op, …
}

// ourBenchmarks runs the benchmarks of package bench. With an error it returns those
// that were done.
func ourBenchmarks(ctx context.Context, million bool) ([]Bench, error) {
	progress("our own benchmarks")
	args := []string{"test", ".", "-run", "^$", "-bench", ".", "-benchtime", "0.2s", "-timeout", "20m"}
	if million {
		args = append(args, "-million")
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var list []Bench
	var other []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if b, ok := parseBench(lines.Text()); ok {
			list = append(list, b)
			progress("%-34s %s ns", b.Name, figure(b.Metrics["ns/op"]))
		} else {
			other = append(other, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return list, fmt.Errorf("go test -bench: %w\n%s", err, strings.Join(other[max(0, len(other)-20):], "\n"))
	}
	return list, nil
}

// parseBench reads a line such as "BenchmarkW2/N=10-2  100  42 ns/op  0 B/op".
func parseBench(line string) (b Bench, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || len(f)%2 != 0 || !strings.HasPrefix(f[0], "Benchmark") {
		return b, false
	}
	b.Name = strings.TrimPrefix(f[0], "Benchmark")
	if i := strings.LastIndex(b.Name, "-"); i > 0 {
		if _, err := strconv.Atoi(b.Name[i+1:]); err == nil {
			b.Name = b.Name[:i]
		}
	}
	var err error
	if b.Runs, err = strconv.Atoi(f[1]); err != nil {
		return b, false
	}
	b.Metrics = map[string]float64{}
	for i := 2; i < len(f); i += 2 {
		x, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return b, false
		}
		b.Metrics[f[i+1]] = x
	}
	return b, true
}

// bench returns a metric of one of our benchmarks.
func (r *Results) bench(name, unit string) (float64, bool) {
	for _, b := range r.Ours {
		if b.Name == name {
			x, ok := b.Metrics[unit]
			return x, ok
		}
	}
	return 0, false
}

// Machine is where it was measured. No names of hosts, no paths.
type Machine struct {
	CPU, Memory, OS, Go, Node string
	Cores                     int
}

func machine(ctx context.Context) Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Go: strings.TrimPrefix(runtime.Version(), "go"), Cores: runtime.NumCPU(), CPU: "unknown", Memory: "unknown", Node: "none"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(text) {
			if k, v, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(k) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			if kb, err := strconv.ParseFloat(f[1], 64); err == nil {
				m.Memory = fmt.Sprintf("%.0f GiB", kb/(1<<20))
			}
		}
	}
	if out, err := exec.CommandContext(ctx, "node", "--version").Output(); err == nil {
		m.Node = strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
	}
	return m
}
