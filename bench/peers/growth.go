package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// growing and beside are the curves of the growth charts: name, and the benchmark
// before and after its size.
var (
	growing = [][3]string{
		{"W2 FindOne by _id", "W2/", "/all/FindID"}, {"a bare Go map", "W2/", "/all/gomap"}, {"W5 20 newest of a room", "W5/", "/turns"},
		{"W6a $inc, a commit", "W6/", "/a/commit"}, {"W6c beside 1,000", "W6/", "/c/commit"},
		{"W7 in-room", "W7/", "/in-room"}, {"W7 in-window", "W7/", "/in-window"},
	}
	beside = [][3]string{
		{"$inc, one of K is told", "W6Observers/", "/told"}, {"$inc, nobody watches", "W6Observers/", "/unwatched"},
		{"start and stop one", "Observers/", ""},
	}
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

// writeOurs writes our own benchmarks: what each costs at each size, a row each; and
// then whatever else they measure, likewise.
func writeOurs(b *strings.Builder, r *Results) {
	fmt.Fprintf(b, "## Our own figures, and their growth\n\n`go test ./bench -run '^$' -bench .`; what each is stands in the package comment and above each benchmark. Allocations are of one operation, at the largest size.\n\n")
	if len(growth(r, growing, "N=")) > 0 {
		fmt.Fprintf(b, "![Growth with the collection](charts/growth.svg)\n\n")
	}
	if len(growth(r, beside, "K=")) > 0 {
		fmt.Fprintf(b, "![Growth with observers](charts/observers.svg)\n\n")
	}
	writeSizes(b, r.Ours, "N=", "documents")
	writeSizes(b, r.Ours, "K=", "observers")
	var others []string
	for _, one := range r.Ours {
		if _, size, _ := sized(one.Name, "="); size == 0 {
			rest := []string{duration(one.Metrics["ns/op"])}
			for _, unit := range units(one) {
				rest = append(rest, figure(one.Metrics[unit])+" "+unit)
			}
			others = append(others, fmt.Sprintf("- %s: %s.", bold(one.Name), strings.Join(rest, ", ")))
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(b, "At no size in particular:\n\n%s\n\n", strings.Join(others, "\n"))
	}
}

// sized splits the name of a benchmark at its size: "W2/N=10000/all" is W2, all.
func sized(name, prefix string) (row string, size int, ok bool) {
	var rest []string
	for part := range strings.SplitSeq(name, "/") {
		if _, n, cut := strings.Cut(part, "="); cut && strings.Contains(part, prefix) && size == 0 {
			size, _ = strconv.Atoi(n)
			continue
		}
		rest = append(rest, part)
	}
	return strings.Join(rest, " "), size, size > 0
}

// units are what a benchmark measures besides time and allocations.
func units(one Bench) (list []string) {
	for unit := range one.Metrics {
		switch unit {
		case "ns/op", "B/op", "allocs/op", "MB/s", "docs/op":
		default:
			list = append(list, unit)
		}
	}
	slices.Sort(list)
	return list
}

// whole reports whether a benchmark runs over all documents, so that its time says
// less than its rate does.
func whole(row string) bool {
	w, _, _ := strings.Cut(row, " ")
	return slices.Contains([]string{"W1", "W4", "W8", "W9", "W9WS", "W10", "W11", "W12"}, w)
}

// writeSizes writes two tables with a column a size.
func writeSizes(b *strings.Builder, ours []Bench, prefix, what string) {
	var sizes []int
	rows := map[string]map[int]Bench{}
	var order []string
	for _, one := range ours {
		row, size, ok := sized(one.Name, prefix)
		if !ok {
			continue
		}
		if rows[row] == nil {
			rows[row] = map[int]Bench{}
			order = append(order, row)
		}
		rows[row][size] = one
		if !slices.Contains(sizes, size) {
			sizes = append(sizes, size)
		}
	}
	if len(order) == 0 {
		return
	}
	slices.Sort(sizes)
	number := func(row string) int {
		n, _ := strconv.Atoi(strings.TrimRight(strings.TrimPrefix(strings.Fields(row)[0], "W"), "WSObserv"))
		return n
	}
	slices.SortStableFunc(order, func(a, b string) int { return number(a) - number(b) })
	head := func(title, last string) {
		fmt.Fprintf(b, "| %s", title)
		for _, n := range sizes {
			fmt.Fprintf(b, " | %s", thousands(n))
		}
		fmt.Fprintf(b, " %s|\n|-%s\n", last, strings.Repeat("|-:", len(sizes)+strings.Count(last, "|"))+"|")
	}
	head("an operation, by "+what, "| allocations ")
	for _, row := range order {
		if whole(row) {
			continue
		}
		fmt.Fprintf(b, "| %s", bold(row))
		allocs := "–"
		for _, n := range sizes {
			one, ok := rows[row][n]
			if !ok {
				fmt.Fprint(b, " | –")
				continue
			}
			fmt.Fprintf(b, " | %s", duration(one.Metrics["ns/op"]))
			if a, ok := one.Metrics["allocs/op"]; ok {
				allocs = fmt.Sprintf("%s (%s B)", figure(a), figure(one.Metrics["B/op"]))
			}
		}
		fmt.Fprintf(b, " | %s |\n", allocs)
	}
	fmt.Fprintln(b)

	rest := &strings.Builder{}
	for _, row := range order {
		for _, unit := range units(rows[row][sizes[0]]) {
			fmt.Fprintf(rest, "| %s, %s", bold(row), unit)
			for _, n := range sizes {
				x, ok := rows[row][n].Metrics[unit]
				if !ok {
					fmt.Fprint(rest, " | –")
					continue
				}
				fmt.Fprintf(rest, " | %s", figure(x))
			}
			fmt.Fprintln(rest, " |")
		}
	}
	if rest.Len() > 0 {
		head("rates, bytes and the rest, by "+what, "")
		fmt.Fprintln(b, rest)
	}
}

// bold marks the workload of a row.
func bold(row string) string {
	w, rest, _ := strings.Cut(row, " ")
	return strings.TrimSpace("**" + w + "** " + rest)
}

// thousands writes a size as 10 k or 1 M.
func thousands(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + " M"
	case n >= 10_000 && n%1_000 == 0:
		return strconv.Itoa(n/1_000) + " k"
	}
	return tick(float64(n))
}

// tick writes a whole number without digits after the point, for axes and columns.
func tick(x float64) string {
	if x >= 1 && x < 1000 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return figure(x)
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
