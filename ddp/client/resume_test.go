package client

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// resumable counts what it sends as servers of Meteor 3.5 do, and resumes where the
// client's count is the same.
type resumable struct {
	id   string
	sent int
	next int // the number of the next message
}

// serve answers one connect, and sends n messages.
func (s *resumable) serve(t *testing.T, p *PipeEnd, n int) {
	frame, err := p.Read()
	m, err2 := ddp.Decode(frame)
	if err != nil || err2 != nil {
		t.Error(err, err2)
		return
	}
	connect := m.(ddp.Connect)
	if connect.Session != s.id || connect.ReceivedCount != s.sent || s.id == "" {
		s.id, s.sent = ddp.NewID(), 0
	}
	say(p, ddp.Connected{Session: s.id}, ddp.Ping{}, ddp.Pong{ID: "stray"})
	s.sent++
	for range n {
		say(p, ddp.Ready{Subs: []string{fmt.Sprint(s.next)}})
		s.next++
		s.sent++
	}
}

// TestResume follows a session over several connections, as an owner would who keeps
// what it applied.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server resumable
		var at Position
		var got []string
		life := func(n int, resumed bool, apply int) {
			t.Helper()
			dial, wait := pipes(PipeOptions{}, func(p *PipeEnd) {
				server.serve(t, p, n)
				synctest.Wait()
				p.Cut()
			})
			c, err := Dial(t.Context(), "pipe", at.Resume(Options{Dial: dial}))
			if err != nil {
				t.Fatal(err)
			}
			if c.Resumed() != resumed {
				t.Errorf("resumed %v, at %+v", c.Resumed(), at)
			}
			at = c.Start()
			wait()
			for m := range c.Messages() {
				if apply == 0 {
					break
				}
				apply--
				got = append(got, m.(ddp.Ready).Subs...)
				at = at.After(1)
			}
			c.Close()
		}
		life(3, false, 3)
		life(2, true, 2)
		life(0, true, 0)
		life(3, true, 2) // the owner died with one message not applied
		life(1, false, 1)
		life(1, true, 1)
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "8", "9"}; !slices.Equal(got, want) {
			t.Error(got)
		}
		if want := (Position{server.id, server.sent}); at != want {
			t.Errorf("at %+v, the server at %+v", at, want)
		}
	})
	// A server without ids of sessions does not resume, whatever was asked.
	c := newConn(nil, Options{}.withDefaults())
	if c.Resumed() || c.Start() != (Position{Received: 1}) {
		t.Error("resumed nothing")
	}
}

func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
			for {
				frame, err := p.Read()
				if err != nil {
					var closed *CloseError
					if !errors.As(err, &closed) || closed.Code != wire.CodeNormal {
						t.Error(err)
					}
					return
				}
				got = append(got, string(frame))
			}
		})
		c.Send(t.Context(), ddp.Unsub{ID: "1"})
		c.Disconnect()
		c.Disconnect()
		end()
		if want := `[{"msg":"unsub","id":"1"} {"msg":"disconnect"}]`; fmt.Sprint(got) != want || c.Err() != ErrClosed {
			t.Error(got, c.Err())
		}
	})
	t.Run("not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, end := session(t, Options{}, PipeOptions{Queue: 10}, func(p *PipeEnd) { <-time.After(time.Minute) })
			c.Send(t.Context(), ddp.Unsub{ID: "a long one"})
			start := time.Now()
			c.Disconnect()
			if d := time.Since(start); d != time.Second {
				t.Error(d)
			}
			end()
		})
	})
}

// TestResumeRecordings follows recorded sessions from connection to connection. Each
// connect is checked by the replay, so the count must be the one of Meteor's client.
func TestResumeRecordings(t *testing.T) {
	for file, resumed := range map[string][]bool{
		"resume35-success":       {false, true, true, false},
		"resume35-method-resent": {false, true},
		"resume35-client-live":   {false, true},
	} {
		t.Run(file, func(t *testing.T) {
			conns := script(t, "../testdata/transcripts/"+file+".jsonl")
			if len(conns) != len(resumed) {
				t.Fatal(len(conns), "connections")
			}
			var at Position
			for i, want := range resumed {
				steps, connect, ok := playable(conns[i+1])
				if !ok {
					t.Fatal("connection", i+1)
				}
				near, far := Pipe(PipeOptions{})
				served := make(chan error, 1)
				go func() {
					served <- playServer(steps, far)
					far.Close(wire.CodeNormal, "")
				}()
				c, err := New(t.Context(), near, at.Resume(Options{
					Versions: connect.Support, Version: connect.Version, Heartbeat: -1, Logger: silent,
				}))
				if err != nil {
					t.Fatal(err)
				}
				if c.Resumed() != want {
					t.Errorf("connection %d: resumed %v", i+1, c.Resumed())
				}
				at = c.Start()
				for _, s := range steps[2:] {
					if !s.isClient && s.Event == "" && s.kind != "ping" && s.kind != "pong" {
						at = at.After(1)
					}
				}
				if err := playClient(steps[2:], c); err != nil {
					t.Error(err)
				}
				c.Close()
				if err := <-served; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
