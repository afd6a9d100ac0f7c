package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// write makes RESULTS.md, results.json and the charts in a folder.
func write(dir string, r *Results) error {
	charts := filepath.Join(dir, "charts")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	files := map[string]string{
		"results.json": string(text) + "\n",
		"RESULTS.md":   markdown(r),
	}
	for name, svg := range draw(r) {
		files["charts/"+name] = svg
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// groups are the charts of the comparison.
var groups = []struct {
	file, title string
	works       []string
}{
	{"reads.svg", "Reads", []string{"W2", "W3", "W4", "W5"}},
	{"live.svg", "Changes and live results", []string{"W6a", "W6b", "W6c", "W7", "W7 in-room", "W7 in-window"}},
	{"bulk.svg", "Loading, ingest and disk", []string{"W1", "W8", "W9", "W9 ws", "W10"}},
}

func work(id string) Work {
	for _, w := range works {
		if w.ID == id {
			return w
		}
	}
	return Work{ID: id}
}

// draw returns the charts by their file names.
func draw(r *Results) map[string]string {
	out := map[string]string{}
	for _, g := range groups {
		var panels []bars
		for _, id := range g.works {
			w := work(id)
			p := bars{title: w.ID + "  " + w.Title, unit: w.Unit, higher: w.Higher}
			for _, k := range known {
				if c := r.cell(k.name, id); c != nil {
					p.bars = append(p.bars, bar{k.name, c.Median, c.Low, c.High, k.name == us, figure(c.Median) + " " + c.Unit})
				}
			}
			if len(p.bars) > 0 {
				panels = append(panels, p)
			}
		}
		if len(panels) > 0 {
			out[g.file] = barChart(fmt.Sprintf("%s, %s documents", g.title, figure(float64(r.N))), panels)
		}
	}
	if lines := growth(r, growing, "N="); len(lines) > 0 {
		out["growth.svg"] = lineChart("What it costs as the collection grows", "documents", "ns an operation", lines)
	}
	if lines := growth(r, beside, "K="); len(lines) > 0 {
		out["observers.svg"] = lineChart("What it costs beside other observers", "observers", "ns an operation", lines)
	}
	return out
}

// growing and beside are the curves of the growth charts: name, and the benchmark
// before and after its size.
var (
	growing = [][3]string{
		{"W2 FindOne by _id", "W2/", "/all/FindID"}, {"W5 20 newest of a room", "W5/", "/turns"},
		{"W6a $inc, a commit", "W6/", "/a/commit"}, {"W6c beside 1,000", "W6/", "/c/commit"},
		{"W7 in-room", "W7/", "/in-room"}, {"W7 in-window", "W7/", "/in-window"},
	}
	beside = [][3]string{{"$inc, one of K is told", "W6Observers/", ""}, {"start and stop one", "Observers/", ""}}
)

func growth(r *Results, curves [][3]string, size string) (lines []line) {
	for _, c := range curves {
		l := line{name: c[0]}
		for _, n := range []int{10, 100, 1_000, 10_000, 100_000, 1_000_000} {
			if ns, ok := r.bench(c[1]+size+strconv.Itoa(n)+c[2], "ns/op"); ok {
				l.points = append(l.points, [2]float64{float64(n), ns})
			}
		}
		if len(l.points) > 1 {
			lines = append(lines, l)
		}
	}
	return lines
}

// markdown writes the page.
func markdown(r *Results) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Results\n")
	p("Made by one command, which also says how it works (`go doc .` there), in %s:\n", r.Took)
	p("    cd bench/peers && go run .%s\n", r.Flags)
	m := r.Machine
	p("%s, %d cores, %s; %s; Go %s; Node %s. %s documents of about 290 bytes of JSON, the same bytes for all. Each figure is the median of up to %d rounds in which the peers took turns, after a warm-up; ± is half the range of the rounds. Times differ between machines: it is the ratios that count.\n",
		m.CPU, m.Cores, m.Memory, m.OS, m.Go, m.Node, figure(float64(r.N)), r.Rounds)
	if len(r.Wrong) == 0 {
		p("All peers gave the same answers, workload by workload, and had the same data set by its digest.\n")
	} else {
		p("**Not all gave the same answers:**\n")
		for _, w := range r.Wrong {
			p("- %s", w)
		}
		p("")
	}
	writeGoals(&b, r)
	writeTable(&b, r)
	for _, g := range groups {
		if slices.ContainsFunc(r.Cells, func(c Cell) bool { return slices.Contains(g.works, c.Work) }) {
			p("![%s](charts/%s)\n", g.title, g.file)
		}
	}
	if len(r.Ours) > 0 {
		writeOurs(&b, r)
	}
	p("## How each is used\n")
	for _, h := range r.How {
		if h.Text != "" {
			p("- **%s**: %s.", h.Peer, h.Text)
		}
	}
	p("")
	if len(r.Missing) > 0 {
		p("## Missing\n")
		for _, k := range known {
			if why, ok := r.Missing[k.name]; ok {
				p("- %s: %s", k.name, why)
			}
		}
	}
	return b.String()
}

func writeGoals(b *strings.Builder, r *Results) {
	if r.N != 100_000 {
		fmt.Fprintf(b, "The goals are for 100,000 documents, so they are not judged here.\n\n")
		return
	}
	why := missed(missedText)
	fmt.Fprintf(b, "## Goals\n\n| | goal | measured | |\n|-|-|-:|-|\n")
	var reasons []string
	for _, g := range goals {
		x, ok := g.get(r)
		if !ok {
			fmt.Fprintf(b, "| %s | %s | – | not measured in this run |\n", g.Name, g.Text)
			continue
		}
		verdict := "met"
		if g.Higher && x < g.Limit || !g.Higher && x > g.Limit {
			verdict = fmt.Sprintf("**missed** by %.0f %%", 100*(times(g.Limit, x, g.Higher)-1))
			text := why[g.Name]
			if text == "" {
				text = "not yet looked into."
			}
			reasons = append(reasons, fmt.Sprintf("- **%s.** %s", g.Name, text))
		}
		fmt.Fprintf(b, "| %s | %s | %s %s | %s |\n", g.Name, g.Text, figure(x), g.Unit, verdict)
	}
	fmt.Fprintln(b)
	if len(reasons) > 0 {
		fmt.Fprintf(b, "Where a goal is missed, why, and the next step:\n\n%s\n\n", strings.Join(reasons, "\n"))
	}
}

// writeTable writes a row a workload and a column a peer; × is how many times better
// replicad is.
func writeTable(b *strings.Builder, r *Results) {
	fmt.Fprintf(b, "## Beside others\n\nIn brackets how many times better replicad is; below 1 it is worse.\n\n")
	var notes []string
	for _, kind := range []string{"go", "npm"} {
		var names []string
		for _, k := range known {
			if (k.kind == kind || k.name == us) && slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Peer == k.name }) {
				names = append(names, k.name)
			}
		}
		if len(names) > 1 {
			notes = append(notes, writeKind(b, r, names)...)
		}
	}
	fmt.Fprintf(b, "– means that the peer has nothing of the kind. Where a round takes long there are fewer; N is the same for all. Where nobody is told there are no observers, and the figure is that of the changes alone.\n\n")
	if len(notes) > 0 {
		fmt.Fprintf(b, "%s\n\n", strings.Join(notes, "\n"))
	}
}

