// Command peers runs the workloads of package bench beside other databases, all in one
// go, and writes what came of it:
//
//	cd bench/peers && go run . -n 100000
//
// It builds the peers in Go and installs those of npm (into folders that git ignores);
// one that cannot be had is named as missing and the rest goes on. Every peer is a
// process of its own and keeps the same seeded data set, which is compared by digest.
// Our own benchmarks come first, for what no peer has and for the growth with N. Then
// each workload is asked of all peers, their answers are compared, and it is timed:
// after a warm-up peers take turns, several rounds, so that what disturbs the machine
// disturbs all. Each peer has its share of the time for each workload: one that is slow
// makes fewer rounds, of fewer operations, and the page says so. Before and after come
// a few measures of the bare machine, for comparison with others.
//
// It writes bench/RESULTS.md, bench/results.json and bench/charts, within 20 minutes on
// two cores, with -n 100000 and with -million, too; -quick takes two minutes, and
// writes to a folder that git ignores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
)

type options struct {
	n       int
	rounds  int
	limit   time.Duration
	target  time.Duration // length of one timed run, where the number of operations is free
	only    string
	growth  bool
	million bool
	quick   bool
	out     string
}

func main() {
	var o options
	flag.IntVar(&o.n, "n", 100_000, "documents")
	flag.IntVar(&o.rounds, "rounds", 5, "timed rounds of each workload")
	flag.DurationVar(&o.limit, "limit", 19*time.Minute, "about how long it may take: where that is too short there are fewer rounds")
	flag.DurationVar(&o.target, "target", 100*time.Millisecond, "length of one timed run")
	flag.StringVar(&o.only, "only", "", "a regular expression: only the peers (beside replicad) that it matches")
	flag.BoolVar(&o.growth, "growth", true, "run our own benchmarks, W1 to W15, too")
	flag.BoolVar(&o.million, "million", false, "with a million documents there, too")
	flag.BoolVar(&o.quick, "quick", false, "10,000 documents, 2 short rounds, no benchmarks of our own; to try it")
	flag.StringVar(&o.out, "out", "..", "folder for RESULTS.md, results.json and charts")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "peers: %q is no flag\n", flag.Arg(0))
		os.Exit(2)
	}
	if o.quick {
		o.n, o.rounds, o.target, o.growth, o.out = 10_000, 2, 30*time.Millisecond, false, "build/quick"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) error {
	begin := time.Now()
	deadline := begin.Add(o.limit)
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	procs, missing, err := install(ctx, o.only)
	if err != nil {
		return err
	}
	res := &Results{N: o.n, Rounds: o.rounds, Flags: given(flag.CommandLine), Missing: missing, Machine: machine(ctx)}
	res.Yard = yardsticks()
	progress("what the bare machine does")
	if err := calibrate(ctx, res.Yard); err != nil {
		return err
	}
	// Benchmarks of our own run alone, before the peers take memory.
	if o.growth {
		if res.Ours, err = ourBenchmarks(ctx, o.million); err != nil {
			progress("%v", err)
			res.Missing["our own benchmarks"] = "they ended early"
		}
	}
	r := &runner{o: o, dir: dir, deadline: deadline, procs: procs, res: res}
	defer r.stop()
	r.start(ctx)
	r.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.stop()
	if err := calibrate(ctx, res.Yard); err != nil {
		progress("the bare machine: %v", err) // half of the yardsticks is better than no page
	}
	res.Took = time.Since(begin).Round(time.Second).String()
	if err := write(o.out, res); err != nil {
		return err
	}
	progress("wrote %s after %s", filepath.Join(o.out, "RESULTS.md"), res.Took)
	if len(res.Wrong) > 0 {
		return errors.New("not all gave the same answers: see RESULTS.md")
	}
	return nil
}

// given returns the flags that were given, as a shell takes them again. Where the
// results go is not one of them.
func given(flags *flag.FlagSet) (text string) {
	flags.Visit(func(f *flag.Flag) {
		switch b, ok := f.Value.(interface{ IsBoolFlag() bool }); {
		case f.Name == "out":
		case ok && b.IsBoolFlag() && f.Value.String() == "true":
			text += " -" + f.Name
		default:
			value := f.Value.String()
			if strings.ContainsFunc(value, func(r rune) bool {
				return !strings.ContainsRune("-+.,/:_", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
			}) {
				value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
			}
			text += " -" + f.Name + "=" + value
		}
	})
	return text
}

var started = time.Now()

// progress tells on the standard error what is going on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}
