package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

func TestSendWaitsAndIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far *PipeEnd
		c, end := session(t, Options{Heartbeat: -1}, PipeOptions{Queue: 100}, func(p *PipeEnd) {
			far = p
			<-time.After(time.Minute)
			p.Cut()
		})
		defer end()
		m := ddp.Unsub{ID: strings.Repeat("x", 80)}
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Send(ctx, m); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), m); !errors.Is(err, wire.ErrCut) || c.Err() == nil {
			t.Fatal(err)
		}
		_ = far
	})
}

func TestClose(t *testing.T) {
	t.Run("twice, at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, end := session(t, Options{}, PipeOptions{}, func(p *PipeEnd) {
				var closed *CloseError
				if err := untilEnd(p); !errors.As(err, &closed) || closed.Code != wire.CodeNormal {
					t.Error(err)
				}
			})
			go c.Close()
			end()
			if c.Err() != ErrClosed || c.Close() != nil {
				t.Fatal(c.Err())
			}
			if err := c.Send(t.Context(), ddp.Ping{}); err != ErrClosed {
				t.Fatal(err)
			}
			if c.Take() != nil {
				t.Fatal("took something")
			}
		})
	})
	t.Run("with a full inbox", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, end := session(t, Options{MaxWaiting: 1}, PipeOptions{}, func(p *PipeEnd) {
				for range 10 {
					say(p, ddp.Ready{})
				}
				untilEnd(p)
			})
			synctest.Wait()
			end()
			if c.Err() != ErrClosed {
				t.Fatal(c.Err())
			}
		})
	})
	t.Run("what was queued goes out", func(t *testing.T) {
		got := make(chan int, 1)
		url := serveSocket(t, func(tr Transport) {
			accept(tr)
			n := 0
			for {
				if _, err := tr.Read(); err != nil {
					got <- n
					return
				}
				n++
			}
		})
		c, err := Dial(t.Context(), url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 5000 {
			if err := c.Send(t.Context(), ddp.Unsub{ID: "subscription"}); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		if n := <-got; n != 5000 {
			t.Fatalf("%d messages arrived", n)
		}
	})
}

func TestOversizedMessage(t *testing.T) {
	told := make(chan error, 1)
	url := serveSocket(t, func(tr Transport) {
		accept(tr)
		say(tr, ddp.Ready{Subs: []string{"fits"}}, ddp.Ready{Subs: []string{strings.Repeat("x", 5000)}})
		told <- untilEnd(tr)
	})
	c, err := Dial(t.Context(), url, Options{MaxMessage: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := 0
	for range c.Messages() {
		got++
	}
	var big *TooBigError
	if got != 1 || !errors.As(c.Err(), &big) || big.Limit != 1000 {
		t.Fatal(got, c.Err())
	}
	var closed *CloseError
	if err := <-told; !errors.As(err, &closed) || closed.Code != wire.CodeTooBig {
		t.Fatal(err)
	}
}
