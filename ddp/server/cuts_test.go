package server_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// counted counts the calls that are made.
func counted(srv *server.Server, w *world) map[string]int {
	done := make(map[string]int)
	srv.Method("count", func(ctx context.Context, c *server.Call) (any, error) {
		w.mu.Lock()
		done[c.ID()]++
		w.mu.Unlock()
		sleep(ctx, 5)
		return nil, nil
	})
	return done
}

// TestCutEverywhere cuts a conversation at each frame of either side: before it
// arrives, after it has, or by silence, with the server none the wiser.
func TestCutEverywhere(t *testing.T) {
	for _, how := range []string{"before", "after", "silence"} {
		for side := range 2 {
			t.Run(fmt.Sprint(how, "/", []string{"client", "server"}[side]), func(t *testing.T) {
				cuts := 0
				for at := 1; at < 60; at++ {
					synctest.Test(t, func(t *testing.T) {
						if cutAt(t, how, side, at) {
							cuts++
						}
					})
				}
				if cuts < 10 {
					t.Errorf("%d cuts", cuts)
				}
			})
		}
	}
}

func cutAt(t *testing.T, how string, side, at int) (cut bool) {
	srv := keeping()
	srv.Heartbeat = 0
	w := newWorld(srv, rand.New(rand.NewPCG(uint64(at), uint64(side))))
	done := counted(srv, w)
	var mu sync.Mutex
	n, lost := 0, false
	trigger := make(chan struct{}, 1)
	h := newHolder(t, srv, func(s int, _ []byte) (time.Duration, bool) {
		mu.Lock()
		defer mu.Unlock()
		if s == side && !cut {
			if n++; n == at {
				cut, lost = true, how == "silence"
				trigger <- struct{}{}
				return 0, how != "after"
			}
		}
		return time.Millisecond, lost
	})
	revive := func() {
		select {
		case <-trigger:
		case <-time.After(30 * time.Millisecond):
			return
		}
		switch how {
		case "after":
			time.Sleep(10 * time.Millisecond)
			h.cut()
		case "before":
			h.cut()
		case "silence": // the old connection is left lying
			time.Sleep(20 * time.Second)
		}
		if at%2 == 0 {
			time.Sleep(10 * time.Second)
		}
		mu.Lock()
		lost = false
		mu.Unlock()
		h.dial()
	}
	h.dial()
	var stop string
	for i, step := range []func(){
		func() { stop = h.sub("all") },
		func() { h.call("write", "d1", ejson.Make().With("n", 1).With("owner", "u1")) },
		func() { h.sub("mine") },
		func() { h.call("count") },
		func() { h.call("write", "d2", ejson.Make().With("n", 2).With("owner", "u2")) },
		func() { h.call("login", "u1") },
		func() { h.call("write", "d1", ejson.Make().With("n", 3).With("owner", "u2")) },
		func() { h.unsub(stop) },
		func() { h.sub("low") },
		func() { h.call("count") },
		func() { h.call("write", "d2") },
	} {
		step()
		if (i+at)%3 > 0 {
			revive()
		}
	}
	revive()
	revive()
	time.Sleep(time.Minute / 2)
	synctest.Wait()
	h.check(w, done)
	if h.sessions != 1 {
		t.Errorf("cut at %d (%s, side %d): %d sessions", at, how, side, h.sessions)
	}
	h.cut()
	finish(t, srv)
	h.wg.Wait()
	return cut
}

// TestSimulationOfLosses lets clients that hold on to their sessions write over links
// that are cut, fall silent, and let them be kicked, while others write too; some stay
// away too long. In the end each has what its subscriptions show.
func TestSimulationOfLosses(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { loseAtRandom(t, rand.New(rand.NewPCG(seed, 1))) })
		})
		if !ok {
			return
		}
	}
}

func loseAtRandom(t *testing.T, r *rand.Rand) {
	srv := keeping()
	srv.Heartbeat = 0
	srv.MaxTailMessages = 200
	w := newWorld(srv, rand.New(rand.NewPCG(r.Uint64(), 0)))
	done := counted(srv, w)
	var sessions atomic.Int32
	srv.OnConnect = func(*server.Session) { sessions.Add(1) }
	type link struct {
		*holder
		silent bool
	}
	var people []*link
	for i := range 4 {
		l := new(link)
		l.holder = newHolder(t, srv, func(int, []byte) (time.Duration, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.pause(30), l.silent
		})
		l.next = 1000 * (i + 1)
		l.dial()
		people = append(people, l)
	}
	for range 250 {
		l := people[r.IntN(len(people))]
		switch r.IntN(12) {
		case 0:
			l.sub([]string{"all", "even", "low", "mine"}[r.IntN(4)])
		case 1:
			if ids := slices.Sorted(maps.Keys(l.subs)); len(ids) > 0 {
				l.unsub(ids[r.IntN(len(ids))])
			}
		case 2:
			l.call("login", fmt.Sprint("u", r.IntN(2)))
		case 3:
			l.call("count")
		case 4:
			l.cut()
			if r.IntN(2) == 0 {
				time.Sleep(time.Duration(r.IntN(90)) * time.Second)
			}
			l.dial()
		case 5: // half-open for a while, and then given up
			w.mu.Lock()
			l.silent = true
			w.mu.Unlock()
			l.call("count")
			time.Sleep(time.Duration(r.IntN(40)) * time.Second)
			w.mu.Lock()
			l.silent = false
			w.mu.Unlock()
			l.dial()
		case 6:
			l.cut()
			l.dial()
		case 7:
			if r.IntN(5) == 0 {
				l.mu.Lock()
				id := l.session
				l.mu.Unlock()
				for s := range srv.Sessions() {
					if strings.HasPrefix(id, s.ID()) {
						s.Close()
					}
				}
			}
		default:
			id := fmt.Sprint("d", r.IntN(10))
			if r.IntN(4) == 0 {
				l.call("write", id)
			} else {
				l.call("write", id, ejson.Make().With("n", r.IntN(10)).With("owner", fmt.Sprint("u", r.IntN(2))))
			}
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
		}
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	for _, l := range people {
		l.check(w, nil)
	}
	if int(sessions.Load()) == len(people) {
		people[0].check(w, done)
	}
	for _, l := range people {
		l.cut()
	}
	finish(t, srv)
	for _, l := range people {
		l.wg.Wait()
	}
}
