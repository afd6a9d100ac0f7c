package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/replicad/replicad/ddp/ejson"
)

// The desk over the local API: the daemon's side and the client's.

// addDesk adds what a desk offers to the local API.
func addDesk(mux *http.ServeMux, d desk) {
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		body, err := readDoc(r)
		if err != nil {
			answer(w, ejson.Doc{}, err)
			return
		}
		q, err := doRequestOf(body)
		if err != nil {
			answer(w, ejson.Doc{}, err)
			return
		}
		stream(func(ctx context.Context, _ request, yield func(ejson.Doc) error) error {
			id, outcome, err := d.do(ctx, q)
			if err == nil {
				err = yield(ejson.Make(ejson.Field{Name: "id", Value: id}))
			}
			if err != nil || !q.wait {
				return err
			}
			result, err := outcome(ctx)
			if err != nil {
				return err
			}
			return yield(resultDoc(result))
		}, noRequest, true)(w, r)
	})
	mux.HandleFunc("GET /outbox", stream(func(ctx context.Context, _ request, yield func(ejson.Doc) error) error {
		return d.entries(ctx, yield)
	}, noRequest, false))
	mux.HandleFunc("GET /outbox/watch", stream(func(ctx context.Context, _ request, yield func(ejson.Doc) error) error {
		return d.follow(ctx, yield)
	}, noRequest, true))
	mux.HandleFunc("POST /outbox", func(w http.ResponseWriter, r *http.Request) {
		answer(w, ejson.Make(), serveOutbox(d, r))
	})
	mux.HandleFunc("POST /outbox/export", func(w http.ResponseWriter, r *http.Request) {
		body, err := readDoc(r)
		var ids []string
		if err == nil {
			if err = onlyFields(body, "ids"); err == nil {
				ids, err = stringsOf(body, "ids")
			}
		}
		var text bytes.Buffer // which MaxOutbox and MaxFailed bound
		if err == nil {
			err = d.export(r.Context(), &text, ids)
		}
		if err != nil {
			answer(w, ejson.Doc{}, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = w.Write(text.Bytes())
	})
	mux.HandleFunc("POST /outbox/import", func(w http.ResponseWriter, r *http.Request) {
		n, err := d.take(r.Context(), r.Body)
		answer(w, ejson.Make(ejson.Field{Name: "imported", Value: n}), err)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user, err := serveLogin(d, r)
		answer(w, ejson.Make(ejson.Field{Name: "user", Value: user}), err)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		answer(w, ejson.Make(), d.logout(r.Context()))
	})
	mux.HandleFunc("POST /reconnect", func(w http.ResponseWriter, r *http.Request) {
		answer(w, ejson.Make(), d.reconnect(r.Context()))
	})
}

// resultDoc is the answer of a method; empty where the server sent no result.
func resultDoc(result ejson.Value) ejson.Doc {
	if result.IsMissing() {
		return ejson.Make()
	}
	return ejson.Make().WithValue("result", result)
}

// serveOutbox runs POST /outbox.
func serveOutbox(d desk, r *http.Request) error {
	body, err := readDoc(r)
	if err != nil {
		return err
	}
	if err := onlyFields(body, "retry", "drop", "force"); err != nil {
		return err
	}
	retry, err := stringOf(body, "retry")
	if err != nil {
		return err
	}
	drop, err := stringOf(body, "drop")
	if err != nil {
		return err
	}
	force, err := boolOf(body, "force")
	if err != nil {
		return err
	}
	switch {
	case (retry == "") == (drop == ""):
		return usagef("wants the id of a call as retry, or as drop")
	case retry != "":
		return d.retry(r.Context(), retry)
	default:
		return d.drop(r.Context(), drop, force)
	}
}

// serveLogin runs POST /login.
func serveLogin(d desk, r *http.Request) (user string, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", usagef("body: %w", err)
	}
	doc, err := ejson.Parse(body)
	if err != nil {
		return "", usagef("body: is no JSON object") // the reason would quote the body
	}
	c, err := credentialOf(doc)
	if err != nil {
		return "", err
	}
	return d.login(r.Context(), c)
}

