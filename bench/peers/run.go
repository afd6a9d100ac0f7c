package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/replicad/replicad/bench/peers/peer"
)

// Work is a workload and how its figure reads.
type Work struct {
	ID, Title string
	Unit      string
	Higher    bool // more is better
	Whole     bool // runs as a whole, not a number of operations
	value     func(ns float64, ops, n int) float64
}

func perOp(unit float64) func(float64, int, int) float64 {
	return func(ns float64, ops, _ int) float64 { return ns / float64(ops) / unit }
}

func rate(ns float64, _, n int) float64 { return float64(n) / ns * 1e6 }

var works = []Work{
	{"W1", "bulk load with both indexes", "k docs/s", true, true, rate},
	{"W2", "FindOne by _id", "µs", false, false, perOp(1e3)},
	{"W3", "{author: X} by its index", "µs", false, false, perOp(1e3)},
	{"W4", "scan with three conditions", "ns/doc", false, false, func(ns float64, ops, n int) float64 { return ns / float64(ops) / float64(n) }},
	{"W5", "{room: X} sort -ts limit 20", "µs", false, false, perOp(1e3)},
	{"W6a", "$inc by _id, a commit each, nobody watches", "µs", false, false, perOp(1e3)},
	{"W6a batch", "the same, 1,000 a commit", "µs", false, false, perOp(1e3)},
	{"W6b", "$inc beside 100 observers of a room each", "µs", false, false, perOp(1e3)},
	{"W6c", "$inc beside 1,000 observers of an author each", "µs", false, false, perOp(1e3)},
	{"W7", "changes anywhere, one sorted window of 50", "µs", false, false, perOp(1e3)},
	{"W7 in-room", "changes in the observed room", "µs", false, false, perOp(1e3)},
	{"W7 in-window", "changes in the observed window", "µs", false, false, perOp(1e3)},
	{"W8", "cold start from the file, everything loaded", "ms", false, true, func(ns float64, _, _ int) float64 { return ns / 1e6 }},
	{"W9", "ingest of added messages from wire text", "k docs/s", true, true, rate},
	{"W9 ws", "the same over a loopback WebSocket", "k docs/s", true, true, rate},
	{"W10", "durable writes, a sync for 1,000", "k docs/s", true, true, func(ns float64, _, n int) float64 { return rate(ns, 0, min(n, 20_000)) }},
}

// slow is how long a peer may take for one request. One that takes longer is out of
// the workload, and the page says so.
const slow = 45 * time.Second

// runner asks the peers.
type runner struct {
	o        options
	dir      string
	deadline time.Time
	procs    []*proc
	res      *Results
}

func (r *runner) stop() {
	for _, p := range r.procs {
		p.kill()
	}
}

// check has every peer load the data and answer each workload, two peers at a time:
// nothing is timed here.
func (r *runner) check(ctx context.Context) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards answers and res
	answers := map[string]map[string]string{}
	turn := make(chan struct{}, 2)
	// Half of the time that is left is for timing.
	until := time.Now().Add(time.Until(r.deadline) / 2)
	for _, p := range r.procs {
		p.n, p.dir = r.o.n, filepath.Join(r.dir, filepath.Base(p.argv[len(p.argv)-1]))
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			begin := time.Now()
			note := func(work, answer string) {
				mu.Lock()
				defer mu.Unlock()
				if answers[work] == nil {
					answers[work] = map[string]string{}
				}
				answers[work][p.name] = answer
			}
			if _, err := p.ask(ctx, peer.Request{Op: "check"}, time.Minute); err != nil {
				progress("%s: %v", p.name, err)
				mu.Lock()
				r.res.Missing[p.name] = err.Error()
				mu.Unlock()
				return
			}
			note("the data set", p.hello.Digest)
			for _, w := range works {
				if w.Whole || !p.can(w.ID) || ctx.Err() != nil {
					continue
				}
				if time.Now().After(until) && p.name != us {
					mu.Lock()
					r.res.fail(p.name, w.ID, "not run: the time limit")
					mu.Unlock()
					continue
				}
				a, err := p.ask(ctx, peer.Request{Op: "check", Work: w.ID}, slow)
				if err != nil {
					progress("%s, check of %s: %v", p.name, w.ID, err)
					mu.Lock()
					r.res.fail(p.name, w.ID, err.Error())
					mu.Unlock()
					continue
				}
				note(w.ID, a.Answer)
			}
			progress("%s has loaded and answered (%.1f s)", p.name, time.Since(begin).Seconds())
		})
	}
	wg.Wait()
	r.res.Wrong = compare(answers)
	for _, w := range r.res.Wrong {
		progress("DIFFERENT: %s", w)
	}
	for _, p := range r.procs {
		r.res.How = append(r.res.How, How{p.name, p.hello.How})
	}
}

