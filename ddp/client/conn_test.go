package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// session opens a session on a pipe whose other end is run by handle after the
// handshake. Both are over when the returned function returns.
func session(t *testing.T, opts Options, pipe PipeOptions, handle func(t *PipeEnd)) (*Conn, func()) {
	t.Helper()
	opts.Logger = silent
	dial, wait := pipes(pipe, func(p *PipeEnd) {
		if _, err := accept(p); err != nil {
			t.Error(err)
			return
		}
		handle(p)
	})
	opts.Dial = dial
	c, err := Dial(t.Context(), "pipe", opts)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { c.Close(); wait() }
}

func TestServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			frame, err := p.Read()
			if string(frame) != `{"msg":"ping"}` || time.Since(start) != 17500*time.Millisecond {
				t.Errorf("%s, %v after %v", frame, err, time.Since(start))
			}
			untilEnd(p)
		})
		defer end()
		<-c.Done()
		if !errors.Is(c.Err(), ErrSilent) || time.Since(start) != 32500*time.Millisecond {
			t.Fatalf("%v after %v", c.Err(), time.Since(start))
		}
		if err := c.Send(t.Context(), ddp.Ping{}); !errors.Is(err, ErrSilent) {
			t.Fatal(err)
		}
	})
}

func TestPingsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{Heartbeat: -1}, PipeOptions{}, func(p *PipeEnd) {
			for _, ping := range []ddp.Ping{{}, {ID: "7"}} {
				say(p, ping)
				if frame, err := p.Read(); string(frame) != dump(ddp.Pong(ping)) {
					t.Errorf("%s, %v", frame, err)
				}
			}
			say(p, ddp.Pong{ID: "stray"}, ddp.Ready{Subs: []string{"1"}})
			untilEnd(p)
		})
		defer end()
		<-c.Ready()
		if got := dump(c.Take()...); got != `{"msg":"ready","subs":["1"]}` {
			t.Fatal(got)
		}
		<-time.After(time.Hour)
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	})
}

func TestNoPingsInPre1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{Versions: []string{"pre1"}}, PipeOptions{}, func(p *PipeEnd) {
			if frame, err := p.Read(); err == nil {
				t.Errorf("got %s", frame)
			}
		})
		defer end()
		<-time.After(time.Hour)
		if c.Err() != nil || c.Version() != "pre1" {
			t.Fatal(c.Err(), c.Version())
		}
	})
}

// TestSlowConsumer shows that what waits is bounded, that nothing is lost, and that a
// consumer that sleeps for an hour does not end the session, on neither side.
func TestSlowConsumer(t *testing.T) {
	const total = 5000
	for _, c := range []struct {
		name              string
		messages, bytes   int
		most              int
		pipeQueue, padded int
	}{
		{name: "messages", messages: 100, bytes: 1 << 30, most: 100, pipeQueue: 1000},
		{name: "bytes", messages: 1 << 30, bytes: 10_000, most: 100, pipeQueue: 1000, padded: 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, end := session(t, Options{MaxWaiting: c.messages, MaxWaitingBytes: c.bytes},
					PipeOptions{Queue: c.pipeQueue}, func(p *PipeEnd) {
						lost := make(chan struct{})
						beat := wire.NewHeartbeat(15*time.Second, 15*time.Second,
							func() { say(p, ddp.Ping{}) }, func() { close(lost) })
						defer beat.Stop()
						done := make(chan struct{})
						go func() {
							defer close(done)
							for {
								if _, err := p.Read(); err != nil {
									return
								}
								beat.Heard()
							}
						}()
						for i := range total {
							say(p, ddp.Ready{Subs: []string{fmt.Sprint(i), strings.Repeat("x", c.padded)}})
						}
						select {
						case <-lost:
							t.Error("the server gave the client up")
						case <-done:
						}
						<-done
					})
				defer end()
				<-time.After(time.Hour)
				n := 0
				for n < total && conn.Err() == nil {
					<-conn.Ready()
					got := conn.Take()
					if len(got) > c.most {
						t.Fatalf("%d messages were waiting", len(got))
					}
					for _, m := range got {
						if m.(ddp.Ready).Subs[0] != fmt.Sprint(n) {
							t.Fatalf("got %v, want %d", m, n)
						}
						n++
					}
				}
				if conn.Err() != nil {
					t.Fatal(conn.Err())
				}
			})
		})
	}
}

