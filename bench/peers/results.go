package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Results are all that was found.
type Results struct {
	N       int                          `json:"n"`
	Rounds  int                          `json:"rounds"`
	Flags   string                       `json:"flags"` // of the command
	Took    string                       `json:"took"`
	Machine Machine                      `json:"machine"`
	How     []How                        `json:"how"`
	Cells   []Cell                       `json:"cells"`
	Failed  map[string]map[string]string `json:"failed,omitempty"`  // peer, workload, reason
	Missing map[string]string            `json:"missing,omitempty"` // peer, reason
	Wrong   []string                     `json:"wrong,omitempty"`   // answers that differ
	Ours    []Bench                      `json:"ours,omitempty"`    // our own benchmarks
	Yard    []*Yardstick                 `json:"yard,omitempty"`
}

// How is how a peer is used.
type How struct{ Peer, Text string }

// Cell is what a peer did in a workload.
type Cell struct {
	Peer    string    `json:"peer"`
	Work    string    `json:"work"`
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"`        // a round each
	Ops     int       `json:"ops"`            // operations a round
	Cold    bool      `json:"cold,omitempty"` // the one sample is the first run
	Median  float64   `json:"median"`
	Low     float64   `json:"low"`
	High    float64   `json:"high"`
	Bytes   float64   `json:"bytes,omitempty"`   // a document: heap for W1, written for W10
	First   float64   `json:"firstMs,omitempty"` // W8: until the first document, likewise the median
	firsts  []float64
}

// settle computes median and range of the samples.
func (c *Cell) settle() {
	c.Median = median(c.Samples)
	if len(c.firsts) > 0 {
		c.First = median(c.firsts)
	}
	c.Low, c.High = slices.Min(c.Samples), slices.Max(c.Samples)
}

// sampled tells how the figure was taken, where it was not in the usual way: fewer
// rounds than usual, or of few operations.
func (c *Cell) sampled(usual int) string {
	rounds := fmt.Sprintf("%d rounds", len(c.Samples))
	if len(c.Samples) == 1 {
		rounds = "1 round"
	}
	switch {
	case c.Ops <= 10 && !work(c.Work).Whole:
		rounds = fmt.Sprintf("%d×%d ops", len(c.Samples), c.Ops)
	case len(c.Samples) >= usual && usual > 0:
		return ""
	}
	if c.Cold {
		rounds += ", cold"
	}
	return rounds
}

// Spread is half the range by the median.
func (c *Cell) Spread() float64 {
	if c.Median == 0 {
		return 0
	}
	return (c.High - c.Low) / 2 / c.Median
}

// median returns the middle one, or the mean of the two in the middle; NaN of none.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	if m := len(s) / 2; len(s)%2 == 1 {
		return s[m]
	} else {
		return (s[m-1] + s[m]) / 2
	}
}

// times returns how many times better ours is than theirs.
func times(ours, theirs float64, higher bool) float64 {
	if higher {
		return ours / theirs
	}
	return theirs / ours
}

func (r *Results) fail(peer, work, reason string) {
	if r.Failed == nil {
		r.Failed = map[string]map[string]string{}
	}
	if r.Failed[peer] == nil {
		r.Failed[peer] = map[string]string{}
	}
	r.Failed[peer][work] = reason
}

func (r *Results) failed(peer, work string) bool {
	_, ok := r.Failed[peer][work]
	return ok
}

func (r *Results) cell(peer, work string) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Peer == peer && c.Work == work {
			return c
		}
	}
	return nil
}

// figure writes a number with three digits that count, and thousands apart.
func figure(x float64) string {
	switch a := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case a >= 1000:
		digits := math.Pow(10, math.Floor(math.Log10(a))-2)
		s := strconv.FormatFloat(math.Round(x/digits)*digits, 'f', 0, 64)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case a == 0:
		return "0"
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
