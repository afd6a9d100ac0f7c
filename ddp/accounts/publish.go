package accounts

import (
	"context"
	"errors"
	"sync"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// users is the collection of users' documents.
const users = "users"

// document is the usual Options.Document.
func document(u User) ejson.Doc {
	d := ejson.Make()
	if u.Username != "" {
		d = d.With("username", u.Username)
	}
	if len(u.Emails) > 0 {
		var list ejson.ListBuilder
		for _, e := range u.Emails {
			list.Append(ejson.Make().With("address", e.Address).With("verified", e.Verified).Value())
		}
		d = d.WithValue("emails", list.Array().Value())
	}
	if !u.Profile.IsZero() {
		d = d.WithValue("profile", u.Profile.Value())
	}
	return d
}

// viewer is a publication of a user to themselves.
type viewer struct {
	mu    sync.Mutex // held from looking the user up until they are shown
	p     *server.Publication
	shown bool // guarded by mu
}

// publish is the universal publication of a user's own document.
func (a *Accounts) publish(ctx context.Context, p *server.Publication) error {
	if p.UserID == "" {
		return nil
	}
	v := &viewer{p: p}
	a.mu.Lock()
	if a.shown[p.UserID] == nil {
		a.shown[p.UserID] = make(map[*viewer]bool)
	}
	a.shown[p.UserID][v] = true
	a.mu.Unlock()
	p.OnStop(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.shown[p.UserID], v)
		if len(a.shown[p.UserID]) == 0 {
			delete(a.shown, p.UserID)
		}
	})
	return a.show(ctx, v)
}

// show publishes a user's document as it is now.
func (a *Accounts) show(ctx context.Context, v *viewer) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	// Without an account it is one whom Server.Authorize knows and the store does not, or
	// who is gone.
	u, err := a.store.Find(ctx, Key{ID: v.p.UserID})
	if err != nil && !errors.Is(err, ErrNoUser) {
		return err
	}
	var d ejson.Doc
	if err == nil {
		d = a.opts.Document(u)
	}
	id := ejson.StringID(v.p.UserID)
	switch {
	case !d.IsZero():
		v.p.Added(users, d.WithID(id))
	case v.shown:
		v.p.Removed(users, id)
	}
	v.shown = !d.IsZero()
	return nil
}
