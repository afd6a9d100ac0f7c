package client

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var seeds = flag.Int("seeds", 1000, "how many simulations to run")

// TestSimulation lets a client and a server talk over a line that delays, loses and is
// cut, with restarts of the server and sockets that only one side thinks alive. The
// client's view ends equal to the server's items, every event fits, every call is
// answered, and runs once unless the server forgot it.
func TestSimulation(t *testing.T) {
	met := map[string]int{} // states, and calls
	defer func() {
		for _, what := range []string{"resumed", "reconnected", "unreachable", "calls"} {
			if t.Log(what, met[what]); met[what] == 0 {
				t.Error("no simulation met", what)
			}
		}
	}()
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, met) })
		})
		if t.Failed() {
			return
		}
	}
}

func simulate(t *testing.T, seed uint64, met map[string]int) {
	var mu sync.Mutex // guards rnd and lossy
	rnd := rand.New(rand.NewPCG(seed, 5))
	n := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(n)
	}
	lossy := false
	y := newToy()
	k := keep(y, ReconnectOptions{Options: Options{MaxWaiting: 1 + n(20)}}, PipeOptions{
		Frame: func(int, []byte) (time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(rnd.IntN(100)) * time.Millisecond, lossy
		},
	})
	sub, err := k.Subscribe(t.Context(), "items")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan *Call, 100)
	calls, restarts := 0, 0
	for range 40 {
		<-time.After(time.Duration(n(2000)) * time.Millisecond)
		switch n(12) {
		case 0:
			k.cut(false)
		case 1: // half-open: nothing arrives, and nobody is told
			mu.Lock()
			lossy = true
			mu.Unlock()
			<-time.After(time.Duration(n(60)) * time.Second)
			k.cut(false) // a lossy line does not heal: what was lost stays lost
			mu.Lock()
			lossy = false
			mu.Unlock()
		case 2:
			if n(3) == 0 {
				y.restart()
				restarts++
			}
		case 3: // a kick, in order
			if c := k.Conn(); c != nil {
				c.Close()
			}
		case 4:
			extra, err := k.Subscribe(t.Context(), "items")
			if err != nil {
				t.Fatal(err)
			}
			if n(2) == 0 {
				<-time.After(time.Duration(n(500)) * time.Millisecond)
			}
			extra.Stop()
		case 5, 6, 7:
			k.Go("inc", done, fmt.Sprint(calls))
			calls++
		default:
			y.change(fmt.Sprint("item", n(5)), n(4))
		}
	}
	<-time.After(15 * time.Minute) // longer than any pause between attempts
	if err := sub.Err(); err != nil {
		t.Error(err)
	}
	for range calls {
		select {
		case call := <-done:
			if call.Err != nil || call.Value.Str() != call.Params.At(0).Str() {
				t.Error(call.Err, call.Value)
			}
		default:
			t.Fatalf("seed %d: a call was never answered; %v", seed, k.states)
		}
	}
	y.mu.Lock()
	for key, ran := range y.runs {
		if ran != 1 && restarts == 0 && len(y.sessions) == 1 && k.Stats().Connections == k.Stats().Resumed+1 {
			t.Errorf("seed %d: call %s ran %d times", seed, key, ran)
		}
	}
	if len(y.runs) != calls {
		t.Errorf("seed %d: %d of %d calls ran", seed, len(y.runs), calls)
	}
	want := fmt.Sprint(y.items)
	y.mu.Unlock()
	if got := k.v.String(); got != want {
		t.Errorf("seed %d: the client sees %s, the server has %s; %v", seed, got, want, k.states)
	}
	if k.Position().Session == "" || k.Conn() == nil {
		t.Errorf("seed %d: not connected: %v", seed, k.states)
	}
	k.end(t)
	for _, s := range k.states {
		met[s]++
	}
	met["calls"] += calls
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}
