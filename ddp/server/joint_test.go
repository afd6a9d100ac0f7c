package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// joint is the world together with a server that comes and goes, and the clients of this
// module. What it knows survives the server: documents, and the records of calls.
type joint struct {
	*world
	t       *testing.T
	readers []*reader

	// The rest belongs to world.mu.
	srv     *server.Server // nil while it is down
	ctx     context.Context
	stop    context.CancelFunc // kills the server's process
	mute    bool               // a dial while it is down has no answer
	records map[string]ejson.Doc
	runs    map[string]int // calls made, by token
	pipes   []*jointPipe
	connect []byte // a connect of some time ago
	wg      sync.WaitGroup
}

// jointPipe is one connection, and what befalls it.
type jointPipe struct {
	end    *client.PipeEnd
	reader *reader
	silent [2]bool // nothing of that side arrives
	left   int     // frames until it is cut; 0: it is not
}

// TestJointSimulation: our own client and our own server, over links that are cut at any
// frame, lose frames in one direction or both, are taken by another socket; the server
// kicks, is shut down and killed, and starts again. In the end each client shows exactly
// what its subscriptions publish, every call was made once and answered, and nothing is
// left.
//
// REPLICAD_SEEDS says how many seeds; REPLICAD_SEED runs one.
func TestJointSimulation(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	if n, err := strconv.ParseUint(os.Getenv("REPLICAD_SEEDS"), 10, 64); err == nil {
		seeds = n
	}
	one, err := strconv.ParseUint(os.Getenv("REPLICAD_SEED"), 10, 64)
	if err == nil {
		synctest.Test(t, func(t *testing.T) { simulateJointly(t, one) })
		return
	}
	random := rand.Uint64()
	t.Logf("%d seeds, and REPLICAD_SEED=%d", seeds, random)
	var next sync.Mutex
	todo := seeds
	for range 2 { // what one waits for, the other uses
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for !t.Failed() {
				next.Lock()
				seed := todo
				todo--
				next.Unlock()
				switch {
				case seed == 0:
					seed = random
				case seed > seeds:
					return
				}
				func() {
					defer func() {
						if t.Failed() {
							t.Logf("REPLICAD_SEED=%d", seed)
						}
					}()
					synctest.Test(t, func(t *testing.T) { simulateJointly(t, seed) })
				}()
			}
		})
	}
}

func simulateJointly(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	j := &joint{
		world: bareWorld(rand.New(rand.NewPCG(seed, 3))), t: t,
		records: make(map[string]ejson.Doc), runs: make(map[string]int),
	}
	j.start()
	for i := range 2 {
		j.readers = append(j.readers, j.newReader(i))
	}
	for range 24 {
		j.step(r)
		switch r.IntN(4) {
		case 0:
		case 1:
			time.Sleep(time.Duration(r.IntN(60)) * time.Second)
		default:
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
		}
	}
	j.mu.Lock()
	down := j.srv == nil
	j.mu.Unlock()
	if down {
		j.start()
	}
	j.each(func(l *jointPipe) {
		l.left = 0
		if l.silent != [2]bool{} && r.IntN(2) == 0 { // the others are left to those who notice
			l.end.Cut()
		}
	})
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	for i, p := range j.readers {
		p.check(i)
	}
	for _, p := range j.readers {
		p.k.Disconnect()
		<-p.k.Done()
	}
	if err := j.srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	j.stop()
	j.wg.Wait()
}

// start starts a server on what is there.
func (j *joint) start() {
	srv := &server.Server{Logger: slog.New(slog.DiscardHandler), MaxTailMessages: 60}
	j.publish(srv)
	srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
		j.mu.Lock()
		defer j.mu.Unlock()
		c.Fence(j.seq)
		return j.records[c.Key()], nil
	}
	srv.Method("set", func(ctx context.Context, c *server.Call) (any, error) {
		token := c.Params.At(0).Str()
		j.mu.Lock()
		before, after := j.pause(20), j.pause(20)
		if j.rand.IntN(2) == 0 {
			c.Unblock()
		}
		j.mu.Unlock()
		sleep(ctx, float64(before.Milliseconds()))
		if err := j.set(srv, c, token); err != nil {
			return nil, err
		}
		sleep(ctx, float64(after.Milliseconds()))
		return token, nil
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.srv = srv
	j.ctx, j.stop = context.WithCancel(context.Background())
}

// set is the transaction of a method: what it writes, and its record.
func (j *joint) set(srv *server.Server, c *server.Call, token string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.srv != srv {
		return errors.New("its process is dead")
	}
	record, err := c.Record(token, nil)
	if err != nil || record.IsZero() {
		return fmt.Errorf("no record of %s: %w", c.ID(), err)
	}
	j.runs[token]++
	j.records[c.Key()] = record
	j.write(ejson.ArrayOf(slices.Collect(func(yield func(ejson.Value) bool) {
		for i, v := range c.Params.All() {
			if i > 0 && !yield(v) {
				return
			}
		}
	})...))
	c.Fence(j.seq)
	return nil
}

// dial is what a client calls to reach the server.
func (j *joint) dial(ctx context.Context, p *reader) (client.Transport, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.srv == nil && !j.mute {
		return nil, errors.New("connection refused")
	}
	l := &jointPipe{reader: p}
	a, b := client.Pipe(client.PipeOptions{Frame: func(side int, frame []byte) (time.Duration, bool) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if side == 0 && len(frame) > 10 && string(frame[:14]) == `{"msg":"connec` && j.rand.IntN(3) == 0 {
			j.connect = slices.Clone(frame)
		}
		if l.left > 0 {
			if l.left--; l.left == 0 {
				l.end.Cut()
			}
		}
		return j.pause(30), l.silent[side]
	}})
	l.end = a
	j.pipes = append(j.pipes, l)
	j.serve(b)
	return a, nil
}

