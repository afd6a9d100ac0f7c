package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/store"
)

// storeServerOptions configure a storeServer.
type storeServerOptions struct {
	collections []string
	allowWrites bool
	logger      *slog.Logger
	// flush waits until a commit is on disk; nil where there is no file. A write is
	// answered when it can no longer be lost.
	flush func(context.Context, store.Seq) error
}

// storeServer publishes the collections of a store over DDP, each under its
// name. A subscription may give a selector, and options with sort, skip, limit
// and fields.
type storeServer struct {
	store *store.Store
	ddp   server.Server
	flush func(context.Context, store.Seq) error
}

func newStoreServer(s *store.Store, opts storeServerOptions) *storeServer {
	srv := &storeServer{store: s, flush: opts.flush}
	srv.ddp.Logger = opts.logger
	srv.ddp.Recall = srv.recall
	for _, name := range opts.collections {
		srv.ddp.Publish(name, srv.publication(name))
		if opts.allowWrites {
			srv.method("/"+name+"/insert", srv.insert(name))
			srv.method("/"+name+"/update", srv.update(name))
			srv.method("/"+name+"/remove", srv.remove(name))
		}
	}
	return srv
}

// handler serves /websocket, and a line for people everywhere else.
func (s *storeServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/websocket", &s.ddp)
	mux.Handle("/websocket/{$}", &s.ddp)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "replicad serves DDP at /websocket", http.StatusNotFound)
	})
	return mux
}

// shutdown ends every session; see server.Server.Shutdown.
func (s *storeServer) shutdown(ctx context.Context) error { return s.ddp.Shutdown(ctx) }

// publication feeds a live query into each subscription.
func (s *storeServer) publication(name string) server.PublishFunc {
	return func(_ context.Context, p *server.Publication) error {
		q, err := s.published(name, p.Params)
		if err != nil {
			return err
		}
		h, err := observe.Feed(q, name, p)
		if err != nil {
			return badRequest(err)
		}
		p.OnStop(h.Stop)
		p.Follow(func(ctx context.Context, seq uint64) error { return h.Wait(ctx, store.Seq(seq)) })
		return nil
	}
}

// published reads the params of a subscription: [selector, options], both
// optional.
func (s *storeServer) published(name string, params ejson.Array) (store.Query[ejson.Doc], error) {
	var none store.Query[ejson.Doc]
	if params.Len() > 2 {
		return none, ddp.NumericError(400, "wants at most a selector and options")
	}
	var selector any
	if v := at(params, 0); v.Kind() != ejson.Missing && v.Kind() != ejson.Null {
		sel, err := selectorOf(v)
		if err != nil {
			return none, badRequest(err)
		}
		selector = sel
	}
	q := s.store.Collection(name).Find(selector)
	options := at(params, 1)
	if options.Kind() == ejson.Missing || options.Kind() == ejson.Null {
		return q, nil
	}
	if options.Kind() != ejson.Object {
		return none, ddp.NumericError(400, "options: wants an object")
	}
	d := options.Doc()
	if err := onlyFields(d, "sort", "skip", "limit", "fields", "projection"); err != nil {
		return none, badRequest(err)
	}
	skip, err := countOf(d, "skip")
	if err != nil {
		return none, badRequest(err)
	}
	limit, err := countOf(d, "limit")
	if err != nil {
		return none, badRequest(err)
	}
	if v := d.Field("sort"); !v.IsMissing() {
		q = q.SortSpec(v)
	}
	for _, name := range []string{"fields", "projection"} {
		if v := d.Field(name); !v.IsMissing() {
			q = q.FieldsSpec(v)
		}
	}
	return q.Skip(skip).Limit(limit), nil
}

// at returns the value at a place, Missing where there is none.
func at(list ejson.Array, i int) ejson.Value {
	if i >= list.Len() {
		return ejson.Value{}
	}
	return list.At(i)
}

// selectorOf takes a selector as a client sends it: an object, or an id.
func selectorOf(v ejson.Value) (any, error) {
	if v.Kind() == ejson.Object {
		return v.Doc(), nil
	}
	return ejson.IDOf(v)
}

// badRequest makes an error of the client's that the client may see.
func badRequest(err error) error { return ddp.NumericError(400, err.Error()) }
