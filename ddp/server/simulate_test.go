package server_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// world is the data of the simulation: documents with a number and an owner, and
// the publications that follow them.
type world struct {
	mu   sync.Mutex // guards the rest
	rand *rand.Rand
	docs map[string]ejson.Doc
	live map[*feed]struct{}
	seq  uint64
	told *sync.Cond // seq, or what a feed has told, has changed
}

// feed is one subscription that is kept up to date, on a goroutine of its own.
type feed struct {
	p     *server.Publication
	pick  func(ejson.Doc, string) (ejson.Doc, bool)
	shown map[string]ejson.Doc
	told  uint64
	over  bool
}

// picks are what the publications publish of a document, by name and user.
var picks = map[string]func(d ejson.Doc, user string) (ejson.Doc, bool){
	"all":  func(d ejson.Doc, _ string) (ejson.Doc, bool) { return d, true },
	"even": func(d ejson.Doc, _ string) (ejson.Doc, bool) { return d, int(d.Field("n").Number())%2 == 0 },
	"low":  func(d ejson.Doc, _ string) (ejson.Doc, bool) { return d.Without("owner"), d.Field("n").Number() < 5 },
	"mine": func(d ejson.Doc, user string) (ejson.Doc, bool) {
		return d.Without("n"), d.Field("owner").Str() == user
	},
}

func newWorld(srv *server.Server, r *rand.Rand) *world {
	w := bareWorld(r)
	w.publish(srv)
	srv.Method("write", func(_ context.Context, c *server.Call) (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.write(c.Params)
		c.Fence(w.seq)
		return w.seq, nil
	})
	return w
}

func bareWorld(r *rand.Rand) *world {
	w := &world{rand: r, docs: make(map[string]ejson.Doc), live: make(map[*feed]struct{})}
	w.told = sync.NewCond(&w.mu)
	return w
}

// write puts a document in, or takes it away: [id, doc] or [id]. The caller holds mu.
func (w *world) write(params ejson.Array) {
	id := params.At(0).Str()
	if params.Len() == 1 {
		delete(w.docs, id)
	} else {
		w.docs[id] = params.At(1).Doc().WithID(ejson.StringID(id))
	}
	w.seq++
	w.told.Broadcast()
}

// publish makes a server show the world, and its clients log in.
func (w *world) publish(srv *server.Server) {
	for name, pick := range picks {
		srv.Publish(name, func(_ context.Context, p *server.Publication) error {
			f := &feed{p: p, pick: pick, shown: make(map[string]ejson.Doc)}
			w.mu.Lock()
			f.update(w.docs)
			f.told = w.seq
			w.live[f] = struct{}{}
			w.mu.Unlock()
			p.OnStop(func() {
				w.mu.Lock()
				delete(w.live, f)
				f.over = true
				w.mu.Unlock()
				w.told.Broadcast()
			})
			p.Follow(func(_ context.Context, seq uint64) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				for f.told < seq && !f.over {
					w.told.Wait()
				}
				return nil
			})
			go w.follow(f)
			return nil
		})
	}
	srv.Method("login", func(_ context.Context, c *server.Call) (any, error) {
		return nil, c.SetUserID(c.Params.At(0).Str())
	})
}

// follow tells a feed of what changes, some time later.
func (w *world) follow(f *feed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !f.over {
		if f.told == w.seq {
			w.told.Wait()
			continue
		}
		pause := w.pause(5)
		w.mu.Unlock()
		time.Sleep(pause)
		w.mu.Lock()
		f.update(w.docs)
		f.told = w.seq
		w.told.Broadcast()
	}
}

// pause draws a time of less than so many milliseconds; the caller holds mu.
func (w *world) pause(ms int) time.Duration { return time.Duration(w.rand.IntN(ms)) * time.Millisecond }

func (f *feed) update(docs map[string]ejson.Doc) {
	for id, was := range f.shown {
		now, ok := ejson.Doc{}, false
		if d, there := docs[id]; there {
			now, ok = f.pick(d, f.p.UserID)
		}
		if !ok {
			f.p.Removed("c", ejson.StringID(id))
			delete(f.shown, id)
		} else if !was.Same(now) {
			set, unset := ejson.Diff(was, now)
			f.p.Changed("c", ejson.StringID(id), set, unset)
			f.shown[id] = now
		}
	}
	for id, d := range docs {
		if now, ok := f.pick(d, f.p.UserID); ok && f.shown[id].IsZero() {
			f.p.Added("c", now)
			f.shown[id] = now
		}
	}
}

// person is a client of the simulation, that takes what it is sent by the letter.
type person struct {
	t     *testing.T
	conn  *client.Conn
	user  string
	subs  map[string]string // asked for: id → name
	ready map[string]bool
	docs  map[string]map[string]ejson.Value
	calls map[string]bool // by id: updated
	n     int
}

