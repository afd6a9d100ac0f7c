package sync

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/server"
)

var (
	seeds    = flag.Int("seeds", simulations, "number of simulations")
	seedFrom = flag.Uint64("seed", 1, "first seed; 0: by the clock")
)

// TestSimulation runs one to three replicas and a server, each on a faulty link of its
// own, with random faults, for some virtual hours, and demands that
//
//   - each replica ends with exactly what the server publishes to it,
//   - nobody who watched one ever saw a document vanish that was not removed, go back to
//     what it was, or be what neither the server ever said nor a stub foretold,
//   - a call that has returned has its effect in the store, and every call that was
//     promised is run, those of one entity in order and in the name of who made them,
//   - in the end nothing is remembered of what is over.
//
// One takes some 7ms of a core, and with the race detector ten times as long; see
// simulations.
func TestSimulation(t *testing.T) {
	first := *seedFrom
	if n, err := strconv.Atoi(os.Getenv("REPLICAD_SEEDS")); err == nil {
		*seeds = n
	}
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	fmt.Printf("simulation: -seed %d -seeds %d\n", first, *seeds)
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "replicad"); err == nil {
		// Its syncs cost nothing, and are not what is tested.
		t.Cleanup(func() { os.RemoveAll(shm) })
		dir = shm
	}
	resumed := uint64(0)
	defer func() { fmt.Printf("simulation: %d sessions taken up\n", resumed) }()
	for seed := first; seed < first+uint64(*seeds); seed++ {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint(seed, ".db"))
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, path, &resumed) })
		})
		if !ok {
			return
		}
	}
}

// simulation is one run.
type simulation struct {
	t     *testing.T
	rng   *rand.Rand
	world *world
	srv   *server.Server
	path  string
	r     *Replica
	name  string
	image []byte        // an older state of the file
	peers []*simulation // all replicas, this one too

	// Calls that the outbox has promised to make, and how many of them the image has.
	promised, imaged []string
	made             int
	logins           sync.WaitGroup

	// What the program wants: a always, never in some runs, the others come and go.
	subs  map[string]*Subscription
	never bool
	// stalls: publications may stall. Then none overlap, for who stops one of them
	// is told by the server that documents are gone, of which the other has not yet
	// spoken.
	stalls bool

	calls sync.WaitGroup
	asks  atomic.Int32 // logins on their way

	mu    sync.Mutex // guards the rest
	link  *rand.Rand // for what other goroutines draw
	state string     // of the link: "good", "slow", "down", "deaf"
	ends  []*client.PipeEnd
	trace []string
	bad   bool
}