// compare returns a line for every answer that is not that of most.
func compare(answers map[string]map[string]string) (wrong []string) {
	for _, work := range append([]Work{{ID: "the data set"}}, works...) {
		votes := map[string]int{}
		for _, a := range answers[work.ID] {
			votes[a]++
		}
		most := ""
		for a, n := range votes {
			if n > votes[most] || n == votes[most] && a == answers[work.ID][us] {
				most = a
			}
		}
		for _, k := range known {
			if a, ok := answers[work.ID][k.name]; ok && a != most {
				wrong = append(wrong, fmt.Sprintf("%s: %s answers %s, most %s", work.ID, k.name, a, most))
			}
		}
	}
	return wrong
}

// time runs each workload in rounds, the peers in turn.
func (r *runner) time(ctx context.Context) {
	for _, w := range works {
		var with []*contender
		for _, p := range r.procs {
			if !p.can(w.ID) || r.res.failed(p.name, w.ID) || ctx.Err() != nil {
				continue
			}
			if time.Now().After(r.deadline) && p.name != us {
				r.res.fail(p.name, w.ID, "not run: the time limit")
				continue
			}
			c := &contender{p: p, w: w, r: r, ops: 1, rounds: r.o.rounds}
			if err := c.warm(ctx); err != nil {
				r.res.fail(p.name, w.ID, err.Error())
				progress("%s, %s: %v", w.ID, p.name, err)
				continue
			}
			with = append(with, c)
		}
		for round := range r.o.rounds {
			for _, c := range with {
				if round >= c.rounds || c.err != nil || ctx.Err() != nil {
					continue
				}
				if c.err = c.run(ctx); c.err != nil {
					progress("%s, %s: %v", w.ID, c.p.name, c.err)
				}
			}
		}
		for _, c := range with {
			if c.p.cmd != nil {
				c.p.ask(ctx, peer.Request{Op: "finish", Work: w.ID}, time.Minute)
			}
			if len(c.cell.Samples) == 0 {
				r.res.fail(c.p.name, w.ID, fmt.Sprint(c.err))
				continue
			}
			c.cell.settle()
			r.res.Cells = append(r.res.Cells, c.cell)
			progress("%-12s %-14s %s %s (±%.0f %%, %d rounds)", w.ID, c.p.name, figure(c.cell.Median), w.Unit, 100*c.cell.Spread(), len(c.cell.Samples))
		}
	}
}

// contender is a peer in a workload.
type contender struct {
	p      *proc
	w      Work
	r      *runner
	ops    int
	rounds int
	cell   Cell
	err    error
}

// warm prepares the workload and runs it, with more operations each time, until a run
// takes as long as it should: that warms caches and compilers, too.
func (c *contender) warm(ctx context.Context) error {
	c.cell = Cell{Peer: c.p.name, Work: c.w.ID, Unit: c.w.Unit}
	if _, err := c.p.ask(ctx, peer.Request{Op: "prepare", Work: c.w.ID}, slow); err != nil {
		return err
	}
	if c.w.Whole {
		ns, err := c.once(ctx)
		if err == nil {
			c.fewer(ns)
		}
		return err
	}
	target := float64(c.r.o.target)
	for spent := 0.0; ; {
		ns, err := c.once(ctx)
		if err != nil {
			return err
		}
		spent += ns
		if ns > target/2 && spent > 2*target || ns > 2*target {
			// A last run of 1 may have been the first, and cold.
			c.ops = max(1, min(1<<24, int(float64(c.ops)*target/ns)))
			c.fewer(max(ns, target))
			return nil
		}
		c.ops = max(c.ops+1, min(c.ops*20, int(1.2*float64(c.ops)*target/max(ns, 1))))
	}
}

// fewer reduces the rounds of one that is slow; what it is asked stays the same.
func (c *contender) fewer(ns float64) {
	switch {
	case ns > 8e9:
		c.rounds = 1
	case ns > 2e9:
		c.rounds = min(c.rounds, 2)
	case ns > 1e9:
		c.rounds = min(c.rounds, 3)
	}
}

func (c *contender) once(ctx context.Context) (ns float64, err error) {
	a, err := c.p.ask(ctx, peer.Request{Op: "time", Work: c.w.ID, Ops: c.ops}, slow)
	if err != nil {
		return 0, err
	}
	if want := fmt.Sprint(c.r.o.n); a.Answer != "" && a.Answer != want {
		return 0, fmt.Errorf("answers %s documents, wants %s", a.Answer, want)
	}
	c.cell.Bytes, c.cell.First = a.Bytes, a.First/1e6
	return a.NS, nil
}

func (c *contender) run(ctx context.Context) error {
	ns, err := c.once(ctx)
	if err == nil {
		c.cell.Ops = c.ops
		c.cell.Samples = append(c.cell.Samples, c.w.value(ns, c.ops, c.r.o.n))
	}
	return err
}
