package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/ddp/ejson"
)

// A Request is one line of JSON to the process of a peer, and a Reply one line from it.
type Request struct {
	Op     string        `json:"op"`     // hello, check, prepare, time, finish
	Work   string        `json:"work"`   // W1 … W10
	Ops    int           `json:"ops"`    // for time: how many operations, where the workload has any number
	Within time.Duration `json:"within"` // for check: what it may take, about
	Dir    string        `json:"dir"`    // for hello: an empty folder to use
}

type Reply struct {
	How     string   `json:"how,omitempty"`     // hello
	Digest  string   `json:"digest,omitempty"`  // hello: of the data set
	Works   []string `json:"works,omitempty"`   // hello
	Answers []Answer `json:"answers,omitempty"` // check
	Count   int      `json:"count,omitempty"`   // time of W8: the documents
	NS      float64  `json:"ns"`                // time
	First   float64  `json:"first,omitempty"`   // time of W8: ns until the first document
	Bytes   float64  `json:"bytes,omitempty"`   // time: bytes a document, heap or disk
	Error   string   `json:"error,omitempty"`
}

// An Answer is what the first Ops operations of a workload gave. A peer that is slow
// gives the answer to a few only.
type Answer struct {
	Ops  int    `json:"ops"`
	Text string `json:"text"`
}

// child is the process of one Go peer.
type child struct {
	peer    Peer
	n       int
	list    []ejson.Doc
	par     params
	dir     string
	pos     int // of the next operation
	files   int
	batches int
	base    uint64 // bytes of heap before anything was loaded

	loaded any      // prepared for W10
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

func (c *child) answer(q Request) (r Reply, err error) {
	switch q.Op {
	case "hello":
		return c.hello(q.Dir), nil
	case "check":
		r.Answers, err = c.check(q.Work, q.Within)
	case "prepare":
		err = c.prepare(q.Work)
	case "time":
		return c.time(q.Work, q.Ops)
	case "finish":
		err = c.finish(q.Work)
	default:
		err = fmt.Errorf("unknown op %q", q.Op)
	}
	return r, err
}

// hello makes the data and tells what the peer can do. It loads nothing: that is to
// time W1.
func (c *child) hello(dir string) Reply {
	c.list = bench.Docs(1, c.n)
	c.par = drawParams(c.list)
	c.dir = dir
	r := Reply{How: c.peer.How(), Digest: digest(c.list)}
	c.base = heap()
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
	return r
}

func can[T any](p Peer) bool {
	_, ok := p.(T)
	return ok
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
