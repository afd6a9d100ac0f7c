package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// kept is a Reconnecting with a toy, and a line that can be cut.
type kept struct {
	*Reconnecting
	y    *toy
	v    *view
	wait func()

	mu     sync.Mutex
	states []string
	news   []State
	down   bool
	link   *PipeEnd
}

func keep(y *toy, opts ReconnectOptions, pipe PipeOptions, down ...bool) *kept {
	k := &kept{y: y, v: &view{items: map[string]int{}}, down: len(down) > 0}
	opts.Logger, opts.Events = silent, k.v.events()
	opts.OnState = func(s State) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if s.Kind == Reconnected {
			k.v.begin()
		}
		k.states, k.news = append(k.states, s.Kind.String()), append(k.news, s)
	}
	dial, wait := pipes(pipe, func(p *PipeEnd) { y.serve(p) })
	opts.Dial = func(ctx context.Context, url string) (Transport, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.down {
			return nil, errors.New("no network")
		}
		t, err := dial(ctx, url)
		k.link = t.(*PipeEnd)
		return t, err
	}
	k.wait = wait
	k.Reconnecting = NewReconnecting("pipe", opts)
	return k
}

func (k *kept) cut(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
	if k.link != nil {
		k.link.Cut()
	}
}

func (k *kept) end(t *testing.T) {
	k.Close()
	k.wait()
	<-k.Done()
	if k.v.wrong != nil {
		t.Error("events that do not fit:", k.v.wrong)
	}
}

func TestReconnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keep(newToy(), ReconnectOptions{}, PipeOptions{}, true)
		call := k.Go("inc", nil, "offline") // before there is a session
		sub, err := k.Subscribe(t.Context(), "items")
		if err != nil || k.Conn() != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		k.cut(false)
		k.Reconnect()
		if <-call.Done; call.Err != nil || sub.Wait(t.Context()) != nil {
			t.Fatal(call.Err)
		}
		held := k.Conn().Session()
		<-time.After(10 * time.Second)

		k.cut(false) // and the session goes on
		k.y.change("x", 5)
		synctest.Wait()
		<-time.After(10 * time.Second)
		if k.Conn().Session() != held || k.v.String() != "map[total:1 x:5]" {
			t.Error(k.v)
		}

		k.y.restart() // and there is another
		k.y.change("x", 6)
		k.y.change("total", 0)
		<-time.After(10 * time.Second)
		if k.Conn().Session() == held || k.v.String() != "map[x:6]" {
			t.Error(k.v)
		}

		k.cut(true) // what is stopped away from the server is not forgotten
		synctest.Wait()
		sub.Stop()
		k.cut(false)
		k.Reconnect()
		<-time.After(10 * time.Second)
		if k.v.String() != "map[]" || k.y.unsubs != 1 {
			t.Error(k.v, k.y.unsubs)
		}
		at := k.Position()
		if at.Session != k.Conn().Session() || at.Received == 0 {
			t.Error(at)
		}
		if s := k.Stats(); s.Connections != 4 || s.Resumed != 2 || s.Failed == 0 || s.MessagesIn < 10 ||
			!strings.Contains(s.String(), "4 connections (2 resumed)") {
			t.Error(s)
		}
		k.ResetStats()
		if s := k.Stats(); s.Connections != 0 || s.MessagesIn != 0 || s.For != 0 {
			t.Error(s)
		}
		k.end(t)
		if k.Err() != ErrClosed || k.Position() != at {
			t.Error(k.Err(), k.Position(), at)
		}
		if _, err := k.Call(t.Context(), "x"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		states := slices.Compact(k.states)
		if got := fmt.Sprint(states); got != "[unreachable connected disconnected resumed disconnected reconnected disconnected resumed]" {
			t.Error(got)
		}
		for _, s := range k.news {
			if s.Kind == Unreachable && !strings.Contains(s.String(), "no network; again in ") {
				t.Error(s)
			}
		}
	})
}

