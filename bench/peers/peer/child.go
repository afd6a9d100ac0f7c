package peer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/ddp/ejson"
)

// A Request is one line of JSON to the process of a peer, and a Reply one line from it.
type Request struct {
	Op   string `json:"op"`   // hello, check, prepare, time, finish
	Work string `json:"work"` // W1 … W10
	Ops  int    `json:"ops"`  // for time: how many operations, where the workload has any number
	Dir  string `json:"dir"`  // for hello: an empty folder to use
}

type Reply struct {
	How    string   `json:"how,omitempty"`    // hello
	Digest string   `json:"digest,omitempty"` // hello: of the data set
	Works  []string `json:"works,omitempty"`  // hello
	Answer string   `json:"answer,omitempty"` // check, and time of a whole workload
	NS     float64  `json:"ns"`               // time
	First  float64  `json:"first,omitempty"`  // time of W8: ns until the first document
	Bytes  float64  `json:"bytes,omitempty"`  // time: bytes a document, heap or disk
	Error  string   `json:"error,omitempty"`
}

// child is the process of one Go peer.
type child struct {
	peer  Peer
	n     int
	list  []ejson.Doc
	par   params
	dir   string
	pos   int // of the next operation
	files int
	base  uint64 // bytes of heap before anything was loaded

	loaded any      // prepared for W1
	frames [][]byte // prepared for W9
	churn  *bench.Churn
	change []any // prepared for W7
	web    *httptest.Server
}

