package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// TestHistogram holds the histogram's quantiles against those of the sorted list.
func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Microsecond) * float64(int(1)<<rng.IntN(30)))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(0, int(q*float64(len(all))+0.999999)-1)]
		got := h.quantile(q)
		if got < want-time.Microsecond || float64(got) > float64(want)*1.04+float64(2*time.Microsecond) {
			t.Errorf("quantile %v: got %v, the list has %v", q, got, want)
		}
	}
	if h.max != all[len(all)-1] {
		t.Errorf("max %v, wants %v", h.max, all[len(all)-1])
	}
	last := -1
	for d := time.Duration(0); d < 3*time.Hour; d += max(time.Microsecond, d/50) {
		i := bucketOf(d)
		if i < last || i >= histBuckets {
			t.Fatalf("%v is in bucket %d, less than that in %d", d, i, last)
		}
		if end := bucketEnd(i); i < histBuckets-1 && d >= end {
			t.Fatalf("%v is in bucket %d, which ends at %v", d, i, end)
		}
		last = i
	}
	var empty histogram
	if empty.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	var out bytes.Buffer
	empty.bars(&out, 10)
	if out.Len() > 0 {
		t.Errorf("an empty histogram prints %q", out.String())
	}
}

// TestDueAt wants the rate to rise evenly, and to be even afterwards.
func TestDueAt(t *testing.T) {
	f := benchFlags{rate: 100, ramp: 2 * time.Second}
	for k, want := range map[int]time.Duration{0: 0, 25: time.Second, 100: 2 * time.Second, 200: 3 * time.Second} {
		if got := f.dueAt(k); (got - want).Abs() > time.Millisecond {
			t.Errorf("call %d is due at %v, wants %v", k, got, want)
		}
	}
	f.ramp = 0
	if got := f.dueAt(50); got != 500*time.Millisecond {
		t.Errorf("without a ramp, call 50 is due at %v", got)
	}
}

// benchUntil puts a load on until what bench tells on the way is good, and interrupts it
// then. However slow the machine is, what was waited for has happened.
func benchUntil(t *testing.T, good func(line string) bool, args ...string) (out string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr, tell := io.Pipe()
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if good(lines.Text()) {
				cancel()
			}
		}
	}()
	var text bytes.Buffer
	code := run(ctx, append([]string{"bench", "--duration", "1h", "--ramp", "20ms"}, args...), strings.NewReader(""), &text, tell)
	tell.Close()
	if code != exitSignal {
		t.Fatalf("%q: exit %d, wants that of an interrupt\n%s", args, code, text.String())
	}
	return text.String()
}