// serve has the server, if there is one, serve the other end. The caller holds mu.
func (j *joint) serve(b *client.PipeEnd) {
	if srv, ctx := j.srv, j.ctx; srv != nil {
		j.wg.Go(func() { srv.Serve(ctx, b) })
	}
}

// each does something to every connection.
func (j *joint) each(fn func(*jointPipe)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.pipes {
		fn(l)
	}
}

// step lets somebody do something, or something go wrong.
func (j *joint) step(r *rand.Rand) {
	p := j.readers[r.IntN(len(j.readers))]
	last := func(fn func(*jointPipe)) {
		j.each(func(l *jointPipe) {
			if l.reader == p {
				fn(l)
			}
		})
	}
	switch r.IntN(18) {
	case 0, 1:
		p.subscribe([]string{"all", "even", "low", "mine"}[r.IntN(4)])
	case 2:
		p.unsubscribe(r)
	case 3:
		p.login(fmt.Sprint("u", r.IntN(2)))
	case 4:
		last(func(l *jointPipe) { l.end.Cut() })
	case 5, 6: // somewhere in what comes
		left := 1 + r.IntN(25)
		last(func(l *jointPipe) { l.left = left })
	case 7: // half-open
		way := r.IntN(3)
		last(func(l *jointPipe) { // for good: what was lost does not come any more
			l.silent = [2]bool{l.silent[0] || way != 1, l.silent[1] || way != 0}
		})
		p.set(r)
		if r.IntN(2) == 0 {
			time.Sleep(time.Duration(r.IntN(40)) * time.Second)
			last(func(l *jointPipe) { l.end.Cut() })
		}
	case 8:
		j.kick(r)
	case 9, 10:
		j.down(r)
	case 11:
		j.ghost(r)
	case 12:
		p.k.Reconnect()
	case 13:
		if c := p.k.Conn(); c != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			c.Ping(ctx)
			cancel()
		}
	default:
		p.set(r)
	}
}

// kick has the server end sessions.
func (j *joint) kick(r *rand.Rand) {
	j.mu.Lock()
	srv := j.srv
	j.mu.Unlock()
	if srv == nil {
		return
	}
	for s := range srv.Sessions() {
		if r.IntN(2) == 0 {
			s.Close()
		}
	}
}

// down stops the server, in order or not, or starts it again.
func (j *joint) down(r *rand.Rand) {
	j.mu.Lock()
	srv, stop := j.srv, j.stop
	if srv == nil {
		j.mu.Unlock()
		j.start()
		return
	}
	crash := r.IntN(2) == 0
	if crash {
		j.srv = nil // from here on its methods write nothing
	}
	j.mute = r.IntN(2) == 0
	j.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	if crash {
		j.each(func(l *jointPipe) { l.end.Cut() })
		stop()
		cancel()
	}
	srv.Shutdown(ctx)
	cancel()
	j.mu.Lock()
	j.srv = nil
	j.mu.Unlock()
	stop()
	if r.IntN(2) == 0 {
		time.Sleep(time.Duration(r.IntN(20)) * time.Second)
		j.start()
	}
}

// ghost has a connect of some time ago arrive now, on a socket of its own, as from a
// network that held it back.
func (j *joint) ghost(r *rand.Rand) {
	a, b := client.Pipe(client.PipeOptions{})
	j.mu.Lock()
	frame := j.connect
	j.serve(b)
	served := j.srv != nil
	j.mu.Unlock()
	if frame == nil || !served {
		a.Cut()
		return
	}
	a.Write(context.Background(), frame, false)
	stay := time.Duration(r.IntN(3000)) * time.Millisecond
	j.wg.Go(func() {
		time.Sleep(stay)
		a.Close(wire.CodeDrop, "")
	})
}
