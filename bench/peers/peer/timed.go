package peer

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/replicad/replicad/bench"
)

// durables is how many documents W10 writes.
const durables = 20_000

// prepare does what comes before the clock.
func (c *child) prepare(work string) error {
	switch base, _, _ := strings.Cut(work, " "); {
	case work == "W9 ws":
		c.web = httptest.NewServer(bench.Pump("docs", c.list))
	case base == "W6b", base == "W6c":
		return c.watch(work, false)
	case base == "W7":
		if c.churn == nil {
			if err := c.startChurn(work); err != nil {
				return err
			}
		}
		return c.watch(work, false)
	case base == "W8":
		path := filepath.Join(c.dir, "saved")
		if _, err := os.Stat(path); err == nil {
			return nil // made before
		}
		return c.peer.(filer).Save(path, c.list)
	case base == "W9":
		c.frames, _ = bench.Frames("docs", c.list)
	case base == "W10":
		c.loaded = c.peer.(loader).Prepare(c.list[:min(durables, c.n)])
	}
	return nil
}

// finish ends what check and prepare have begun.
func (c *child) finish(work string) error {
	if c.web != nil {
		c.web.Close()
	}
	if w, ok := c.peer.(watcher); ok {
		w.Unwatch()
	}
	c.loaded, c.frames, c.web = nil, nil, nil
	return c.endChurn()
}

// time runs a workload. W1 is how everything is loaded at first, too.
func (c *child) time(work string, ops int) (r Reply, err error) {
	path := ""
	if work == "W10" {
		c.files++
		path = filepath.Join(c.dir, fmt.Sprint("w10-", c.files))
		defer os.RemoveAll(path)
	}
	var prepared any
	if work == "W1" {
		l, ok := c.peer.(loader)
		if !ok {
			return r, nil
		}
		// What is loaded already goes first. The documents are made anew, since a peer
		// may keep them: what it keeps counts.
		if err := l.Load(l.Prepare(nil)); err != nil {
			return r, err
		}
		prepared = l.Prepare(bench.Docs(1, c.n))
	}
	runtime.GC()
	begin := time.Now()
	r, err = c.timed(work, ops, path, prepared)
	if r.NS == 0 {
		r.NS = float64(time.Since(begin))
	}
	if work == "W1" && err == nil {
		prepared = nil
		r.Bytes = c.weigh() / float64(c.n)
	}
	return r, err
}

// readable asks a question of each index: one that is built when it is first needed
// belongs to the load.
func (c *child) readable() error {
	if p, ok := c.peer.(byAuthor); ok {
		if n, err := p.ByAuthor(c.par.authors[0], nil); err != nil || n == 0 {
			return fmt.Errorf("%d documents of an author: %w", n, err)
		}
	}
	if p, ok := c.peer.(newester); ok {
		if n, err := p.Newest(c.par.rooms[0], 20, nil); err != nil || n == 0 {
			return fmt.Errorf("%d documents of a room: %w", n, err)
		}
	}
	return c.peer.(finder).ByID(c.par.ids[0], nil)
}

func (c *child) timed(work string, ops int, path string, prepared any) (r Reply, err error) {
	next := func(of []string) string {
		c.pos++
		return of[(c.pos-1)%len(of)]
	}
	switch work {
	case "W1":
		if err = c.peer.(loader).Load(prepared); err == nil {
			err = c.readable()
		}
	case "W2":
		p := c.peer.(finder)
		for i := 0; i < ops && err == nil; i++ {
			err = p.ByID(next(c.par.ids), nil)
		}
	case "W3":
		p := c.peer.(byAuthor)
		for i := 0; i < ops && err == nil; i++ {
			_, err = p.ByAuthor(next(c.par.authors), nil)
		}
	case "W4":
		p := c.peer.(scanner)
		for i := 0; i < ops && err == nil; i++ {
			_, err = p.Scan(nil)
		}
	case "W5":
		p := c.peer.(newester)
		for i := 0; i < ops && err == nil; i++ {
			_, err = p.Newest(next(c.par.rooms), 20, nil)
		}
	case "W6a", "W6b", "W6c":
		p := c.peer.(incrementer)
		for i := 0; i < ops && err == nil; i++ {
			err = p.Inc(next(c.par.incs))
		}
		if w, ok := c.peer.(watcher); ok && err == nil {
			err = w.Settle()
		}
	case "W6a batch":
		p := c.peer.(batchIncrementer)
		for at := 0; at < ops && err == nil; at += 1000 {
			c.batches++
			from := c.batches % 4 * 1000
			err = p.IncBatch(c.par.incs[from : from+min(1000, ops-at)])
		}
	case "W7", "W7 in-room", "W7 in-window":
		err = c.churned(ops)
	case "W8":
		p := c.peer.(filer)
		begin := time.Now()
		if err := p.First(filepath.Join(c.dir, "saved"), c.par.ids[0]); err != nil {
			return r, err
		}
		r.First = float64(time.Since(begin))
		r.Count, err = p.Rest()
		r.NS = float64(time.Since(begin))
		return r, errors.Join(err, p.Shut())
	case "W9":
		if err = c.peer.(ingester).Ingest(c.frames); err == nil {
			err = c.readable()
		}
	case "W9 ws":
		err = c.peer.(dialer).Dial("ws"+strings.TrimPrefix(c.web.URL, "http"), c.n)
	case "W10":
		bytes, err := c.peer.(durable).Durable(path, c.loaded)
		r.Bytes = float64(bytes) / float64(min(durables, c.n))
		return r, err
	default:
		err = fmt.Errorf("unknown workload %q", work)
	}
	return r, err
}
