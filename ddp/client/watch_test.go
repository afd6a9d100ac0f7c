package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

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
