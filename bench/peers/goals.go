package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// missedText says by hand why a goal is missed and what is to be done: a section
// "## name of the goal" each. Only sections of goals that this run misses are shown.
//
//go:embed missed.md
var missedText string

// missed returns the sections of missed.md by their headings.
func missed(text string) map[string]string {
	out := map[string]string{}
	for _, section := range strings.Split("\n"+text, "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		out[strings.TrimSpace(name)] = strings.Join(strings.Fields(body), " ")
	}
	return out
}

// A Goal is a line of what we must reach, with where its figure comes from.
type Goal struct {
	Name, Text string
	Unit       string
	Limit      float64
	Higher     bool
	get        func(r *Results) (float64, bool)
	yard       string // the yardstick that it may be compared with
}

func cellMedian(work string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		c := r.cell(us, work)
		if c == nil {
			return 0, false
		}
		return c.Median, true
	}
}

func cellBytes(work string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		c := r.cell(us, work)
		if c == nil {
			return 0, false
		}
		return c.Bytes, true
	}
}

// more is how much more one workload takes than another, by their best rounds: a
// difference of medians would be that of the machine's moods.
func more(work, than string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) {
		a, b := r.cell(us, work), r.cell(us, than)
		if a == nil || b == nil {
			return 0, false
		}
		return a.Low - b.Low, true
	}
}

func benched(name, unit string) func(*Results) (float64, bool) {
	return func(r *Results) (float64, bool) { return r.bench(name, unit) }
}

var goals = []Goal{
	{"W1 load", "1,200 k docs/s with both indexes", "k docs/s", 1200, true, cellMedian("W1"), ""},
	{"W1 memory", "at most 420 B of heap a document, id and both indexes included", "B/doc", 420, false, cellBytes("W1"), ""},
	{"W1 collection", "a full collection of 1 M documents within 40 ms", "ms", 40, false, benched("W1/N=1000000", "ms/GC"), ""},
	{"W2", "at most 50 ns", "µs", .050, false, cellMedian("W2"), yardHot},
	{"W3", "at most 1.5 µs for about 100 documents", "µs", 1.5, false, cellMedian("W3"), ""},
	{"W4", "at most 65 ns a document through the general matcher", "ns/doc", 65, false, cellMedian("W4"), yardScan},
	{"W5", "at most 0.6 µs", "µs", .6, false, cellMedian("W5"), ""},
	{"W6a batch", "at most 0.6 µs in a batch", "µs", .6, false, cellMedian("W6a batch"), ""},
	{"W6a commit", "at most 3 µs as a commit of its own", "µs", 3, false, cellMedian("W6a"), ""},
	{"W6b", "at most 1 µs more than W6a, event delivered (best rounds)", "µs", 1, false, more("W6b", "W6a"), ""},
	{"W6c", "at most 1 µs more than W6a, event delivered (best rounds)", "µs", 1, false, more("W6c", "W6a"), ""},
	{"W6c/W6b", "1,000 observers cost at most 1.2 times 100 (best rounds)", "×", 1.2, false, func(r *Results) (float64, bool) {
		b, c := r.cell(us, "W6b"), r.cell(us, "W6c")
		if b == nil || c == nil {
			return 0, false
		}
		return c.Low / b.Low, true
	}, ""},
	{"W7", "at most 1.5 µs, exact differences delivered", "µs", 1.5, false, cellMedian("W7"), ""},
	{"W7 in-room", "at most 2 µs", "µs", 2, false, cellMedian("W7 in-room"), ""},
	{"W8 first", "the first FindOne within 2 ms at any N", "ms", 2, false, func(r *Results) (float64, bool) {
		c := r.cell(us, "W8")
		if c == nil {
			return 0, false
		}
		return c.First, true
	}, ""},
	{"W8 all", "everything with both indexes within 70 ms", "ms", 70, false, cellMedian("W8"), ""},
	{"W8 all, 1 M", "1 M documents with both indexes within 1 s", "ms", 1000, false, benched("W8/N=1000000", "all-ms"), ""},
	{"W9", "750 k docs/s on one core", "k docs/s", 750, true, func(r *Results) (float64, bool) {
		x, ok := r.bench("W9/N=100000/one-core", "docs/s")
		return x / 1e3, ok
	}, yardParse},
	{"W9 ws", "550 k docs/s over a WebSocket", "k docs/s", 550, true, cellMedian("W9 ws"), yardParse},
	{"W10", "500 k docs/s", "k docs/s", 500, true, cellMedian("W10"), yardAppend},
	{"W10 written", "at most 420 B written a document", "B/doc", 420, false, cellBytes("W10"), ""},
}

// beside tells how a figure compares with what the bare machine does, here and where
// the goals were set.
func (g *Goal) beside(r *Results, x float64) string {
	for _, y := range r.Yard {
		if y.Name != g.yard || y.There == 0 || len(y.Here) == 0 {
			continue
		}
		unit := 1.0
		if g.Unit == "µs" {
			unit = 1e3 // the yardstick is in ns
		}
		here, there := x*unit/y.best(), g.Limit*unit/y.There
		return fmt.Sprintf("%s × %s (goal: %s)", figure(here), g.yard, figure(there))
	}
	return ""
}

// writeYard writes what the bare machine does.
func writeYard(b *strings.Builder, r *Results) {
	if len(r.Yard) == 0 {
		return
	}
	fmt.Fprintf(b, "## The bare machine\n\nWithout any database, before and after the run; the best of a few times each. The goals were set on a machine that did it as in the third column, where that is known. A goal that is missed is missed; this tells how much of it is the machine.\n\n| | before, after | where the goals were set | slower |\n|-|-:|-:|-:|\n")
	for _, y := range r.Yard {
		var here []string
		for _, x := range y.Here {
			here = append(here, figure(x))
		}
		there, slower := "–", "–"
		if y.There > 0 {
			there, slower = figure(y.There)+" "+y.Unit, figure(y.Slower())+" ×"
		}
		fmt.Fprintf(b, "| %s | %s %s | %s | %s |\n", y.Name, strings.Join(here, ", "), y.Unit, there, slower)
	}
	fmt.Fprintln(b)
}

func writeGoals(b *strings.Builder, r *Results) {
	if r.N != 100_000 {
		fmt.Fprintf(b, "The goals are for 100,000 documents, so they are not judged here.\n\n")
		return
	}
	why := missed(missedText)
	fmt.Fprintf(b, "## Goals\n\nThese limits were set before the work was begun, from what the best of the others and bare hardware had been seen to reach.\n\n| | goal | measured | | beside the bare machine |\n|-|-|-:|-|-|\n")
	var reasons []string
	for _, g := range goals {
		x, ok := g.get(r)
		if !ok {
			fmt.Fprintf(b, "| %s | %s | – | not measured in this run | |\n", g.Name, g.Text)
			continue
		}
		verdict := "met"
		if g.Higher && x < g.Limit || !g.Higher && x > g.Limit {
			verdict = fmt.Sprintf("**missed**, %s ×", figure(times(g.Limit, x, g.Higher)))
			text := why[g.Name]
			if text == "" {
				text = "not yet looked into."
			}
			reasons = append(reasons, fmt.Sprintf("- **%s.** %s", g.Name, text))
		}
		fmt.Fprintf(b, "| %s | %s | %s %s | %s | %s |\n", g.Name, g.Text, figure(x), g.Unit, verdict, g.beside(r, x))
	}
	fmt.Fprintln(b)
	if len(reasons) > 0 {
		fmt.Fprintf(b, "Where a goal is missed, why, and the next step:\n\n%s\n\n", strings.Join(reasons, "\n"))
	}
}