var _ desk = (*apiClient)(nil)

func (c *apiClient) do(ctx context.Context, q doRequest) (id string, outcome func(context.Context) (ejson.Value, error), err error) {
	type line struct {
		doc ejson.Doc
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	lines := make(chan line, 2)
	go func() {
		err := c.send(ctx, http.MethodPost, "/do", q.doc().AppendJSON(nil), func(r io.Reader) error {
			return readLines(r, func(d ejson.Doc) error {
				if err := errorOf(d); err != nil {
					return err
				}
				lines <- line{doc: d}
				return nil
			})
		})
		if err == nil {
			err = errors.New("the daemon has ended before it answered")
		}
		lines <- line{err: err}
	}()
	first := <-lines
	if first.err != nil {
		cancel()
		return "", nil, first.err
	}
	if !q.wait {
		cancel()
	}
	return first.doc.Field("id").Str(), func(context.Context) (ejson.Value, error) {
		defer cancel()
		second := <-lines
		return second.doc.Field("result"), second.err
	}, nil
}

func (c *apiClient) entries(ctx context.Context, yield func(ejson.Doc) error) error {
	return c.send(ctx, http.MethodGet, "/outbox", nil, func(r io.Reader) error { return readLines(r, yield) })
}

func (c *apiClient) follow(ctx context.Context, yield func(ejson.Doc) error) error {
	err := c.send(ctx, http.MethodGet, "/outbox/watch", nil, func(r io.Reader) error {
		return readLines(r, func(d ejson.Doc) error {
			if err := errorOf(d); err != nil {
				return err
			}
			return yield(d)
		})
	})
	return cmp.Or(err, ctx.Err(), errDaemonEnded)
}

func (c *apiClient) retry(ctx context.Context, id string) error {
	_, err := c.one(ctx, http.MethodPost, "/outbox", ejson.Make(ejson.Field{Name: "retry", Value: id}))
	return err
}

func (c *apiClient) drop(ctx context.Context, id string, force bool) error {
	_, err := c.one(ctx, http.MethodPost, "/outbox", ejson.Make(
		ejson.Field{Name: "drop", Value: id}, ejson.Field{Name: "force", Value: force}))
	return err
}

func (c *apiClient) export(ctx context.Context, w io.Writer, ids []string) error {
	body := ejson.Make().WithValue("ids", stringList(ids))
	return c.send(ctx, http.MethodPost, "/outbox/export", body.AppendJSON(nil), func(r io.Reader) error {
		return printLines(w, func(yield func(ejson.Doc) error) error {
			return readLines(r, func(d ejson.Doc) error {
				if err := errorOf(d); err != nil {
					return err
				}
				return yield(d)
			})
		})
	})
}

func (c *apiClient) take(ctx context.Context, r io.Reader) (n int, err error) {
	var text []byte
	err = unlessDone(ctx, func() (err error) {
		text, err = io.ReadAll(io.LimitReader(r, maxImport+1))
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(text) > maxImport {
		return 0, usagef("more than %d MB at once: import the file in parts", maxImport>>20)
	}
	err = c.send(ctx, http.MethodPost, "/outbox/import", text, func(r io.Reader) error {
		return readLines(r, func(d ejson.Doc) error {
			n = int(d.Field("imported").Number())
			return nil
		})
	})
	return n, err
}

func (c *apiClient) login(ctx context.Context, k credential) (string, error) {
	d, err := c.one(ctx, http.MethodPost, "/login", k.doc())
	return d.Field("user").Str(), err
}

func (c *apiClient) logout(ctx context.Context) error {
	_, err := c.one(ctx, http.MethodPost, "/logout", ejson.Make())
	return err
}

func (c *apiClient) reconnect(ctx context.Context) error {
	_, err := c.one(ctx, http.MethodPost, "/reconnect", ejson.Make())
	return err
}