// TestStrangeFrames: what cannot be understood is passed on and logged, and the
// session lives.
func TestStrangeFrames(t *testing.T) {
	var log bytes.Buffer
	frames := []string{
		`not json`,
		`{"server_id":"0"}`,
		`{"msg":"news","text":"hello"}`,
		`{"msg":"added","collection":"c"}`,
		`{"msg":"added","collection":"c","id":"x","fields":{"a":{"$binary":7}}}`,
		`{"error":"no msg"}`,
		`{"msg":"updated"}`,
		`[]`,
		`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"zzz","token":"my-token"}}`,
		`{"msg":"ready","subs":["last"]}`,
	}
	dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
		p.Write(context.Background(), []byte(`{"server_id":"0"}`), false)
		p.Write(context.Background(), []byte(`nonsense`), false)
		say(p, ddp.Ping{ID: "early"}, ddp.ErrorMessage{Reason: "grumble"})
		if _, err := p.Read(); err != nil {
			t.Error(err)
		}
		if frame, _ := p.Read(); string(frame) != `{"msg":"pong","id":"early"}` {
			t.Errorf("%s", frame)
		}
		p.Write(context.Background(), []byte(`{"msg":"connected"}`), false)
		for _, f := range frames {
			p.Write(context.Background(), []byte(f), false)
		}
	})
	c, err := Dial(t.Context(), "pipe", Options{Dial: dial, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil || c.Session() != "" {
		t.Fatal(c, err)
	}
	var got []string
	for m := range c.Messages() {
		s := ddp.Kind(m)
		if u, ok := m.(ddp.Unknown); ok {
			s = "?" + s
			if u.Err != nil {
				s += "!"
			}
		}
		got = append(got, s)
	}
	c.Close()
	wait()
	want := "[?! ? ?news ?added! ?added! ? updated ? error ready]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	for _, want := range []string{"malformed added", "grumble", "zzz"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "my-token") {
		t.Error("the log tells a token")
	}
	var closed *CloseError
	if !errors.As(c.Err(), &closed) || closed.Code != wire.CodeNormal {
		t.Error(c.Err())
	}
}

// TestFramesAreNotKept reads many messages at once from a transport that overwrites
// each frame with the next.
func TestFramesAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var want []ddp.Message
		for i := range 100 {
			id := ejson.StringID(fmt.Sprintf("document-%03d", i))
			fields, err := ejson.Parse(fmt.Appendf(nil, `{"text":"text number %d","n":%d}`, i, i))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, ddp.Added{Collection: "c", ID: id, Fields: fields},
				ddp.Changed{Collection: "c", ID: id, Cleared: []string{fmt.Sprint("field", i)}})
		}
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			say(p, want...)
			untilEnd(p)
		})
		defer end()
		synctest.Wait()
		if got := c.Take(); dump(got...) != dump(want...) {
			t.Errorf("got %s", dump(got...))
		}
		if c.Take() != nil {
			t.Error("Take gave something twice")
		}
	})
}

func TestMessagesCanBeLeftAndEnteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			for i := range 10 {
				say(p, ddp.Ready{Subs: []string{fmt.Sprint(i)}})
			}
		})
		defer end()
		synctest.Wait()
		n := 0
		for n < 10 {
			for m := range c.Messages() {
				if m.(ddp.Ready).Subs[0] != fmt.Sprint(n) {
					t.Fatal(m, n)
				}
				if n++; n%3 == 0 {
					break
				}
			}
		}
		for m := range c.Messages() {
			t.Fatal(m)
		}
		if c.Err() == nil {
			t.Fatal("the loop ended before the session")
		}
	})
}
