package sync

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// crashChild, in the environment, makes the test binary the process that is killed:
// it makes calls as fast as it can, and tells which ones it was promised.
//
// failAt, "STEP N", has it die at the Nth time that it comes to a step of a call's life.
// manyKills is how many processes are killed, if not the usual few.
const (
	crashChild = "REPLICAD_CRASH_CHILD"
	failAt     = "REPLICAD_CRASH_AT"
	manyKills  = "REPLICAD_CRASH_KILLS"
)

// ledger is the server of the crash test: it writes down what is run, and remembers what
// was answered, also where the session is lost.
type ledger struct {
	mu      sync.Mutex
	runs    map[string]int // by call id
	first   []string       // call ids, in the order of their first runs
	docs    []ejson.Doc    // in the order of their first runs, too
	entries map[string]ejson.Doc
	answers map[string]ejson.Doc // by key of the call
	grown   chan struct{}        // closed when docs have grown
}

func newLedger() (*ledger, *server.Server) {
	g := &ledger{
		runs: map[string]int{}, entries: map[string]ejson.Doc{}, answers: map[string]ejson.Doc{},
		grown: make(chan struct{}),
	}
	srv := &server.Server{Logger: quietLog(), Grace: 10 * time.Second}
	srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.answers[c.Key()], nil
	}
	srv.Publish("ledger", func(ctx context.Context, p *server.Publication) error {
		f := &follower{ledger: g, p: p, moved: make(chan struct{})}
		f.tell()
		p.Follow(f.wait)
		go f.follow(ctx)
		return nil
	})
	srv.Method("write", func(ctx context.Context, c *server.Call) (any, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		id, _, _ := strings.Cut(c.ID(), again)
		if g.runs[id]++; g.runs[id] == 1 {
			g.first = append(g.first, id)
		}
		doc := ejson.Make(ejson.Field{Name: "call", Value: id}).WithID(ejson.StringID(c.Random().DocumentID("ledger")))
		g.entries[doc.ID().String()] = doc
		g.docs = append(g.docs, doc)
		close(g.grown)
		g.grown = make(chan struct{})
		c.Fence(uint64(len(g.docs)))
		answer, err := c.Record(nil, nil)
		g.answers[c.Key()] = answer
		return nil, err
	})
	return g, srv
}

// follower tells one client, who may be slow or away, so that nobody else waits for it.
type follower struct {
	*ledger
	p     *server.Publication
	told  int           // of docs; guarded by ledger.mu, as moved is
	moved chan struct{} // closed when told has grown
}