// follow takes messages until the session ends.
func (p *person) follow() {
	for m := range p.conn.Messages() {
		switch m := m.(type) {
		case ddp.Added:
			id := m.ID.String()
			if p.docs[id] != nil {
				p.t.Errorf("added twice: %s", id)
			}
			p.docs[id] = make(map[string]ejson.Value)
			for k, v := range m.Fields.Fields() {
				p.docs[id][k] = v
			}
		case ddp.Changed:
			doc := p.docs[m.ID.String()]
			if doc == nil || m.Fields.Len()+len(m.Cleared) == 0 {
				p.t.Errorf("changed: %v of %v", m, doc)
				continue
			}
			for k, v := range m.Fields.Fields() {
				if doc[k].Same(v) {
					p.t.Errorf("changed %s.%s to what it is", m.ID, k)
				}
				doc[k] = v
			}
			for _, k := range m.Cleared {
				if doc[k].IsMissing() {
					p.t.Errorf("cleared %s.%s, which is not there", m.ID, k)
				}
				delete(doc, k)
			}
		case ddp.Removed:
			if p.docs[m.ID.String()] == nil {
				p.t.Errorf("removed: %s", m.ID)
			}
			delete(p.docs, m.ID.String())
		case ddp.Ready:
			for _, id := range m.Subs {
				p.ready[id] = true
			}
		case ddp.Nosub:
			if m.Err != nil {
				p.t.Errorf("nosub: %v", m.Err)
			}
			delete(p.ready, m.ID)
		case ddp.Updated:
			p.calls[m.Methods[0]] = true
		case ddp.Result:
			if m.Err != nil || !p.calls[m.ID] {
				p.t.Errorf("result before updated, or %v", m.Err)
			}
			delete(p.calls, m.ID)
		}
	}
}

// act does something at random.
func (p *person) act(r *rand.Rand) error {
	p.n++
	id := fmt.Sprint(p.n)
	var m ddp.Message
	switch r.IntN(8) {
	case 0:
		name := []string{"all", "even", "low", "mine"}[r.IntN(4)]
		p.subs[id] = name
		m = ddp.Sub{ID: id, Name: name}
	case 1:
		for old := range p.subs {
			delete(p.subs, old)
			return p.conn.Send(p.t.Context(), ddp.Unsub{ID: old})
		}
		return nil
	case 2:
		p.user = fmt.Sprint("u", r.IntN(2))
		m = ddp.Method{ID: id, Name: "login", Params: ejson.MakeArray(p.user)}
	case 3:
		m = ddp.Method{ID: id, Name: "write", Params: ejson.MakeArray(fmt.Sprint("d", r.IntN(10)))}
	default:
		doc := ejson.Make().With("n", r.IntN(10)).With("owner", fmt.Sprint("u", r.IntN(2))).With("x", r.IntN(3))
		if r.IntN(2) == 0 {
			doc = doc.With("y", r.IntN(3))
		}
		m = ddp.Method{ID: id, Name: "write", Params: ejson.MakeArray(fmt.Sprint("d", r.IntN(10)), doc)}
	}
	return p.conn.Send(p.t.Context(), m)
}

// check compares what the person has with what the world would show.
func (p *person) check(w *world) {
	p.t.Helper()
	want := make(map[string]map[string]ejson.Value)
	for id, d := range w.docs {
		for _, name := range p.subs {
			shown, ok := picks[name](d, p.user)
			if !ok {
				continue
			}
			if want[id] == nil {
				want[id] = make(map[string]ejson.Value)
			}
			for k, v := range shown.Fields() {
				if k != "_id" {
					want[id][k] = v
				}
			}
		}
	}
	same := func(a, b ejson.Value) bool { return a.Same(b) }
	if !maps.EqualFunc(p.docs, want, func(a, b map[string]ejson.Value) bool { return maps.EqualFunc(a, b, same) }) {
		p.t.Errorf("has %v, want %v", p.docs, want)
	}
	if len(p.ready) != len(p.subs) || len(p.calls) != 0 {
		p.t.Errorf("subscriptions %v, ready %v; calls %v", p.subs, p.ready, p.calls)
	}
}

// TestSimulation lets clients on slow links subscribe, log in and write at random,
// and some vanish; in the end each has exactly what its subscriptions show.
func TestSimulation(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func simulate(t *testing.T, r *rand.Rand) {
	srv := quiet()
	w := newWorld(srv, rand.New(rand.NewPCG(r.Uint64(), 0)))
	var wg sync.WaitGroup
	var people []*person
	for range 8 {
		a, b := client.Pipe(client.PipeOptions{Frame: func(int, []byte) (time.Duration, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.pause(20), false
		}})
		go srv.Serve(t.Context(), b)
		conn, err := client.New(t.Context(), a, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := &person{t: t, conn: conn, subs: make(map[string]string), ready: make(map[string]bool),
			docs: make(map[string]map[string]ejson.Value), calls: make(map[string]bool)}
		wg.Go(p.follow)
		people = append(people, p)
	}
	for range 300 {
		i := r.IntN(len(people))
		if err := people[i].act(r); err != nil {
			t.Error(err)
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
		if r.IntN(100) == 0 && len(people) > 4 {
			people[i].conn.Close()
			people = append(people[:i], people[i+1:]...)
		}
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	for _, p := range people {
		p.check(w)
		p.conn.Close()
	}
	wg.Wait()
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
