package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// lives gives each connection the next of some servers, and notes what it is sent first.
func lives(servers ...func(p *PipeEnd)) (dial func(context.Context, string) (Transport, error), wait func()) {
	n := 0
	return pipes(PipeOptions{}, func(p *PipeEnd) {
		if n++; n <= len(servers) {
			servers[n-1](p)
		} else if _, err := accept(p); err == nil {
			untilEnd(p)
		}
	})
}

// TestResend: what has no result is sent again under the same id, whatever else was
// heard of it; what has one is not; then come the subscriptions, as they were made.
func TestResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second []ddp.Message
		read := func(p *PipeEnd, n int) (ms []ddp.Message) {
			if _, err := accept(p); err != nil {
				t.Error(err)
			}
			for range n {
				frame, err := p.Read()
				m, err2 := ddp.Decode(frame)
				if err != nil || err2 != nil {
					t.Error(err, err2)
					return ms
				}
				ms = append(ms, m)
			}
			return ms
		}
		dial, wait := lives(func(p *PipeEnd) {
			first = read(p, 6)
			id := func(i int) string { return first[i].(ddp.Method).ID }
			say(p, ddp.Result{ID: id(0), Value: ejson.NumberValue(0)}, // and no updated
				ddp.Updated{Methods: []string{id(1)}}, // and no result
				ddp.Nosub{ID: first[4].(ddp.Sub).ID}, ddp.Ready{Subs: []string{first[5].(ddp.Sub).ID}})
			synctest.Wait()
			p.Cut()
		}, func(p *PipeEnd) {
			second = read(p, 4)
			say(p, ddp.Result{ID: first[1].(ddp.Method).ID}, ddp.Result{ID: first[2].(ddp.Method).ID})
			untilEnd(p)
		})
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent}})
		<-time.After(time.Second)
		done := make(chan *Call, 3)
		for i := range 3 {
			k.Go("m", done, i)
		}
		var subs []*Subscription
		for i := range 3 {
			s, err := k.Subscribe(t.Context(), "s", i)
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, s)
		}
		for range 3 {
			if call := <-done; call.Err != nil {
				t.Error(call.Err)
			}
		}
		k.Close()
		wait()
		<-k.Done()
		want := dump(first[1], first[2], first[3], first[5])
		if got := dump(second...); got != want {
			t.Errorf("sent again:\n%s\nwant\n%s", got, want)
		}
		if subs[1].Err() != nil || subs[0].Err() != ErrClosed {
			t.Error(subs[0].Err(), subs[1].Err())
		}
	})
}

// TestCallsOfOneSession end with it.
func TestCallsOfOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, wait := lives(func(p *PipeEnd) {
			accept(p)
			p.Read()
			p.Cut()
		})
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent}})
		<-time.After(time.Second)
		if _, err := k.Conn().Call(t.Context(), "m"); err == nil {
			t.Error("a call outlived its session")
		}
		<-time.After(time.Second)
		if k.Conn() == nil || k.Stats().Connections != 2 {
			t.Error(k.Stats())
		}
		k.Close()
		wait()
		<-k.Done()
	})
}

// TestVersionIsKept: the version that was agreed on is proposed first the next time.
func TestVersionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var proposed []string
		propose := func(p *PipeEnd) {
			frame, _ := p.Read()
			m, err := ddp.Decode(frame)
			if err != nil {
				t.Error(err)
				return
			}
			proposed = append(proposed, m.(ddp.Connect).Version)
			if m.(ddp.Connect).Version != "pre2" {
				say(p, ddp.Failed{Version: "pre2"})
				return
			}
			say(p, ddp.Connected{Session: "s"})
			<-time.After(time.Millisecond)
			p.Cut()
		}
		dial, wait := lives(propose, propose, propose)
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent}})
		<-time.After(time.Second)
		k.Close()
		wait()
		<-k.Done()
		if fmt.Sprint(proposed) != "[1 pre2 pre2]" {
			t.Error(proposed)
		}
	})
}

// TestNoHammering: a server that accepts and drops is left in peace more and more, and
// Reconnect has no effect while there is a session.
func TestNoHammering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
			tries++
			accept(p)
			<-time.After(time.Second)
			p.Cut()
		})
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent}})
		<-time.After(500 * time.Millisecond)
		k.Reconnect()
		<-time.After(10 * time.Minute)
		if tries < 5 || tries > 10 {
			t.Error(tries, "attempts in ten minutes")
		}
		if s := k.Stats(); s.Connections != uint64(tries) || s.Failed != 0 {
			t.Error(s)
		}
		k.Close()
		wait()
		<-k.Done()
	})
}

// TestTooBigToSend: what the server closes a session for is not sent again and again; the
// rest is.
func TestTooBigToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100_000
		sessions := 0
		dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
			sessions++
			if _, err := accept(p); err != nil {
				return
			}
			for {
				frame, err := p.Read()
				if err != nil {
					return
				}
				if len(frame) > limit {
					p.Close(wire.CodeTooBig, "message too big")
					return
				}
				if m, _ := ddp.Decode(frame); ddp.Kind(m) == "method" {
					say(p, ddp.Result{ID: m.(ddp.Method).ID})
				}
			}
		})
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent}})
		big, small := strings.Repeat("x", limit), strings.Repeat("x", limit/2)
		done := make(chan *Call, 10)
		calls := []*Call{k.Go("m", done, big), k.Go("m", done, small), k.Go("m", done, big+"x")}
		sub, err := k.Subscribe(t.Context(), "p", big)
		if err != nil {
			t.Fatal(err)
		}
		<-sub.Done()
		for range calls {
			<-done
		}
		var closed *CloseError
		for i, c := range calls {
			if (i == 1) != (c.Err == nil) || i != 1 && (!errors.As(c.Err, &closed) || !strings.Contains(c.Err.Error(), "takes no message of 1000")) {
				t.Error(i, c.Err)
			}
		}
		if !errors.As(sub.Err(), &closed) {
			t.Error(sub.Err())
		}
		if _, err := k.Call(t.Context(), "m"); err != nil || sessions != 4 {
			t.Errorf("%v in session %d", err, sessions)
		}
		k.Close()
		wait()
		<-k.Done()
	})
}

// TestTooBigToReceive: a result beyond the limit fails its call, which is not made again,
// and the next session is a new one.
func TestTooBigToReceive(t *testing.T) {
	var calls, resumed atomic.Int64
	url := serveSocket(t, func(tr Transport) {
		c, err := accept(tr)
		if err != nil {
			return
		}
		if c.Session != "" {
			resumed.Add(1)
		}
		for {
			frame, err := tr.Read()
			if err != nil {
				return
			}
			m, _ := ddp.Decode(frame)
			call, ok := m.(ddp.Method)
			if !ok {
				continue
			}
			calls.Add(1)
			say(tr, ddp.Result{ID: call.ID, Value: ejson.StringValue(strings.Repeat("x", int(call.Params.At(0).Number())))})
		}
	})
	k := NewReconnecting(url, ReconnectOptions{Options: Options{Logger: silent, MaxMessage: 1000}})
	defer func() { k.Close(); <-k.Done() }()
	var big *TooBigError
	if _, err := k.Call(t.Context(), "m", 1001); !errors.As(err, &big) {
		t.Error(err)
	}
	if v, err := k.Call(t.Context(), "m", 10); err != nil || v.Str() != "xxxxxxxxxx" {
		t.Error(v, err)
	}
	if calls.Load() != 2 || resumed.Load() != 0 {
		t.Errorf("%d calls, %d sessions resumed", calls.Load(), resumed.Load())
	}
}
