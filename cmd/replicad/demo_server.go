package main

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/accounts"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
)

// The account of the demo, and the list that its server does not take tasks for.
const (
	demoUser     = "alice"
	demoPassword = "through the looking-glass"
	demoClosed   = "list-00"
)

// demoServer is the demo's server: it publishes the tasks, and lets users write.
type demoServer struct {
	*storeServer
	user  string // alice's id
	close func()

	mu    sync.Mutex      // guards the rest
	first []string        // the message that each session began with, after connect
	made  map[string]int  // how often each call was made, by its id
	who   map[string]bool // in whose names
}

// newDemoServer starts a server over a store, on a port of this machine.
func newDemoServer(ctx context.Context, s *store.Store) (d *demoServer, addr string, err error) {
	silent := slog.New(slog.DiscardHandler)
	d = &demoServer{made: map[string]int{}, who: map[string]bool{}}
	d.storeServer = newStoreServer(s, storeServerOptions{collections: []string{demoCollection}, allowWrites: true, logger: silent})
	d.ddp.Grace = demoPatience
	d.ddp.WrapMethods(d.guard)
	d.ddp.WrapIncoming(d.listen)
	users := accounts.New(&d.ddp, &accounts.Memory{}, accounts.Options{Logger: silent})
	if d.user, err = users.Create(ctx, accounts.NewUser{Username: demoUser, Password: demoPassword}); err != nil {
		return nil, "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	web := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(listener) }() // ends with Close
	d.close = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = d.shutdown(ctx)
		_ = web.Close()
	}
	return d, listener.Addr().String(), nil
}

// guard stands before the methods that write: only users may, and nobody to the closed
// list. It counts what is made.
func (d *demoServer) guard(next server.MethodFunc) server.MethodFunc {
	return func(ctx context.Context, c *server.Call) (any, error) {
		if !strings.HasPrefix(c.Name(), "/"+demoCollection+"/") {
			return next(ctx, c)
		}
		d.mu.Lock()
		d.made[c.ID()]++
		d.who[c.UserID] = true
		d.mu.Unlock()
		if c.UserID == "" {
			return nil, ddp.NumericError(403, "only users may write")
		}
		if at(c.Params, 0).Kind() == ejson.Object && at(c.Params, 0).Doc().Field("list").Str() == demoClosed {
			return nil, ddp.NumericError(403, demoClosed+" is closed")
		}
		return next(ctx, c)
	}
}

// listen notes with what each session begins.
func (d *demoServer) listen(next server.FrameFunc) server.FrameFunc {
	var began sync.Map // of sessions
	return func(s *server.Session, frame []byte) error {
		if s != nil {
			if _, known := began.LoadOrStore(s, true); !known {
				what := "something unreadable"
				if m, err := ddp.Decode(frame); err == nil {
					what = demoMessage(m)
				}
				d.mu.Lock()
				d.first = append(d.first, what)
				d.mu.Unlock()
			}
		}
		return next(s, frame)
	}
}

// demoMessage names a message for people.
func demoMessage(m ddp.Message) string {
	switch m := m.(type) {
	case ddp.Method:
		return "method " + m.Name
	case ddp.Sub:
		return "sub " + m.Name
	default:
		return "another message"
	}
}

// seen returns what the sessions began with, how often each call was made, and by whom.
func (d *demoServer) seen() (first []string, made map[string]int, who map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.first...), maps.Clone(d.made), maps.Clone(d.who)
}
