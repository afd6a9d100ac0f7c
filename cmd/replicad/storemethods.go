package main

import (
	"context"
	"errors"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// writeFunc is a method that writes: all that it does is in one transaction.
type writeFunc func(tx *store.Tx, params ejson.Array) (any, error)

// method names a method that writes to the store. Its result is sent once what it
// wrote is on disk, `updated` once that has been fed to the caller's subscriptions.
// What it answered is kept in the same commit as what it wrote; see recall.
func (s *storeServer) method(name string, write writeFunc) {
	s.ddp.Method(name, func(ctx context.Context, c *server.Call) (result any, err error) {
		seq, err := s.store.Update(func(tx *store.Tx) error {
			if result, err = write(tx, c.Params); err != nil {
				return err
			}
			record, err := c.Record(result, nil)
			if err != nil || record.IsZero() {
				return err
			}
			return s.remember(tx, record)
		})
		if err != nil {
			return nil, writeError(err)
		}
		return result, s.settled(ctx, c, seq)
	})
}

// settled waits until a commit is on disk, and has updated wait for the publications.
// While the disk fails, a call that is remembered has no answer yet: it was made, and
// must be neither acknowledged nor refused, for then somebody might make it again. Any
// other call ends with an error that says so.
func (s *storeServer) settled(ctx context.Context, c *server.Call, seq store.Seq) error {
	c.Fence(uint64(seq))
	if s.flush == nil {
		return nil
	}
	for {
		err := s.flush(ctx, seq)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil, errors.Is(err, persist.ErrClosed):
			return err
		case c.Key() == "":
			return &ddp.Error{Code: "not-durable", Reason: "done, but not on disk yet: " + err.Error()}
		}
		select {
		case <-time.After(diskPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// diskPause is how long a call waits before it asks again after a disk that fails.
const diskPause = 100 * time.Millisecond

// callsCollection has the answers of calls that were made, by the ids that clients gave
// them for ever. So a call that is sent again, because a client, a link or this server
// died before the answer arrived, is answered and not made again.
const callsCollection = "replicad.calls"

// maxCallsKept bounds how many answers are kept; beyond, the oldest go.
const maxCallsKept = 1_000_000

// remember keeps an answer, in the transaction in which the call writes.
func (s *storeServer) remember(tx *store.Tx, record ejson.Doc) error {
	if over := tx.Len(callsCollection) - maxCallsKept; over >= 0 {
		var oldest []ejson.ID
		for d := range tx.Each(callsCollection) {
			if oldest = append(oldest, d.ID()); len(oldest) > over+maxCallsKept/100 {
				break
			}
		}
		for _, id := range oldest {
			tx.Delete(callsCollection, id)
		}
	}
	return tx.Put(callsCollection, record)
}

// rememberFor has answers forgotten when they are that old.
func rememberFor(s *store.Store, age time.Duration) error {
	const name = "horizon"
	calls := s.Collection(callsCollection)
	horizon := store.IndexOptions{Name: name, Keys: []string{"at"}, Expire: true, TTL: age}
	err := calls.EnsureIndex(horizon)
	if errors.Is(err, store.ErrIndexConflict) { // it was another age
		if err = calls.DropIndex(name); err == nil {
			err = calls.EnsureIndex(horizon)
		}
	}
	return err
}

// recall returns what a call was answered that was made before; the zero Doc if it was
// not. What it wrote is on disk then, as if it had been made now.
func (s *storeServer) recall(ctx context.Context, c *server.Call) (ejson.Doc, error) {
	snap := s.store.Snapshot()
	record, ok := snap.Get(callsCollection, ejson.StringID(c.Key()))
	if !ok {
		return ejson.Doc{}, nil
	}
	return record, s.settled(ctx, c, snap.Seq())
}

// insert is Meteor's /<coll>/insert: [doc], and returns the id.
func (s *storeServer) insert(name string) writeFunc {
	return func(tx *store.Tx, params ejson.Array) (any, error) {
		doc := at(params, 0)
		if doc.Kind() != ejson.Object {
			return nil, usagef("wants [doc], got %v", params.Value())
		}
		id, err := tx.Insert(name, doc.Doc())
		return id.Value(), err
	}
}

// update is Meteor's /<coll>/update: [selector, modifier, options], and returns
// how many documents it was for. The options are multi and upsert.
func (s *storeServer) update(name string) writeFunc {
	return func(tx *store.Tx, params ejson.Array) (any, error) {
		selector, err := selectorOf(at(params, 0))
		if err != nil {
			return nil, usagef("selector: %w", err)
		}
		if at(params, 1).Kind() != ejson.Object {
			return nil, usagef("wants [selector, modifier, options], got %v", params.Value())
		}
		modifier, err := query.CompileModifier(at(params, 1).Doc())
		if err != nil {
			return nil, err
		}
		matcher, err := query.Compile(selector)
		if err != nil {
			return nil, err
		}
		options := at(params, 2).Doc()
		if options.Field("multi").Bool() && !options.Field("upsert").Bool() {
			return tx.Update(name, matcher, modifier)
		}
		// The transaction has written nothing yet: what a snapshot finds, it finds too.
		d, err := s.store.Collection(name).FindOne(matcher)
		switch missing := errors.Is(err, store.ErrNotFound); {
		case missing && options.Field("upsert").Bool():
			d, err = modifier.Upsert(matcher, query.At{Index: -1, Now: time.Now()})
			if err == nil {
				_, err = tx.Insert(name, d)
			}
			return 1, err
		case missing:
			return 0, nil
		case err != nil:
			return nil, err
		}
		index, _ := matcher.MatchAt(d)
		after, err := modifier.ApplyAt(d, query.At{Index: index, Now: time.Now()})
		if err == nil && after.ID() != d.ID() {
			err = store.ErrImmutableID
		}
		if err != nil || after == d {
			return 1, err
		}
		return 1, tx.Put(name, after)
	}
}

// remove is Meteor's /<coll>/remove: [selector], and returns how many there were.
func (s *storeServer) remove(name string) writeFunc {
	return func(tx *store.Tx, params ejson.Array) (any, error) {
		selector, err := selectorOf(at(params, 0))
		if err != nil {
			return nil, usagef("selector: %w", err)
		}
		docs, err := s.store.Collection(name).Find(selector).All()
		for _, d := range docs {
			tx.Delete(name, d.ID())
		}
		return len(docs), err
	}
}

// writeError says to the client what was wrong with its write. But for a store that
// is closing, a write is refused for nothing else.
func writeError(err error) error {
	switch {
	case errors.Is(err, store.ErrClosed):
		return err
	case errors.Is(err, store.ErrDuplicateID):
		return ddp.NumericError(409, err.Error())
	default:
		return badRequest(err)
	}
}
