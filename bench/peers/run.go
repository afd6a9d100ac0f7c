package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/replicad/replicad/bench/peers/peer"
)

// slow is how long a peer may take for one request. One that takes longer is out of
// the workload, and the page says so.
const slow = time.Minute

// grace is how long cells are still run, as short as can be, after the time is over.
const grace = 3 * time.Minute

// runner asks the peers.
//
// A cell is one peer in one workload: its check, its warm-up and its rounds. Each has
// a share of the time that is left, so that a slow peer takes nothing from the others:
// it makes fewer rounds, of fewer operations, and at the least one operation.
type runner struct {
	o        options
	dir      string
	deadline time.Time
	procs    []*proc
	res      *Results
	cells    int                          // still to be run
	first    []Cell                       // W1 as it was at the start
	answers  map[string]map[string]string // by question and peer
}

func (r *runner) stop() {
	for _, p := range r.procs {
		p.kill()
	}
}

// loaded returns how a peer loaded at the start.
func (r *runner) loaded(name string) *Cell {
	for i := range r.first {
		if r.first[i].Peer == name {
			return &r.first[i]
		}
	}
	return nil
}

// share returns how long a cell may take: twice what all that are left would have each,
// since most need far less.
func (r *runner) share() time.Duration {
	return max(2*time.Second, 2*time.Until(r.deadline)/time.Duration(max(r.cells, 1)))
}

func (r *runner) note(question, name, answer string) {
	if r.answers == nil {
		r.answers = map[string]map[string]string{}
	}
	if r.answers[question] == nil {
		r.answers[question] = map[string]string{}
	}
	r.answers[question][name] = answer
}

// start has every peer make the data, two at a time, and load it, one at a time: that
// is W1, whose one sample it stays where it takes long.
func (r *runner) start(ctx context.Context) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, 2)
	for _, p := range r.procs {
		p.n, p.dir = r.o.n, filepath.Join(r.dir, filepath.Base(p.argv[len(p.argv)-1]))
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if err := p.start(ctx); err != nil {
				p.gone = fmt.Errorf("it does not start: %w", err)
			}
		})
	}
	wg.Wait()
	for _, p := range r.procs {
		ns, bytes := 0.0, 0.0
		if p.gone == nil {
			a, err := p.load()
			if err != nil {
				p.gone = fmt.Errorf("it does not load: %w", err)
			}
			ns, bytes = a.NS, a.Bytes
		}
		if p.gone != nil {
			progress("%s: %v", p.name, p.gone)
			r.res.Missing[p.name] = p.gone.Error()
			continue
		}
		r.note("the data set", p.name, p.hello.Digest)
		r.res.How = append(r.res.How, How{p.name, p.hello.How})
		r.cells += len(p.hello.Works)
		progress("%s has loaded (%.1f s)", p.name, ns/1e9)
		if w := work("W1"); p.can(w.ID) {
			c := Cell{Peer: p.name, Work: w.ID, Unit: w.Unit, Cold: true, Ops: 1, Bytes: bytes, Samples: []float64{w.value(ns, 1, r.o.n)}}
			c.settle()
			if r.first = append(r.first, c); ns > 5e9 {
				r.cells--
			}
		}
	}
}

// run runs each workload: every peer checks its answers and warms up, and then they
// take turns.
func (r *runner) run(ctx context.Context) {
	for _, id := range running {
		w := work(id)
		var with []*contender
		for _, p := range r.procs {
			if p.gone != nil || !p.can(id) || ctx.Err() != nil {
				continue
			}
			late := time.Since(r.deadline)
			if c := r.loaded(p.name); id == "W1" && c != nil && (late > 0 && p.name != us || c.Samples[0] < float64(r.o.n)/5e3) {
				r.res.Cells = append(r.res.Cells, *c)
				continue
			}
			if late > grace && p.name != us {
				r.res.fail(p.name, id, "not run: the time limit")
				continue
			}
			share := r.share()
			r.cells--
			c := &contender{p: p, w: w, r: r, cell: Cell{Peer: p.name, Work: id, Unit: w.Unit}}
			if err := c.begin(ctx, share); err != nil {
				r.fail(c, err)
				continue
			}
			with = append(with, c)
		}
		for round := range r.o.rounds {
			for i := range with {
				c := with[(i+round)%len(with)] // nobody always follows the same one
				if round < c.rounds && c.err == nil && ctx.Err() == nil {
					if _, c.err = c.once(ctx, true); c.err != nil {
						progress("%s, %s: %v", id, c.p.name, c.err)
					}
				}
			}
		}
		for _, c := range with {
			c.finish(ctx)
			if len(c.cell.Samples) == 0 {
				r.fail(c, c.err)
				continue
			}
			c.cell.settle()
			r.res.Cells = append(r.res.Cells, c.cell)
			progress("%-12s %-14s %s %s (±%.0f %%, %s)", id, c.p.name, figure(c.cell.Median), w.Unit, 100*c.cell.Spread(), c.cell.sampled(0))
		}
	}
	r.res.Wrong = compare(r.answers)
	for _, w := range r.res.Wrong {
		progress("DIFFERENT: %s", w)
	}
}

