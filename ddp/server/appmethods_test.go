package server_test

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// modify applies an update of dotted $set and $unset, all that the recordings use.
func modify(d, mod ejson.Doc) ejson.Doc {
	for path, v := range mod.Field("$set").Doc().Fields() {
		if head, tail, ok := strings.Cut(path, "."); ok {
			v = d.Field(head).Doc().WithValue(tail, v).Value()
			path = head
		}
		d = d.WithValue(path, v)
	}
	for name := range mod.Field("$unset").Doc().Fields() {
		d = d.Without(name)
	}
	return d
}

type matchError struct{}

func (matchError) Error() string         { return "match error: expected string" }
func (matchError) Sanitized() *ddp.Error { return ddp.NumericError(400, "Match failed") }

type teapot struct{}

func (teapot) Error() string         { return "secret" }
func (teapot) Sanitized() *ddp.Error { return ddp.NumericError(418, "teapot") }

func (a *app) methods() {
	a.Method("echo", func(_ context.Context, c *server.Call) (any, error) {
		if c.Params.Len() == 0 {
			return ejson.ArrayOf(), nil
		}
		return c.Params.At(0), nil
	})
	a.Method("sum", func(_ context.Context, c *server.Call) (any, error) {
		sum := 0.0
		for _, v := range c.Params.All() {
			sum += v.Number()
		}
		return sum, nil
	})
	a.Method("nothing", func(context.Context, *server.Call) (any, error) { return nil, nil })
	a.Method("nullResult", func(context.Context, *server.Call) (any, error) { return ejson.NullValue(), nil })
	a.Method("reset", func(context.Context, *server.Call) (any, error) {
		a.write(func() { a.items, a.inserts = a.items[:0], 0 })
		return true, nil
	})
	a.Method("insert", func(_ context.Context, c *server.Call) (any, error) {
		d := c.Params.At(0).Doc()
		if d.ID().IsZero() {
			id := c.Random().DocumentID("items")
			if c.RandomSeed == "" && len(a.newIDs) > 0 {
				id, a.newIDs = a.newIDs[0], a.newIDs[1:]
			}
			d = d.WithID(ejson.StringID(id))
		}
		if ms := param(c.Params, 1).Doc().Field("delay").Number(); ms > 0 {
			c.Wait(func(ctx context.Context) error { sleep(ctx, ms); a.insert(d); return nil })
		} else {
			a.insert(d)
		}
		return d.Field("_id"), nil
	})
	a.Method("update", func(_ context.Context, c *server.Call) (any, error) {
		n := 0
		a.write(func() {
			for i, d := range a.items {
				if d.Field("_id").Same(c.Params.At(0)) {
					a.items[i] = modify(d, c.Params.At(1).Doc())
					n++
				}
			}
		})
		return n, nil
	})
	a.Method("remove", func(_ context.Context, c *server.Call) (any, error) {
		n := 0
		a.write(func() {
			a.items = slices.DeleteFunc(a.items, func(d ejson.Doc) bool {
				gone := d.Field("_id").Same(c.Params.At(0))
				if gone {
					n++
				}
				return gone
			})
		})
		return n, nil
	})
	a.Method("count", func(_ context.Context, c *server.Call) (any, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.counts[c.Params.At(0).Str()]++
		return a.counts[c.Params.At(0).Str()], nil
	})
	a.Method("insertCount", func(context.Context, *server.Call) (any, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.inserts, nil
	})
	slow := func(name string, unblock bool) {
		a.Method(name, func(ctx context.Context, c *server.Call) (any, error) {
			if unblock {
				c.Unblock()
			}
			sleep(ctx, c.Params.At(0).Number())
			if c.Params.Len() < 2 {
				return name, nil
			}
			return c.Params.At(1), nil
		})
	}
	slow("slow", false)
	slow("slowUnblock", true)
	fail := func(name string, err error) {
		a.Method(name, func(context.Context, *server.Call) (any, error) { return nil, err })
	}
	fail("errMeteor", &ddp.Error{Code: "bad-thing", Reason: "A reason", Details: must(`{"info":[1,2]}`)})
	fail("errMeteorNum", ddp.NumericError(403, "Forbidden"))
	fail("errPlain", errors.New("secret"))
	fail("errSanitized", teapot{})
	fail("errMatch", matchError{})
	fail("errClientSafe", &ddp.Error{Code: "custom", Reason: "r"})
	a.Method("whoami", func(_ context.Context, c *server.Call) (any, error) {
		user := ejson.NullValue()
		if c.UserID != "" {
			user = ejson.StringValue(c.UserID)
		}
		return ejson.Make().WithValue("userId", user).With("conn", c.Session().ID()), nil
	})
	a.Method("closeMe", func(_ context.Context, c *server.Call) (any, error) {
		c.Session().Close()
		return true, nil
	})
	a.Method("randomKinds", func(_ context.Context, c *server.Call) (any, error) {
		r, seed := c.Random(), ejson.NullValue()
		if c.RandomSeed != "" {
			seed = ejson.StringValue(c.RandomSeed)
		}
		return ejson.Make().
			With("id", r.DocumentID("items")).
			With("id2", r.DocumentID("items")).
			With("other", r.Stream("other").ID(17)).
			With("hex", r.Stream("hex").Hex(24)).
			With("frac", r.Stream("frac").Fraction()).
			With("def", r.Stream("").ID(17)).
			WithValue("seed", seed), nil
	})
	a.Method("login", a.login)
	a.Method("logout", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("") })
}

// login knows two users, by one token and by a password each.
func (a *app) login(_ context.Context, c *server.Call) (any, error) {
	how := c.Params.At(0).Doc()
	user, typ := "", "password"
	switch {
	case !how.Field("resume").IsMissing():
		typ = "resume"
		if how.Field("resume").Str() != "resume-token-1" {
			return nil, ddp.NumericError(403, "You've been logged out by the server. Please log in again.")
		}
		user = "user1"
	default:
		if len(how.Field("password").Doc().Field("digest").Str()) != 64 {
			return nil, ddp.NumericError(403, "Incorrect password")
		}
		user = map[string]string{"alice": "user1", "bob": "user2"}[how.Field("user").Doc().Field("username").Str()]
	}
	if err := c.SetUserID(user); err != nil {
		return nil, err
	}
	return ejson.Make().With("id", user).With("token", "resume-token-1").
		WithValue("tokenExpires", ejson.DateValue(0)).With("type", typ), nil
}

// accounts adds the universal publication of the user's own document.
func (a *app) accounts() {
	a.Publish("", func(_ context.Context, p *server.Publication) error {
		if p.UserID != "" {
			name := map[string]string{"user1": "alice", "user2": "bob"}[p.UserID]
			p.Added("users", must(`{"_id":"`+p.UserID+`","username":"`+name+`"}`))
		}
		return nil
	})
}
