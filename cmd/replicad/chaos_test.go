package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// TestChaos lets chance loose on a server, the link to it, and a daemon with a
// file: documents change, the link breaks and is mended, the daemon is killed,
// stopped, started again, and asked all the while. Whatever it answers must be what
// the server once had, never older than what it showed before or, after a kill,
// than what was on disk; and once it says live on a quiet link, it must be exactly
// what the server has.
//
// REPLICAD_CHAOS_ROUNDS sets how many rounds are played, REPLICAD_CHAOS_SEED the
// first seed; each round has a seed of its own, which is told when it fails.
func TestChaos(t *testing.T) {
	asCommand(t)
	rounds, seed := number(t, "REPLICAD_CHAOS_ROUNDS", 2), number(t, "REPLICAD_CHAOS_SEED", 2026)
	if testing.Short() {
		rounds = 1
	}
	for i := range rounds {
		t.Run(fmt.Sprintf("seed=%d", seed+i), func(t *testing.T) { playChaos(t, seed+i) })
	}
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// The collections of the chaos: docs is published whole, hot by a selector.
var chaosCollections = []string{"docs", "hot"}

// state is what became of a document at a commit: the zero Doc where the
// publication no longer had it.
type chaosState struct {
	seq store.Seq
	doc ejson.Doc
}

// chaosKey names a document.
type chaosKey struct {
	collection string
	id         ejson.ID
}

// chaos is one round.
type chaos struct {
	t      *testing.T
	ctx    context.Context
	rng    *rand.Rand
	store  *store.Store // the server's
	link   *link
	file   string
	child  *child
	whole  bool // the link is
	steps  []string
	faults int

	watching sync.WaitGroup
	top      topList // what the watch shows; guarded by mu
	watchEnd error   // why it ended; guarded by mu

	mu      sync.Mutex                // guards history, and the watch's
	history map[chaosKey][]chaosState // of what is published, from the first commit on
	seen    map[chaosKey]int          // place in history that the child has shown
	durable map[chaosKey]int          // place in history that is on disk
}

// playChaos plays one round of forty steps.
func playChaos(t *testing.T, seed int) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := &chaos{
		t: t, ctx: ctx, rng: rand.New(rand.NewPCG(uint64(seed), 7)), whole: true,
		store:   store.New(store.Options{}),
		file:    filepath.Join(t.TempDir(), "chaos.db"),
		history: map[chaosKey][]chaosState{}, seen: map[chaosKey]int{}, durable: map[chaosKey]int{},
	}
	defer c.store.Close()
	defer func() {
		if t.Failed() {
			t.Logf("steps: %s", strings.Join(c.steps, ", "))
			if c.child != nil {
				t.Logf("the daemon said: %s", c.child.said())
			}
		}
		if c.child != nil {
			c.child.kill()
			c.watching.Wait()
		}
	}()
	_, stop := c.store.Tail("", c.note)
	defer stop()
	defer c.serve()()
	c.write(c.rng, 1+c.rng.IntN(300))
	c.start()
	steps := []struct {
		weight int
		name   string
		play   func()
	}{
		{6, "trickle", func() {
			for range 1 + c.rng.IntN(5) {
				c.write(c.rng, 1)
			}
		}},
		{4, "burst", func() { c.write(c.rng, 50+c.rng.IntN(400)) }},
		{5, "storm", c.storm},
		{4, "cut", c.cut},
		{4, "mend", c.mend},
		{4, "kill", func() { c.kill(); c.start() }},
		{2, "stop", func() { c.stop(); c.start() }},
		{6, "look", c.look},
		{2, "flush", c.flush},
		{3, "call", c.call},
		{3, "heal", c.heal},
	}
	var draw []int
	for i, step := range steps {
		for range step.weight {
			draw = append(draw, i)
		}
	}
	for range 40 {
		step := steps[draw[c.rng.IntN(len(draw))]]
		c.steps = append(c.steps, step.name)
		step.play()
	}
	c.heal()
	c.stop()
	c.compareFile()
}

