package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// TestUnreadableAnswers: a call whose result cannot be decoded, and a subscription whose
// nosub cannot, end with an error that says so, for the answer will not come again.
func TestUnreadableAnswers(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	synctest.Test(t, func(t *testing.T) {
		var other []string
		c, end := session(t, Options{Events: &Events{Other: func(m ddp.Message) { other = append(other, ddp.Kind(m)) }}}, PipeOptions{}, func(p *PipeEnd) {
			for {
				frame, err := p.Read()
				if err != nil {
					return
				}
				text := ""
				switch m, _ := ddp.Decode(frame); m := m.(type) {
				case ddp.Method:
					text = fmt.Sprintf(`{"msg":"result","id":%q,"result":{"$binary":7}}`, m.ID)
				case ddp.Sub:
					text = fmt.Sprintf(`{"msg":"nosub","id":%q,"error":{"error":1,"details":%s}}`, m.ID, deep)
				}
				p.Write(context.Background(), []byte(text), false)
			}
		})
		defer end()
		var bad *ddp.MalformedError
		if _, err := c.Call(t.Context(), "m"); !errors.As(err, &bad) || !strings.Contains(err.Error(), "the result cannot be read") {
			t.Error(err)
		}
		s, err := c.Subscribe(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(t.Context()); !errors.As(err, &bad) || s.Err() != err {
			t.Error(err)
		}
		if len(other) > 0 {
			t.Errorf("the events were given %q", other)
		}
	})
}

// TestLateAnswers: what comes for calls and subscriptions that are over, or comes twice,
// is not taken for news.
func TestLateAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var other []string
		c, end := session(t, Options{Events: &Events{Other: func(m ddp.Message) { other = append(other, string(ddp.Append(nil, m))) }}}, PipeOptions{}, func(p *PipeEnd) {
			for {
				frame, err := p.Read()
				if err != nil {
					return
				}
				switch m, _ := ddp.Decode(frame); m := m.(type) {
				case ddp.Method:
					if m.Name == "slow" {
						time.Sleep(5 * time.Second)
					}
					r := ddp.Result{ID: m.ID}
					u := ddp.Updated{Methods: []string{m.ID, "another"}}
					say(p, r, u, r, u)
				case ddp.Sub:
					say(p, ddp.Nosub{ID: m.ID}, ddp.Nosub{ID: m.ID})
				}
			}
		})
		defer end()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Call(ctx, "slow"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := c.Call(t.Context(), "m"); err != nil {
			t.Error(err)
		}
		if _, err := c.Subscribe(t.Context(), "p"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		const anothers = `{"msg":"updated","methods":["another"]}`
		if got := strings.Join(other, ""); got != strings.Repeat(anothers, 4) {
			t.Errorf("the events were given %s", got)
		}
	})
}

// refusing is a transport that takes no frame after the first, and yet does not end.
type refusing struct {
	Transport
	sent int
}

func (r *refusing) Write(ctx context.Context, frame []byte, urgent bool) error {
	if r.sent++; r.sent > 1 {
		return errors.New("no")
	}
	return r.Transport.Write(ctx, frame, urgent)
}

// TestTransportThatRefuses: nobody waits longer than their context lets them for the end
// of a session whose transport has failed for writing only.
func TestTransportThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(PipeOptions{})
		go func() {
			accept(b)
			untilEnd(b)
		}()
		c, err := New(t.Context(), &refusing{Transport: a}, Options{Logger: silent, Heartbeat: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for what, fn := range map[string]func(context.Context) error{
			"Send": func(ctx context.Context) error { return c.Send(ctx, ddp.Sub{ID: "1", Name: "p"}) },
			"Ping": func(ctx context.Context) error { _, err := c.Ping(ctx); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if err := fn(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s: %v after %v", what, err, time.Since(start))
			}
			cancel()
		}
	})
}

// TestCloseWhileDialing: who closes while a session comes to be hears no more of it.
func TestCloseWhileDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) { accept(p); untilEnd(p) })
		made := make(chan *Reconnecting, 1)
		opts := ReconnectOptions{
			Options:   Options{Dial: dial, Logger: silent},
			OnConnect: func(context.Context, *Conn) error { t.Error("OnConnect was called"); return nil },
			OnState:   func(s State) { t.Error(s) },
		}
		opts.Heart = func(_, lost func()) Heart { // the last that Dial does
			k := <-made
			k.Close()
			return &idle{}
		}
		k := NewReconnecting("pipe", opts)
		made <- k
		<-k.Done()
		wait()
		if k.Err() != ErrClosed {
			t.Error(k.Err())
		}
	})
}

type idle struct{}

func (*idle) Heard()    {}
func (*idle) Deaf(bool) {}
func (*idle) Stop()     {}

func TestStateKind(t *testing.T) {
	if s := fmt.Sprint(Refused, StateKind(-1), StateKind(6)); s != "refused StateKind(-1) StateKind(6)" {
		t.Error(s)
	}
}

// TestEndedWhileAway: a subscription that was sent again before its end arrived may have
// been begun again, so it is ended again, too.
func TestEndedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		next := func(p *PipeEnd) (id string) {
			frame, err := p.Read()
			if err != nil {
				t.Error(err)
			}
			switch m, _ := ddp.Decode(frame); m := m.(type) {
			case ddp.Sub:
				id = m.ID
			case ddp.Unsub:
				id = m.ID
			}
			got = append(got, fmt.Sprintf("%.12s", frame))
			return id
		}
		dial, wait := lives(func(p *PipeEnd) {
			accept(p)
			say(p, ddp.Ready{Subs: []string{next(p)}})
			synctest.Wait()
			p.Cut()
		}, func(p *PipeEnd) {
			accept(p) // with the same session
			say(p, ddp.Nosub{ID: next(p)})
			say(p, ddp.Nosub{ID: next(p)})
			untilEnd(p)
		})
		var other []string
		k := NewReconnecting("pipe", ReconnectOptions{Options: Options{Dial: dial, Logger: silent,
			Events: &Events{Other: func(m ddp.Message) { other = append(other, ddp.Kind(m)) }}}})
		s, err := k.Subscribe(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		synctest.Wait()
		if want := `[{"msg":"sub" {"msg":"sub" {"msg":"unsu]`; fmt.Sprint(got) != want || s.Err() != nil || len(other) > 0 {
			t.Errorf("the server got %s, the events %s; ended with %v", got, other, s.Err())
		}
		k.Close()
		wait()
		<-k.Done()
	})
}
