package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// connected opens a session with a toy. Both are over when the returned function
// returns.
func connected(t *testing.T, y *toy, opts Options) (*Conn, func()) {
	t.Helper()
	dial, wait := pipes(PipeOptions{}, y.serve)
	opts.Dial = dial
	if opts.Logger == nil {
		opts.Logger = silent
	}
	c, err := Dial(t.Context(), "pipe", opts)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { c.Close(); wait() }
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, v := newToy(), &view{items: map[string]int{}}
		c, end := connected(t, y, Options{Events: v.events()})
		defer end()
		sub, err := c.Subscribe(t.Context(), "items")
		if err != nil || sub.Wait(t.Context()) != nil {
			t.Fatal(err)
		}
		got, err := c.Call(t.Context(), "inc", "a")
		if err != nil || got.Str() != "a" {
			t.Fatal(got, err)
		}
		if v.String() != "map[total:1]" { // before the result, as the server sent it
			t.Error(v)
		}
		var de *ddp.Error
		if _, err = c.Call(t.Context(), "fail"); !errors.As(err, &de) || de.Code != "403" {
			t.Error(err)
		}
		if _, err = c.Call(t.Context(), "inc", "b", make(chan int)); err == nil || !strings.Contains(err.Error(), `call "inc", parameter 2`) {
			t.Error(err)
		}
		// Many at once, out of one channel.
		done := make(chan *Call, 100)
		for i := range 100 {
			c.Go("inc", done, fmt.Sprint(i))
		}
		var keys []string
		for range 100 {
			call := <-done
			if call.Err != nil || call.Params.At(0).Str() != call.Value.Str() {
				t.Error(call.Err, call.Value)
			}
			<-call.Updated()
			keys = append(keys, call.Value.Str())
		}
		slices.Sort(keys)
		if len(slices.Compact(keys)) != 100 || y.items["total"] != 101 {
			t.Error(len(keys), y.items)
		}
		if c.Take() != nil {
			t.Error("a routed session gave something to Take")
		}
	})
}

// TestCallEnds: calls that are given up, or whose session ends.
func TestCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{MaxCalls: 3}, PipeOptions{}, func(p *PipeEnd) {
			var ids []string
			for range 3 {
				frame, _ := p.Read()
				m, err := ddp.Decode(frame)
				if err != nil {
					t.Error(err)
					return
				}
				ids = append(ids, m.(ddp.Method).ID)
			}
			say(p, ddp.Result{ID: ids[0], Value: ejson.NumberValue(1)}) // given up meanwhile
			say(p, ddp.Result{ID: ids[1], Value: ejson.NumberValue(2)})
			say(p, ddp.Result{ID: ids[1], Value: ejson.NumberValue(3)}) // a second one
			say(p, ddp.Updated{Methods: []string{"else", ids[1]}}, ddp.Updated{})
			untilEnd(p)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Call(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		second, third := c.Go("second", nil), c.Go("third", nil)
		if call := <-second.Done; call.Value.Number() != 2 || call.Err != nil {
			t.Error(call.Value, call.Err)
		}
		<-second.Updated()
		c.Go("fourth", nil)
		c.Go("fifth", nil)
		if call := <-c.Go("sixth", nil).Done; !errors.Is(call.Err, ErrTooManyCalls) {
			t.Error(call.Err)
		}
		end()
		<-third.Done
		<-third.Updated()
		if !errors.Is(third.Err, ErrClosed) || !strings.Contains(third.Err.Error(), `call "third" was not answered`) {
			t.Error(third.Err)
		}
		if _, err := c.Call(t.Context(), "late"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Subscribe(t.Context(), "late"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		defer func() {
			if recover() == nil {
				t.Error("Go took a channel without room")
			}
		}()
		c.Go("x", make(chan *Call))
	})
}

// TestLateIsBounded: a server that never says updated does not fill the memory.
func TestLateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			for {
				frame, err := p.Read()
				if err != nil {
					return
				}
				m, _ := ddp.Decode(frame)
				say(p, ddp.Result{ID: m.(ddp.Method).ID})
			}
		})
		defer end()
		for range 3 * maxLate {
			if _, err := c.Call(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(c.router.late); n > maxLate {
			t.Error(n)
		}
	})
}

func TestSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, v := newToy(), &view{items: map[string]int{}}
		y.change("a", 1)
		c, end := connected(t, y, Options{Events: v.events()})
		sub, err := c.Subscribe(t.Context(), "items", 1, "two")
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.Wait(t.Context()); err != nil || v.String() != "map[a:1]" {
			t.Fatal(err, v)
		}
		y.change("a", 2)
		y.change("b", 3)
		synctest.Wait()
		if v.String() != "map[a:2 b:3]" {
			t.Error(v)
		}
		if sub.Err() != nil || sub.ID() == "" {
			t.Error(sub.Err())
		}
		sub.Stop()
		sub.Stop()
		synctest.Wait()
		if v.String() != "map[]" || y.unsubs != 1 || sub.Err() != nil {
			t.Error(v, y.unsubs, sub.Err())
		}
		<-sub.Done()
		refused, err := c.Subscribe(t.Context(), "nothing")
		if err != nil {
			t.Fatal(err)
		}
		var de *ddp.Error
		if err := refused.Wait(t.Context()); !errors.As(err, &de) || de.Code != "404" || refused.Err() != err {
			t.Error(err)
		}
		if _, err := c.Subscribe(t.Context(), "items", func() {}); err == nil {
			t.Error("a function was taken for a parameter")
		}
		last, _ := c.Subscribe(t.Context(), "items")
		last.Wait(t.Context())
		again, _ := c.Subscribe(t.Context(), "items")
		again.Stop()
		if err := again.Wait(t.Context()); err != ErrStopped {
			t.Error(err)
		}
		end()
		<-last.Done()
		if last.Err() != ErrClosed {
			t.Error(last.Err())
		}
		if v.wrong != nil || slices.Contains(v.log, "nosub") || slices.Contains(v.log, "result") {
			t.Error(v.wrong, v.log)
		}
	})
}

// TestCallsInEvents: an event may start calls and end the session.
func TestCallsInEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newToy()
		var c *Conn
		done := make(chan *Call, 1)
		ready := make(chan struct{})
		c, end := connected(t, y, Options{Events: &Events{
			Added:   func(m ddp.Added) { <-ready; c.Go("inc", done, m.ID.String()) },
			Changed: func(m ddp.Changed) { c.Close() },
		}})
		defer end()
		close(ready)
		c.Subscribe(t.Context(), "items")
		y.change("x", 1)
		if call := <-done; call.Err != nil {
			t.Error(call.Err)
		}
		y.change("x", 2)
		<-c.Done()
	})
}

// TestPosition counts what the events have seen, and resumes from there.
func TestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, v := newToy(), &view{items: map[string]int{}}
		c, end := connected(t, y, Options{Events: v.events()})
		sub, _ := c.Subscribe(t.Context(), "items")
		sub.Wait(t.Context())
		y.change("a", 1)
		synctest.Wait()
		at := c.Position()
		if at.Received != 3 || at.Session != c.Session() {
			t.Fatal(at)
		}
		end()
		y.change("a", 2)
		c, end = connected(t, y, at.Resume(Options{Events: v.events()}))
		defer end()
		synctest.Wait()
		if !c.Resumed() || v.String() != "map[a:2]" || v.wrong != nil {
			t.Error(c.Resumed(), v)
		}
		if got := c.Position().Received; got != 5 {
			t.Error(got)
		}
	})
}