// writeKind writes the table of some peers and returns a note for each workload that
// one did not do.
func writeKind(b *strings.Builder, r *Results, names []string) (notes []string) {
	fmt.Fprintf(b, "| | %s |\n|-|%s\n", strings.Join(names, " | "), strings.Repeat("-:|", len(names)))
	for _, w := range works {
		fmt.Fprintf(b, "| **%s** %s, %s |", w.ID, w.Title, w.Unit)
		ours := r.cell(us, w.ID)
		for _, name := range names {
			c := r.cell(name, w.ID)
			switch {
			case c == nil && r.failed(name, w.ID):
				notes = append(notes, fmt.Sprintf("- %s, %s: %s", w.ID, name, r.Failed[name][w.ID]))
				fmt.Fprintf(b, " see below |")
			case c == nil:
				fmt.Fprintf(b, " – |")
			case name == us || ours == nil:
				fmt.Fprintf(b, " **%s** ±%.0f %% |", figure(c.Median), 100*c.Spread())
			default:
				few := ""
				if strings.HasPrefix(w.ID, "W7") && r.cell(name, "W6b") == nil && !r.failed(name, "W6b") {
					few = ", nobody is told"
				}
				if len(c.Samples) < r.Rounds {
					few += fmt.Sprintf(", %d rounds", len(c.Samples))
				}
				fmt.Fprintf(b, " %s ±%.0f %%%s (%s) |", figure(c.Median), 100*c.Spread(), few, figure(times(ours.Median, c.Median, w.Higher)))
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
	return notes
}

func writeOurs(b *strings.Builder, r *Results) {
	fmt.Fprintf(b, "## Our own figures, and their growth\n\n`go test ./bench -run '^$' -bench .`; what each is stands in the package comment and above each benchmark.\n\n")
	if len(growth(r, growing, "N=")) > 0 {
		fmt.Fprintf(b, "![Growth with the collection](charts/growth.svg)\n\n")
	}
	if len(growth(r, beside, "K=")) > 0 {
		fmt.Fprintf(b, "![Growth with observers](charts/observers.svg)\n\n")
	}
	fmt.Fprintf(b, "| | time | allocations | more |\n|-|-:|-:|-|\n")
	for _, one := range r.Ours {
		var rest []string
		for unit, x := range one.Metrics {
			switch unit {
			case "ns/op", "B/op", "allocs/op", "MB/s":
			default:
				rest = append(rest, figure(x)+" "+unit)
			}
		}
		slices.Sort(rest)
		allocs := "–"
		if n, ok := one.Metrics["allocs/op"]; ok {
			allocs = fmt.Sprintf("%s (%s B)", figure(n), figure(one.Metrics["B/op"]))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", one.Name, duration(one.Metrics["ns/op"]), allocs, strings.Join(rest, ", "))
	}
	fmt.Fprintln(b)
}

// duration writes ns in the unit that suits.
func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return figure(ns) + " ns"
	case ns < 1e6:
		return figure(ns/1e3) + " µs"
	case ns < 1e9:
		return figure(ns/1e6) + " ms"
	}
	return figure(ns/1e9) + " s"
}