// TestReconnectingGoesOn: another process goes on where one was closed, and one that
// disconnects leaves nothing.
func TestReconnectingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newToy()
		k := keep(y, ReconnectOptions{}, PipeOptions{})
		sub, _ := k.Subscribe(t.Context(), "items")
		sub.Wait(t.Context())
		k.end(t)
		<-sub.Done()
		y.change("x", 1)
		at := k.Position()
		k = keep(y, ReconnectOptions{Options: at.Resume(Options{})}, PipeOptions{})
		<-time.After(time.Second)
		synctest.Wait()
		if fmt.Sprint(k.states) != "[resumed]" || k.v.String() != "map[x:1]" {
			t.Error(k.states, k.v)
		}
		k.Disconnect()
		k.end(t)
		if len(y.sessions) != 0 {
			t.Error("the session is kept")
		}
	})
}

// TestOnConnect: who logs in does so before anything else, in every session.
func TestOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		var mu sync.Mutex
		refuse := 1
		y := newToy()
		k := keep(y, ReconnectOptions{
			OnConnect: func(ctx context.Context, c *Conn) error {
				if _, err := c.Call(ctx, "inc", "hello"); err != nil {
					return err
				}
				if refuse--; refuse == 0 {
					return errors.New("not today")
				}
				return nil
			},
			Options: Options{Tap: func(sent bool, frame []byte) {
				if m, err := ddp.Decode(frame); err == nil && sent {
					mu.Lock()
					defer mu.Unlock()
					if call, ok := m.(ddp.Method); ok {
						order = append(order, call.Params.At(0).Str())
					} else {
						order = append(order, ddp.Kind(m))
					}
				}
			}},
		}, PipeOptions{})
		sub, _ := k.Subscribe(t.Context(), "items")
		k.Call(t.Context(), "inc", "a")
		sub.Wait(t.Context())
		y.restart()
		<-time.After(time.Second)
		mu.Lock()
		got := fmt.Sprint(order)
		mu.Unlock()
		if got != "[connect hello connect hello a sub connect hello sub]" {
			t.Error(got)
		}
		if s := k.news[1]; s.Kind != Disconnected || s.Err == nil || !strings.Contains(s.Err.Error(), "OnConnect: not today") {
			t.Error(s)
		}
		k.end(t)
	})
}

// TestReconnectingEnds: what makes a Reconnecting stop, and what it tells of ends.
func TestReconnectingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []State
		lives := 0
		dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
			if lives++; lives == 1 {
				accept(p)
				p.Close(4001, "kicked")
				return
			}
			p.Read()
			say(p, ddp.Failed{Version: "9"})
		})
		k := NewReconnecting("pipe", ReconnectOptions{
			Options: Options{Dial: dial, Logger: silent},
			OnState: func(s State) { states = append(states, s) },
			Backoff: func(failures int) time.Duration { return time.Duration(failures+1) * time.Hour },
		})
		start := time.Now()
		if _, err := k.Call(t.Context(), "x"); !errors.Is(err, ErrVersion) {
			t.Error(err)
		}
		<-k.Done()
		wait()
		if time.Since(start) != time.Hour || !errors.Is(k.Err(), ErrVersion) || len(states) != 3 {
			t.Fatal(states)
		}
		if s := states[1]; s.Kind != Disconnected || s.Code != 4001 || s.Reason != "kicked" || s.Retry != time.Hour {
			t.Error(s)
		}
		if s := states[2]; s.Kind != Refused || !strings.HasPrefix(s.String(), "refused: client: ") {
			t.Error(s)
		}
		k = NewReconnecting("ftp://h", ReconnectOptions{Options: Options{Logger: silent}})
		<-k.Done()
		if !errors.Is(k.Err(), ErrURL) || k.Close() != nil || k.Disconnect() != nil {
			t.Error(k.Err())
		}
	})
}

func TestBackoff(t *testing.T) {
	for failures, want := range []float64{.01, .01, 4.84, 10.648, 23.43, 51.54, 113.4, 249.4, 300, 300} {
		low, high := want*.75, want*1.25
		if failures < 2 {
			low, high = want, want
		}
		for range 100 {
			if d := Backoff(failures).Seconds(); d < low*.999 || d > high*1.001 {
				t.Errorf("%d: %v", failures, d)
			}
		}
	}
	if d := Backoff(1 << 30); d > 375*time.Second || d <= 0 {
		t.Error(d)
	}
}
