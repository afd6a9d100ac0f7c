package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// TestCrash has processes do what they promise, and kills them. A daemon with a file is
// given calls for its outbox, and asked, all the while; between it and `replicad serve`,
// with a file too, there is a bad link; and both are killed with SIGKILL whenever it
// strikes. In the end every call that the daemon has acknowledged was made at the server,
// once; every other at most once; a call has shown in the daemon at all times since it was
// acknowledged, and no document was ever missing; and both files hold the same documents.
//
// REPLICAD_CRASH_KILLS sets how many kills there are, a round for every twenty,
// REPLICAD_CRASH_SEED the first seed.
func TestCrash(t *testing.T) {
	asCommand(t)
	kills, seed := number(t, "REPLICAD_CRASH_KILLS", 16), number(t, "REPLICAD_CRASH_SEED", 1)
	if testing.Short() {
		kills = 4
	}
	const perRound = 20
	for i := 0; kills > 0; i++ {
		n := min(kills, perRound)
		kills -= n
		t.Run(fmt.Sprintf("seed=%d", seed+i), func(t *testing.T) { playCrash(t, seed+i, n) })
	}
}

// crashDocs is how many documents the calls are about.
const crashDocs = 12

// crash is one round.
type crash struct {
	t      *testing.T
	ctx    context.Context
	rng    *rand.Rand
	link   *badLink
	server *process
	served string // the server's file
	file   string // the daemon's
	tale   []string

	mu    sync.Mutex // guards the rest
	child *child     // nil while it is dead
	born  chan struct{}
	acked map[int]*child // who acknowledged a call, by its number; nil: nobody knows
	fault error
}

func playCrash(t *testing.T, seed, kills int) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	c := &crash{
		t: t, ctx: ctx, rng: rand.New(rand.NewPCG(uint64(seed), 11)),
		served: filepath.Join(dir, "served.db"), file: filepath.Join(dir, "replica.db"),
		born: make(chan struct{}), acked: map[int]*child{},
	}
	c.link = newBadLink(t, rand.New(rand.NewPCG(uint64(seed), 12)))
	defer func() {
		if t.Failed() {
			t.Logf("what happened: %s", strings.Join(c.tale, ", "))
		}
		c.killChild()
		if c.server != nil {
			c.server.kill()
		}
	}()
	c.startServer()
	c.startChild()
	for i := range crashDocs { // what all calls are about is there, at the server, from the start
		c.must(c.doWait(fmt.Sprintf("d%d", i)))
	}
	c.await("whole", whole)

	work, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for i := range 3 {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(100+i)))
		wg.Go(func() { c.write(work, rng, i) })
	}
	wg.Go(func() { c.read(work) })
	for range kills {
		c.strike()
	}
	stop()
	wg.Wait()
	c.link.temper(0, 0)
	c.link.cut()
	c.await("drained", func(d ejson.Doc) bool {
		return whole(d) && hasOutbox(0)(d) && d.Field("stale").Number() == 0
	})
	c.look()
	if got := replicad(ctx, "", "outbox", "list", "--addr", c.child.addr); got.out != "" || got.code != exitOK {
		t.Fatalf("the outbox is not empty: %s%s", got.out, got.errors)
	}
	c.must(c.fault)
	c.must(c.child.stop())
	c.child = nil
	c.server.kill()
	c.server = nil
	c.compare()
}

func (c *crash) must(err error) {
	if err != nil {
		c.t.Helper()
		c.t.Fatal(err)
	}
}

func (c *crash) startServer() {
	c.server = startProcess(c.t, "--listen", "127.0.0.1:0", "--db", c.served, "--collection", "docs", "--allow-writes")
	c.link.point(c.server.addr)
}

