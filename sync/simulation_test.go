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
//   - a call that has returned has its effect in the store, and one that was not answered
//     shows what its stub foretold,
//   - every call that was promised is run, by a server that remembers ids once, with NoRetry
//     at most once; none that was cancelled, superseded or too late; those of one entity in
//     order; and all in the name of who made them,
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
	path  string
	r     *Replica
	name  string
	image []byte        // an older state of the file
	peers []*simulation // all replicas, this one too
	put   int           // how often the image was put back
	// opened is how often the replica was.
	opened int

	// Calls that the outbox has promised to make, and those with NoRetry. What was known
	// when the image was taken comes back with it.
	promised, imaged []string
	once             []string
	unmadeThen       int
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

	mu    sync.Mutex // guards the rest; taken after the world's
	link  *rand.Rand // for what other goroutines draw
	state string     // of the link: "good", "slow", "down", "deaf"
	ends  []*client.PipeEnd
	trace []string
	bad   bool
	// Calls that ended without being sent; the documents that stubs have found, by number
	// of the call, and what they have made of them.
	unmade   []string
	foretold map[float64]bool
	guesses  map[float64]bool
	// stutters: the link gives the server some messages twice.
	stutters bool
}

func simulate(t *testing.T, seed uint64, path string, resumed *uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	world := newWorld()
	world.grace = []time.Duration{0, 0, 10 * time.Second, -1}[rng.IntN(4)]
	world.lifetime = []time.Duration{24 * time.Hour, 2 * time.Hour, 15 * time.Minute}[rng.IntN(3)]
	world.remembers = rng.IntN(2) == 0
	world.srv = world.newServer()
	stutters := rng.IntN(2) == 0
	stalls := rng.IntN(2) == 0
	all := make([]*simulation, []int{1, 1, 2, 3}[rng.IntN(4)])
	for i := range all {
		s := &simulation{
			t: t, rng: rng, world: world, name: fmt.Sprint(i), peers: all,
			link:  rand.New(rand.NewPCG(seed, uint64(2+i))),
			subs:  map[string]*Subscription{},
			state: "good", stalls: stalls, stutters: stutters,
			foretold: map[float64]bool{}, guesses: map[float64]bool{},
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
		switch n := rng.IntN(400); {
		case n == 0:
			time.Sleep(time.Duration(rng.IntN(30)) * time.Hour)
		case n < 100:
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		case n < 200:
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		case n < 300:
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
	if err := world.srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	*resumed += world.resumed + world.srv.Stats().Resumed
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
	if name == "never" && s.world.grace >= 0 {
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
		s.put++
		synctest.Wait() // all have been told how their calls ended
		s.mu.Lock()
		s.unmade = s.unmade[:s.unmadeThen]
		s.mu.Unlock()
	} else if s.path == "" {
		s.promised = nil
	}
	if s.rng.IntN(2) == 0 {
		s.world.mutate(s.rng)
	}
	s.open()
}
