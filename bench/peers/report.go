package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// draw returns the charts by their file names.
func draw(r *Results) map[string]string {
	out := map[string]string{}
	for _, g := range groups {
		var panels []bars
		for _, id := range g.works {
			w := work(id)
			p := bars{title: w.ID + ": " + w.Title, unit: w.Unit, higher: w.Higher}
			for _, k := range known {
				if c := r.cell(k.name, id); c != nil {
					name := k.name
					if remark := remarks[name][id]; remark != "" {
						name += " (" + remark + ")"
					}
					p.bars = append(p.bars, bar{name, c.Median, c.Low, c.High, k.name == us, figure(c.Median) + " " + c.Unit})
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

// markdown writes the page.
func markdown(r *Results) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Results\n")
	p("replicad is a local-first database for Go: documents in memory with indexes and MongoDB's queries, results that stay live, a file, and replication from DDP servers such as Meteor. Here it stands beside what one would otherwise use: the same documents, the same questions, the same machine. One command made this page in %s, and says how it works (`go doc .` there):\n", r.Took)
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
	writeTable(&b, r)
	for _, g := range groups {
		if slices.ContainsFunc(r.Cells, func(c Cell) bool { return slices.Contains(g.works, c.Work) }) {
			p("![%s](charts/%s)\n", g.title, g.file)
		}
	}
	writeGoals(&b, r)
	writeYard(&b, r)
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
		for _, name := range slices.Sorted(maps.Keys(r.Missing)) {
			p("- %s: %s", name, r.Missing[name])
		}
	}
	return b.String()
}
