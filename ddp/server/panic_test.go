package server_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// TestPanicOfMiddleware: what stands around handlers and frames may panic wherever it
// runs. The client is told what it would be told of the handler, or loses its session,
// and the server serves on.
func TestPanicOfMiddleware(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Logger: log.logger()}
		boom := func(s string) {
			if s != "" {
				panic("fire in " + s)
			}
		}
		var where string // who panics
		at := func(s string) string {
			if where == s {
				return s
			}
			return ""
		}
		srv.WrapMethods(func(next server.MethodFunc) server.MethodFunc { boom(at("the wrapping of methods")); return next })
		srv.WrapPublications(func(next server.PublishFunc) server.PublishFunc {
			boom(at("the wrapping of publications"))
			return next
		})
		srv.Limit(server.Limit{Count: 1000, Match: func(server.Attempt) bool { boom(at("the limit")); return true }})
		srv.WrapIncoming(func(next server.FrameFunc) server.FrameFunc {
			boom(at("the wrapping of what comes"))
			return func(s *server.Session, frame []byte) error {
				if bytes.Contains(frame, []byte("bad")) {
					boom(at("what comes"))
				}
				return next(s, frame)
			}
		})
		srv.WrapOutgoing(func(next server.FrameFunc) server.FrameFunc {
			boom(at("the wrapping of what goes"))
			return func(s *server.Session, frame []byte) error {
				if bytes.Contains(frame, []byte("bad")) {
					boom(at("what goes"))
				}
				return next(s, frame)
			}
		})
		srv.Tap = func(s server.Sighting) {
			if bytes.Contains(s.Frame, []byte("bad")) {
				boom(at("the tap"))
			}
		}
		srv.Method("m", func(context.Context, *server.Call) (any, error) { return 1, nil })
		srv.Publish("p", func(context.Context, *server.Publication) error { return nil })

		nosub := `{"msg":"nosub","id":"bad","error":` + internalError + `}`
		for _, c := range []struct {
			where string
			want  []string // nil: the session ends
		}{
			{"the wrapping of methods", append(failure("bad", internalError), `{"msg":"ready","subs":["bad"]}`)},
			{"the wrapping of publications", append(answer("bad", "1"), nosub)},
			{"the limit", append(failure("bad", internalError), nosub)},
			{"the tap", append(answer("bad", "1"), `{"msg":"ready","subs":["bad"]}`)},
			{"what comes", nil},
			{"what goes", nil},
		} {
			p := dial(t, srv).connect()
			where = c.where
			p.end.Write(t.Context(), []byte(method("bad", "m", "")), false)
			p.end.Write(t.Context(), []byte(sub("bad", "p")), false)
			got := p.take()
			where = ""
			if c.want != nil {
				p.same(got, c.want)
				p.ask(method("2", "m", ""), answer("2", "1")...)
			} else if <-p.done; p.ended == nil || !strings.Contains(p.ended.Error(), "fire in "+c.where) || p.closedWith() != wire.CodeFailed {
				t.Errorf("panic in %s: ended with %v, code %d", c.where, p.ended, p.closedWith())
			}
			p.close()
		}
		for _, s := range []string{"the wrapping of what comes", "the wrapping of what goes"} {
			where = s
			p := dial(t, srv)
			p.end.Write(t.Context(), []byte(connect), false)
			if <-p.done; p.ended == nil || !strings.Contains(p.ended.Error(), "fire in "+s) {
				t.Errorf("panic in %s: ended with %v", s, p.ended)
			}
			where = ""
		}
		synctest.Wait()
		for _, s := range []string{"the wrapping of methods", "the wrapping of publications", "the limit", "the tap",
			"what comes", "what goes", "the wrapping of what comes", "the wrapping of what goes", "panic_test.go"} {
			if !strings.Contains(log.String(), s) {
				t.Errorf("the log does not have %q", s)
			}
		}
		finish(t, srv)
	})
}