func simulate(t *testing.T, seed uint64, path string, resumed *uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	world, srv := newWorld()
	srv.Grace = []time.Duration{0, 0, 10 * time.Second, -1}[rng.IntN(4)]
	stalls := rng.IntN(2) == 0
	all := make([]*simulation, []int{1, 1, 2, 3}[rng.IntN(4)])
	for i := range all {
		s := &simulation{
			t: t, rng: rng, world: world, srv: srv, name: fmt.Sprint(i), peers: all,
			link:  rand.New(rand.NewPCG(seed, uint64(2+i))),
			subs:  map[string]*Subscription{},
			state: "good", stalls: stalls,
		}
		if rng.IntN(4) > 0 {
			s.path = path + s.name
		}
		s.never = rng.IntN(2) == 0
		all[i] = s
	}
	for range rng.IntN(40) {
		world.mutate(rng)
	}
	for _, s := range all {
		s.open()
	}
	for range 40 + len(all)*rng.IntN(40) {
		s := all[rng.IntN(len(all))]
		s.step()
		switch rng.IntN(4) {
		case 0:
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		case 1:
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		case 2:
			time.Sleep(time.Duration(rng.IntN(60)) * time.Second)
		}
		if t.Failed() {
			break
		}
	}
	for _, s := range all {
		s.mend()
	}
	for _, s := range all {
		s.drain()
	}
	time.Sleep(10 * time.Minute)
	for _, s := range all {
		s.end()
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	*resumed += srv.Stats().Resumed
	if t.Failed() {
		fmt.Printf("replay with: go test ./sync -run TestSimulation -seed %d -seeds 1\n", seed)
		for _, s := range all {
			fmt.Printf("replica %s\n%s\n", s.name, strings.Join(s.trace, "\n"))
		}
	}
}

func (s *simulation) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *simulation) fault(format string, args ...any) {
	s.t.Errorf(format, args...)
	s.say("FAULT "+format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = true
}

// step does one random thing.
func (s *simulation) step() {
	switch n := s.rng.IntN(100); {
	case n < 45:
		k := 1 + s.rng.IntN(8)
		s.say("%d changes", k)
		for range k {
			s.world.mutate(s.rng)
		}
	case n < 55:
		s.say("cut")
		s.cut()
	case n < 65:
		state := []string{"good", "good", "slow", "down", "deaf"}[s.rng.IntN(5)]
		s.say("link %s", state)
		s.setLink(state)
	case n < 71:
		s.call()
	case n < 75:
		for range 1 + s.rng.IntN(5) {
			s.do()
		}
	case n < 85:
		if s.stalls {
			s.toggle([]string{"b", "never"}[s.rng.IntN(2)])
		} else {
			s.toggle([]string{"group 0", "group 1", "b", "never"}[s.rng.IntN(4)])
		}
	case n < 87:
		if !s.stalls { // a run for the new user would be told of by what it still lacks
			s.login()
		}
	case n < 88:
		s.world.mu.Lock()
		s.world.refuses = !s.world.refuses
		s.say("b refuses: %v", s.world.refuses)
		s.world.mu.Unlock()
	case n < 90:
		if !s.stalls {
			return
		}
		stalls := []time.Duration{0, 0, time.Second, 20 * time.Second, 50 * time.Second}[s.rng.IntN(5)]
		// What never was ready is given up after the QuiesceLimit.
		if len(s.peers) > 1 || s.never || s.path == "" || !s.whole(s.subs["a"]) {
			stalls = min(stalls, 20*time.Second)
		} else {
			s.image = nil // which may be of before it was
		}
		s.world.mu.Lock()
		s.world.stalls = stalls
		s.say("publications stall for %v", s.world.stalls)
		s.world.mu.Unlock()
	case n < 92:
		s.say("disconnect, reconnect")
		s.r.Disconnect()
		s.world.mutate(s.rng)
		s.r.Reconnect()
	case n < 95:
		s.restart(false)
	case n < 97:
		s.restart(true)
	default:
		if s.path != "" && s.asks.Load() == 0 {
			synctest.Wait() // the writer is at rest, so the file is whole
			s.image, _ = os.ReadFile(s.path)
			s.imaged = slices.Clone(s.promised)
			s.say("image of the file, seq %d", s.r.Status().Durable)
		}
	}
}

// toggle subscribes, or stops.
func (s *simulation) toggle(name string) {
	if sub := s.subs[name]; sub != nil {
		if name == "never" && s.never {
			return
		}
		s.say("stop %s", name)
		sub.Stop()
		delete(s.subs, name)
		return
	}
	s.say("subscribe %s", name)
	s.subs[name] = s.subscribe(name)
	if name == "never" {
		// The file knew it before the server did, so no crash leaves this image: only
		// somebody who puts an old copy back, and then nothing tells of it.
		s.image = nil
	}
}

// whole reports whether a subscription is ready.
func (s *simulation) whole(sub *Subscription) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return sub.Ready(ctx) == nil
}

// restart closes the replica, and opens it again from its file: as it is, or as it
// was when the image was taken.
func (s *simulation) restart(killed bool) {
	killed = killed && s.image != nil
	s.say("restart, killed: %v", killed)
	if err := s.r.Close(); err != nil {
		s.t.Fatal(err)
	}
	if killed {
		if err := os.WriteFile(s.path, s.image, 0o600); err != nil {
			s.t.Fatal(err)
		}
		s.promised = slices.Clone(s.imaged)
	} else if s.path == "" {
		s.promised = nil
	}
	if s.rng.IntN(2) == 0 {
		s.world.mutate(s.rng)
	}
	s.open()
}
