package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	replica "github.com/replicad/replicad/sync"
)

// desk is where calls are left and looked after, and where one logs in: a replica in
// this process, or the daemon's.
type desk interface {
	// do leaves a call in the outbox, and returns its id when it is on disk. If wanted,
	// outcome waits for what the server says.
	do(ctx context.Context, d doRequest) (id string, outcome func(context.Context) (ejson.Value, error), err error)
	// entries passes the calls in the outbox to yield, in the order in which they were made.
	entries(ctx context.Context, yield func(ejson.Doc) error) error
	// follow passes the calls, and then each change of them, to yield as the events of a
	// watch, until ctx is done. A file that nobody sends from has no changes.
	follow(ctx context.Context, yield func(ejson.Doc) error) error
	// retry has a call that failed sent once more.
	retry(ctx context.Context, id string) error
	// drop takes a call out of the outbox that failed, or was never sent; with force
	// also one that the server may have made, or may yet make.
	drop(ctx context.Context, id string, force bool) error
	// export writes calls as lines, all if none is named. They stay in the outbox.
	export(ctx context.Context, w io.Writer, ids []string) error
	// take reads such lines into the outbox, all or none, less those that it has; it
	// returns how many it took.
	take(ctx context.Context, r io.Reader) (int, error)
	// login logs in, and returns the id of the user.
	login(ctx context.Context, c credential) (user string, err error)
	logout(ctx context.Context) error
	// reconnect has the server dialed now, instead of when the next try is due.
	reconnect(ctx context.Context) error
	close() error
}

// doRequest is a call for the outbox.
type doRequest struct {
	method  string
	params  ejson.Array
	entity  string
	squash  string
	ttl     time.Duration
	noRetry bool
	wait    bool // for the outcome
}

func (d doRequest) doc() ejson.Doc {
	var b ejson.Builder
	b.Add("method", ejson.StringValue(d.method))
	b.Add("params", d.params.Value())
	b.Add("entity", ejson.StringValue(d.entity))
	b.Add("squash", ejson.StringValue(d.squash))
	b.Add("ttlSeconds", ejson.NumberValue(d.ttl.Seconds()))
	b.Add("noRetry", ejson.BoolValue(d.noRetry))
	b.Add("wait", ejson.BoolValue(d.wait))
	return b.Doc()
}

// doRequestOf reads a request that the local API was given.
func doRequestOf(d ejson.Doc) (r doRequest, err error) {
	if err = onlyFields(d, "method", "params", "entity", "squash", "ttlSeconds", "noRetry", "wait"); err != nil {
		return r, err
	}
	if r.method, err = stringOf(d, "method"); err == nil && r.method == "" {
		err = usagef("method: wants a name, got none")
	}
	if err != nil {
		return r, err
	}
	switch v := d.Field("params"); v.Kind() {
	case ejson.Missing:
	case ejson.List:
		r.params = v.Array()
	default:
		return r, usagef("params: wants a list, got %v", v)
	}
	if r.entity, err = stringOf(d, "entity"); err != nil {
		return r, err
	}
	if r.squash, err = stringOf(d, "squash"); err != nil {
		return r, err
	}
	switch v := d.Field("ttlSeconds"); {
	case v.IsMissing():
	case v.Kind() != ejson.Number || !(v.Number() >= 0 && v.Number() < 1e9):
		return r, usagef("ttlSeconds: wants a number from 0, got %v", v)
	default:
		r.ttl = time.Duration(v.Number() * float64(time.Second))
	}
	if r.noRetry, err = boolOf(d, "noRetry"); err != nil {
		return r, err
	}
	r.wait, err = boolOf(d, "wait")
	return r, err
}

// boolOf reads true or false; it may be absent.
func boolOf(d ejson.Doc, name string) (bool, error) {
	v := d.Field(name)
	if v.Kind() != ejson.Bool && !v.IsMissing() {
		return false, usagef("%s: wants true or false, got %v", name, v)
	}
	return v.Bool(), nil
}

// replicaDesk is a replica of this process as a desk.
type replicaDesk struct {
	replica *replica.Replica
	// accepts says that somebody will send the calls: outcomes may be waited for.
	accepts bool
	closer  io.Closer // nil: nothing is to be closed
}

var _ desk = (*replicaDesk)(nil)

