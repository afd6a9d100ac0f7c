package sync

import (
	"os"
	"slices"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// server has something happen at the server.
func (s *simulation) server() {
	switch s.rng.IntN(6) {
	case 0:
		s.say("the server is started again")
		s.world.restart(true)
	case 1:
		s.say("the server dies, and is started again")
		s.world.restart(false)
	case 2:
		s.say("the server ends all sessions")
		s.world.kick()
	case 3:
		s.say("the server ends b")
		s.world.stop(nil)
	case 4:
		s.say("the server ends b with an error")
		s.world.stop(&ddp.Error{Code: "500"})
	case 5:
		s.world.mu.Lock()
		s.world.hangs = !s.world.hangs
		s.say("logins hang: %v", s.world.hangs)
		s.world.mu.Unlock()
	}
}

// step does one random thing.
func (s *simulation) step() {
	switch n := s.rng.IntN(100); {
	case n < 41:
		k := 1 + s.rng.IntN(8)
		s.say("%d changes", k)
		for range k {
			s.world.mutate(s.rng)
		}
	case n < 45:
		s.server()
	case n < 54:
		s.say("cut")
		s.cut()
	case n < 64:
		state := []string{"good", "good", "slow", "down", "deaf"}[s.rng.IntN(5)]
		s.say("link %s", state)
		s.setLink(state)
	case n < 70:
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
			s.mu.Lock()
			s.unmadeThen = len(s.unmade)
			s.mu.Unlock()
			s.say("image of the file, seq %d", s.r.Status().Durable)
		}
	}
}
