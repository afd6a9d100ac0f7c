package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// reader is a client that reconnects, and what it was told.
type reader struct {
	j *joint
	k *client.Reconnecting

	mu    sync.Mutex // guards the rest
	user  string
	users int // how often it changed
	docs  map[string]map[string]ejson.Value
	subs  []*client.Subscription
	calls []*client.Call
	n     int
}

func (j *joint) newReader(i int) *reader {
	p := &reader{j: j, docs: make(map[string]map[string]ejson.Value), n: 1000 * i}
	p.k = client.NewReconnecting("ws://joint", client.ReconnectOptions{
		Options: client.Options{
			Dial:   func(ctx context.Context, _ string) (client.Transport, error) { return j.dial(ctx, p) },
			Logger: slog.New(slog.DiscardHandler),
			Events: &client.Events{
				Added:   func(m ddp.Added) { p.apply(m) },
				Changed: func(m ddp.Changed) { p.apply(m) },
				Removed: func(m ddp.Removed) { p.apply(m) },
			},
		},
		Backoff: func(failures int) time.Duration { return 10 * time.Millisecond << min(failures, 9) },
		OnConnect: func(ctx context.Context, c *client.Conn) error {
			p.mu.Lock()
			user := p.user
			p.mu.Unlock()
			_, err := c.Call(ctx, "login", user)
			return err
		},
		OnState: func(s client.State) {
			if s.Kind == client.Reconnected { // the events begin anew
				p.mu.Lock()
				clear(p.docs)
				p.mu.Unlock()
			}
		},
	})
	return p
}

// apply believes what it is told, and lets nothing pass that is no news.
func (p *reader) apply(m ddp.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := holder{t: p.j.t, docs: p.docs}
	h.apply(m)
}

func (p *reader) subscribe(name string) {
	s, err := p.k.Subscribe(context.Background(), name)
	if err != nil {
		p.j.t.Error(err)
		return
	}
	p.mu.Lock()
	p.subs = append(p.subs, s)
	p.mu.Unlock()
}

func (p *reader) unsubscribe(r *rand.Rand) {
	p.mu.Lock()
	if len(p.subs) == 0 {
		p.mu.Unlock()
		return
	}
	i := r.IntN(len(p.subs))
	s := p.subs[i]
	p.subs = slices.Delete(p.subs, i, i+1)
	p.mu.Unlock()
	s.Stop()
}

func (p *reader) login(user string) {
	p.mu.Lock()
	p.user = user
	p.users++
	p.mu.Unlock()
	p.k.Go("login", nil, user)
}

// set writes or removes a document.
func (p *reader) set(r *rand.Rand) {
	p.n++
	params := []any{fmt.Sprint("call", p.n), fmt.Sprint("d", r.IntN(8))}
	if r.IntN(4) > 0 {
		params = append(params, ejson.Make().With("n", r.IntN(10)).With("owner", fmt.Sprint("u", r.IntN(2))))
	}
	call := p.k.Go("set", nil, params...)
	p.mu.Lock()
	p.calls = append(p.calls, call)
	p.mu.Unlock()
}

// check compares what the client shows with the world, and its calls with what was done.
func (p *reader) check(i int) {
	p.j.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.j.mu.Lock()
	defer p.j.mu.Unlock()
	have := &person{t: p.j.t, user: p.user, subs: make(map[string]string), ready: make(map[string]bool), docs: make(map[string]map[string]ejson.Value)}
	for k, d := range p.docs {
		have.docs[k[2:]] = d // "c/"
	}
	for _, s := range p.subs {
		have.subs[s.ID()] = s.Name
		select {
		case <-s.Ready():
			have.ready[s.ID()] = true
		default:
		}
	}
	have.check(p.j.world)
	for _, call := range p.calls {
		token := call.Params.At(0).Str()
		select {
		case <-call.Done:
			switch {
			case p.users > 0 && errors.Is(call.Err, &ddp.Error{Code: "already-called"}): // made for one user, and sent again by another
			case call.Err != nil || call.Value.Str() != token:
				p.j.t.Errorf("client %d: %s: %v, %v", i, token, call.Value, call.Err)
			}
		default:
			p.j.t.Errorf("client %d: no answer to %s", i, token)
		}
		select {
		case <-call.Updated():
		default:
			p.j.t.Errorf("client %d: %s was not updated", i, token)
		}
		if n := p.j.runs[token]; n != 1 {
			p.j.t.Errorf("client %d: %s was made %d times", i, token, n)
		}
	}
}
