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

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// holder is a client that holds on to its session: when its connection is lost it
// quotes session and count, and sends again what it has no answer to.
type holder struct {
	t     *testing.T
	srv   *server.Server
	frame func(side int, frame []byte) (time.Duration, bool) // the fate of a frame

	mu       sync.Mutex // guards the rest
	end      *client.PipeEnd
	session  string
	count    int
	sessions int // how often it began anew
	next     int
	docs     map[string]map[string]ejson.Value // by collection/id
	subs     map[string]string                 // id to name
	unsubs   map[string]bool                   // asked for and not answered
	ready    map[string]bool
	calls    map[string]ddp.Method // without a result
	updated  map[string]bool
	results  map[string]int
	user     string
	wg       sync.WaitGroup
}

func newHolder(t *testing.T, srv *server.Server, frame func(int, []byte) (time.Duration, bool)) *holder {
	return &holder{t: t, srv: srv, frame: frame, docs: make(map[string]map[string]ejson.Value), subs: make(map[string]string),
		unsubs: make(map[string]bool), ready: make(map[string]bool), calls: make(map[string]ddp.Method),
		updated: make(map[string]bool), results: make(map[string]int)}
}

// dial connects, and says everything that is outstanding. A connection that it had is
// left to rot: nothing that is under way on it may arrive any more, since what a
// client says on two sockets has no order.
func (h *holder) dial() {
	a, b := client.Pipe(client.PipeOptions{Frame: h.frame})
	h.wg.Go(func() { h.srv.Serve(context.Background(), b) })
	h.mu.Lock()
	h.end = a
	h.sendLocked(ddp.Connect{Version: "1", Support: []string{"1"}, Session: h.session, ReceivedCount: h.count})
	ids := slices.SortedFunc(maps.Keys(h.calls), func(x, y string) int { return len(x)*100 + strings.Compare(x, y) - len(y)*100 })
	for _, id := range ids {
		h.sendLocked(h.calls[id])
	}
	for _, id := range slices.Sorted(maps.Keys(h.subs)) {
		h.sendLocked(ddp.Sub{ID: id, Name: h.subs[id]})
	}
	for id := range h.unsubs {
		h.sendLocked(ddp.Unsub{ID: id})
	}
	h.mu.Unlock()
	h.wg.Go(func() { h.read(a) })
}

func (h *holder) sendLocked(m ddp.Message) {
	if h.end != nil {
		h.end.Write(context.Background(), ddp.Append(nil, m), false) // lost if it is lost
	}
}

func (h *holder) read(end *client.PipeEnd) {
	for {
		frame, err := end.Read()
		h.mu.Lock()
		if err != nil || end != h.end {
			mine := end == h.end
			if mine {
				h.end = nil
			}
			h.mu.Unlock()
			end.Close(wire.CodeNormal, "")
			if mine { // an old socket of its own took the session away, or it was kicked
				time.Sleep(10 * time.Millisecond)
				h.dial()
			}
			return
		}
		m, err := ddp.Decode(frame)
		if err != nil {
			h.t.Errorf("%s: %v", frame, err)
		}
		switch m := m.(type) {
		case ddp.Ping:
			h.sendLocked(ddp.Pong(m))
		case ddp.Pong:
		case ddp.Connected:
			if m.Session == h.session {
				h.count++
				break
			}
			h.session, h.count = m.Session, 1
			h.sessions++
			h.user = ""
			clear(h.docs)
			clear(h.ready)
			clear(h.updated)
		default:
			h.count++
			h.apply(m)
		}
		h.mu.Unlock()
	}
}

// apply believes nothing: what a server may not say is a fault.
func (h *holder) apply(m ddp.Message) {
	key := func(collection string, id ejson.ID) string { return collection + "/" + id.String() }
	switch m := m.(type) {
	case ddp.Added:
		k := key(m.Collection, m.ID)
		if h.docs[k] != nil {
			h.t.Errorf("added twice: %s", k)
		}
		h.docs[k] = maps.Collect(m.Fields.Fields())
	case ddp.Changed:
		k := key(m.Collection, m.ID)
		if h.docs[k] == nil {
			h.t.Errorf("changed, and not there: %s", k)
			return
		}
		for name, v := range m.Fields.Fields() {
			if h.docs[k][name].Same(v) {
				h.t.Errorf("changed %s.%s to what it is", k, name)
			}
			h.docs[k][name] = v
		}
		for _, name := range m.Cleared {
			if h.docs[k][name].IsMissing() {
				h.t.Errorf("cleared %s.%s, which is not there", k, name)
			}
			delete(h.docs[k], name)
		}
	case ddp.Removed:
		k := key(m.Collection, m.ID)
		if h.docs[k] == nil {
			h.t.Errorf("removed, and not there: %s", k)
		}
		delete(h.docs, k)
	case ddp.Ready:
		for _, id := range m.Subs {
			h.ready[id] = true
		}
	case ddp.Nosub:
		if m.Err != nil {
			h.t.Errorf("nosub: %v", m.Err)
		}
		delete(h.unsubs, m.ID)
	case ddp.Updated:
		h.updated[m.Methods[0]] = true
	case ddp.Result:
		if m.Err != nil || !h.updated[m.ID] {
			h.t.Errorf("result of %s: %v, updated: %v", m.ID, m.Err, h.updated[m.ID])
		}
		if call := h.calls[m.ID]; call.Name == "login" {
			h.user = call.Params.At(0).Str()
		}
		h.results[m.ID]++
		delete(h.calls, m.ID)
	default:
		h.t.Errorf("got %s", ddp.Append(nil, m))
	}
}

func (h *holder) call(name string, params ...any) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	m := ddp.Method{ID: fmt.Sprint("m", h.next), Name: name, Params: ejson.MakeArray(params...)}
	h.calls[m.ID] = m
	h.sendLocked(m)
	return m.ID
}

func (h *holder) sub(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	id := fmt.Sprintf("s%04d", h.next)
	h.subs[id] = name
	h.sendLocked(ddp.Sub{ID: id, Name: name})
	return id
}

func (h *holder) unsub(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, id)
	delete(h.ready, id)
	h.unsubs[id] = true
	h.sendLocked(ddp.Unsub{ID: id})
}

// cut loses the connection.
func (h *holder) cut() {
	h.mu.Lock()
	end := h.end
	h.end = nil
	h.mu.Unlock()
	if end != nil {
		end.Cut()
	}
}

// check compares what it has with what the world would show, and its calls with what
// was done.
func (h *holder) check(w *world, done map[string]int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &person{t: h.t, subs: h.subs, user: h.user, ready: make(map[string]bool), docs: make(map[string]map[string]ejson.Value)}
	for k, d := range h.docs {
		p.docs[strings.TrimPrefix(k, "c/")] = d
	}
	for id := range h.subs {
		if h.ready[id] {
			p.ready[id] = true
		}
	}
	p.check(w)
	if len(h.calls) > 0 || len(h.unsubs) > 0 {
		h.t.Errorf("without an answer: calls %v, unsubs %v", h.calls, h.unsubs)
	}
	for id, n := range h.results {
		if n != 1 {
			h.t.Errorf("%d results of %s", n, id)
		}
	}
	if h.sessions == 1 {
		for id, n := range done {
			if n != 1 {
				h.t.Errorf("%s was made %d times", id, n)
			}
		}
	}
}

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
