package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// ledger is a database of one account, and of the calls that wrote to it: both are
// written as one.
type ledger struct {
	mu      sync.Mutex // guards the rest
	balance float64
	calls   map[string]ejson.Doc
	broken  error
}

// serve makes a server over the ledger, as after a restart.
func (l *ledger) serve() *server.Server {
	srv := keeping()
	srv.Recall = func(_ context.Context, c *server.Call) (ejson.Doc, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.Fence(7)
		return l.calls[c.Key()], l.broken
	}
	srv.Method("deposit", func(ctx context.Context, c *server.Call) (any, error) {
		amount := c.Params.At(0).Number()
		if c.Params.Len() > 1 {
			sleep(ctx, c.Params.At(1).Number())
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		var err error
		if amount < 0 {
			err = ddp.NumericError(402, "Not enough")
		}
		rec, rerr := c.Record(l.balance+amount, err)
		if rerr != nil {
			return nil, rerr
		}
		if !rec.IsZero() {
			l.calls[rec.Field("_id").Str()] = rec
		}
		if err != nil {
			return nil, err
		}
		l.balance += amount
		return l.balance, nil
	})
	srv.Method("twice", func(ctx context.Context, c *server.Call) (any, error) {
		if _, err := c.Call(ctx, "deposit", c.Params.At(0)); err != nil {
			return nil, err
		}
		v, err := c.Call(ctx, "deposit", c.Params.At(0))
		return v, err
	})
	srv.Method("login", func(_ context.Context, c *server.Call) (any, error) {
		return nil, c.SetUserID(c.Params.At(0).Str())
	})
	return srv
}

// TestRecall: a call is made once, also if it is sent again in another session and to a
// server that was started again; and one that only looks the same is made.
func TestRecall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &ledger{calls: make(map[string]ejson.Doc)}
		id, other := ddp.NewID()+"-1", "0b2c8f0e-3d52-4d6c-9b51-0a3f1f2e4d5c-77aabbcc-1"
		for run := range 3 {
			srv := l.serve()
			for range 2 {
				p := dial(t, srv).connect()
				p.ask(method(id, "deposit", "100"), answer(id, "100")...)
				p.ask(method(other, "deposit", "-1"), failure(other, `{"isClientSafe":true,"error":402,"reason":"Not enough","message":"Not enough [402]","errorType":"Meteor.Error"}`)...)
				p.cut()
			}
			if n := srv.Stats().Recalled; run == 0 && n != 2 || run > 0 && n != 4 {
				t.Errorf("run %d: %d recalled", run, n)
			}
			finish(t, srv)
		}
		if l.balance != 100 || len(l.calls) != 2 {
			t.Fatalf("balance %v after %d calls", l.balance, len(l.calls))
		}

		srv := l.serve()
		p := dial(t, srv).connect()
		p.ask(method(id, "deposit", "1"), answer(id, "101")...) // other parameters
		p.cut()
		p = dial(t, srv).connect()
		p.ask(method("u", "login", `"ann"`), answerNothing("u")...)
		p.ask(method(id, "deposit", "100"), answer(id, "100")...) // nobody made it, so anybody may know
		anns := ddp.NewID() + "-3"
		p.ask(method(anns, "deposit", "99"), answer(anns, "200")...)
		p.ask(method("17", "deposit", "1"), answer("17", "201")...)
		p.cut()
		p = dial(t, srv).connect()
		p.ask(method("17", "deposit", "1"), answer("17", "202")...) // a page's counter
		p.ask(method(anns, "deposit", "99"), failure(anns, `{"isClientSafe":true,"error":"already-called",`+
			`"reason":"The call was made, on behalf of another user","message":"The call was made, on behalf of another user [already-called]","errorType":"Meteor.Error"}`)...)
		long := ddp.NewID() + "-2"
		p.ask(method(long, "twice", "1"), answer(long, "204")...) // the inner ones have no record
		p.cut()
		before := len(l.calls)
		p = dial(t, srv).connect()
		p.ask(method(long, "twice", "1"), answer(long, "206")...)
		if len(l.calls) != before {
			t.Error("a call in a call was recorded")
		}
		finish(t, srv)
	})
}