func (c *crash) startChild() {
	child, err := startChild(c.ctx, "sync", "ws://"+c.link.addr, "--db", c.file, "--sub", "docs",
		"--listen", "127.0.0.1:0", "--max-backoff", "50ms")
	c.must(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.child = child
	close(c.born)
}

// killChild kills the daemon. What it said must be no panic.
func (c *crash) killChild() {
	c.mu.Lock()
	child := c.child
	c.child = nil
	c.born = make(chan struct{})
	c.mu.Unlock()
	if child == nil {
		return
	}
	child.kill()
	child.client.close()
	c.sane(child.said())
}

func (c *crash) killServer() {
	c.link.point("")
	c.server.kill()
	c.sane(c.server.said())
	c.server = nil
}

func (c *crash) sane(said string) {
	for _, bad := range []string{"panic", "DATA RACE", "fatal error", "level=ERROR"} {
		if strings.Contains(said, bad) {
			c.t.Errorf("a process said: %s", said)
		}
	}
}

// alive returns the daemon, when there is one.
func (c *crash) alive(ctx context.Context) *child {
	for {
		c.mu.Lock()
		child, born := c.child, c.born
		c.mu.Unlock()
		if child != nil {
			return child
		}
		select {
		case <-born:
		case <-ctx.Done():
			return nil
		}
	}
}

// strike lets something happen, at a moment that nobody chose.
func (c *crash) strike() {
	<-time.After(time.Duration(c.rng.Int64N(int64(60 * time.Millisecond))))
	what := []struct {
		name string
		play func()
	}{
		{"daemon", func() { c.killChild(); c.startChild() }},
		{"daemon", func() { c.killChild(); c.startChild() }},
		{"server", func() { c.killServer(); c.startServer() }},
		{"server", func() { c.killServer(); c.startServer() }},
		{"both", func() { c.killChild(); c.killServer(); c.startChild(); c.startServer() }},
		{"daemon, the server away", func() {
			c.killServer()
			c.killChild()
			c.startChild()
			c.killChild()
			c.startChild()
			c.startServer()
		}},
		{"cut, daemon", func() { c.link.cut(); c.killChild(); c.startChild() }},
	}[c.rng.IntN(7)]
	c.tale = append(c.tale, what.name)
	what.play()
	switch c.rng.IntN(4) {
	case 0:
		c.link.temper(0, 0.5)
	case 1:
		c.link.temper(20*time.Millisecond, 0.2)
	case 2:
		c.link.cut()
	default:
		c.link.temper(0, 0)
	}
}

// doWait makes a document, and waits until the server has it.
func (c *crash) doWait(id string) error {
	_, outcome, err := c.child.client.do(c.ctx, doRequest{
		method: "/docs/insert", wait: true,
		params: ejson.MakeArray(map[string]any{"_id": id, "n": 0, "ops": []any{}}),
	})
	if err == nil {
		_, err = outcome(c.ctx)
	}
	return err
}

// write leaves calls with the daemon until ctx is done. Each counts a document up by one
// and adds its own number to the document's list.
func (c *crash) write(ctx context.Context, rng *rand.Rand, writer int) {
	for i := 0; ctx.Err() == nil; i++ {
		op := i*10 + writer
		n := rng.IntN(crashDocs)
		id := fmt.Sprintf("d%d", n)
		child := c.alive(ctx)
		if child == nil {
			return
		}
		c.mu.Lock()
		c.acked[op] = nil
		c.mu.Unlock()
		q := doRequest{method: "/docs/update", params: ejson.MakeArray(
			id, map[string]any{"$inc": map[string]any{"n": 1}, "$push": map[string]any{"ops": op}})}
		if n%2 == 0 { // of one document all or none, or they would overtake each other
			q.entity = id
		}
		if _, _, err := child.client.do(c.ctx, q); err == nil {
			c.mu.Lock()
			c.acked[op] = child
			c.mu.Unlock()
		}
		// A pace at which the server keeps up most of the time.
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(6 * time.Millisecond)))):
		case <-ctx.Done():
		}
	}
}

