package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// Insert puts a document into a collection of the server's, by way of the server: it
// is Do of Meteor's method /<collection>/insert, which shows the document at once. A
// document without _id is given one; the id is returned. doc is anything that
// ejson.From takes.
//
// Errors are those of Do; store.ErrDuplicateID where such a document is here; those
// of ejson.From. What the server allows it says later: see Pending.Result.
func (r *Replica) Insert(ctx context.Context, collection string, doc any) (ejson.ID, *Pending, error) {
	d, err := ejson.From(doc)
	if err != nil {
		return ejson.ID{}, nil, err
	}
	switch v := d.Field("_id"); {
	case v.IsMissing(), v.Kind() == ejson.Null, v.Kind() == ejson.String && v.Str() == "":
		d = d.WithID(ejson.StringID(ddp.NewID()))
	}
	id := d.ID()
	if id.IsZero() {
		return ejson.ID{}, nil, fmt.Errorf("sync: insert into %q: %w", collection, store.ErrNoID)
	}
	p, err := r.Do(ctx, Method{Name: "/" + collection + "/insert", Params: []any{d}, Entity: entityOf(collection, id)})
	if err != nil {
		return ejson.ID{}, nil, err
	}
	return id, p, nil
}

// Update modifies a document of a collection of the server's, by way of the server: it
// is Do of Meteor's method /<collection>/update, which shows the effect at once.
// modifier is anything that query.CompileModifier takes but a modifier that it
// returned, and goes to the server as it is. A document that is not here is modified
// at the server, if it is there.
//
// Errors are those of Do; a *query.SyntaxError or *query.UpdateError of the modifier.
func (r *Replica) Update(ctx context.Context, collection string, id ejson.ID, modifier any) (*Pending, error) {
	if _, err := query.CompileModifier(modifier); err != nil {
		return nil, err
	}
	return r.Do(ctx, Method{
		Name: "/" + collection + "/update", Params: []any{selectorOf(id), modifier},
		Entity: entityOf(collection, id),
	})
}

// Remove removes a document of a collection of the server's, by way of the server: it
// is Do of Meteor's method /<collection>/remove, which shows the effect at once.
//
// Errors are those of Do.
func (r *Replica) Remove(ctx context.Context, collection string, id ejson.ID) (*Pending, error) {
	return r.Do(ctx, Method{
		Name: "/" + collection + "/remove", Params: []any{selectorOf(id)},
		Entity: entityOf(collection, id),
	})
}

// entityOf makes writes to one document go one after another.
func entityOf(collection string, id ejson.ID) string { return collection + "/" + id.Wire() }

func selectorOf(id ejson.ID) ejson.Doc {
	var b ejson.Builder
	b.Add("_id", id.Value())
	return b.Doc()
}

// stubOf returns the stub of a method: the program's, or that of one of the methods
// by which Meteor's clients write to collections; nil for none.
func (l *loop) stubOf(name string) Stub {
	if fn := l.stubs[name]; fn != nil {
		return fn
	}
	if !strings.HasPrefix(name, "/") {
		return nil
	}
	at := strings.LastIndexByte(name, '/')
	if at <= 1 {
		return nil
	}
	write := writeStubs[name[at+1:]]
	if write == nil {
		return nil
	}
	collection := name[1:at]
	return func(tx *Tx, in Invocation) error { return write(tx, collection, in.Params) }
}

var writeStubs = map[string]func(tx *Tx, collection string, params ejson.Array) error{
	"insert": func(tx *Tx, collection string, params ejson.Array) error {
		if params.Len() < 1 || params.At(0).Kind() != ejson.Object {
			return errors.New("sync: insert wants a document")
		}
		_, err := tx.Insert(collection, params.At(0).Doc())
		return err
	},
	"update": func(tx *Tx, collection string, params ejson.Array) error {
		if params.Len() < 2 {
			return errors.New("sync: update wants a selector and a modifier")
		}
		_, err := tx.Update(collection, params.At(0).Any(), params.At(1).Any())
		return err
	},
	"remove": func(tx *Tx, collection string, params ejson.Array) error {
		if params.Len() < 1 {
			return errors.New("sync: remove wants a selector")
		}
		_, err := tx.Remove(collection, params.At(0).Any())
		return err
	},
}
