package server_test

import (
	"context"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// TestStrategies holds lines 192 to 194: what each lets through.
func TestStrategies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		for _, how := range []server.Strategy{server.NoMerge, server.NoMergeNoHistory, server.NoMergeMulti} {
			srv.SetStrategy(how.String(), how)
			c := func(p *server.Publication, name string) (string, ejson.ID) { return how.String(), ejson.StringID(name) }
			first, second := keep(srv, "first "+how.String()), keep(srv, "second "+how.String())
			peer := dial(t, srv).connect()
			peer.ask(sub("1", "first "+how.String()), `{"msg":"ready","subs":["1"]}`)
			peer.ask(sub("2", "second "+how.String()), `{"msg":"ready","subs":["2"]}`)
			p, q := <-first.got, <-second.got
			in, d := c(p, "d")
			msg := func(kind, rest string) string {
				return `{"msg":"` + kind + `","collection":"` + in + `","id":"d"` + rest + `}`
			}
			p.Added(in, must(`{"_id":"d","a":1}`))
			peer.expect(msg("added", `,"fields":{"a":1}`))
			q.Added(in, must(`{"_id":"d","a":1,"b":2}`))
			kind := "added"
			if how == server.NoMergeMulti {
				kind = "changed"
			}
			peer.expect(msg(kind, `,"fields":{"a":1,"b":2}`))
			// No view: what is there already is sent again, and what is not cleared.
			p.Changed(in, d, must(`{"a":1}`), []string{"b", "none", "_id"})
			peer.expect(msg("changed", `,"fields":{"a":1},"cleared":["b","none"]`))
			p.Changed(in, d, ejson.Make(), nil)
			peer.expect()
			p.Removed(in, d)
			if how == server.NoMergeMulti {
				peer.expect()
			} else {
				peer.expect(msg("removed", ""))
			}
			if how == server.NoMergeNoHistory {
				p.Removed(in, d)
				peer.expect(msg("removed", ""))
				peer.ask(`{"msg":"unsub","id":"2"}`, `{"msg":"nosub","id":"2"}`)
				continue
			}
			peer.ask(`{"msg":"unsub","id":"2"}`, msg("removed", ""), `{"msg":"nosub","id":"2"}`)
			// Line 168, for those that know.
			p.Changed(in, d, must(`{"a":1}`), nil)
			peer.expect(`{"msg":"nosub","id":"1","error":` + internalError + `}`)
		}
	})
}

// TestStrategyAfterTheFact: a session keeps the strategies that it began with, also when
// its user changes, and loses nothing.
func TestStrategyAfterTheFact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Publish("p", func(_ context.Context, p *server.Publication) error {
			p.Added("c", must(`{"_id":"d","n":0}`))
			return nil
		})
		srv.Method("become", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("u") })
		c := dial(t, srv).connect()
		c.ask(sub("s", "p"), `{"msg":"added","collection":"c","id":"d","fields":{"n":0}}`, `{"msg":"ready","subs":["s"]}`)
		srv.SetStrategy("c", server.NoMerge)
		c.ask(method("1", "become", ""), append([]string{`{"msg":"ready","subs":["s"]}`}, answerNothing("1")...)...)
	})
}

// TestStrategiesAtAChangeOfUser holds line 195, and lets nothing of the user before lie.
func TestStrategiesAtAChangeOfUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		kinds := []server.Strategy{server.ServerMerge, server.NoMerge, server.NoMergeNoHistory, server.NoMergeMulti}
		for _, how := range kinds {
			srv.SetStrategy(how.String(), how)
		}
		srv.Publish("p", func(_ context.Context, p *server.Publication) error {
			for _, how := range kinds {
				p.Added(how.String(), must(`{"_id":"same","u":"`+p.UserID+`"}`))
				p.Added(how.String(), must(`{"_id":"of `+p.UserID+`","x":1}`))
			}
			return nil
		})
		srv.Method("login", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("u") })
		c := dial(t, srv).connect()
		c.send(sub("s", "p"))
		if got := c.take(); len(got) != 9 {
			t.Fatalf("%q", got)
		}
		say := func(kind, in, id, rest string) string {
			return `{"msg":"` + kind + `","collection":"` + in + `","id":"` + id + `"` + rest + `}`
		}
		u, x := `,"fields":{"u":"u"}`, `,"fields":{"x":1}`
		c.ask(method("1", "login", ""),
			say("added", "NO_MERGE", "same", u), say("added", "NO_MERGE", "of u", x),
			say("added", "NO_MERGE_NO_HISTORY", "same", u), say("added", "NO_MERGE_NO_HISTORY", "of u", x),
			say("changed", "NO_MERGE_MULTI", "same", u), say("added", "NO_MERGE_MULTI", "of u", x),
			say("removed", "NO_MERGE", "of ", ""), say("removed", "NO_MERGE_MULTI", "of ", ""),
			say("removed", "SERVER_MERGE", "of ", ""),
			say("changed", "SERVER_MERGE", "same", u), say("added", "SERVER_MERGE", "of u", x),
			`{"msg":"ready","subs":["s"]}`, `{"msg":"updated","methods":["1"]}`, `{"msg":"result","id":"1"}`)
		c.ask(`{"msg":"unsub","id":"s"}`,
			say("removed", "SERVER_MERGE", "same", ""), say("removed", "SERVER_MERGE", "of u", ""),
			say("removed", "NO_MERGE", "same", ""), say("removed", "NO_MERGE", "of u", ""),
			say("removed", "NO_MERGE_MULTI", "same", ""), say("removed", "NO_MERGE_MULTI", "of u", ""),
			`{"msg":"nosub","id":"s"}`)
	})
}
