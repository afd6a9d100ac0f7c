package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// apiClient is the daemon as a source, over its local API.
type apiClient struct {
	base    string
	timeout time.Duration // longest wait for the beginning of an answer
	instead string        // what else can be done if nobody is there
	http    http.Client
}

var _ source = (*apiClient)(nil)

// newAPIClient takes HOST:PORT, or the address as the daemon tells it.
func newAPIClient(addr string, timeout time.Duration) (*apiClient, error) {
	name, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(addr, "http://"), "/"))
	if err != nil {
		return nil, usagef("--addr %q: wants HOST:PORT, such as %s", addr, defaultAddr)
	}
	host := net.JoinHostPort(cmp.Or(name, "127.0.0.1"), port)
	return &apiClient{
		base:    "http://" + host,
		timeout: timeout,
		http:    http.Client{Transport: &http.Transport{}}, // never through a proxy
	}, nil
}

func (c *apiClient) find(ctx context.Context, r request, yield func(ejson.Doc) error) error {
	return c.lines(ctx, "/find", r, yield)
}

func (c *apiClient) watch(ctx context.Context, r request, yield func(ejson.Doc) error) error {
	return cmp.Or(c.lines(ctx, "/watch", r, yield), ctx.Err(), errDaemonEnded)
}

// errDaemonEnded is what ends that has no other end.
var errDaemonEnded = errors.New("the daemon has ended")

func (c *apiClient) explain(ctx context.Context, r request) (ejson.Doc, error) {
	return c.ask(ctx, "/explain", r, "")
}

func (c *apiClient) count(ctx context.Context, r request) (int, error) {
	d, err := c.ask(ctx, "/count", r, "")
	return int(d.Field("count").Number()), err
}

func (c *apiClient) distinct(ctx context.Context, r request, path string) (ejson.Array, error) {
	d, err := c.ask(ctx, "/distinct", r, path)
	return d.Field("values").Array(), err
}

// ask sends a request and reads one object. The path is distinct's, else "".
func (c *apiClient) ask(ctx context.Context, to string, r request, path string) (ejson.Doc, error) {
	d, err := r.doc()
	if err != nil {
		return ejson.Doc{}, err
	}
	if path != "" {
		d = d.WithValue("path", ejson.StringValue(path))
	}
	return c.one(ctx, http.MethodPost, to, d)
}

func (c *apiClient) observers(ctx context.Context, yield func(ejson.Doc) error) error {
	return c.send(ctx, http.MethodGet, "/observers", nil, func(r io.Reader) error { return readLines(r, yield) })
}

func (c *apiClient) status(ctx context.Context) (ejson.Doc, error) {
	return c.one(ctx, http.MethodGet, "/status", ejson.Doc{})
}

func (c *apiClient) call(ctx context.Context, method string, params ejson.Array) (ejson.Value, error) {
	var b ejson.Builder
	b.Add("method", ejson.StringValue(method))
	b.Add("params", params.Value())
	d, err := c.one(ctx, http.MethodPost, "/call", b.Doc())
	return d.Field("result"), err
}

func (c *apiClient) close() error {
	c.http.CloseIdleConnections()
	return nil
}

// one sends a request and reads one object.
func (c *apiClient) one(ctx context.Context, verb, path string, body ejson.Doc) (ejson.Doc, error) {
	var d ejson.Doc
	err := c.send(ctx, verb, path, body.AppendJSON(nil), func(r io.Reader) error {
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		d, err = ejson.Parse(text)
		return err
	})
	return d, err
}

// lines sends a query and passes on the documents of the answer, a line each.
func (c *apiClient) lines(ctx context.Context, path string, r request, yield func(ejson.Doc) error) error {
	body, err := r.doc()
	if err != nil {
		return err
	}
	return c.send(ctx, http.MethodPost, path, body.AppendJSON(nil), func(r io.Reader) error {
		return readLines(r, func(d ejson.Doc) error {
			if err := errorOf(d); err != nil {
				return err
			}
			return yield(d)
		})
	})
}

// because tells what keeps the daemon from answering, as far as it knows.
func (c *apiClient) because(ctx context.Context) string {
	ask := apiClient{base: c.base, timeout: 5 * time.Second}
	d, err := ask.status(ctx)
	phase := d.Field("phase").Str()
	if err != nil || phase == "" || phase == "live" {
		return ""
	}
	return strings.TrimSuffix(fmt.Sprintf("; it is %s: %s", phase, d.Field("because").Str()), ": ")
}

// send sends a request and hands the body of a good answer to read.
func (c *apiClient) send(ctx context.Context, verb, path string, body []byte, read func(io.Reader) error) error {
	begin, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(c.timeout, cancel)
	req, err := http.NewRequestWithContext(begin, verb, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if !timer.Stop() && ctx.Err() == nil {
		why := ""
		if path != "/status" {
			why = c.because(ctx)
		}
		return fmt.Errorf("the daemon at %s gave no answer within %v%s", c.base, c.timeout, why)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no daemon at %s; start one with 'replicad sync'%s", c.base, c.instead)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		body := brokenReader{Reader: res.Body}
		err := read(&body)
		if body.err != nil && ctx.Err() == nil { // and not what came of it
			return fmt.Errorf("the daemon at %s has ended in the midst of its answer: %w", c.base, body.err)
		}
		return err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRequest))
	if err != nil {
		return err
	}
	if d, err := ejson.Parse(text); err == nil {
		if err := errorOf(d); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is no replicad daemon, or of another version: %s %s", c.base, res.Status, bytes.TrimSpace(text[:min(200, len(text))]))
}

// brokenReader notes why reading has come to an end before its time.
type brokenReader struct {
	io.Reader
	err error
}

func (r *brokenReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