// openDesk opens the file of a replica that no daemon holds. Nothing is dialed: what is
// left there is sent by the next daemon that opens the file.
func openDesk(ctx context.Context, path string) (*replicaDesk, error) {
	src, err := openFile(ctx, path) // which makes no file, and says who has it
	if err != nil {
		return nil, err
	}
	_, ours := src.store.Snapshot().Get("sync.meta", ejson.StringID("replica"))
	if err := src.close(); err != nil {
		return nil, err
	}
	if !ours {
		return nil, fmt.Errorf("--db %s: it is no replica's, and has no outbox; a replica's file is made by 'replicad sync'", path)
	}
	r, err := replica.Open(ctx, "", replica.Options{
		Path:    path,
		Schema:  -1, // whatever program wrote the documents
		Offline: true,
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return &replicaDesk{replica: r, closer: r}, nil
}

func (d *replicaDesk) do(ctx context.Context, q doRequest) (string, func(context.Context) (ejson.Value, error), error) {
	if err := checkMethod(q.method); err != nil {
		return "", nil, err
	}
	if q.wait && !d.accepts {
		return "", nil, usagef("nobody sends what is left in a file: --wait wants a daemon (--addr)")
	}
	p, err := d.replica.Do(ctx, replica.Method{
		Name: q.method, Params: params(q.params), Entity: q.entity, Squash: q.squash, TTL: q.ttl, NoRetry: q.noRetry,
	})
	if err != nil {
		return "", nil, err
	}
	return p.ID(), func(ctx context.Context) (ejson.Value, error) {
		result, err := p.Result(ctx)
		if err != nil || result == nil {
			return ejson.Value{}, err
		}
		return ejson.ValueOf(result)
	}, nil
}

func (d *replicaDesk) entries(_ context.Context, yield func(ejson.Doc) error) error {
	for _, e := range d.replica.Store().Snapshot().Each(replica.OutboxCollection) {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

func (d *replicaDesk) follow(ctx context.Context, yield func(ejson.Doc) error) error {
	calls := d.replica.Store().Collection(replica.OutboxCollection).Find(nil)
	for batch, err := range observe.Batches(ctx, calls) {
		if err != nil {
			return err
		}
		if err := batchDocs(batch, yield); err != nil || !d.accepts {
			return err
		}
	}
	return ctx.Err()
}

// pending finds a call of the outbox.
func (d *replicaDesk) pending(id string) (*replica.Pending, error) {
	p, err := d.replica.Pending(id)
	if errors.Is(err, replica.ErrNoCall) {
		return nil, noSuchCall(id)
	}
	return p, err
}

func (d *replicaDesk) retry(ctx context.Context, id string) error {
	p, err := d.pending(id)
	if err != nil {
		return err
	}
	if _, err := p.Retry(); errors.Is(err, replica.ErrNoCall) {
		return usagef("call %q has not failed: it is sent without that", id)
	} else if err != nil {
		return err
	}
	return d.replica.Flush(ctx)
}

func (d *replicaDesk) drop(ctx context.Context, id string, force bool) error {
	p, err := d.pending(id)
	if err != nil {
		return err
	}
	if err = p.Dismiss(); errors.Is(err, replica.ErrNoCall) {
		err = p.Cancel()
	}
	if errors.Is(err, replica.ErrSent) {
		if !force {
			return usagef("call %q was sent, and the server may have made it: --force drops it all the same", id)
		}
		err = p.Drop()
	}
	return cmp.Or(err, d.replica.Flush(ctx))
}

func (d *replicaDesk) export(_ context.Context, w io.Writer, ids []string) error {
	for _, id := range ids {
		if _, err := d.pending(id); err != nil {
			return err
		}
	}
	_, err := d.replica.Export(w, ids...)
	return err
}

func (d *replicaDesk) take(ctx context.Context, r io.Reader) (int, error) {
	n, err := d.replica.Import(ctx, r)
	return n, cmp.Or(err, d.replica.Flush(ctx))
}

func (d *replicaDesk) login(ctx context.Context, c credential) (string, error) {
	if !d.accepts {
		return "", usagef("a file does not log in: log in through the daemon (--addr)")
	}
	user, err := d.replica.Login(ctx, c.replica())
	if err != nil {
		return "", err
	}
	return user, noteAccount(ctx, d.replica, c, user)
}

func (d *replicaDesk) logout(ctx context.Context) error {
	if !d.accepts {
		return usagef("a file does not log out: log out through the daemon (--addr)")
	}
	if err := d.replica.Logout(ctx); err != nil {
		return err
	}
	return d.replica.Flush(ctx)
}

func (d *replicaDesk) reconnect(context.Context) error {
	if !d.accepts {
		return usagef("a file has no connection: reconnect the daemon (--addr)")
	}
	return d.replica.Reconnect()
}

func (d *replicaDesk) close() error {
	if d.closer == nil {
		return nil
	}
	return d.closer.Close()
}
