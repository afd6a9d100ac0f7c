package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// TestNothingOvertakes holds the last fault of line 236: while a client comes back, what
// is said just then comes after what waited.
func TestNothingOvertakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		k := keep(srv, "p")
		c := dial(t, srv)
		id := c.open()
		c.send(sub("s", "p"))
		synctest.Wait()
		p := <-k.got
		p.Added("c", must(`{"_id":"d","n":0}`))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // several messages while one frame is under way
			defer close(stopped)
			pad := strings.Repeat("x", 100)
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Microsecond):
				}
				p.Changed("c", ejson.StringID("d"), must(fmt.Sprintf(`{"n":%d,"pad":"%s%d"}`, n, pad, n)), nil)
			}
		}()
		c.cut()
		count, last := len(c.got), 0.0
		for _, m := range c.take() {
			if m, _ := ddp.Decode([]byte(m)); m != nil {
				if m, ok := m.(ddp.Changed); ok {
					last = m.Fields.Field("n").Number()
				}
			}
		}
		count++ // connected, which open took
		for range 30 {
			a, b := client.Pipe(client.PipeOptions{Frame: func(int, []byte) (time.Duration, bool) { return time.Millisecond, false }})
			go srv.Serve(t.Context(), b)
			a.Write(t.Context(), []byte(reconnect(id, count)), false)
			for range 200 {
				frame, err := a.Read()
				if err != nil {
					t.Fatal(err)
				}
				count++
				switch m, _ := ddp.Decode(frame); m := m.(type) {
				case ddp.Connected:
					if m.Session != id {
						t.Fatal("a new session")
					}
				case ddp.Changed:
					if n := m.Fields.Field("n").Number(); n != last+1 {
						t.Fatalf("%v after %v", n, last)
					}
					last++
				}
			}
			a.Cut()
			time.Sleep(20 * time.Millisecond)
		}
		close(stop)
		<-stopped
		finish(t, srv)
	})
}
