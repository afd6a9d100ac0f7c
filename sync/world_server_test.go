package sync

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// newServer returns a server of the world that knows of no session.
func (w *world) newServer() *server.Server {
	srv := &server.Server{Logger: quietLog(), Grace: w.grace}
	if w.remembers {
		srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.answers[c.Key()], nil
		}
	}
	w.publications(srv)
	w.logins(srv)
	// bump changes a document of a, and returns it.
	srv.Method("bump", func(ctx context.Context, c *server.Call) (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := w.run(c); err != nil {
			return nil, err
		}
		doc := w.bump("a", c.Params.At(0).Str())
		answer, err := c.Record(doc, nil)
		if !answer.IsZero() {
			w.answers[c.Key()] = answer
		}
		return doc, err
	})
	srv.Method("fail", func(ctx context.Context, c *server.Call) (any, error) {
		return nil, &ddp.Error{Code: "400", Reason: "as asked"}
	})
	return srv
}

func (w *world) publications(srv *server.Server) {
	all := func(ejson.Doc) bool { return true }
	srv.Publish("a", func(ctx context.Context, p *server.Publication) error {
		return w.stalled(ctx, p, "a", all)
	})
	srv.Publish("", func(ctx context.Context, p *server.Publication) error { return w.publish(p, "u", all) })
	srv.Publish("group", func(ctx context.Context, p *server.Publication) error {
		group := p.Params.At(0).Number()
		return w.stalled(ctx, p, "a", func(d ejson.Doc) bool { return d.Field("group").Number() == group })
	})
	srv.Publish("b", func(ctx context.Context, p *server.Publication) error {
		w.mu.Lock()
		refuses := w.refuses
		w.mu.Unlock()
		if refuses {
			return &ddp.Error{Code: "403", Reason: "not now"}
		}
		return w.stalled(ctx, p, "b", all)
	})
	srv.Publish("never", func(ctx context.Context, p *server.Publication) error {
		if err := w.stalled(ctx, p, "c", all); err != nil {
			return err
		}
		p.Unblock()
		<-ctx.Done()
		return nil
	})
}

// logins lets in everybody by name, and by the tokens that were given and that hold.
func (w *world) logins(srv *server.Server) {
	srv.Method("login", func(ctx context.Context, c *server.Call) (any, error) {
		w.mu.Lock()
		hangs := w.hangs
		w.mu.Unlock()
		if hangs {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		token := c.Params.At(0).Doc().Field("resume").Str()
		user, _, given := strings.Cut(token, "/")
		if !given {
			token = ""
		}
		answer := w.token(user, token)
		if answer == nil {
			return nil, &ddp.Error{Code: "403"}
		}
		return answer, c.SetUserID(user)
	})
	srv.Method("getNewToken", func(ctx context.Context, c *server.Call) (any, error) {
		if c.UserID == "" {
			return nil, &ddp.Error{Code: "403"}
		}
		return w.token(c.UserID, ""), nil
	})
	srv.Method("logout", func(ctx context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("") })
}

// token returns what a login with a token is answered, nil if it holds no more. "" is for
// another one.
func (w *world) token(user, token string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token == "" {
		w.given++
		token = fmt.Sprint(user, "/", w.given)
		w.tokens[token] = time.Now().Add(w.lifetime)
	}
	if !time.Now().Before(w.tokens[token]) {
		return nil
	}
	return map[string]any{"id": user, "token": token, "tokenExpires": w.tokens[token]}
}

// revoke has the last token hold no more.
func (w *world) revoke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tokens, fmt.Sprint("ann/", w.given))
	delete(w.tokens, fmt.Sprint("bob/", w.given))
}

// restart has a server take the place of another, which ends in order, or without a word.
func (w *world) restart(order bool) {
	w.mu.Lock()
	old := w.srv
	w.srv = w.newServer()
	w.resumed += old.Stats().Resumed
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if !order {
		cancel()
	}
	old.Shutdown(ctx)
}

// kick ends all sessions.
func (w *world) kick() {
	w.mu.Lock()
	srv := w.srv
	w.mu.Unlock()
	for session := range srv.Sessions() {
		session.Close()
	}
}

// stop ends the subscriptions of b that are ready.
func (w *world) stop(err error) {
	var all []*feed
	w.mu.Lock()
	for f := range w.feeds {
		if f.collection == "b" {
			all = append(all, f)
		}
	}
	w.mu.Unlock()
	for _, f := range all {
		f.p.Stop(err)
	}
}
