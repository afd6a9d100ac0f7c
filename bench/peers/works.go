package main

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

// works are the workloads in the order of the tables.
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

// running is the order in which they are run: what users feel first; reads before the
// changes that scatter documents, and last those that replace the collection. W1 is
// how everything is loaded at the very beginning, and comes again at the end.
var running = []string{
	"W9", "W9 ws", "W3", "W5", "W2", "W4",
	"W6a", "W6a batch", "W6b", "W6c", "W7", "W7 in-room", "W7 in-window",
	"W8", "W10", "W1",
}

// remarks are what figures have to be read with, by peer and workload; what they mean
// stands below the table.
var remarks = map[string]map[string]string{
	"go-memdb":  {"W7": "nobody told", "W7 in-room": "nobody told", "W7 in-window": "nobody told"},
	"sqlite":    {"W7": "nobody told", "W7 in-room": "nobody told", "W7 in-window": "nobody told"},
	"badger":    {"W1": "id only"},
	"bolthold":  {"W1": "a file", "W2": "a file", "W3": "a file", "W4": "a file", "W5": "a file", "W6a": "a file", "W6a batch": "a file"},
	"LokiJS":    {"W10": "no sync"},
	"NeDB":      {"W10": "no sync"},
	"RxDB":      {"W3": "cached", "W5": "cached"},
	"minimongo": {"W1": "no index", "W9": "no index"},
}

func work(id string) Work {
	for _, w := range works {
		if w.ID == id {
			return w
		}
	}
	return Work{ID: id}
}
