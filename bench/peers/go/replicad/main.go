package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/replicad/replicad/bench"
	"github.com/replicad/replicad/bench/peers/peer"
	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/observe"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

type ours struct {
	s       *store.Store
	c       store.Collection[ejson.Doc]
	db      *persist.DB
	inc     *query.Modifier
	authors map[string]store.Query[ejson.Doc]
	rooms   map[string]store.Query[ejson.Doc]
	handles []*observe.Handle
	field   string                     // that is observed
	of      map[string]*observe.Handle // by its value
	shown   []*[]ejson.Doc
	last    store.Seq
	untold  int // changes since an observer was last waited for
}

func main() { peer.Main(newOurs) }

func newOurs() (peer.Peer, error) {
	inc, err := query.CompileModifier(map[string]any{"$inc": map[string]any{"nested.likes": 1}})
	return &ours{inc: inc, of: map[string]*observe.Handle{}}, err
}

func (*ours) How() string {
	return "documents as ejson.Doc, 1,000 a transaction; indexes on author and (room, -ts); queries and the modifier prepared; FindID; Prefetch of a batch; on disk the next 1,000 are put together while the last are being synced; results iterated, documents not decoded; observe.Start, and a wait after 32 changes for the observer of the last, so that each change is told by itself"
}

func (o *ours) Close() error { o.Unwatch(); return nil }

func (*ours) Prepare(list []ejson.Doc) any { return list }

func (o *ours) reset(opts store.Options) error {
	o.s = store.New(opts)
	o.authors, o.rooms = map[string]store.Query[ejson.Doc]{}, map[string]store.Query[ejson.Doc]{}
	o.c = o.s.Collection("docs")
	if err := o.c.Index("author"); err != nil {
		return err
	}
	return o.c.Index("room", "-ts")
}

func (o *ours) Load(prepared any) error {
	if err := o.reset(store.Options{}); err != nil {
		return err
	}
	return o.put(prepared.([]ejson.Doc), nil)
}

