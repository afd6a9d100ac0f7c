package server_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/server"
)

func tooMany(seconds, ms int) string {
	reason := fmt.Sprintf("Error, too many requests. Please slow down. You must wait %d seconds before trying again.", seconds)
	return fmt.Sprintf(`{"isClientSafe":true,"error":"too-many-requests","reason":%q,"details":{"timeToReset":%d},"message":"%s [too-many-requests]","errorType":"Meteor.Error"}`,
		reason, ms, reason)
}

// TestLimit holds line 140: so many in a window, counted together or apart as the limit
// says, and whoever is refused learns for how long.
func TestLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		ran := 0
		for _, name := range []string{"a", "b", "free"} {
			srv.Method(name, func(context.Context, *server.Call) (any, error) { ran++; return 1, nil })
		}
		srv.Method("outer", func(ctx context.Context, c *server.Call) (any, error) {
			for range 5 {
				if _, err := c.Call(ctx, "a"); err != nil {
					return nil, err
				}
			}
			return 1, nil
		})
		srv.Publish("p", func(context.Context, *server.Publication) error { ran++; return nil })
		srv.Limit(server.Limit{Methods: []string{"a", "b"}, Count: 3})
		srv.Limit(server.Limit{Subscriptions: []string{"p"}, Count: 1, Per: time.Minute})
		c := dial(t, srv)
		id := c.open()
		c.ask(method("1", "a", ""), answer("1", "1")...)
		time.Sleep(1500 * time.Millisecond)
		c.ask(method("2", "b", ""), answer("2", "1")...)
		c.ask(method("2", "b", ""), answer("2", "1")...) // from memory: does not count
		c.ask(method("3", "outer", ""), answer("3", "1")...)
		c.ask(method("4", "b", ""), answer("4", "1")...)
		ran = 0
		c.ask(method("5", "a", ""), failure("5", tooMany(9, 8500))...)
		c.ask(method("6", "free", ""), answer("6", "1")...)
		if ran != 1 {
			t.Errorf("%d ran", ran)
		}
		other := dial(t, srv).connect()
		other.ask(method("5", "a", ""), answer("5", "1")...)
		c.cut() // to come back does not help
		c = dial(t, srv)
		c.ask(reconnect(id, 15), connected(id))
		c.ask(method("7", "a", ""), failure("7", tooMany(9, 8500))...)
		time.Sleep(8500 * time.Millisecond)
		c.ask(method("8", "a", ""), answer("8", "1")...)

		c.ask(sub("1", "p"), `{"msg":"ready","subs":["1"]}`)
		c.ask(sub("1", "p")) // active: does not count
		c.ask(sub("2", "p"), `{"msg":"nosub","id":"2","error":`+tooMany(60, 60000)+`}`)
		if n := srv.Stats().Refused; n != 3 {
			t.Errorf("%d refused", n)
		}
		finish(t, srv)
	})
}

// TestLimitEach: what is counted together.
func TestLimitEach(t *testing.T) {
	for _, tt := range []struct {
		each server.Each
		want string // for the calls below
	}{
		{server.EachSession, "1--1-1"},
		{server.EachUser, "1--11-"},
		{server.EachName, "11----"},
		{server.EachSession | server.EachName, "11-111"},
		{server.EachUser | server.EachName, "11-11-"},
		{server.EachAddr, "111111"}, // there is none on a pipe
	} {
		bubble(t, func(t *testing.T) {
			srv := quiet()
			for _, name := range []string{"a", "b"} {
				srv.Method(name, func(context.Context, *server.Call) (any, error) { return 1, nil })
			}
			srv.Method("login", func(_ context.Context, c *server.Call) (any, error) {
				return 1, c.SetUserID(c.Params.At(0).Str())
			})
			srv.Limit(server.Limit{Each: tt.each, Count: 1,
				Match: func(a server.Attempt) bool { return a.Name != "login" && !a.Sub && a.Session != nil }})
			x, y, z := dial(t, srv).connect(), dial(t, srv).connect(), dial(t, srv).connect()
			x.ask(method("l", "login", `"u"`), answer("l", "1")...)
			z.ask(method("l", "login", `"u"`), answer("l", "1")...)
			got := ""
			for i, call := range []struct {
				who  *peer
				name string
			}{{x, "a"}, {x, "b"}, {x, "a"}, {y, "a"}, {y, "b"}, {z, "a"}} {
				id := fmt.Sprint(i)
				call.who.send(method(id, call.name, ""))
				if call.who.take()[1] == answer(id, "1")[1] {
					got += "1"
				} else {
					got += "-"
				}
			}
			if got != tt.want {
				t.Errorf("each %b: %s, want %s", tt.each, got, tt.want)
			}
		})
	}
}
