package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// defaultAddr is where the daemon listens unless told otherwise.
const defaultAddr = "127.0.0.1:7357"

// maxRequest bounds the body of a request to the local API, in bytes.
const maxRequest = 4 << 20

// maxImport bounds what is imported into the outbox at once, in bytes.
const maxImport = 64 << 20

// newAPI serves a source over HTTP to programs on this machine; doc.go has what it takes
// and gives.
func newAPI(src source, d desk) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		d, err := src.status(r.Context())
		answer(w, d, err)
	})
	mux.HandleFunc("POST /explain", single(src.explain))
	mux.HandleFunc("POST /count", single(func(ctx context.Context, req request) (ejson.Doc, error) {
		n, err := src.count(ctx, req)
		return ejson.Make(ejson.Field{Name: "count", Value: n}), err
	}))
	mux.HandleFunc("POST /distinct", single(func(ctx context.Context, req request) (ejson.Doc, error) {
		if req.path == "" {
			return ejson.Doc{}, usagef("path: wants a dotted path, got none")
		}
		values, err := src.distinct(ctx, req, req.path)
		return ejson.Make().WithValue("values", values.Value()), err
	}))
	mux.HandleFunc("POST /index", func(w http.ResponseWriter, r *http.Request) {
		d, err := serveIndex(src, r)
		answer(w, d, err)
	})
	mux.HandleFunc("GET /observers", stream(func(ctx context.Context, _ request, yield func(ejson.Doc) error) error {
		return src.observers(ctx, yield)
	}, noRequest, false))
	mux.HandleFunc("POST /find", stream(src.find, readRequest, false))
	mux.HandleFunc("POST /watch", stream(src.watch, readRequest, true))
	mux.HandleFunc("POST /call", func(w http.ResponseWriter, r *http.Request) {
		result, err := serveCall(src, r)
		answer(w, result, err)
	})
	addDesk(mux, d)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "there is no %s %s", r.Method, r.URL.Path)
	})
	return localOnly(mux)
}

// bodyPatience bounds the wait for the body of a request.
const bodyPatience = 10 * time.Second

// localOnly refuses what a page in a browser could be made to send: requests
// whose Host or Origin is not this machine, and bodies that need no preflight.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			refuse(w, http.StatusForbidden, "this API answers to loopback names only, not to %s", r.Host)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || !isLoopback(u.Hostname()) {
				refuse(w, http.StatusForbidden, "this API is not for pages from %s", origin)
				return
			}
		}
		if r.Method == http.MethodPost {
			if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
				refuse(w, http.StatusUnsupportedMediaType, "wants Content-Type: application/json")
				return
			}
			body, err := readBody(w, r)
			if err != nil {
				refuse(w, http.StatusBadRequest, "body: %v", err)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

// readBody reads the body of a request, which must come soon; an answer may take as
// long as it likes.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(bodyPatience)); err != nil {
		return nil, err
	}
	limit := int64(maxRequest)
	if r.URL.Path == "/outbox/import" {
		limit = maxImport
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	return body, errors.Join(err, rc.SetReadDeadline(time.Time{}))
}

// refuse answers with an error that no source has seen.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(errorDoc(fmt.Errorf(format, args...)).AppendJSON(nil), '\n'))
}

// single answers a query with the one object that ask gives.
func single(ask func(context.Context, request) (ejson.Doc, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := readRequest(r)
		if err != nil {
			answer(w, ejson.Doc{}, err)
			return
		}
		d, err := ask(r.Context(), req)
		answer(w, d, err)
	}
}

// stream answers with a line for each document that produce yields. Each line is
// sent at once where live is set.
func stream(produce func(context.Context, request, func(ejson.Doc) error) error, read func(*http.Request) (request, error), live bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := read(r)
		if err != nil {
			answer(w, ejson.Doc{}, err)
			return
		}
		rc := http.NewResponseController(w)
		var line []byte
		begun := false
		begin := func() {
			if !begun {
				begun = true
				w.Header().Set("Content-Type", "application/x-ndjson")
			}
		}
		err = produce(r.Context(), req, func(d ejson.Doc) error {
			begin()
			line = append(d.AppendJSON(line[:0]), '\n')
			if _, err := w.Write(line); err != nil {
				return err
			}
			if live {
				return rc.Flush()
			}
			return nil
		})
		switch {
		case err == nil, r.Context().Err() != nil:
			begin()
		case !begun:
			answer(w, ejson.Doc{}, err)
		default:
			_, _ = w.Write(append(errorDoc(err).AppendJSON(nil), '\n'))
		}
	}
}

