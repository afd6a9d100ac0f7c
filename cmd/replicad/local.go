package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// errNoServer is returned by call where nothing connects to a server.
var errNoServer = errors.New("a file calls no methods; call through the daemon, or a server with --url")

// storeSource is a store in this process as a source.
type storeSource struct {
	store *store.Store
	// live says that the store goes on changing, so that watch waits for more.
	live bool
	// about adds to the status; nil adds nothing.
	about func(*ejson.Builder)
	// callServer calls a method; nil refuses.
	callServer func(ctx context.Context, method string, params ejson.Array) (ejson.Value, error)
	// flush waits until a commit is on disk; nil where nothing is kept.
	flush   func(context.Context, store.Seq) error
	closers []io.Closer
}

var _ source = (*storeSource)(nil)

// openFile loads a file that no daemon holds. Only index changes what is in it.
func openFile(ctx context.Context, path string) (*storeSource, error) {
	switch info, err := os.Stat(path); { // to ask a file is not to make one
	case err != nil:
		return nil, fmt.Errorf("--db: %w; a replica's file is made by 'replicad sync'", err)
	case info.Mode().IsRegular() && info.Size() == 0:
		return nil, fmt.Errorf("--db %s: it is empty; a replica's file is made by 'replicad sync'", path)
	}
	db, err := persist.Open(ctx, path, persist.Options{})
	if err != nil {
		if errors.Is(err, persist.ErrLocked) {
			return nil, fmt.Errorf("%w (--addr)", err)
		}
		return nil, err
	}
	s := store.New(store.Options{Journal: db})
	if err := s.Load(db.Seq(), db.Records()); err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", path, err), db.Close())
	}
	return &storeSource{
		store:   s,
		flush:   db.Flush,
		closers: []io.Closer{s, db},
		about: func(b *ejson.Builder) {
			b.Add("file", ejson.StringValue(path))
			aboutReplica(b, s.Snapshot())
		},
	}, nil
}

// aboutReplica tells of the replica's bookkeeping what may be told, where a file has any.
func aboutReplica(b *ejson.Builder, snap *store.Snapshot) {
	if n := snap.Len("sync.subs"); n > 0 {
		b.Add("subscriptions", ejson.NumberValue(float64(n)))
	}
	waiting, failed := 0, 0
	for _, e := range snap.Each(replica.OutboxCollection) {
		if e.Field("state").Str() == string(replica.Failed) {
			failed++
		} else {
			waiting++
		}
	}
	if waiting > 0 {
		b.Add("outbox", ejson.NumberValue(float64(waiting)))
	}
	if failed > 0 {
		b.Add("failed", ejson.NumberValue(float64(failed)))
	}
}

// openLines loads JSON lines from a file, or from standard input.
func openLines(ctx context.Context, file, collection string, stdin io.Reader) (*storeSource, error) {
	s := store.New(store.Options{})
	if err := loadLines(ctx, s, collection, file, stdin); err != nil {
		return nil, err
	}
	return &storeSource{store: s}, nil
}

func (s *storeSource) find(ctx context.Context, r request, yield func(ejson.Doc) error) error {
	if err := checkCollection(r.collection); err != nil {
		return err
	}
	n := 0
	for d, err := range r.query(s.store).Each() {
		if err != nil {
			return err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *storeSource) count(_ context.Context, r request) (int, error) {
	if err := checkCollection(r.collection); err != nil {
		return 0, err
	}
	return r.query(s.store).Count()
}

func (s *storeSource) distinct(_ context.Context, r request, path string) (ejson.Array, error) {
	if err := checkCollection(r.collection); err != nil {
		return ejson.Array{}, err
	}
	values, err := r.query(s.store).Distinct(path)
	return ejson.ArrayOf(values...), err
}

func (s *storeSource) observers(_ context.Context, yield func(ejson.Doc) error) error {
	for _, in := range observe.Handles(s.store) {
		d := ejson.Make(
			ejson.Field{Name: "query", Value: in.Query},
			ejson.Field{Name: "route", Value: in.Route},
			ejson.Field{Name: "shared", Value: in.Shared},
			ejson.Field{Name: "bytes", Value: in.Bytes},
			ejson.Field{Name: "changes", Value: float64(in.Changes)},
			ejson.Field{Name: "batches", Value: float64(in.Batches)},
			ejson.Field{Name: "merged", Value: float64(in.Merged)},
			ejson.Field{Name: "busyMicros", Value: microseconds(in.Busy)},
			ejson.Field{Name: "text", Value: in.String()},
		)
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *storeSource) explain(_ context.Context, r request) (ejson.Doc, error) {
	if err := checkCollection(r.collection); err != nil {
		return ejson.Doc{}, err
	}
	how, err := r.query(s.store).ExplainRun()
	if err != nil {
		return ejson.Doc{}, err
	}
	var b ejson.Builder
	b.Add("plan", ejson.StringValue(how.Plan.String()))
	b.Add("examined", ejson.NumberValue(float64(how.Examined)))
	b.Add("returned", ejson.NumberValue(float64(how.Returned)))
	b.Add("of", ejson.NumberValue(float64(s.store.Snapshot().Len(r.collection))))
	b.Add("micros", microseconds(how.Took))
	return b.Doc(), nil
}

func (s *storeSource) status(context.Context) (ejson.Doc, error) {
	snap := s.store.Snapshot()
	var b, colls ejson.Builder
	if s.about != nil {
		s.about(&b)
	}
	b.Add("seq", ejson.NumberValue(float64(snap.Seq())))
	for _, name := range snap.Collections() {
		if !isSystem(name) {
			colls.Add(name, ejson.NumberValue(float64(snap.Len(name))))
		}
	}
	b.Add("collections", colls.Doc().Value())
	return b.Doc(), nil
}

func (s *storeSource) call(ctx context.Context, method string, params ejson.Array) (ejson.Value, error) {
	if s.callServer == nil {
		return ejson.Value{}, errNoServer
	}
	if err := checkMethod(method); err != nil {
		return ejson.Value{}, err
	}
	return s.callServer(ctx, method, params)
}

func (s *storeSource) close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
