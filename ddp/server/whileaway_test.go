package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/server"
)

// TestCallsWhileAway holds lines 228, 233 and 234 as they ought to be: calls go on,
// and one that is sent again is answered once.
func TestCallsWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		g := new(gates).of("a", "b", "c")
		srv.Method("gate", g.method)
		c := dial(t, srv)
		id := c.open()
		c.send(method("1", "gate", `"a"`), method("2", "gate", `"b"`), method("3", "gate", `"c"`))
		g.expect(t, "begin a")
		c.cut()
		close(g.open["a"])
		g.expect(t, "end a", "begin b")
		c = dial(t, srv)
		c.send(reconnect(id, 1), method("1", "gate", `"a"`), method("2", "gate", `"b"`), method("3", "gate", `"c"`))
		c.expect(append([]string{connected(id)}, answer("1", `"a"`)...)...)
		g.expect(t)
		close(g.open["b"])
		close(g.open["c"])
		g.expect(t, "end b", "begin c", "end c")
		c.expect(append(answer("2", `"b"`), answer("3", `"c"`)...)...)
		// Whoever asks again all the same is answered, from memory.
		c.ask(method("2", "gate", `"b"`), answer("2", `"b"`)...)
		c.ask(method("1", "gate", `"a"`), answer("1", `"a"`)...)
		g.expect(t)
		finish(t, srv)
	})
}

// TestSlowClientComesBack: one that did not read may go on where it was.
func TestSlowClientComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.MaxQueue = 100 << 10
		k := keep(srv, "p")
		c := dialAsleep(t, srv, sleepy)
		c.send(connect, sub("s", "p"))
		synctest.Wait()
		p := <-k.got
		p.Ready()
		n := 0
		for ; !p.Session().Away(); n++ {
			p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, n, strings.Repeat("x", 1000))))
		}
		<-c.done
		if !errors.Is(c.ended, server.ErrSlow) {
			t.Error(c.ended)
		}
		frame, err := c.end.Read()
		id := ""
		if err == nil {
			id = session(t, []string{string(frame)})
		} else { // it was told nothing before it was dropped
			t.Skip("nothing was read")
		}
		c = dial(t, srv)
		c.send(reconnect(id, 1))
		if got := c.take(); len(got) != n+2 || session(t, got) != id {
			t.Errorf("%d messages, want %d", len(got), n+2)
		}
		finish(t, srv)
	})
}

// TestFillingWhileAway: a subscription that fills waits for the client to come back,
// and arrives whole.
func TestFillingWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		const documents = 20_000
		srv.Publish("all", func(ctx context.Context, p *server.Publication) error {
			for i := range documents {
				p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, i, strings.Repeat("x", 500))))
			}
			return ctx.Err()
		})
		c := dialAsleep(t, srv, sleepy)
		c.send(connect, sub("s", "all"))
		id, count := "", 0
		for cuts := 0; ; cuts++ {
			for {
				frame, err := c.end.Read()
				if err != nil {
					t.Fatal(err)
				}
				switch m, _ := ddp.Decode(frame); m := m.(type) {
				case ddp.Ping:
					continue
				case ddp.Connected:
					if id != "" && m.Session != id {
						t.Fatalf("a new session after %d messages", count)
					}
					id = m.Session
				case ddp.Added:
					if want := fmt.Sprint(count - 1 - cuts); m.ID.String() != want {
						t.Fatalf("got %s, want %s", m.ID, want)
					}
				case ddp.Ready:
					if cuts < 10 {
						t.Errorf("only %d cuts", cuts)
					}
					finish(t, srv)
					return
				}
				if count++; count%1500 == 0 {
					break
				}
			}
			c.cut()
			time.Sleep(40 * time.Second)
			c = dialAsleep(t, srv, sleepy)
			c.send(reconnect(id, count))
		}
	})
}

// TestReadIsForgotten: of a client that shows that it reads, little is kept; of one that
// does not, no more than MaxTail.
func TestReadIsForgotten(t *testing.T) {
	for _, answers := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			srv := keeping()
			const documents = 10_000
			k := keep(srv, "p")
			c := dialAsleep(t, srv, client.PipeOptions{})
			c.send(connect, sub("s", "p"))
			pings, count := 0, 0
			id := ""
			go func() {
				for {
					frame, err := c.end.Read()
					if err != nil {
						return
					}
					switch m, _ := ddp.Decode(frame); m := m.(type) {
					case ddp.Ping:
						pings++
						if answers {
							c.end.Write(t.Context(), ddp.Append(nil, ddp.Pong(m)), true)
						}
						continue
					case ddp.Connected:
						id = m.Session
					}
					count++
				}
			}()
			synctest.Wait()
			p := <-k.got
			for i := range documents {
				p.Added("c", must(fmt.Sprintf(`{"_id":"%d","text":%q}`, i, strings.Repeat("x", 1000))))
				if i%100 == 0 {
					p.Drain(t.Context())
				}
			}
			synctest.Wait()
			kept := p.Session().Stats().Kept
			if answers && (kept > 1<<20 || kept < 256<<10 || pings < 10) || !answers && (kept < 4<<20 || pings != 1) {
				t.Errorf("answers: %v: %d bytes are kept, after %d pings", answers, kept, pings)
			}
			c.cut()
			c = dial(t, srv)
			c.ask(reconnect(id, count-100), append([]string{connected(id)}, c.lastAdded(documents-100, documents)...)...)
			finish(t, srv)
		})
	}
}

// lastAdded are the messages of TestReadIsForgotten.
func (p *peer) lastAdded(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf(`{"msg":"added","collection":"c","id":"%d","fields":{"text":%q}}`, i, strings.Repeat("x", 1000)))
	}
	return all
}
