package sync

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
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

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
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

// ledger is the server of the crash test: it writes down what is run. It remembers what
// was answered, also where the session is lost; or, as servers that are not ours, neither
// sessions nor calls, and refuses a document that it has.
type ledger struct {
	mu      sync.Mutex
	runs    map[string]int // by call id
	first   []string       // call ids, in the order of their first runs
	docs    []ejson.Doc    // in the order of their first runs, too
	entries map[string]ejson.Doc
	answers map[string]ejson.Doc // by key of the call
	grown   chan struct{}        // closed when docs have grown
}

func newLedger(ours bool) (*ledger, *server.Server) {
	g := &ledger{
		runs: map[string]int{}, entries: map[string]ejson.Doc{}, answers: map[string]ejson.Doc{},
		grown: make(chan struct{}),
	}
	srv := &server.Server{Logger: quietLog(), Grace: -1}
	if ours {
		srv.Grace = 10 * time.Second
		srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.answers[c.Key()], nil
		}
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
		if !g.entries[doc.ID().String()].IsZero() {
			return nil, &ddp.Error{Code: "409", Reason: "E11000 duplicate key error"}
		}
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

// crashOptions have time limits that no slow machine comes to.
func crashOptions(path string) Options {
	return Options{
		Path: path, Logger: quietLog(), MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
		QuiesceLimit: time.Hour, MaxOutbox: 1 << 30, MaxFailed: 1 << 30,
	}
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
	must := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	r, err := Open(context.Background(), url, crashOptions(path))
	must(err)
	var mu sync.Mutex
	made := map[float64]ejson.ID{} // what stubs have made, by number of the call
	r.Stub("write", func(tx *Tx, in Invocation) error {
		id, err := tx.Insert("ledger", ejson.Make(ejson.Field{Name: "foretold", Value: true}))
		mu.Lock()
		defer mu.Unlock()
		made[in.Params.At(0).Number()] = id
		return err
	})
	r.Store().Tail("ledger", func(c *store.Commit) {
		for _, ch := range c.Changes {
			if ch.Collection == "ledger" && ch.After.IsZero() {
				must(fmt.Errorf("%v has vanished", ch.Before))
			}
		}
	})
	sub, err := r.Subscribe("ledger")
	must(err)
	must(sub.Ready(context.Background()))
	must(r.Flush(context.Background())) // from here on the file knows the session
	for i := range 4 {
		go func() {
			for n := i; ; n += 4 {
				m := Method{Name: "write", Params: []any{n}}
				if i == 0 {
					m.Entity = "e"
				}
				p, err := r.Do(context.Background(), m)
				snap := r.Store().Snapshot()
				mu.Lock()
				must(err)
				fmt.Println("promised", p.ID(), m.Entity)
				if _, ok := snap.Get("ledger", made[float64(n)]); !ok {
					must(fmt.Errorf("call %s was promised, and shows nothing", p.ID()))
				}
				delete(made, float64(n))
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

// TestCrash kills processes again and again while they make calls, at every step of a
// call's life and at any other moment, on a line that is cut all the time, and slow, and
// says things twice. What Do has promised shows at once, and at no time vanishes; every
// such call is run by the server, those of one entity in order: once, where the server
// remembers the ids of calls, and elsewhere at least once, and its document is there once;
// and replica and server are the same in the end.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Run("ours", func(t *testing.T) { playCrash(t, true) })
	t.Run("elsewhere", func(t *testing.T) { playCrash(t, false) })
}

func playCrash(t *testing.T, ours bool) {
	g, srv := newLedger(ours)
	http := httptest.NewServer(srv)
	defer srv.Shutdown(context.Background())
	defer http.Close()
	path := filepath.Join(t.TempDir(), "r.db")
	seed := uint64(time.Now().UnixNano())
	fmt.Printf("crash: seed %d\n", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var promised, lane []string
	died := map[step]int{}
	line := newBadLine(t, rand.New(rand.NewPCG(seed, 1)), http.URL)
	all := kills(rng)
	for _, k := range all {
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

	r, err := Open(t.Context(), http.URL, crashOptions(path))
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
	if _, err := r.Call(ctx, "write", 0); err != nil {
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
	if twice > 0 && ours {
		t.Errorf("%d calls were run more than once", twice)
	}
	fmt.Printf("crash: ours: %v; %d killed, %v of them by themselves; %d promised, %d run, %d more than once\n",
		ours, len(all), died, len(promised), len(g.first), twice)
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
	for e, err := range store.Of[Entry](r.Store(), OutboxCollection).Find(nil).Each() {
		if err != nil || e.State != Failed || e.Error.Code != "409" || g.runs[e.ID] < 2 {
			t.Errorf("%+v in the outbox (%v)", e, err)
		}
	}
}
