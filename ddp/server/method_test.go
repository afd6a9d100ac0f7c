package server_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// gates are methods and publications that note when they begin, and end when they
// are let go.
type gates struct {
	notes
	open map[string]chan struct{}
}

func (g *gates) of(names ...string) *gates {
	g.open = make(map[string]chan struct{})
	for _, n := range names {
		g.open[n] = make(chan struct{})
	}
	return g
}

func (g *gates) method(ctx context.Context, c *server.Call) (any, error) {
	name := c.Params.At(0).Str()
	g.add("begin " + name)
	if c.Params.Len() > 1 {
		c.Unblock()
		c.Unblock()
	}
	<-g.open[name]
	g.add("end " + name)
	return name, nil
}

func method(id, name, params string) string {
	return fmt.Sprintf(`{"msg":"method","id":%q,"method":%q,"params":[%s]}`, id, name, params)
}

func answer(id, value string) []string {
	return []string{`{"msg":"updated","methods":["` + id + `"]}`, `{"msg":"result","id":"` + id + `","result":` + value + `}`}
}

func failure(id, err string) []string {
	return []string{`{"msg":"updated","methods":["` + id + `"]}`, `{"msg":"result","id":"` + id + `","error":` + err + `}`}
}

// TestUnblock holds lines 129 to 131: one at a time, and Unblock lets exactly the
// next begin.
func TestUnblock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv, g := quiet(), new(gates).of("a", "b", "c", "p")
		srv.Method("gate", g.method)
		srv.Publish("p", func(ctx context.Context, p *server.Publication) error {
			g.add("begin p")
			<-g.open["p"]
			return nil
		})
		c := dial(t, srv).connect()
		c.send(method("1", "gate", `"a",true`), method("2", "gate", `"b"`), `{"msg":"sub","id":"s","name":"p"}`, method("3", "gate", `"c"`))
		g.expect(t, "begin a", "begin b")
		close(g.open["a"])
		g.expect(t, "end a")
		c.expect(answer("1", `"a"`)...)
		close(g.open["b"])
		g.expect(t, "end b", "begin p")
		c.expect(answer("2", `"b"`)...)
		close(g.open["p"])
		g.expect(t, "begin c")
		c.expect(`{"msg":"ready","subs":["s"]}`)
		c.ask(`{"msg":"ping","id":"x"}`, `{"msg":"pong","id":"x"}`)
		close(g.open["c"])
		c.expect(answer("3", `"c"`)...)
	})
}

// TestHandlerGone: a handler that ends its goroutine neither keeps the turn nor
// leaves its caller without an answer.
func TestHandlerGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Method("gone", func(context.Context, *server.Call) (any, error) { runtime.Goexit(); return nil, nil })
		srv.Publish("gone", func(context.Context, *server.Publication) error { runtime.Goexit(); return nil })
		c := dial(t, srv).connect()
		c.ask(method("1", "gone", ""), failure("1", internalError)...)
		c.ask(`{"msg":"sub","id":"s","name":"gone"}`, `{"msg":"nosub","id":"s","error":`+internalError+`}`)
		c.ask(method("2", "gone", ""), failure("2", internalError)...)
	})
}

// TestPanic: a panic is the internal error to the client, and a line with the
// stack in the log.
func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Logger: log.logger(), Grace: -1}
		srv.Method("boom", func(context.Context, *server.Call) (any, error) { panic("fire in the method") })
		srv.Method("late", func(_ context.Context, c *server.Call) (any, error) {
			c.Wait(func(context.Context) error { panic("fire in the wait") })
			return 1, nil
		})
		srv.Publish("boom", func(_ context.Context, p *server.Publication) error {
			p.OnStop(func() { panic("fire in the hook") })
			panic("fire in the publication")
		})
		srv.Publish("", func(context.Context, *server.Publication) error { panic("fire everywhere") })
		c := dial(t, srv).connect()
		c.ask(method("1", "boom", ""), failure("1", internalError)...)
		c.ask(method("2", "late", ""), answer("2", "1")...)
		c.ask(`{"msg":"sub","id":"s","name":"boom"}`, `{"msg":"nosub","id":"s","error":`+internalError+`}`)
		text := log.String()
		for _, want := range []string{"fire in the method", "fire in the wait", "fire in the publication", "fire in the hook", "fire everywhere", "method_test.go"} {
			if !strings.Contains(text, want) {
				t.Errorf("the log does not have %q:\n%s", want, text)
			}
		}
	})
}

// TestErrors holds lines 149 and 150 beyond the recordings.
func TestErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Logger: log.logger(), Grace: -1}
		srv.Method("wrapped", func(context.Context, *server.Call) (any, error) {
			return nil, fmt.Errorf("the secret way: %w", &ddp.Error{Code: "no-way", Reason: "Not here"})
		})
		srv.Method("unsendable", func(context.Context, *server.Call) (any, error) { return make(chan int), nil })
		c := dial(t, srv).connect()
		c.ask(method("1", "wrapped", ""), failure("1",
			`{"isClientSafe":true,"error":"no-way","reason":"Not here","message":"Not here [no-way]","errorType":"Meteor.Error"}`)...)
		c.ask(method("2", "unsendable", ""), failure("2", internalError)...)
		if text := log.String(); strings.Contains(text, "no-way") || !strings.Contains(text, "unsendable") {
			t.Errorf("logged:\n%s", text)
		}
	})
}

