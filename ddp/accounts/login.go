package accounts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// login is the method of that name.
func (a *Accounts) login(ctx context.Context, c *server.Call) (any, error) {
	if c.Params.Len() == 0 || c.Params.At(0).Kind() != ejson.Object {
		return nil, errMatch
	}
	how := c.Params.At(0).Doc()
	if v := how.Field("resume"); !v.IsMissing() {
		if v.Kind() != ejson.String {
			return nil, errMatch
		}
		return a.resume(ctx, c, v.Str())
	}
	if !how.Field("password").IsMissing() {
		u, err := a.byPassword(ctx, how)
		if err != nil {
			return nil, err
		}
		return a.begin(ctx, c, u, "password")
	}
	a.mu.Lock()
	handlers := slices.Clone(a.handlers)
	a.mu.Unlock()
	for _, h := range handlers {
		id, service, err := h(ctx, c, how)
		if err != nil {
			return nil, err
		}
		if id == "" {
			continue
		}
		u, err := a.store.Find(ctx, Key{ID: id})
		if errors.Is(err, ErrNoUser) {
			return nil, errCredentials
		}
		if err != nil {
			return nil, err
		}
		return a.begin(ctx, c, u, service)
	}
	return nil, errUnknownWay
}

// begin logs a user in who has shown who they are, and gives them a token.
func (a *Accounts) begin(ctx context.Context, c *server.Call, u User, service string) (any, error) {
	if err := a.validate(ctx, c, u); err != nil {
		return nil, err
	}
	token, t, err := a.addToken(ctx, c, u.ID, time.Now())
	if err != nil {
		return nil, err
	}
	return a.enter(ctx, c, u.ID, token, t, service)
}

func (a *Accounts) validate(ctx context.Context, c *server.Call, u User) error {
	if a.opts.Validate == nil {
		return nil
	}
	return a.opts.Validate(ctx, c, u)
}