// serve puts the server behind the link.
func (c *chaos) serve() (stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	srv := newStoreServer(c.store, storeServerOptions{
		collections: chaosCollections, allowWrites: true, logger: slog.New(slog.DiscardHandler),
	})
	web := &http.Server{Handler: srv.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends with Close
	c.link, err = newLink(listener.Addr().String())
	c.must(err)
	return func() {
		c.link.cut()
		_ = srv.shutdown(context.Background())
		_ = web.Close()
	}
}

// write makes n changes in one transaction.
func (c *chaos) write(rng *rand.Rand, n int) {
	_, err := c.store.Update(func(tx *store.Tx) error {
		for range n {
			coll := chaosCollections[rng.IntN(2)]
			id := ejson.StringID(fmt.Sprintf("d%03d", rng.IntN(600)))
			old, had := tx.Get(coll, id)
			var err error
			switch kind := rng.IntN(10); {
			case had && kind == 0:
				tx.Delete(coll, id)
			case had && kind == 1:
				err = tx.Put(coll, old.Without("note", "hot").With("rank", rng.Float64()))
			case had && kind < 9:
				err = tx.Put(coll, old.With("rank", rng.Float64()).With("hot", rng.IntN(2) == 0))
			default:
				err = tx.Put(coll, ejson.Make(
					ejson.Field{Name: "_id", Value: id.String()},
					ejson.Field{Name: "rank", Value: rng.Float64()},
					ejson.Field{Name: "note", Value: strings.Repeat("ä$.", rng.IntN(20))},
					ejson.Field{Name: "hot", Value: rng.IntN(2) == 0},
				))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.t.Errorf("write: %v", err)
	}
}

// storm makes many commits while something happens to the daemon in the midst.
func (c *chaos) storm() {
	rng := rand.New(rand.NewPCG(c.rng.Uint64(), 1))
	commits, at := 50+c.rng.IntN(200), c.rng.IntN(50)
	reached, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := range commits {
			if i == at {
				close(reached)
			}
			c.write(rng, 1+rng.IntN(10))
		}
	}()
	<-reached
	happens := []struct {
		name string
		play func()
	}{
		{"kill", func() { c.kill(); c.start() }},
		{"stop", func() { c.stop(); c.start() }},
		{"cut", c.cut},
		{"cut and mend", func() { c.cut(); c.mend() }},
		{"look", c.look},
	}[c.rng.IntN(5)]
	c.steps = append(c.steps, "("+happens.name+")")
	happens.play()
	c.look()
	<-done
}

func (c *chaos) cut() {
	if c.whole {
		c.link.cut()
		c.whole = false
	}
}

func (c *chaos) mend() {
	if !c.whole {
		c.must(c.link.mend())
		c.whole = true
	}
}

// start starts the daemon. Its first answer is what the file holds, or newer.
func (c *chaos) start() {
	var err error
	c.child, err = startChild(c.ctx, "sync", "ws://"+c.link.addr, "--db", c.file,
		"--sub", "docs", "--sub", `hot:[{"hot":true}]`, "--index", "docs:-rank",
		"--listen", "127.0.0.1:0", "--max-backoff", "50ms")
	c.must(err)
	c.mu.Lock()
	c.top, c.watchEnd = topList{}, nil
	c.mu.Unlock()
	c.watching.Go(func() { c.watch(c.child.client) })
	c.look()
}

// watch follows the ten documents of the highest rank, until the daemon ends.
func (c *chaos) watch(client *apiClient) {
	err := client.watch(c.ctx, topRequest(), func(ev ejson.Doc) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.top.take(ev)
	})
	c.mu.Lock()
	c.watchEnd = cmp.Or(err, errors.New("the watch is over"))
	c.mu.Unlock()
}

func topRequest() request {
	return request{collection: "docs", sort: []string{"-rank"}, limit: 10}
}

// kill kills the daemon. What was not on disk may be forgotten.
func (c *chaos) kill() {
	c.child.kill()
	c.ended()
	c.seen = map[chaosKey]int{}
	for key, place := range c.durable {
		c.seen[key] = place
	}
}

// stop asks the daemon to end. What it has shown is on disk then.
func (c *chaos) stop() {
	c.must(c.child.stop())
	c.ended()
	c.saved()
}

// ended looks at what a daemon that is gone has left.
func (c *chaos) ended() {
	c.watching.Wait()
	said := c.child.said()
	c.child.client.close()
	c.child = nil
	for _, bad := range []string{"panic", "DATA RACE", "fatal error", "level=ERROR"} {
		if strings.Contains(said, bad) {
			c.t.Fatalf("the daemon said: %s", said)
		}
	}
}

// saved notes that all that was seen is on disk.
func (c *chaos) saved() {
	for key, place := range c.seen {
		c.durable[key] = place
	}
}
