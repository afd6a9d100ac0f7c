package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

func sub(id, name string) string {
	return `{"msg":"sub","id":"` + id + `","name":"` + name + `","params":[]}`
}

// keeper publishes nothing by itself, and gives its publications to the test.
type keeper struct{ got chan *server.Publication }

func keep(srv *server.Server, name string) *keeper {
	k := &keeper{make(chan *server.Publication, 100)}
	srv.Publish(name, func(_ context.Context, p *server.Publication) error { k.got <- p; return nil })
	return k
}

// TestPublicationEnds holds lines 160, 161, 166, 167 and 170: every way to end.
func TestPublicationEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		k := keep(srv, "p")
		c := dial(t, srv).connect()
		var n notes
		begin := func(id string) *server.Publication {
			c.ask(sub(id, "p"), `{"msg":"ready","subs":["`+id+`"]}`)
			p := <-k.got
			p.OnStop(func() { n.add("stopped " + id) })
			p.Added("c", must(`{"_id":"`+id+`","x":1}`))
			c.expect(`{"msg":"added","collection":"c","id":"` + id + `","fields":{"x":1}}`)
			return p
		}
		after := func(p *server.Publication) {
			t.Helper()
			p.Added("c", must(`{"_id":"late"}`))
			p.Changed("c", ejson.StringID(p.ID()), must(`{"x":2}`), nil)
			p.Removed("c", ejson.StringID(p.ID()))
			p.Ready()
			p.Unblock()
			p.Stop(errors.New("twice"))
			c.expect()
			p.OnStop(func() { n.add("at once") })
			n.expect(t, "stopped "+p.ID(), "at once")
		}
		gone := func(id string) string { return `{"msg":"removed","collection":"c","id":"` + id + `"}` }

		p := begin("a")
		c.ask(`{"msg":"unsub","id":"a"}`, gone("a"), `{"msg":"nosub","id":"a"}`)
		after(p)
		p = begin("b")
		p.Stop(nil)
		c.expect(gone("b"), `{"msg":"nosub","id":"b"}`)
		after(p)
		p = begin("c")
		p.Stop(ddp.NumericError(403, "Out"))
		c.expect(gone("c"), `{"msg":"nosub","id":"c","error":{"isClientSafe":true,"error":403,"reason":"Out","message":"Out [403]","errorType":"Meteor.Error"}}`)
		after(p)
		p = begin("d")
		p.Stop(errors.New("secret"))
		c.expect(gone("d"), `{"msg":"nosub","id":"d","error":`+internalError+`}`)
		after(p)
		p = begin("e")
		c.cut()
		p.Added("c", must(`{"_id":"late"}`))
		n.expect(t, "stopped e")
	})
}

// TestMistakes holds line 168: what a publication must not do ends it, with a line
// in the log, and does not disturb the rest.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(p *server.Publication)
		log  string
	}{
		{"added without _id", func(p *server.Publication) { p.Added("c", must(`{"x":1}`)) }, "without _id"},
		{"changed unknown", func(p *server.Publication) { p.Changed("c", ejson.StringID("no"), must(`{"x":1}`), nil) }, "no document no"},
		{"removed unknown", func(p *server.Publication) { p.Removed("c", ejson.StringID("no")) }, "no document no"},
		{"changed another's", func(p *server.Publication) { p.Changed("c", ejson.StringID("other"), must(`{"x":1}`), nil) }, "no document other"},
		{"removed another's", func(p *server.Publication) { p.Removed("c", ejson.StringID("other")) }, "no document other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log journal
				srv := &server.Server{Logger: log.logger(), Grace: -1}
				k := keep(srv, "p")
				c := dial(t, srv).connect()
				c.send(sub("other", "p"), sub("s", "p"))
				other, p := <-k.got, <-k.got
				other.Added("c", must(`{"_id":"other"}`))
				p.Added("c", must(`{"_id":"mine"}`))
				c.take()
				tt.do(p)
				c.expect(`{"msg":"removed","collection":"c","id":"mine"}`, `{"msg":"nosub","id":"s","error":`+internalError+`}`)
				if !strings.Contains(log.String(), tt.log) {
					t.Errorf("the log does not say %q:\n%s", tt.log, log.String())
				}
			})
		})
	}
}

