package server_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// TestHooksUnderLocks ends subscriptions and sessions while their owner holds a lock that
// the hooks ask for.
func TestHooksUnderLocks(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(ctx context.Context, p *server.Publication, hook func())
	}{
		{"Stop", func(_ context.Context, p *server.Publication, hook func()) { p.OnStop(hook); p.Stop(errors.New("out")) }},
		{"Stop, then OnStop", func(_ context.Context, p *server.Publication, hook func()) { p.Stop(nil); p.OnStop(hook) }},
		{"the session ends, then OnStop", func(ctx context.Context, p *server.Publication, hook func()) {
			go p.Session().Close()
			<-ctx.Done()
			p.OnStop(hook)
		}},
		{"a document without _id", func(_ context.Context, p *server.Publication, hook func()) {
			p.OnStop(hook)
			p.Added("c", ejson.Make())
		}},
		{"Changed of none", func(_ context.Context, p *server.Publication, hook func()) {
			p.OnStop(hook)
			p.Changed("c", ejson.StringID("x"), ejson.Make(), nil)
		}},
		{"Removed of none", func(_ context.Context, p *server.Publication, hook func()) {
			p.OnStop(hook)
			p.Removed("c", ejson.StringID("x"))
		}},
		{"the session ends, then OnClose", func(ctx context.Context, p *server.Publication, hook func()) {
			go p.Session().Close()
			<-ctx.Done()
			p.Session().OnClose(hook)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var n notes
				hook := func() {
					mu.Lock()
					defer mu.Unlock()
					n.add("hook")
				}
				done := make(chan struct{})
				srv := quiet()
				srv.Publish("p", func(ctx context.Context, p *server.Publication) error {
					mu.Lock()
					defer mu.Unlock()
					defer close(done)
					c.end(ctx, p, hook)
					n.add("went on")
					return nil
				})
				dial(t, srv).connect().send(sub("a", "p"))
				<-done
				n.expect(t, "went on", "hook")
			})
		})
	}
}