// read asks the daemon until ctx is done.
func (c *crash) read(ctx context.Context) {
	for ctx.Err() == nil {
		if c.alive(ctx) != nil {
			c.look()
		}
	}
}

// look wants every call to show that was acknowledged before it asks, by this daemon or
// by one that was killed; and every document.
func (c *crash) look() {
	child := c.alive(c.ctx)
	if child == nil {
		return
	}
	c.mu.Lock()
	var want []int
	for op, by := range c.acked {
		if by != nil {
			want = append(want, op)
		}
	}
	c.mu.Unlock()
	st, err := child.client.status(c.ctx)
	if err != nil {
		return // it was killed meanwhile
	}
	var docs []ejson.Doc
	err = child.client.find(c.ctx, request{collection: "docs"}, func(d ejson.Doc) error {
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		return // it was killed meanwhile
	}
	shown, err := c.count(docs)
	for _, op := range want {
		if err == nil && shown[op] != 1 {
			err = fmt.Errorf("call %d was acknowledged, and shows %d times in the daemon", op, shown[op])
		}
	}
	if err == nil && len(docs) != crashDocs {
		err = fmt.Errorf("the daemon has %s of %d", plural(len(docs), "document"), crashDocs)
	}
	if err != nil {
		c.mu.Lock()
		c.fault = cmp.Or(c.fault, fmt.Errorf("%w; status %v; it said: %s", err, st, child.said()))
		c.mu.Unlock()
	}
}

// count returns how often each call shows in documents, of which each must agree with
// itself.
func (c *crash) count(docs []ejson.Doc) (map[int]int, error) {
	shown := map[int]int{}
	for _, d := range docs {
		ops := d.Field("ops").Array()
		if n := d.Field("n").Number(); n != float64(ops.Len()) {
			return nil, fmt.Errorf("%s counts %v calls and lists %d", d.ID(), n, ops.Len())
		}
		for _, v := range ops.All() {
			op := int(v.Number())
			shown[op]++
			c.mu.Lock()
			_, known := c.acked[op]
			c.mu.Unlock()
			if !known {
				return nil, fmt.Errorf("%s lists call %d, which nobody made", d.ID(), op)
			}
		}
	}
	return shown, nil
}

// await polls the daemon's status until it is good.
func (c *crash) await(what string, good func(ejson.Doc) bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := c.child.client.status(c.ctx)
		if err != nil {
			c.t.Fatalf("waiting until %s: %v; the daemon said: %s", what, err, c.child.said())
		}
		if good(st) {
			return
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.t.Fatalf("still waiting until %s; status %v; the daemon said: %s", what, st, c.child.said())
		}
	}
}

// compare holds the two files against each other, and the server's against the calls.
func (c *crash) compare() {
	var files [2][]ejson.Doc
	for i, path := range []string{c.served, c.file} {
		got := replicad(c.ctx, "", "find", "docs", "--db", path, "--sort", "_id")
		if got.code != exitOK {
			c.t.Fatalf("%s: exit %d: %s", path, got.code, got.errors)
		}
		c.must(readLines(strings.NewReader(got.out), func(d ejson.Doc) error {
			files[i] = append(files[i], d)
			return nil
		}))
	}
	if !slices.EqualFunc(files[0], files[1], ejson.Doc.Same) {
		c.t.Errorf("the server has %v, the daemon %v", files[0], files[1])
	}
	made, err := c.count(files[0])
	c.must(err)
	acked := 0
	for op, by := range c.acked {
		switch {
		case by != nil && made[op] != 1:
			c.t.Errorf("call %d was acknowledged, and made %d times", op, made[op])
		case made[op] > 1:
			c.t.Errorf("call %d was made %d times", op, made[op])
		}
		if by != nil {
			acked++
		}
	}
	c.t.Logf("%s acknowledged of %d, all made once; struck: %s", plural(acked, "call"), len(c.acked), strings.Join(c.tale, ", "))
}
