package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, wait := pipes(PipeOptions{Frame: func(int, []byte) (time.Duration, bool) { return time.Second, false }}, newToy().serve)
		c, err := Dial(t.Context(), "pipe", Options{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := c.Ping(t.Context()); d != 2*time.Second || err != nil {
			t.Error(d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-time.After(time.Minute) // and the heartbeat measures, too
		s := c.Stats()
		if s.RoundTrip != 2*time.Second || s.PingsOut != s.PongsIn || s.PingsOut < 3 {
			t.Errorf("%+v", s)
		}
		c.Close()
		wait()
		if _, err := c.Ping(t.Context()); err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			say(p, ddp.Ping{}, ddp.Ready{Subs: []string{strings.Repeat("x", 2000)}})
			p.Write(context.Background(), []byte("strange"), false)
			untilEnd(p)
		})
		defer end()
		c.Send(t.Context(), ddp.Unsub{ID: "1"})
		<-time.After(time.Second)
		want := "in 1s: 4 messages in (2.09 kB), 3 out (99 B), 0 of 0 pings answered, 1 pings of the server, 1 messages not understood"
		if got := c.Stats().String(); got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		c.ResetStats()
		c.Send(t.Context(), ddp.Unsub{ID: "1"})
		<-time.After(time.Minute)
		s := c.Stats()
		if s.For != time.Minute || s.MessagesIn != 0 || s.PingsOut == 0 || s.BytesOut != uint64(len(`{"msg":"unsub","id":"1"}`))+s.PingsOut*uint64(len(`{"msg":"ping"}`)) {
			t.Errorf("%+v", s)
		}
	})
}

// TestTap: every frame is shown, and no secret.
func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c, end := connected(t, newToy(), Options{Tap: LogFrames(logger), Logger: logger})
		c.Call(t.Context(), "login", map[string]any{"resume": "my-token"})
		end()
		for _, want := range []string{`\"msg\":\"connect\"`, `\"msg\":\"result\"`, `(hidden)`, "ddp: connected", "ddp: session ended"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "my-token") || strings.Contains(log.String(), c.Session()) {
			t.Error("the log tells:", log.String())
		}
		LogFrames(silent)(true, nil)
	})
}

// upper is a codec whose frames nobody else reads.
type upper struct{}

func (upper) Append(b []byte, m ddp.Message) []byte {
	return append(b, bytes.ReplaceAll(ddp.Append(nil, m), []byte(`"msg"`), []byte(`"MSG"`))...)
}
func (upper) NewDecoder() ddp.FrameDecoder { return upper{} }
func (upper) Decode(frame []byte) (ddp.Message, error) {
	return ddp.Decode(bytes.ReplaceAll(frame, []byte(`"MSG"`), []byte(`"msg"`)))
}

func TestCodec(t *testing.T) {
	near, far := Pipe(PipeOptions{})
	go func() {
		far.Read()
		far.Write(context.Background(), []byte(`{"MSG":"connected","session":"s"}`), false)
		frame, _ := far.Read()
		far.Write(context.Background(), frame, false)
		untilEnd(far)
	}()
	c, err := New(t.Context(), near, Options{Codec: upper{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Send(t.Context(), ddp.Unsub{ID: "7"})
	<-c.Ready()
	if got := dump(c.Take()...); got != `{"msg":"unsub","id":"7"}` {
		t.Error(got)
	}
}

// never is a heartbeat that gives up at its own time.
type never struct {
	lost  func()
	heard int
	ended bool
}

func (n *never) Heard() {
	n.heard++
	if n.heard == 2 {
		go n.lost()
	}
}
func (n *never) Deaf(bool) {}
func (n *never) Stop()     { n.ended = true }

func TestHeart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h *never
		opts := Options{Heart: func(ping, lost func()) Heart {
			h = &never{lost: lost}
			ping()
			return h
		}}
		c, end := session(t, opts, PipeOptions{}, func(p *PipeEnd) {
			if frame, err := p.Read(); string(frame) != `{"msg":"ping"}` {
				t.Errorf("%s %v", frame, err)
			}
			say(p, ddp.Pong{}, ddp.Pong{})
			untilEnd(p)
		})
		<-c.Done()
		end()
		if c.Err() != ErrSilent || !h.ended {
			t.Error(c.Err(), h.ended)
		}
	})
}