func answerNothing(id string) []string {
	return []string{`{"msg":"updated","methods":["` + id + `"]}`, `{"msg":"result","id":"` + id + `"}`}
}

// TestRecallUnderWay: a client that lost its session, and asks for a call that still
// runs in it, waits for that.
func TestRecallUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := &ledger{calls: make(map[string]ejson.Doc)}
		srv, id := l.serve(), ddp.NewID()
		var all []*peer
		for range 3 {
			p := dial(t, srv).connect()
			p.send(method(id, "deposit", "5,1000"))
			p.expect()
			all = append(all, p)
		}
		time.Sleep(time.Second)
		for _, p := range all {
			p.expect(answer(id, "5")...)
		}
		// One whose session ends while it waits does not run.
		id = ddp.NewID()
		all[0].send(method(id, "deposit", "5,1000"))
		all[0].expect()
		all[1].send(method(id, "deposit", "5,1000"), `{"msg":"disconnect"}`)
		time.Sleep(time.Second)
		all[0].expect(answer(id, "10")...)
		finish(t, srv)
		if l.balance != 10 {
			t.Errorf("balance %v", l.balance)
		}
	})
}

// TestRecallFails: where the owner cannot say whether a call was made, it is not made.
func TestRecallFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var j journal
		l := &ledger{calls: make(map[string]ejson.Doc), broken: errors.New("disk on fire")}
		srv := l.serve()
		srv.Logger = j.logger()
		p := dial(t, srv).connect()
		id := ddp.NewID()
		p.ask(method(id, "deposit", "5"), failure(id, internalError)...)
		l.broken = nil
		srv.Recall = func(context.Context, *server.Call) (ejson.Doc, error) { panic("recall") }
		id = ddp.NewID()
		p.ask(method(id, "deposit", "5"), failure(id, internalError)...)
		srv.Recall = func(context.Context, *server.Call) (ejson.Doc, error) { return must(`{"_id":"x","answer":"{}"}`), nil }
		id = ddp.NewID()
		p.ask(method(id, "deposit", "5"), failure(id, internalError)...)
		finish(t, srv)
		for _, want := range []string{"disk on fire", "panic=recall", "holds no answer"} {
			if !strings.Contains(j.String(), want) {
				t.Errorf("no %q in the log:\n%s", want, j.String())
			}
		}
		if l.balance != 0 {
			t.Errorf("balance %v", l.balance)
		}
	})
}

// TestCallKey: which ids are for ever, and what makes a call another.
func TestCallKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.Recall = func(context.Context, *server.Call) (ejson.Doc, error) { return ejson.Doc{}, nil }
		var last string
		srv.Method("m", func(_ context.Context, c *server.Call) (any, error) { last = c.Key(); return nil, nil })
		srv.Method("n", func(_ context.Context, c *server.Call) (any, error) { last = c.Key(); return nil, nil })
		p := dial(t, srv).connect()
		id := ddp.NewID()
		for _, short := range []string{"1", "rc-ddp-client-12345", "12345678901234567", id[:16], id[:16] + "-1", id[:16] + "_"} {
			p.send(method(short, "m", ""))
			p.take()
			if last != "" {
				t.Errorf("%s is for ever: %s", short, last)
			}
		}
		seen := make(map[string]string)
		for i, frame := range []string{
			method(id, "m", ""), method(id, "n", ""), method(id, "m", "1"), method(id, "m", `"1"`), method(id, "m", "1,2"),
			method(id+"1", "m", ""), strings.Replace(method(id, "m", ""), "{", `{"randomSeed":"x",`, 1),
			method(strings.Repeat(id, 50), "m", ""),
		} {
			last = ""
			p.send(frame)
			p.take()
			if len(last) != 43 || seen[last] != "" {
				t.Errorf("%d: key %q, which is that of %s too", i, last, seen[last])
			}
			seen[last] = fmt.Sprint(i)
		}
		finish(t, srv)
	})
}