func (r *runner) fail(c *contender, err error) {
	r.res.fail(c.p.name, c.w.ID, err.Error())
	progress("%s, %s: %v", c.w.ID, c.p.name, err)
	c.finish(context.Background())
}

// compare returns a line for every answer that is not that of most.
func compare(answers map[string]map[string]string) (wrong []string) {
	for question, given := range answers {
		votes := map[string]int{}
		for _, a := range given {
			votes[a]++
		}
		most := ""
		for a, n := range votes {
			if n > votes[most] || n == votes[most] && a == given[us] {
				most = a
			}
		}
		for _, k := range known {
			if a, ok := given[k.name]; ok && a != most {
				wrong = append(wrong, fmt.Sprintf("%s: %s answers %s, most %s", question, k.name, a, most))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// contender is a peer in a workload.
type contender struct {
	p      *proc
	w      Work
	r      *runner
	ops    int
	rounds int // still to be run after the warm-up
	last   peer.Reply
	cell   Cell
	err    error
}

// begin checks the answers, prepares, and warms up, and leaves in rounds how many more
// runs there is time for.
func (c *contender) begin(ctx context.Context, share time.Duration) error {
	until := time.Now().Add(share)
	if !c.w.Whole {
		a, err := c.p.ask(ctx, peer.Request{Op: "check", Work: c.w.ID, Within: share / 4}, slow)
		if err != nil {
			return fmt.Errorf("check: %w", err)
		}
		for _, one := range a.Answers {
			c.r.note(fmt.Sprintf("%s after %d", c.w.ID, one.Ops), c.p.name, one.Text)
		}
	}
	if _, err := c.p.ask(ctx, peer.Request{Op: "prepare", Work: c.w.ID}, slow); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	return c.warm(ctx, until)
}

// warm runs the workload, with more operations each time, until a run takes as long
// as it should: that warms caches and compilers, too. Where there is no time for a
// second run the first is what counts.
func (c *contender) warm(ctx context.Context, until time.Time) error {
	target := float64(c.r.o.target)
	whole := 1 // operations that are made together
	if c.w.ID == "W6a batch" {
		whole = 1000
	}
	c.ops = whole
	for spent := 0.0; ; {
		begin := time.Now()
		ns, err := c.once(ctx, false)
		if err != nil {
			return err
		}
		took, left := time.Since(begin), time.Until(until)
		if took > left {
			c.cell.Cold, c.rounds = true, 0
			c.keep()
			return nil
		}
		c.rounds = max(1, min(c.r.o.rounds, int(left/max(took, time.Millisecond))))
		if c.w.Whole {
			return nil
		}
		spent += ns
		if ns > target/2 && spent > 2*target || ns > 2*target {
			c.ops = max(whole, min(1<<24, int(float64(c.ops)*target/ns))/whole*whole)
			return nil
		}
		c.ops = max(c.ops+whole, min(c.ops*20, int(1.2*float64(c.ops)*target/max(ns, 1)))/whole*whole)
	}
}

// once runs the workload, and keeps the figure if it counts.
func (c *contender) once(ctx context.Context, counts bool) (ns float64, err error) {
	a, err := c.p.ask(ctx, peer.Request{Op: "time", Work: c.w.ID, Ops: c.ops}, slow)
	if err != nil {
		return 0, err
	}
	if c.w.ID == "W8" && a.Count != c.r.o.n {
		return 0, fmt.Errorf("it has %d documents", a.Count)
	}
	c.last = a
	if counts {
		c.keep()
	}
	return a.NS, nil
}

// keep makes the last run count.
func (c *contender) keep() {
	c.cell.Ops, c.cell.Bytes = c.ops, c.last.Bytes
	c.cell.Samples = append(c.cell.Samples, c.w.value(c.last.NS, c.ops, c.r.o.n))
	if c.last.First > 0 {
		c.cell.firsts = append(c.cell.firsts, c.last.First/1e6)
	}
}

func (c *contender) finish(ctx context.Context) {
	if c.p.cmd == nil {
		return
	}
	if _, err := c.p.ask(ctx, peer.Request{Op: "finish", Work: c.w.ID}, slow); err != nil {
		progress("%s, end of %s: %v", c.p.name, c.w.ID, err)
		c.p.kill() // what it holds is not what it should: it starts anew
	}
}