// Main is the main function of a peer's program: it answers requests on the standard
// input until that ends. Its one argument is the number of documents.
func Main(open func() (Peer, error)) {
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err == nil {
		err = serve(open, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(open func() (Peer, error), n int) error {
	peer, err := open()
	if err != nil {
		return err
	}
	defer peer.Close()
	c := &child{peer: peer, n: n}
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q Request
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return err
		}
		r, err := c.answer(q)
		if err != nil {
			r.Error = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return in.Err()
}

func (c *child) answer(q Request) (Reply, error) {
	switch q.Op {
	case "hello":
		return c.hello(q.Dir)
	case "check":
		return c.check(q.Work)
	case "prepare":
		return Reply{}, c.prepare(q.Work)
	case "time":
		return c.time(q.Work, q.Ops)
	case "finish":
		return Reply{}, c.finish(q.Work)
	}
	return Reply{}, fmt.Errorf("unknown op %q", q.Op)
}

// hello makes the data and loads it.
func (c *child) hello(dir string) (Reply, error) {
	c.list = bench.Docs(1, c.n)
	c.par = drawParams(c.list)
	c.dir = dir
	r := Reply{How: c.peer.How(), Digest: digest(c.list)}
	c.base = heap()
	if l, ok := c.peer.(loader); ok {
		if err := l.Load(l.Prepare(c.list)); err != nil {
			return r, err
		}
	}
	p := c.peer
	for _, w := range []struct {
		name string
		can  bool
	}{
		{"W1", can[loader](p) && !can[served](p)},
		{"W2", can[finder](p)}, {"W3", can[byAuthor](p)}, {"W4", can[scanner](p)}, {"W5", can[newester](p)},
		{"W6a", can[incrementer](p)}, {"W6a batch", can[batchIncrementer](p)},
		{"W6b", can[watcher](p)}, {"W6c", can[watcher](p)},
		{"W7", can[churner](p)}, {"W7 in-room", can[churner](p)}, {"W7 in-window", can[churner](p)},
		{"W8", can[filer](p)}, {"W9", can[ingester](p)}, {"W9 ws", can[dialer](p)}, {"W10", can[durable](p)},
	} {
		if w.can {
			r.Works = append(r.Works, w.name)
		}
	}
	return r, nil
}

func can[T any](p Peer) bool {
	_, ok := p.(T)
	return ok
}

// checkOps is how many operations of a workload its check makes.
const checkOps = 100

func (c *child) check(work string) (r Reply, err error) {
	var a answer
	switch base, _, _ := strings.Cut(work, " "); base {
	case "W2":
		for i := range checkOps {
			if err := c.peer.(finder).ByID(c.par.ids[i], a.add); err != nil {
				return r, err
			}
		}
		r.Answer = a.set()
	case "W3":
		for i := range 20 {
			if _, err := c.peer.(byAuthor).ByAuthor(c.par.authors[i], a.add); err != nil {
				return r, err
			}
		}
		r.Answer = a.set()
	case "W4":
		_, err = c.peer.(scanner).Scan(a.add)
		r.Answer = a.set()
	case "W5":
		for i := range 20 {
			if _, err := c.peer.(newester).Newest(c.par.rooms[i], 20, a.add); err != nil {
				return r, err
			}
		}
		r.Answer = a.list()
	case "W6a", "W6b", "W6c":
		if base != "W6a" {
			if err := c.watch(work, true); err != nil {
				return r, err
			}
			defer c.peer.(watcher).Unwatch()
		}
		var before answer
		if err := c.liked(base, &before); err != nil {
			return r, err
		}
		if strings.HasSuffix(work, "batch") {
			err = c.peer.(batchIncrementer).IncBatch(c.par.incs[:checkOps])
		} else {
			for i := 0; i < checkOps && err == nil; i++ {
				err = c.peer.(incrementer).Inc(c.par.incs[i])
			}
		}
		if err == nil {
			err = c.liked(base, &a)
		}
		r.Answer = a.since(before)
	case "W7":
		if err := c.startChurn(work, true); err != nil {
			return r, err
		}
		if err := c.churned(checkOps); err != nil {
			return r, err
		}
		if w, ok := c.peer.(watcher); ok {
			w.Shown(a.add)
		} else if _, err := c.peer.(newester).Newest(bench.Room(bench.ChurnRoom), 50, a.add); err != nil {
			return r, err
		}
		r.Answer = a.list()
		err = c.endChurn()
	}
	return r, err
}

// liked adds up what a check of W6 looks at: the documents that change, or what the
// observers show.
func (c *child) liked(base string, a *answer) error {
	if base != "W6a" {
		w := c.peer.(watcher)
		if err := w.Settle(); err != nil {
			return err
		}
		w.Shown(a.add)
		return nil
	}
	for i := range checkOps {
		if err := c.peer.(finder).ByID(c.par.incs[i], a.add); err != nil {
			return err
		}
	}
	return nil
}

// watch starts the observers of W6b, W6c or W7.
func (c *child) watch(work string, check bool) error {
	w, ok := c.peer.(watcher)
	if !ok {
		return nil
	}
	switch {
	case work == "W6b":
		for i := range bench.Rooms {
			if err := w.Watch("room", bench.Room(i), false, check); err != nil {
				return err
			}
		}
	case work == "W6c":
		for i := range bench.Authors {
			if err := w.Watch("author", bench.Author(i), false, check); err != nil {
				return err
			}
		}
	case strings.HasPrefix(work, "W7"):
		return w.Watch("room", bench.Room(bench.ChurnRoom), true, check)
	}
	return nil
}

// startChurn inserts the documents that a stream starts with, and starts the observer.
func (c *child) startChurn(work string, check bool) error {
	where := map[string]bench.Where{"W7": bench.Anywhere, "W7 in-room": bench.InRoom, "W7 in-window": bench.InWindow}[work]
	c.churn, c.pos = bench.NewChurn(c.n, where), 0
	p := c.peer.(churner)
	c.change = make([]any, c.churn.Len())
	for i := range c.change {
		op := c.churn.Op(i)
		c.change[i] = p.PrepareChange(int(op.Kind), op.Doc)
	}
	for _, d := range c.churn.Start() {
		if err := p.Change(int(bench.Insert), p.PrepareChange(int(bench.Insert), d)); err != nil {
			return err
		}
	}
	return c.watch(work, check)
}

func (c *child) churned(ops int) error {
	p := c.peer.(churner)
	for range ops {
		at := c.pos % len(c.change)
		if err := p.Change(int(c.churn.Op(at).Kind), c.change[at]); err != nil {
			return err
		}
		c.pos++
	}
	if w, ok := c.peer.(watcher); ok {
		return w.Settle()
	}
	return nil
}

// endChurn stops the observer and leaves the collection as startChurn found it.
func (c *child) endChurn() error {
	if w, ok := c.peer.(watcher); ok {
		w.Unwatch()
	}
	if left := c.pos % len(c.change); left > 0 {
		if err := c.churned(len(c.change) - left); err != nil {
			return err
		}
	}
	p := c.peer.(churner)
	for _, d := range c.churn.Start() {
		if err := p.Change(int(bench.Remove), p.PrepareChange(int(bench.Remove), d)); err != nil {
			return err
		}
	}
	c.churn, c.change = nil, nil
	return nil
}

// durables is how many documents W10 writes.
const durables = 20_000

// prepare does what comes before the clock.
func (c *child) prepare(work string) error {
	c.pos = 0
	switch base, _, _ := strings.Cut(work, " "); {
	case work == "W9 ws":
		c.web = httptest.NewServer(bench.Pump("docs", c.list))
	case base == "W6b", base == "W6c":
		return c.watch(work, false)
	case base == "W7":
		return c.startChurn(work, false)
	case base == "W8":
		return c.peer.(filer).Save(filepath.Join(c.dir, "saved"), c.list)
	case base == "W9":
		c.frames, _ = bench.Frames("docs", c.list)
	case base == "W10":
		c.loaded = c.peer.(loader).Prepare(c.list[:min(durables, c.n)])
	}
	return nil
}

func (c *child) finish(work string) error {
	switch base, _, _ := strings.Cut(work, " "); {
	case work == "W9 ws":
		c.web.Close()
	case base == "W6b", base == "W6c":
		c.peer.(watcher).Unwatch()
	case base == "W7":
		return c.endChurn()
	}
	c.loaded, c.frames = nil, nil
	return nil
}

func (c *child) time(work string, ops int) (r Reply, err error) {
	path := ""
	if work == "W10" {
		c.files++
		path = filepath.Join(c.dir, fmt.Sprint("w10-", c.files))
		defer os.RemoveAll(path)
	}
	var prepared any
	if work == "W1" {
		l := c.peer.(loader)
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

// weigh returns the bytes of what was loaded.
func (c *child) weigh() float64 {
	if w, ok := c.peer.(interface{ Weigh() (int64, error) }); ok {
		if bytes, err := w.Weigh(); err == nil {
			return float64(bytes)
		}
	}
	return float64(heap()) - float64(c.base)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (c *child) timed(work string, ops int, path string, prepared any) (r Reply, err error) {
	next := func(of []string) string {
		c.pos++
		return of[(c.pos-1)%len(of)]
	}
	switch work {
	case "W1":
		return r, c.peer.(loader).Load(prepared)
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
			err = p.IncBatch(c.par.incs[:min(1000, ops-at)])
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
		n, err := p.Rest()
		r.NS = float64(time.Since(begin))
		r.Answer = fmt.Sprint(n)
		return r, errors.Join(err, p.Shut())
	case "W9":
		err = c.peer.(ingester).Ingest(c.frames)
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
