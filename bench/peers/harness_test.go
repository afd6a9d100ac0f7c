package main

import (
	"encoding/xml"
	"flag"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/bench/peers/peer"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		xs   []float64
		want float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7}, 7}} {
		if got := median(test.xs); got != test.want {
			t.Errorf("median of %v is %v, wants %v", test.xs, got, test.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
	c := Cell{Samples: []float64{10, 8, 12}}
	c.settle()
	if c.Median != 10 || c.Low != 8 || c.High != 12 || c.Spread() != .2 {
		t.Errorf("%+v, spread %v", c, c.Spread())
	}
}

// TestGiven: what is printed of the flags can be given again.
func TestGiven(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", ""},
		{"-million -n 5000", " -million -n=5000"},
		{"-million=false -only ^sql|o'k -out x", ` -million=false -only='^sql|o'\''k'`},
	} {
		flags := func() *flag.FlagSet {
			f := flag.NewFlagSet("", flag.ContinueOnError)
			f.Bool("million", false, "")
			f.Int("n", 1, "")
			f.String("only", "", "")
			f.String("out", "", "")
			return f
		}
		f := flags()
		if err := f.Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		got := given(f)
		if got != test.want {
			t.Errorf("%q is printed as %q, wants %q", test.args, got, test.want)
		}
		again := flags()
		if err := again.Parse(strings.Fields(got)); err != nil || again.NArg() > 0 {
			t.Errorf("%q is not to be given again: %v", got, err)
		}
	}
}

func TestFigure(t *testing.T) {
	for x, want := range map[float64]string{0: "0", .0345678: "0.0346", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234: "1,230", 12345678: "12,300,000", -4567: "-4,570"} {
		if got := figure(x); got != want {
			t.Errorf("%v is %s, wants %s", x, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	if got := times(2, 10, false); got != 5 {
		t.Error(got)
	}
	if got := times(10, 2, true); got != 5 {
		t.Error(got)
	}
}

func TestParseBench(t *testing.T) {
	b, ok := parseBench("BenchmarkW2/N=10000/all/FindID-2  \t 5337452\t        43.98 ns/op\t       0 B/op\t       0 allocs/op")
	if !ok || b.Name != "W2/N=10000/all/FindID" || b.Runs != 5337452 || b.Metrics["ns/op"] != 43.98 {
		t.Errorf("%v %+v", ok, b)
	}
	for _, line := range []string{"PASS", "ok  \tgithub.com/x\t1s", "BenchmarkW2", "goos: linux"} {
		if b, ok := parseBench(line); ok {
			t.Errorf("%q gives %+v", line, b)
		}
	}
}

// TestProcess: a peer that cannot be started, one that dies and one that does not
// answer are errors, and never a fault of the one who asks.
func TestProcess(t *testing.T) {
	for _, test := range []struct {
		name, want string
		argv       []string
	}{
		{"not there", "does not start", []string{"./no-such-program"}},
		{"dies", "it died", []string{"/bin/sh", "-c", "echo oh no >&2"}},
		{"talks nonsense", "invalid character", []string{"/bin/sh", "-c", "read line; echo nonsense; cat"}},
	} {
		p := &proc{name: test.name, argv: test.argv, dir: t.TempDir()}
		_, err := p.ask(t.Context(), peer.Request{Op: "check"}, time.Minute)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, wants %q", test.name, err, test.want)
		}
		p.kill()
	}
	p := &proc{argv: []string{"/bin/sh", "-c", `read line; echo '{"works":["W2"]}'; read line; echo '{}'; cat >/dev/null`}, dir: t.TempDir()}
	if _, err := p.ask(t.Context(), peer.Request{Op: "check"}, time.Millisecond); err == nil || !strings.Contains(err.Error(), "not done in 1ms") {
		t.Error(err)
	}
	if p.cmd != nil || !p.can("W2") {
		t.Error("it was not killed, or had not been heard")
	}
}

func TestCompare(t *testing.T) {
	wrong := compare(map[string]map[string]string{
		"W2": {us: "a", "sqlite": "a", "NeDB": "b"},
		"W3": {us: "a", "sqlite": "a"},
	})
	if len(wrong) != 1 || !strings.Contains(wrong[0], "W2: NeDB answers b, most a") {
		t.Errorf("%q", wrong)
	}
}

func TestMissed(t *testing.T) {
	got := missed("words\n## A b\nline\nline\n\n## C\nx\n")
	if got["A b"] != "line line" || got["C"] != "x" || len(got) != 2 {
		t.Errorf("%q", got)
	}
	// Every section is of a goal, and every goal has one.
	have := missed(missedText)
	for _, g := range goals {
		if have[g.Name] == "" {
			t.Errorf("missed.md says nothing of %s", g.Name)
		}
		delete(have, g.Name)
	}
	for name := range have {
		t.Errorf("missed.md speaks of %q, which is no goal", name)
	}
}

// sample has a peer that is better, one that is worse, one that failed, one missing.
func sample() *Results {
	r := &Results{N: 100_000, Rounds: 3, Took: "1s", How: []How{{us, "as it is"}, {"sqlite", "so"}}, Missing: map[string]string{"badger": "it could not be built"}}
	for _, c := range []Cell{
		{Peer: us, Work: "W2", Unit: "µs", Samples: []float64{.05, .04, .06}, Ops: 1000},
		{Peer: "sqlite", Work: "W2", Unit: "µs", Samples: []float64{2.5, 2.5, 2.5}, Ops: 2},
		{Peer: us, Work: "W1", Unit: "k docs/s", Samples: []float64{1000}, Bytes: 400},
		{Peer: "sqlite", Work: "W1", Unit: "k docs/s", Samples: []float64{2000}, Bytes: 800},
	} {
		c.settle()
		r.Cells = append(r.Cells, c)
	}
	r.fail("sqlite", "W3", "not done in 1s")
	r.Yard = []*Yardstick{{Name: yardHot, Unit: "ns", There: 30, Here: []float64{60, 50}}}
	for _, n := range []string{"10000", "100000"} {
		r.Ours = append(r.Ours, Bench{"W2/N=" + n + "/all/FindID", 1, map[string]float64{"ns/op": 40, "allocs/op": 0, "B/op": 0}})
	}
	return r
}

func TestMarkdown(t *testing.T) {
	page := markdown(sample())
	for _, want := range []string{
		"| **0.05** ±20 %", "2.50 ±0 %, 3×2 ops (50.0)", // W2: fifty times better
		"2,000 1 round (0.5)", // W1: half as good, in fewer rounds
		"- not done in 1s: sqlite W3",
		"- badger: it could not be built",
		"| W1 load | 1,200 k docs/s with both indexes | 1,000 k docs/s | **missed**, 1.20 × |",
		"| W2 | at most 50 ns | 0.05 µs | met | 1.00 × Go map of 100,000 ids, one of 4,096 in turn (goal: 1.67) |",
		"| Go map of 100,000 ids, one of 4,096 in turn | 60.0, 50.0 ns | 30.0 ns | 1.67 × |",
		"| **W2** all FindID | 40.0 ns | 40.0 ns | 0 (0 B) |",
		"- **sqlite**: so.",
		"charts/growth.svg",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestCharts: they are XML, small, name what they show, and hold no infinite number.
func TestCharts(t *testing.T) {
	charts := draw(sample())
	if len(charts) != 3 { // reads, bulk, growth
		t.Errorf("%d charts", len(charts))
	}
	for name, svg := range charts {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(svg) > 100<<10 || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: %d bytes\n%s", name, len(svg), svg)
		}
		if !strings.Contains(svg, "log") {
			t.Errorf("%s does not say its scale", name)
		}
	}
	if !strings.Contains(charts["reads.svg"], "sqlite") {
		t.Error("a bar without its name")
	}
}
