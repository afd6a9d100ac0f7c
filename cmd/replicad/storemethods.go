package main

import (
	"context"
	"errors"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
	"github.com/replicad/replicad/store"
)

// method names a method that writes to the store. Its result is sent once what it
// wrote is on disk, `updated` once that has been fed to the caller's subscriptions.
func (s *storeServer) method(name string, fn func(ejson.Array) (any, error)) {
	s.ddp.Method(name, func(ctx context.Context, c *server.Call) (any, error) {
		result, err := fn(c.Params)
		if err != nil {
			return nil, writeError(err)
		}
		seq := s.store.Snapshot().Seq()
		c.Fence(uint64(seq))
		if s.flush != nil {
			if err := s.flush(ctx, seq); err != nil {
				return nil, &ddp.Error{Code: "not-durable", Reason: "done, but not on disk yet: " + err.Error()}
			}
		}
		return result, nil
	})
}

// insert is Meteor's /<coll>/insert: [doc], and returns the id.
func (s *storeServer) insert(name string) func(ejson.Array) (any, error) {
	return func(params ejson.Array) (any, error) {
		doc := at(params, 0)
		if doc.Kind() != ejson.Object {
			return nil, usagef("wants [doc], got %v", params.Value())
		}
		id, err := s.store.Collection(name).InsertOne(doc.Doc())
		return id.Value(), err
	}
}

// update is Meteor's /<coll>/update: [selector, modifier, options], and returns
// how many documents it was for. The options are multi and upsert.
func (s *storeServer) update(name string) func(ejson.Array) (any, error) {
	return func(params ejson.Array) (any, error) {
		selector, err := selectorOf(at(params, 0))
		if err != nil {
			return nil, usagef("selector: %w", err)
		}
		modifier := at(params, 1)
		if modifier.Kind() != ejson.Object {
			return nil, usagef("wants [selector, modifier, options], got %v", params.Value())
		}
		c := s.store.Collection(name)
		options := at(params, 2).Doc()
		switch {
		case options.Field("upsert").Bool():
			_, _, err := c.UpsertOne(selector, modifier.Doc())
			return 1, err
		case options.Field("multi").Bool():
			return c.UpdateMany(selector, modifier.Doc())
		}
		_, err = c.UpdateOne(selector, modifier.Doc())
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		return 1, err
	}
}

// remove is Meteor's /<coll>/remove: [selector], and returns how many there were.
func (s *storeServer) remove(name string) func(ejson.Array) (any, error) {
	return func(params ejson.Array) (any, error) {
		selector, err := selectorOf(at(params, 0))
		if err != nil {
			return nil, usagef("selector: %w", err)
		}
		return s.store.Collection(name).DeleteMany(selector)
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
