package server_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/server"
)

// TestEndedWhileAway: a client that has not heard of the end of a subscription asks for it
// again, as for all that it has. It is told of the end, and the publication is not run
// again; an id is free to be used again by who knows that it is.
func TestEndedWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		runs := 0
		var live *server.Publication
		srv.Publish("p", func(_ context.Context, p *server.Publication) error {
			runs++
			live = p
			p.Added("c", must(fmt.Sprintf(`{"_id":"d%d"}`, runs)))
			return nil
		})
		added := func(n int) string {
			return fmt.Sprintf(`{"msg":"added","collection":"c","id":"d%d","fields":{}}`, n)
		}
		removed := func(n int) string {
			return fmt.Sprintf(`{"msg":"removed","collection":"c","id":"d%d"}`, n)
		}
		s := ddp.NewID()
		ready, nosub, ask := `{"msg":"ready","subs":["`+s+`"]}`, `{"msg":"nosub","id":"`+s+`"}`, sub(s, "p")
		c := dial(t, srv)
		id := c.open()
		c.ask(ask, added(1), ready)
		c.cut()

		live.Stop(nil)
		c = dial(t, srv)
		c.send(reconnect(id, 3), ask)
		c.expect(connected(id), removed(1), nosub)
		c.ask(ask, added(2), ready) // who asks again is meant
		c.ask(ask)
		c.cut() // after 8 messages

		c = dial(t, srv)
		c.send(reconnect(id, 8))
		c.expect(connected(id))
		live.Stop(nil) // crosses with the sub
		c.ask(ask, removed(2), nosub)
		c.ask(ask, added(3), ready)
		c.ask(`{"msg":"unsub","id":"`+s+`"}`, removed(3), nosub)
		c.cut() // after 15

		c = dial(t, srv)
		c.send(reconnect(id, 15), ask) // it has heard of the end
		c.expect(connected(id), added(4), ready)
		live.Stop(nil)
		c.expect(removed(4), nosub)
		for range 3000 { // what is remembered of them has an end
			s := ddp.NewID()
			c.send(sub(s, "p"))
			synctest.Wait()
			live.Stop(nil)
		}
		c.take()
		finish(t, srv)
	})
}
