package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Colours of the charts: ours, that of others, and those of lines.
const (
	colourUs    = "#d1495b"
	colourOther = "#7a93ac"
	colourText  = "#222"
	colourGrid  = "#ddd"
)

var lineColours = []string{"#d1495b", "#00798c", "#b07d12", "#30638e", "#6a994e", "#8e5572", "#444"}

// bars is a panel of a chart: horizontal bars on a log scale, the best on top.
type bars struct {
	title, unit string
	higher      bool
	bars        []bar
}

type bar struct {
	name      string
	value     float64
	low, high float64
	isUs      bool
	label     string
}

// barChart draws panels below each other as SVG.
func barChart(title string, panels []bars) string {
	const width, left, right, row, head = 810, 170, 120, 20, 44
	var b strings.Builder
	height := 40
	for _, p := range panels {
		height += head + row*len(p.bars) + 24
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="%s">`+"\n", width, height, width, height, colourText)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="12" y="24" font-size="16" font-weight="bold">%s</text>`+"\n", width, height, html.EscapeString(title))
	y := 40
	for _, p := range panels {
		better := "less is better"
		if p.higher {
			better = "more is better"
		}
		fmt.Fprintf(&b, `<text x="12" y="%d" font-weight="bold">%s</text><text x="12" y="%d" fill="#666">%s, log scale, %s; the thin line is the range of all rounds</text>`+"\n", y+16, html.EscapeString(p.title), y+32, html.EscapeString(p.unit), better)
		y += head
		from, to := decades(p.bars)
		at := func(v float64) float64 {
			return left + (math.Log10(v)-from)/(to-from)*(width-left-right)
		}
		bottom := y + row*len(p.bars)
		for d := from; d <= to; d++ {
			x := at(math.Pow(10, d))
			fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666" font-size="10">%s</text>`+"\n", x, y, x, bottom, colourGrid, x, bottom+12, tick(math.Pow(10, d)))
		}
		list := slices.Clone(p.bars)
		slices.SortStableFunc(list, func(a, b bar) int {
			if p.higher {
				a, b = b, a
			}
			return cmp.Compare(a.value, b.value)
		})
		for i, one := range list {
			top := y + i*row
			colour, weight := colourOther, "normal"
			if one.isUs {
				colour, weight = colourUs, "bold"
			}
			x := at(one.value)
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" font-weight="%s">%s</text>`, left-6, top+14, weight, html.EscapeString(one.name))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, left, top+3, max(x-left, 1), row-6, colour)
			fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#222"/>`, at(one.low), top+row/2, at(one.high), top+row/2)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" font-weight="%s">%s</text>`+"\n", max(x, at(one.high))+5, top+14, weight, html.EscapeString(one.label))
		}
		y = bottom + 24
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// decades returns the powers of ten around all values.
func decades(list []bar) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	for _, b := range list {
		from, to = min(from, math.Log10(b.low)), max(to, math.Log10(b.high))
	}
	// Half a decade to the left, so that the shortest bar can be seen.
	from, to = math.Floor(from-.3), math.Ceil(to)
	if to <= from {
		to = from + 1
	}
	return from, to
}

// line is a curve of a growth chart.
type line struct {
	name   string
	points [][2]float64
}

// lineChart draws curves over a log-log scale.
func lineChart(title, xTitle, yTitle string, lines []line) string {
	const width, height, left, right, top, bottom = 780, 420, 90, 190, 50, 50
	x0, x1, y0, y1 := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, p := range l.points {
			x0, x1 = min(x0, math.Log10(p[0])), max(x1, math.Log10(p[0]))
			y0, y1 = min(y0, math.Log10(p[1])), max(y1, math.Log10(p[1]))
		}
	}
	x0, x1, y0, y1 = math.Floor(x0), math.Ceil(x1), math.Floor(y0), math.Ceil(y1)
	x1, y1 = max(x1, x0+1), max(y1, y0+1)
	x := func(v float64) float64 { return left + (math.Log10(v)-x0)/(x1-x0)*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - (math.Log10(v)-y0)/(y1-y0)*(height-top-bottom) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" fill="%s">`+"\n", width, height, width, height, colourText)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="12" y="24" font-size="16" font-weight="bold">%s</text>`+"\n", width, height, html.EscapeString(title))
	for d := x0; d <= x1; d++ {
		v := math.Pow(10, d)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(v), top, x(v), height-bottom, colourGrid, x(v), height-bottom+16, tick(v))
	}
	for d := y0; d <= y1; d++ {
		v := math.Pow(10, d)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y(v), width-right, y(v), colourGrid, left-6, y(v)+4, tick(v))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s (log)</text>`+"\n", (left+width-right)/2, height-12, html.EscapeString(xTitle))
	fmt.Fprintf(&b, `<text x="16" y="%d" transform="rotate(-90 16 %d)" text-anchor="middle">%s (log)</text>`+"\n", (top+height-bottom)/2, (top+height-bottom)/2, html.EscapeString(yTitle))
	// Names stand at the ends of their curves, and apart from each other.
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	end := func(i int) float64 { p := lines[i].points; return y(p[len(p)-1][1]) }
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(end(i), end(j)) })
	last := -math.MaxFloat64
	for _, i := range order {
		colour := lineColours[i%len(lineColours)]
		var path []string
		for _, p := range lines[i].points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", x(p[0]), y(p[1])))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x(p[0]), y(p[1]), colour)
		}
		last = max(end(i), last+15)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s" stroke-width=".7"/>`, width-right, end(i), width-right+14, last, colour)
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", strings.Join(path, " "), colour, float64(width-right+17), last+4, colour, html.EscapeString(lines[i].name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