// serveCall runs POST /call.
func serveCall(src source, r *http.Request) (ejson.Doc, error) {
	d, err := readDoc(r)
	if err != nil {
		return ejson.Doc{}, err
	}
	if err := onlyFields(d, "method", "params"); err != nil {
		return ejson.Doc{}, err
	}
	method, params := d.Field("method"), d.Field("params")
	if method.Kind() != ejson.String || method.Str() == "" {
		return ejson.Doc{}, usagef("method: wants a name, got %v", method)
	}
	if params.Kind() != ejson.List && params.Kind() != ejson.Missing {
		return ejson.Doc{}, usagef("params: wants a list, got %v", params)
	}
	result, err := src.call(r.Context(), method.Str(), params.Array())
	if err != nil {
		return ejson.Doc{}, err
	}
	if result.IsMissing() {
		return ejson.Make(), nil
	}
	var b ejson.Builder
	b.Add("result", result)
	return b.Doc(), nil
}

// readDoc reads the body of a request as one EJSON object.
func readDoc(r *http.Request) (ejson.Doc, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ejson.Doc{}, usagef("body: %w", err)
	}
	d, err := ejson.Parse(body)
	if err != nil {
		return ejson.Doc{}, usagef("body: %w", err)
	}
	return d, nil
}

// noRequest is readRequest for what needs none.
func noRequest(*http.Request) (request, error) { return request{}, nil }

// readRequest reads the body of a request as a query.
func readRequest(r *http.Request) (request, error) {
	d, err := readDoc(r)
	if err != nil {
		return request{}, err
	}
	return requestOf(d)
}

// answer writes one object, or the error.
func answer(w http.ResponseWriter, d ejson.Doc, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(statusOf(err))
		d = errorDoc(err)
	}
	_, _ = w.Write(append(d.AppendJSON(nil), '\n'))
}

// isUsage reports whether an error is the asker's own.
func isUsage(err error) bool {
	return errors.As(err, new(usageError)) || errors.As(err, new(*query.SyntaxError)) || errors.As(err, new(*query.HintError))
}

// statusOf picks the HTTP status of an error.
func statusOf(err error) int {
	var fromServer *ddp.Error
	switch {
	case isUsage(err):
		return http.StatusBadRequest
	case errors.Is(err, errNoServer), errors.As(err, new(noSuchCall)):
		return http.StatusNotFound
	case errors.As(err, &fromServer):
		return http.StatusBadGateway
	case errors.Is(err, errNoLink):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// errorDoc writes an error as {error: {code, reason}}. An error of the DDP server
// keeps its code and details.
func errorDoc(err error) ejson.Doc {
	var inner ejson.Builder
	var fromServer *ddp.Error
	if errors.As(err, &fromServer) {
		inner.Add("code", ejson.StringValue(fromServer.Code))
		inner.Add("reason", ejson.StringValue(fromServer.Reason))
		if details, err := ejson.ValueOf(fromServer.Details); err == nil && fromServer.Details != nil {
			inner.Add("details", details)
		}
	} else {
		inner.Add("reason", ejson.StringValue(err.Error()))
		if isUsage(err) {
			inner.Add("usage", ejson.BoolValue(true))
		}
	}
	var b ejson.Builder
	b.Add("error", inner.Doc().Value())
	return b.Doc()
}

// errorOf is errorDoc backwards; nil where d is no such document.
func errorOf(d ejson.Doc) error {
	if d.Len() != 1 {
		return nil
	}
	inner := d.Field("error")
	if inner.Kind() != ejson.Object {
		return nil
	}
	reason := inner.Doc().Field("reason").Str()
	if code := inner.Doc().Field("code"); code.Kind() == ejson.String {
		e := &ddp.Error{Code: code.Str(), Reason: reason}
		if details := inner.Doc().Field("details"); !details.IsMissing() {
			e.Details = details.Any()
		}
		return e
	}
	if inner.Doc().Field("usage").Bool() {
		return usagef("%s", reason)
	}
	return fmt.Errorf("daemon: %s", reason)
}