// TestBench puts a load on the server that bench starts itself.
func TestBench(t *testing.T) {
	t.Parallel()
	args := []string{"--clients", "5", "--docs", "20", "--rate", "200"}
	going := func(line string) bool {
		return strings.Contains(line, "5 clients, 5 subscriptions ready") && !strings.Contains(line, " 0 answered")
	}
	got := benchUntil(t, going, args...)
	for _, want := range []string{"5 of 5 connected", "in this process, with 20 documents", "100 added", "\ncall ", "\nseen ", "p99.9"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	d, err := ejson.Parse([]byte(benchUntil(t, going, append(args, "--json")...)))
	if err != nil {
		t.Fatal(err)
	}
	calls, micros := d.Field("calls").Doc(), d.Field("micros").Doc()
	n := func(d ejson.Doc, name string) float64 { return d.Field(name).Number() }
	if n(calls, "answered") == 0 || n(calls, "sent") != n(calls, "answered")+n(calls, "refused")+n(calls, "unanswered") {
		t.Errorf("calls: %v", calls)
	}
	if got := n(d.Field("documents").Doc(), "added"); got != 100 {
		t.Errorf("%v documents were added to 5 clients, wants 100", got)
	}
	for name, want := range map[string]float64{"connect": 5, "ready": 5, "call": n(calls, "answered")} {
		if got := n(micros.Field(name).Doc(), "count"); got != want {
			t.Errorf("the histogram of %s has %v, wants %v", name, got, want)
		}
	}
}

// TestBenchStamp measures how long a change takes to be seen, by the field that --stamp
// names, and not without.
func TestBenchStamp(t *testing.T) {
	t.Parallel()
	answered := func(line string) bool {
		return strings.Contains(line, "2 clients, 2 subscriptions ready") && !strings.Contains(line, " 0 answered")
	}
	args := []string{"--clients", "2", "--docs", "1", "--rate", "200", "--subs", "bench", "--method", `/bench/update:["$doc",{"$set":{"when":"$now"}}]`}
	if got := benchUntil(t, answered, append(args, "--stamp", "when")...); !strings.Contains(got, "\nseen ") {
		t.Errorf("nothing was seen:\n%s", got)
	}
	if got := benchUntil(t, answered, args...); strings.Contains(got, "\nseen ") {
		t.Errorf("without --stamp:\n%s", got)
	}
}

// TestBenchOther puts a load on a server that refuses.
func TestBenchOther(t *testing.T) {
	t.Parallel()
	srv := startServe(t, "--load", "fruit="+fruitFile(t))
	port := srv.addr[strings.LastIndex(srv.addr, ":")+1:]
	got := benchUntil(t, func(line string) bool {
		return strings.Contains(line, "2 clients, 2 subscriptions ready") && !strings.Contains(line, " 0 refused")
	}, "--url", "ws://localhost:"+port, "--subs", "nosuch", "--subs", `fruit:[{"price":{"$gt":2}}]`,
		"--method", `nosuch:["$n","$id",["$client"]]`, "--clients", "2", "--rate", "100")
	for _, want := range []string{"2 of 2 connected", "4 added", " 0 answered", "what went wrong", "call: ", "[404]", "subscribe nosuch"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// TestBenchEnds is over when its time is, and waits for the last answers.
func TestBenchEnds(t *testing.T) {
	t.Parallel()
	var srv server.Server
	srv.Logger = slog.New(slog.DiscardHandler)
	srv.Method("m", func(context.Context, *server.Call) (any, error) { return 1, nil })
	web := httptest.NewServer(&srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	got := replicad(t.Context(), "", "bench", "--url", web.URL, "--method", "m", "--duration", "500ms", "--ramp", "0s", "--json", "--clients", "1")
	if got.code != exitOK && !strings.Contains(got.errors, "no client could connect") {
		t.Fatalf("exit %d, %q", got.code, got.errors)
	}
	d, err := ejson.Parse([]byte(got.out))
	if err != nil {
		t.Fatal(err)
	}
	if calls := d.Field("calls").Doc(); calls.Field("refused").Number() > 0 || calls.Field("heldBack").Number() > 0 {
		t.Errorf("calls: %v", calls)
	}
}

// TestBenchRefuses puts no load on what is not this machine, and on nothing.
func TestBenchRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"another machine", []string{"--url", "ws://192.0.2.1:3000", "--subs", "x"}, exitUsage, "--i-own-this-server"},
		{"another machine, bare", []string{"--url", "192.0.2.1:3000", "--subs", "x"}, exitUsage, "--i-own-this-server"},
		{"another machine by version 6", []string{"--url", "wss://[2001:db8::1]/app", "--subs", "x"}, exitUsage, "--i-own-this-server"},
		{"every address", []string{"--url", "ws://0.0.0.0:3000", "--subs", "x"}, exitUsage, "--i-own-this-server"},
		{"no URL", []string{"--url", "ftp://x", "--subs", "x"}, exitUsage, "--url"},
		{"nothing to do", []string{"--url", "ws://127.0.0.1:1"}, exitUsage, "give --subs, or --method"},
		{"nobody there", []string{"--url", "ws://127.0.0.1:1", "--subs", "x", "--duration", "100ms", "--ramp", "0s"}, exitFailed, "no client could connect"},
		{"no clients", []string{"--clients", "0"}, exitUsage, "--clients"},
		{"no rate", []string{"--rate", "0"}, exitUsage, "--rate"},
		{"no time", []string{"--duration", "0s"}, exitUsage, "--duration"},
		{"no documents", []string{"--docs", "0"}, exitUsage, "--docs"},
		{"bad params", []string{"--method", "m:[1"}, exitUsage, "--method"},
		{"bad subscription", []string{"--subs", "m:[1"}, exitUsage, "m:[1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := replicad(t.Context(), "", append([]string{"bench"}, tt.args...)...)
			if got.code != tt.code || !strings.Contains(got.errors, tt.want) {
				t.Fatalf("exit %d, %q; wants exit %d, %q", got.code, got.errors, tt.code, tt.want)
			}
		})
	}
	if conn, err := dialLoopback(t.Context(), "tcp", "192.0.2.1:0"); err == nil {
		conn.Close()
		t.Error("a connection to another machine")
	}
}