// TestSetUserID holds lines 195 to 200 beyond the recordings.
func TestSetUserID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		var n notes
		var olds []*server.Publication
		srv.Publish("mine", func(_ context.Context, p *server.Publication) error {
			n.add("run as " + p.UserID)
			p.OnStop(func() { n.add("stop as " + p.UserID) })
			p.Added("c", must(`{"_id":"same","x":1}`))
			p.Added("c", must(`{"_id":"`+p.UserID+`"}`))
			olds = append(olds, p)
			return nil
		})
		srv.Publish("shares", func(_ context.Context, p *server.Publication) error {
			p.Added("c", must(`{"_id":"same","x":2,"y":"`+p.UserID+`"}`))
			return nil
		})
		srv.Publish("fails", func(_ context.Context, p *server.Publication) error {
			if p.UserID == "u" {
				return errors.New("not for u")
			}
			p.Added("f", must(`{"_id":"f"}`))
			return nil
		})
		srv.Publish("stays", func(ctx context.Context, p *server.Publication) error {
			p.Added("s", must(`{"_id":"s"}`))
			p.Unblock()
			<-ctx.Done()
			return ctx.Err()
		})
		srv.Method("login", func(_ context.Context, c *server.Call) (any, error) {
			err := c.SetUserID(c.Params.At(0).Str())
			for _, old := range olds[:len(olds)-1] {
				old.Added("c", must(`{"_id":"old"}`)) // it is over
			}
			return c.UserID, err
		})
		srv.Method("late", func(_ context.Context, c *server.Call) (any, error) {
			c.Unblock()
			if err := c.SetUserID("x"); err == nil {
				return nil, errors.New("no error after Unblock")
			}
			return nil, nil
		})
		c := dial(t, srv).connect()
		c.send(sub("1", "mine"), sub("2", "shares"), sub("3", "fails"), sub("4", "stays"))
		c.take()
		n.expect(t, "run as ")
		c.ask(method("m1", "login", `"u"`), append([]string{
			`{"msg":"nosub","id":"3","error":` + internalError + `}`,
			`{"msg":"removed","collection":"c","id":""}`,
			`{"msg":"removed","collection":"f","id":"f"}`,
			`{"msg":"changed","collection":"c","id":"same","fields":{"y":"u"}}`,
			`{"msg":"added","collection":"c","id":"u","fields":{}}`,
			`{"msg":"ready","subs":["1","2"]}`,
		}, answer("m1", `"u"`)...)...)
		n.expect(t, "stop as ", "run as u")
		// Line 198: also if the user stays the same; there is no difference then.
		c.ask(method("m2", "login", `"u"`), append([]string{`{"msg":"ready","subs":["1","2"]}`}, answer("m2", `"u"`)...)...)
		n.expect(t, "stop as u", "run as u")
		// The new run is what is unsubscribed.
		c.ask(`{"msg":"unsub","id":"1"}`, `{"msg":"changed","collection":"c","id":"same","fields":{"x":2}}`,
			`{"msg":"removed","collection":"c","id":"u"}`, `{"msg":"nosub","id":"1"}`)
		n.expect(t, "stop as u")
		c.ask(`{"msg":"unsub","id":"4"}`, `{"msg":"removed","collection":"s","id":"s"}`, `{"msg":"nosub","id":"4"}`)
		c.ask(method("m3", "late", ""), `{"msg":"updated","methods":["m3"]}`, `{"msg":"result","id":"m3"}`)
	})
}

// TestSetUserIDWhenTheClientLeaves: a publication that does not come back must not
// keep the session from ending.
func TestSetUserIDWhenTheClientLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		srv.Publish("stuck", func(ctx context.Context, p *server.Publication) error {
			if p.UserID != "" {
				<-ctx.Done()
			}
			return nil
		})
		srv.Method("login", func(_ context.Context, c *server.Call) (any, error) { return nil, c.SetUserID("u") })
		c := dial(t, srv).connect()
		c.ask(sub("1", "stuck"), `{"msg":"ready","subs":["1"]}`)
		c.ask(method("1", "login", ""))
		c.cut()
	})
}

// TestUniversal holds line 171.
func TestUniversal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		early := dialAsleep(t, srv, client.PipeOptions{})
		early.wake()
		c := dial(t, srv).connect()
		srv.Publish("", func(_ context.Context, p *server.Publication) error {
			p.Added("u", must(`{"_id":"1"}`))
			return nil
		})
		added := `{"msg":"added","collection":"u","id":"1","fields":{}}`
		c.expect(added)
		c.ask(`{"msg":"unsub","id":""}`, `{"msg":"nosub"}`)
		c.ask(`{"msg":"sub","id":"x","name":""}`, `{"msg":"nosub","id":"x","error":`+notFound("Subscription ''")+`}`)
		early.send(`{"msg":"connect","version":"1","support":["1"]}`)
		if got := early.take(); len(got) != 2 || got[1] != added {
			t.Errorf("got %q", got)
		} // once, though it was there when it was published
	})
}

// TestNamedTwice holds line 173.
func TestNamedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		srv := &server.Server{Logger: log.logger(), Grace: -1}
		for i := range 2 {
			srv.Publish("p", func(_ context.Context, p *server.Publication) error {
				if i > 0 {
					return errors.New("the second")
				}
				return nil
			})
			srv.Method("m", func(context.Context, *server.Call) (any, error) { return i, nil })
		}
		c := dial(t, srv).connect()
		c.ask(sub("s", "p"), `{"msg":"ready","subs":["s"]}`)
		c.ask(method("1", "m", ""), answer("1", "0")...)
		if n := strings.Count(log.String(), "named twice"); n != 2 {
			t.Errorf("%d warnings:\n%s", n, log.String())
		}
	})
}

// TestReadyAndStay: a publication that watches in its own function lets the next
// message begin with Ready, and is told when it is over.
func TestReadyAndStay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := quiet()
		changes := make(chan string)
		var n notes
		srv.Publish("watch", func(ctx context.Context, p *server.Publication) error {
			p.Ready()
			p.Ready()
			for {
				select {
				case id := <-changes:
					p.Added("c", must(`{"_id":"`+id+`"}`))
				case <-ctx.Done():
					n.add("over")
					return ctx.Err()
				}
			}
		})
		c := dial(t, srv).connect()
		c.send(sub("s", "watch"), sub("t", "none"))
		c.expect(`{"msg":"ready","subs":["s"]}`, `{"msg":"nosub","id":"t","error":`+notFound("Subscription 'none'")+`}`)
		changes <- "x"
		c.expect(`{"msg":"added","collection":"c","id":"x","fields":{}}`)
		c.ask(`{"msg":"unsub","id":"s"}`, `{"msg":"removed","collection":"c","id":"x"}`, `{"msg":"nosub","id":"s"}`)
		n.expect(t, "over")
		synctest.Wait()
	})
}
