package client

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// FuzzSession lets a server say anything, one frame a line, to a session with calls and
// subscriptions. Nothing panics, nothing hangs, and every call ends.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		`{"msg":"connected","session":"s"}`,
		"{\"msg\":\"connected\"}\n{\"msg\":\"result\",\"id\":\"ID1\",\"result\":1}\n{\"msg\":\"updated\",\"methods\":[\"ID1\"]}",
		"{\"server_id\":\"0\"}\n{\"msg\":\"connected\",\"session\":7}\n{\"msg\":\"nosub\",\"id\":\"ID2\",\"error\":\"x\"}",
		"{\"msg\":\"connected\"}\n{\"msg\":\"ready\",\"subs\":[\"ID2\",\"ID2\"]}\n{\"msg\":\"ping\"}\n{\"msg\":\"pong\",\"id\":\"1\"}",
		"{\"msg\":\"connected\"}\n{\"msg\":\"added\",\"collection\":\"c\",\"id\":\"1\"}\n{\"msg\":\"added\"}\nx\n[]",
		"{\"msg\":\"failed\",\"version\":\"pre1\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			far := make(chan struct{})
			near, p := Pipe(PipeOptions{})
			go func() {
				defer close(far)
				for line := range bytes.Lines(script) {
					p.Write(context.Background(), bytes.TrimSuffix(line, []byte("\n")), false)
				}
				untilEnd(p)
			}()
			c, err := New(t.Context(), near, Options{
				Logger: silent, Events: (&view{items: map[string]int{}}).events(), MaxWaiting: 2,
				Tap: func(bool, []byte) {},
			})
			if err != nil {
				<-far
				return
			}
			// The ids are known to the script.
			c.router.mu.Lock()
			c.router.prefix = "ID"
			c.router.mu.Unlock()
			call := c.Go("m", nil)
			sub, _ := c.Subscribe(t.Context(), "s")
			<-time.After(time.Hour)
			c.Close()
			<-call.Done
			<-call.Updated()
			if sub != nil {
				sub.Stop()
				<-sub.Done()
			}
			<-far
			if _, err := c.Call(t.Context(), "m"); err == nil {
				t.Error("a call after the end was answered")
			}
			if c.Send(t.Context(), ddp.Ping{}) == nil {
				t.Error("something was sent after the end")
			}
		})
	})
}