// tell tells what is new, and returns what to wait for.
func (f *follower) tell() (grown <-chan struct{}) {
	f.mu.Lock()
	docs, grown := f.docs[f.told:], f.grown
	f.mu.Unlock()
	for _, doc := range docs {
		f.p.Added("ledger", doc)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told += len(docs)
	close(f.moved)
	f.moved = make(chan struct{})
	return grown
}

func (f *follower) follow(ctx context.Context) {
	for {
		select {
		case <-f.tell():
		case <-ctx.Done():
			return
		}
	}
}

func (f *follower) wait(ctx context.Context, seq uint64) error {
	for {
		f.mu.Lock()
		told, moved := f.told, f.moved
		f.mu.Unlock()
		if uint64(told) >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func writeStub(tx *Tx, in Invocation) error {
	_, err := tx.Insert("ledger", ejson.Make(ejson.Field{Name: "foretold", Value: true}))
	return err
}

// crash is the process that is killed.
func crash(url, path string) {
	var at step
	var times int64
	if n, _ := fmt.Sscan(os.Getenv(failAt), &at, &times); n == 2 {
		var met atomic.Int64
		failpoint = func(s step) {
			if s == at && met.Add(1) == times {
				if self, err := os.FindProcess(os.Getpid()); err == nil {
					_ = self.Kill()
				}
				select {} // not a step further
			}
		}
	}
	r, err := Open(context.Background(), url, Options{Path: path, Logger: quietLog(), MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	r.Stub("write", writeStub)
	sub, err := r.Subscribe("ledger")
	if err == nil {
		err = sub.Ready(context.Background())
	}
	if err == nil { // from here on the file knows the session, and calls are run once
		err = r.Flush(context.Background())
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for i := range 4 {
		go func() {
			for {
				m := Method{Name: "write"}
				if i == 0 {
					m.Entity = "e"
				}
				p, err := r.Do(context.Background(), m)
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println("promised", p.ID(), m.Entity)
				mu.Unlock()
			}
		}()
	}
	select {}
}

// kill is how a process is to die: by itself at a step, or by another's hand after so
// many promises.
type kill struct {
	at    step
	times int
	after int
}

// kills returns how the processes of a test die: at each step a few times, and as often
// at any moment.
func kills(rng *rand.Rand) (all []kill) {
	n, err := strconv.Atoi(os.Getenv(manyKills))
	if err != nil {
		n = 2 * len(steps)
	}
	for i := range n {
		k := kill{after: 1 + rng.IntN(80)}
		if i%2 == 0 {
			k = kill{at: steps[i/2%len(steps)], times: 1 + rng.IntN(30), after: 1 << 30}
		}
		all = append(all, k)
	}
	return all
}

// badLine is a link in front of a server that is cut again and again.
func badLine(t *testing.T, rng *rand.Rand, url string) string {
	to := strings.TrimPrefix(url, "http://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			most := 2000 + rng.Int64N(60_000) // bytes of one way
			if rng.IntN(4) == 0 {
				most = 1 << 40 // so that large things get through, too
			}
			for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
				open.Go(func() {
					defer a.Close()
					defer b.Close()
					io.CopyN(way[0], way[1], most)
				})
			}
		}
	})
	return "http://" + l.Addr().String()
}

// TestCrash kills processes again and again while they make calls, at every step of a
// call's life and at any other moment, on a line that is cut all the time: every call that Do has
// promised is run by the server, and once, since it remembers the ids of calls; those of one entity in order; and replica and
// server are the same in the end.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	g, srv := newLedger()
	http := httptest.NewServer(srv)
	defer srv.Shutdown(context.Background())
	defer http.Close()
	path := filepath.Join(t.TempDir(), "r.db")
	seed := uint64(time.Now().UnixNano())
	fmt.Printf("crash: seed %d\n", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var promised, lane []string
	died := map[step]int{}
	line := badLine(t, rand.New(rand.NewPCG(seed, 1)), http.URL)
	for _, k := range kills(rng) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashChild+"="+line+" "+path, fmt.Sprintf("%s=%s %d", failAt, k.at, k.times))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stuck := time.AfterFunc(5*time.Minute, func() {
			t.Errorf("the process that was to die of %+v is stuck", k)
			cmd.Process.Signal(syscall.SIGQUIT) // and says where
		})
		left := k.after
		lines := bufio.NewScanner(out)
		killed := false
		for lines.Scan() {
			var id, entity string
			if n, _ := fmt.Sscanf(lines.Text(), "promised %s %s", &id, &entity); n == 0 {
				t.Fatal(lines.Text())
			}
			promised = append(promised, id)
			if entity != "" {
				lane = append(lane, id)
			}
			if left--; left <= 0 && !killed {
				killed = true
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		stuck.Stop()
		if !killed {
			died[k.at]++
		}
	}
	for _, s := range steps {
		if died[s] == 0 {
			t.Errorf("nobody died at step %s", s)
		}
	}

	r, err := Open(t.Context(), http.URL, Options{Path: path, Logger: quietLog(), MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sub, err := r.Subscribe("ledger")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := sub.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	for st := range r.Statuses(ctx) {
		if st.Outbox == 0 && st.Phase == Live && st.Stale == 0 {
			break
		}
	}
	// What was sent after the last answer.
	if _, err := r.Call(ctx, "write"); err != nil {
		t.Fatal(err)
	}
	snap := r.Store().Snapshot()
	g.mu.Lock()
	defer g.mu.Unlock()
	twice := 0
	for _, id := range promised {
		switch n := g.runs[id]; {
		case n == 0:
			t.Errorf("call %s was promised, and never run", id)
		case n > 1:
			twice++
		}
	}
	at := map[string]int{}
	for i, id := range g.first {
		at[id] = i
	}
	for i := 1; i < len(lane); i++ {
		if at[lane[i-1]] > at[lane[i]] {
			t.Errorf("%s was run before %s", lane[i], lane[i-1])
		}
	}
	if twice > 0 {
		t.Errorf("%d calls were run more than once", twice)
	}
	fmt.Printf("crash: %v by themselves; %d promised, %d run, %d more than once\n", died, len(promised), len(g.first), twice)
	if n := snap.Len("ledger"); n != len(g.entries) {
		t.Errorf("%d documents, the server has %d", n, len(g.entries))
	}
	for _, doc := range snap.Each("ledger") {
		if want := g.entries[doc.ID().String()]; want.IsZero() || !want.Same(doc) {
			t.Errorf("%v, the server has %v", doc, want)
		}
	}
	if n := snap.Len(shadowCollection); n != 0 {
		t.Errorf("%d shadows", n)
	}
	if st := r.Status(); st.Failed != 0 || st.Outbox != 0 {
		t.Errorf("status %+v", st)
	}
}
