package main

import (
	"fmt"
	"slices"
	"strings"
)

// writeTable writes a row a workload and a column a peer; × is how many times better
// replicad is.
func writeTable(b *strings.Builder, r *Results) {
	fmt.Fprintf(b, "## Beside others\n\nIn brackets how many times better replicad is; below 1 it is worse.\n\n")
	for _, kind := range []string{"go", "npm"} {
		var names []string
		for _, k := range known {
			if (k.kind == kind || k.name == us) && slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Peer == k.name }) {
				names = append(names, k.name)
			}
		}
		if len(names) > 1 {
			writeKind(b, r, names)
		}
	}
	fmt.Fprint(b, legend)
	writeHoles(b, r)
}

// legend says what stands in the cells.
const legend = `How to read it:

- "–": the peer has nothing of the kind, or no call for it.
- "3×2 ops": three rounds of two operations, where a round takes long; "cold" is the very
  first run, where there was no time for another. The documents are as many for all.
- "nobody told": it has no observers, and the figure is that of the changes alone.
- "id only", "no index": it has no other index, or none at all. "a file": it has no store in
  memory. "cached": the same question again is answered from a cache of results. "no
  sync": what is written may be lost with the machine.
- W2 and W6 are about 4,096 documents in turn, W3 and W5 ask 64 different questions. The
  file of W8 is in the system's cache. W10 writes 20,000 documents.

`

// writeHoles writes a line for each reason that a peer did not do a workload.
func writeHoles(b *strings.Builder, r *Results) {
	var reasons []string
	who := map[string][]string{}
	for _, k := range known {
		byReason := map[string][]string{}
		for _, w := range works {
			if why, ok := r.Failed[k.name][w.ID]; ok {
				byReason[why] = append(byReason[why], w.ID)
			}
		}
		for why, list := range byReason {
			if who[why] == nil {
				reasons = append(reasons, why)
			}
			who[why] = append(who[why], k.name+" "+strings.Join(list, ", "))
		}
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Fprintf(b, "- %s: %s\n", why, strings.Join(who[why], "; "))
	}
	if len(reasons) > 0 {
		fmt.Fprintln(b)
	}
}

// how tells the spread of a figure, how it was taken as far as that is unusual, and
// what else it has to be read with; with a blank before it, if there is anything.
func (c *Cell) how(usual int) string {
	var parts []string
	if len(c.Samples) > 1 {
		parts = append(parts, fmt.Sprintf("±%.0f %%", 100*c.Spread()))
	}
	for _, part := range []string{c.sampled(usual), remarks[c.Peer][c.Work]} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, ", ")
}

// writeKind writes the table of some peers.
func writeKind(b *strings.Builder, r *Results, names []string) {
	fmt.Fprintf(b, "| | %s |\n|-|%s\n", strings.Join(names, " | "), strings.Repeat("-:|", len(names)))
	for _, w := range works {
		fmt.Fprintf(b, "| **%s** %s, %s |", w.ID, w.Title, w.Unit)
		ours := r.cell(us, w.ID)
		for _, name := range names {
			c := r.cell(name, w.ID)
			switch {
			case c == nil && r.failed(name, w.ID):
				fmt.Fprintf(b, " see below |")
			case c == nil:
				fmt.Fprintf(b, " – |")
			case name == us || ours == nil:
				fmt.Fprintf(b, " **%s**%s |", figure(c.Median), c.how(r.Rounds))
			default:
				fmt.Fprintf(b, " %s%s (%s) |", figure(c.Median), c.how(r.Rounds), figure(times(ours.Median, c.Median, w.Higher)))
			}
		}
		fmt.Fprintln(b)
	}
	for _, extra := range []struct {
		title string
		get   func(c *Cell) float64
		work  string
	}{
		{"**W1** heap, B/doc", func(c *Cell) float64 { return c.Bytes }, "W1"},
		{"**W8** until the first FindOne, ms", func(c *Cell) float64 { return c.First }, "W8"},
		{"**W10** written (others: size of the files), B/doc", func(c *Cell) float64 { return c.Bytes }, "W10"},
	} {
		fmt.Fprintf(b, "| %s |", extra.title)
		ours := r.cell(us, extra.work)
		for _, name := range names {
			c := r.cell(name, extra.work)
			switch {
			case c == nil || extra.get(c) <= 0:
				fmt.Fprintf(b, " – |")
			case name == us || ours == nil:
				fmt.Fprintf(b, " **%s** |", figure(extra.get(c)))
			default:
				fmt.Fprintf(b, " %s (%s) |", figure(extra.get(c)), figure(extra.get(c)/extra.get(ours)))
			}
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintln(b)
}
