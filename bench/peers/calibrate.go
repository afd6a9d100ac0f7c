package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/bench/peers/peer"
)

// A Yardstick is what the bare machine does, without any database. The goals were set
// on a machine that did it in There; how much slower this one is tells how far a missed
// goal is the machine's.
type Yardstick struct {
	Name   string
	Unit   string
	Higher bool
	There  float64   // where the goals were set; 0: not known
	Here   []float64 // before and after the run
}

// best returns the better of the measurements.
func (y *Yardstick) best() float64 {
	if len(y.Here) == 0 {
		return math.NaN()
	}
	best := y.Here[0]
	for _, x := range y.Here[1:] {
		if times(x, best, y.Higher) > 1 {
			best = x
		}
	}
	return best
}

// Slower returns how many times slower this machine is at its best.
func (y *Yardstick) Slower() float64 { return times(y.There, y.best(), y.Higher) }

// Names of yardsticks that goals are compared with.
const (
	yardMap    = "Go map of 100,000 ids, one of 65,536 in turn"
	yardHot    = "Go map of 100,000 ids, one of 4,096 in turn"
	yardScan   = "structs in a row, the three conditions by hand"
	yardParse  = "JSON.parse of the added messages, in Node"
	yardAppend = "append of the documents to a file, a sync for 1,000"
)

func yardsticks() []*Yardstick {
	return []*Yardstick{
		{Name: yardMap, Unit: "ns"},
		{Name: yardHot, Unit: "ns", There: 30},
		{Name: "memory copied, 64 MiB at a time", Unit: "GB/s", Higher: true},
		{Name: yardScan, Unit: "ns/doc", There: 12.6},
		{Name: yardParse, Unit: "k/s", Higher: true, There: 770},
		{Name: "sync of a file after an append of 4 KiB", Unit: "ms", There: .2},
		{Name: yardAppend, Unit: "k docs/s", Higher: true, There: 3120},
	}
}

// calibrate measures each yardstick once more, in about two seconds.
func calibrate(ctx context.Context, list []*Yardstick) error {
	const n = 100_000
	docs := bench.Docs(1, n)
	r := bench.NewRand(2)
	m := make(map[string]int, n)
	for i, d := range docs {
		m[string([]byte(d.Field("_id").Str()))] = i
	}
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = string([]byte(docs[r.Intn(n)].Field("_id").Str()))
	}
	sum := 0
	lookup := func(mask int) float64 {
		return least(func() {
			for i := range 1 << 18 {
				sum += m[ids[i&mask]]
			}
		}) / (1 << 18)
	}
	from, to := bytes.Repeat([]byte("copy"), 16<<20), make([]byte, 64<<20)
	plain := make([]peer.Doc, n)
	for i, d := range docs {
		plain[i] = *peer.Plain(d)
	}
	sync, appended, err := appends(docs[0].AppendJSON(nil))
	if err != nil {
		return err
	}
	here := []float64{
		lookup(len(ids) - 1),
		lookup(1<<12 - 1),
		float64(len(from)) / least(func() { copy(to, from) }),
		least(func() {
			for i := range plain {
				if plain[i].Selected() {
					sum++
				}
			}
		}) / n,
		parses(ctx),
		sync, appended,
	}
	if sum == 0 {
		return fmt.Errorf("nothing was found")
	}
	for i, y := range list {
		if here[i] > 0 {
			y.Here = append(y.Here, here[i])
		}
	}
	return nil
}

// least returns the least ns of a few runs.
func least(fn func()) float64 {
	best := time.Hour
	for range 7 {
		begin := time.Now()
		fn()
		best = min(best, time.Since(begin))
	}
	return float64(best)
}

// appends returns the ms of a sync after 4 KiB, and k docs/s of documents appended, a
// sync for a thousand.
func appends(doc []byte) (sync, rate float64, err error) {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	run := func(size, rounds int) float64 {
		text := bytes.Repeat(doc, size/len(doc)+1)[:size]
		return least(func() {
			for range rounds {
				if _, e := f.Write(text); e != nil {
					err = e
				}
				if e := f.Sync(); e != nil {
					err = e
				}
			}
		}) / float64(rounds)
	}
	sync = run(4096, 20) / 1e6
	rate = 1000 / run(1000*len(doc), 20) * 1e6
	return sync, rate, err
}

// parses returns k messages/s of JSON.parse, 0 without Node.
func parses(ctx context.Context) float64 {
	out, err := exec.CommandContext(ctx, "node", "js/calibrate.mjs").Output()
	var rate float64
	if err != nil || json.Unmarshal(out, &rate) != nil {
		return 0
	}
	return rate
}