// TestRepeatedCall holds the better half of line 152.
func TestRepeatedCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv, n := quiet(), 0
		gate := make(chan struct{})
		srv.Method("count", func(context.Context, *server.Call) (any, error) { n++; <-gate; return n, nil })
		srv.Method("large", func(context.Context, *server.Call) (any, error) { n++; return strings.Repeat("x", 100_000), nil })
		c := dial(t, srv).connect()
		c.ask(method("1", "count", "")) // no answer yet
		c.ask(method("1", "count", "")) // nor a second one later
		close(gate)
		c.expect(answer("1", "1")...)
		c.ask(method("1", "count", ""), answer("1", "1")...)
		c.ask(method("2", "count", ""), answer("2", "2")...)
		c.ask(method("1", "count", `"other"`), answer("1", "3")...) // another call
		c.ask(method("1", "count", `"other"`), answer("1", "3")...)
		c.send(method("3", "large", ""))
		c.take()
		c.ask(method("3", "large", ""), failure("3",
			`{"isClientSafe":true,"error":"already-called","reason":"The call was made; its result is no longer kept","message":"The call was made; its result is no longer kept [already-called]","errorType":"Meteor.Error"}`)...)
		if n != 4 {
			t.Errorf("%d calls were made, want 4", n)
		}
	})
}

// TestFence holds line 144: data, then updated and result, also if the data come
// on another goroutine and late; and the next message does not wait for it.
func TestFence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		writes := make(chan int, 10)
		var told struct {
			ch  chan struct{}
			seq uint64
		}
		told.ch = make(chan struct{})
		srv.Publish("log", func(ctx context.Context, p *server.Publication) error {
			p.Follow(func(ctx context.Context, seq uint64) error {
				select {
				case <-told.ch:
					if told.seq < seq {
						t.Errorf("told up to %d, want %d", told.seq, seq)
					}
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			go func() {
				n := <-writes
				time.Sleep(time.Minute)
				p.Added("log", must(fmt.Sprintf(`{"_id":"l%d"}`, n)))
				told.seq = uint64(n)
				close(told.ch)
			}()
			return nil
		})
		srv.Method("write", func(ctx context.Context, c *server.Call) (any, error) {
			if _, err := c.Call(ctx, "inner"); err != nil {
				return nil, err
			}
			return "done", nil
		})
		srv.Method("inner", func(_ context.Context, c *server.Call) (any, error) {
			writes <- 7
			c.Fence(3)
			c.Fence(7)
			return nil, nil
		})
		srv.Method("other", func(context.Context, *server.Call) (any, error) { return 1, nil })
		srv.Method("fails", func(_ context.Context, c *server.Call) (any, error) {
			c.Wait(func(context.Context) error { return errors.New("disk full") })
			c.Wait(func(ctx context.Context) error { time.Sleep(time.Second); return nil })
			return nil, errors.New("no")
		})
		c := dial(t, srv).connect()
		c.ask(`{"msg":"sub","id":"s","name":"log"}`, `{"msg":"ready","subs":["s"]}`)
		c.send(method("1", "write", ""), method("2", "other", ""))
		c.expect(answer("2", "1")...)
		time.Sleep(time.Minute)
		c.expect(append([]string{`{"msg":"added","collection":"log","id":"l7","fields":{}}`}, answer("1", `"done"`)...)...)
		// Line 151: a failing method's fence fires as well.
		c.send(method("3", "fails", ""))
		c.expect()
		time.Sleep(time.Second)
		c.expect(failure("3", internalError)...)
		// A publication that has ended holds nothing up, nor does one whose client left.
		told.ch = make(chan struct{})
		c.send(method("4", "write", ""))
		c.expect()
		c.ask(`{"msg":"unsub","id":"s"}`, append([]string{`{"msg":"removed","collection":"log","id":"l7"}`,
			`{"msg":"nosub","id":"s"}`}, answer("4", `"done"`)...)...)
	})
}

// TestNestedCall holds lines 104 and 154.
func TestNestedCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Method("outer", func(ctx context.Context, c *server.Call) (any, error) {
			v, err := c.Call(ctx, "inner", 1, "two", ejson.NullValue())
			if err != nil {
				return nil, err
			}
			if c.UserID != "u" || c.Session().User() != "u" {
				return nil, errors.New("the user was not changed")
			}
			if _, err := c.Call(ctx, "none"); err == nil {
				return nil, errors.New("a method that does not exist")
			}
			_, err = c.Call(ctx, "inner", make(chan int))
			if err == nil {
				return nil, errors.New("a parameter that cannot be sent")
			}
			return v, nil
		})
		srv.Method("inner", func(_ context.Context, c *server.Call) (any, error) {
			if err := c.SetUserID("u"); err != nil {
				return nil, err
			}
			c.Unblock()
			return ejson.MakeArray(c.Params.Len(), c.RandomSeed, c.Name(), c.ID()), nil
		})
		c := dial(t, srv).connect()
		seed := ddp.NewStreams("abc").CallSeed("inner")
		c.ask(`{"msg":"method","id":"1","method":"outer","params":[],"randomSeed":"abc"}`, answer("1", `[3,"`+seed+`","inner","1"]`)...)
	})
}

// TestCallAfterDisconnect: the context of a call ends with the client, and nothing
// is logged of it.
func TestCallAfterDisconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Logger: log.logger(), Grace: -1}
		srv.Method("wait", func(ctx context.Context, c *server.Call) (any, error) {
			c.Wait(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			<-ctx.Done()
			return nil, ctx.Err()
		})
		c := dial(t, srv).connect()
		c.ask(method("1", "wait", ""))
		if err := c.cut(); err == nil {
			t.Error("a cut connection is no error")
		}
		if text := log.String(); text != "" {
			t.Errorf("logged:\n%s", text)
		}
	})
}