// put inserts documents, a thousand a transaction. If there is a disk it has each
// before the one after the next is begun, and all at the end: while one is being put
// together, that before is being written.
func (o *ours) put(list []ejson.Doc, db *persist.DB) error {
	before := store.Seq(0)
	for part := range slices.Chunk(list, 1000) {
		seq, err := o.s.Update(func(tx *store.Tx) error {
			for _, d := range part {
				if err := tx.Put("docs", d); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && db != nil {
			err = db.Flush(context.Background(), before)
		}
		if err != nil {
			return err
		}
		before = seq
	}
	if db != nil {
		return db.Flush(context.Background(), before)
	}
	return nil
}

func tell(d ejson.Doc, take peer.Take) {
	nested := d.Field("nested").Doc()
	take(int(d.Field("n").Number()), d.Field("ts").Millis(), int(nested.Field("likes").Number()))
}

func (o *ours) ByID(id string, take peer.Take) error {
	d, err := o.c.FindID(ejson.StringID(id))
	if err == nil && take != nil {
		tell(d, take)
	}
	return err
}

func run(q store.Query[ejson.Doc], take peer.Take) (n int, err error) {
	for d, err := range q.Each() {
		if err != nil {
			return n, err
		}
		if n++; take != nil {
			tell(d, take)
		}
	}
	return n, nil
}

func (o *ours) ByAuthor(author string, take peer.Take) (int, error) {
	q, ok := o.authors[author]
	if !ok {
		q = o.c.Find(map[string]any{"author": author})
		o.authors[author] = q
	}
	return run(q, take)
}

func (o *ours) Scan(take peer.Take) (int, error) {
	q, ok := o.rooms[""]
	if !ok {
		q = o.c.Find(map[string]any{
			"nested.a.b": map[string]any{"$gt": 500},
			"tags":       map[string]any{"$in": []any{"tag3", "tag17", "tag40"}},
			"flag":       true,
		})
		o.rooms[""] = q
	}
	return run(q, take)
}

func (o *ours) Newest(room string, limit int, take peer.Take) (int, error) {
	q, ok := o.rooms[room]
	if !ok {
		q = o.c.Find(map[string]any{"room": room}).Sort("-ts").Limit(limit)
		o.rooms[room] = q
	}
	return run(q, take)
}

func (o *ours) update(fn func(tx *store.Tx) error) error {
	seq, err := o.s.Update(fn)
	if err == nil {
		o.last = seq
	}
	return err
}

func (o *ours) Inc(id string) error {
	at := ejson.StringID(id)
	err := o.update(func(tx *store.Tx) error {
		_, err := tx.UpdateID("docs", at, o.inc)
		return err
	})
	if err != nil || !o.due() {
		return err
	}
	d, _ := o.s.Snapshot().Get("docs", at)
	return o.of[d.Field(o.field).Str()].Wait(context.Background(), o.last)
}

// due reports whether to wait for an observer: one that lags would be told of several
// changes as one.
func (o *ours) due() bool {
	o.untold++
	return len(o.handles) > 0 && o.untold%32 == 0
}

func (o *ours) IncBatch(ids []string) error {
	list := make([]ejson.ID, len(ids))
	for i, id := range ids {
		list[i] = ejson.StringID(id)
	}
	return o.update(func(tx *store.Tx) error {
		tx.Prefetch("docs", list)
		for _, id := range list {
			if _, err := tx.UpdateID("docs", id, o.inc); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *ours) Watch(field, value string, newest, check bool) error {
	q := o.c.Find(map[string]any{field: value})
	if newest {
		q = q.Sort("-ts").Limit(50)
	}
	events := 0
	fn := func(b observe.Batch[ejson.Doc]) { events += len(b.Events) }
	if check {
		// The differences alone make the result.
		list := new([]ejson.Doc)
		o.shown = append(o.shown, list)
		fn = func(b observe.Batch[ejson.Doc]) { *list = applied(*list, b.Events) }
	}
	h, err := observe.Start(q, fn)
	if err == nil {
		o.handles, o.field, o.of[value] = append(o.handles, h), field, h
	}
	return err
}

// applied returns a list after events; unsorted results have no places.
func applied(list []ejson.Doc, events []observe.Event[ejson.Doc]) []ejson.Doc {
	for _, e := range events {
		from, to := e.From, e.To
		if from < 0 && !e.Old.IsZero() {
			for i, d := range list {
				if d.ID() == e.ID {
					from = i
				}
			}
		}
		if to < 0 && !e.New.IsZero() {
			to = max(from, 0)
		}
		if from >= 0 {
			list = append(list[:from], list[from+1:]...)
		}
		if to >= 0 {
			list = append(list[:to], append([]ejson.Doc{e.New}, list[to:]...)...)
		}
	}
	return list
}

func (o *ours) Settle() error {
	for _, h := range o.handles {
		if err := h.Wait(context.Background(), o.last); err != nil {
			return err
		}
	}
	return nil
}

func (o *ours) Shown(take peer.Take) {
	for _, list := range o.shown {
		for _, d := range *list {
			tell(d, take)
		}
	}
}

func (o *ours) Unwatch() {
	for _, h := range o.handles {
		h.Stop()
	}
	o.handles, o.shown = nil, nil
	clear(o.of)
}

func (*ours) PrepareChange(_ int, d ejson.Doc) any { return d }

func (o *ours) Change(kind int, prepared any) error {
	d := prepared.(ejson.Doc)
	err := o.update(func(tx *store.Tx) error {
		if bench.OpKind(kind) == bench.Remove {
			tx.Delete("docs", d.ID())
			return nil
		}
		return tx.Put("docs", d)
	})
	if err == nil && o.due() {
		err = o.handles[0].Wait(context.Background(), o.last)
	}
	return err
}

func (o *ours) Ingest(frames [][]byte) error {
	if err := o.reset(store.Options{}); err != nil {
		return err
	}
	in := ddp.Decoder{Whole: true} // as a replica's connection has it
	return peer.Ingest(frames, func(f []byte) (ejson.Doc, error) {
		m, err := in.Decode(f)
		a, ok := m.(ddp.Added)
		if err == nil && !ok {
			err = fmt.Errorf("not an added message: %s", f)
		}
		return a.Fields, err
	}, func(batch []ejson.Doc) error { return o.put(batch, nil) })
}

func (o *ours) open(path string) (err error) {
	if o.db, err = persist.Open(context.Background(), path, persist.Options{}); err != nil {
		return err
	}
	if err := o.reset(store.Options{Journal: o.db}); err != nil {
		return err
	}
	return o.s.Load(o.db.Seq(), o.db.Records())
}

func (o *ours) Save(path string, list []ejson.Doc) error {
	if err := o.open(path); err != nil {
		return err
	}
	if err := o.put(list, nil); err != nil {
		return err
	}
	return o.db.Close()
}

func (o *ours) First(path, id string) error {
	if err := o.open(path); err != nil {
		return err
	}
	return o.ByID(id, nil)
}

func (o *ours) Rest() (int, error) { return o.s.Snapshot().Len("docs"), nil }

func (o *ours) Shut() error { return o.db.Close() }

func (o *ours) Durable(path string, prepared any) (int64, error) {
	if err := o.open(path); err != nil {
		return 0, err
	}
	if err := o.put(prepared.([]ejson.Doc), o.db); err != nil {
		return 0, err
	}
	if err := o.db.Close(); err != nil {
		return 0, err
	}
	return o.db.Stats().Bytes, nil
}

func (o *ours) Dial(url string, n int) error {
	ctx := context.Background()
	r, err := replica.Open(ctx, url, replica.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	defer r.Close()
	c := r.Store().Collection("docs")
	if err := c.Index("author"); err != nil {
		return err
	}
	if err := c.Index("room", "-ts"); err != nil {
		return err
	}
	sub, err := r.Subscribe("docs")
	if err != nil {
		return err
	}
	if err := sub.Ready(ctx); err != nil {
		return err
	}
	if got := r.Store().Snapshot().Len("docs"); got != n {
		return fmt.Errorf("%d documents, wants %d", got, n)
	}
	return nil
}
