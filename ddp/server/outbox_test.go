package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// TestOutboxOver: a step of any size is let through, and what comes beside it
// counts as ever.
func TestOutboxOver(t *testing.T) {
	var o outbox
	o.init(100)
	put := func(n int) { o.frame(func(b []byte) []byte { return append(b, make([]byte, n)...) }) }
	check := func(want bool) {
		t.Helper()
		if got := o.over(100); got != want {
			t.Errorf("%d of %d taken, %d exempt: over is %v", o.taken.Load(), o.put, o.bulk, got)
		}
	}
	put(100)
	check(false)
	from := o.put
	put(1000)
	put(1000)
	check(true)
	o.exempt(from)
	check(false)
	put(1)
	check(true)
	o.taken.Add(50)
	check(false)
	o.taken.Add(2050) // all of the step is gone
	check(false)
	put(99)
	check(false)
	put(1)
	check(true)
	o.taken.Store(o.put)
	o.seal()
	put(1000)
	if o.queued() != 0 {
		t.Error("put into a sealed outbox")
	}
}

// TestOutboxGivesBack: the memory of a burst does not stay with a quiet session.
func TestOutboxGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var srv Server
		srv.Heartbeat = -1
		a, b := wire.Pipe(wire.PipeOptions{})
		s := newSession(t.Context(), &srv, b, peer{})
		done := make(chan struct{})
		go func() { s.run(); close(done) }()
		go func() {
			for {
				if _, err := a.Read(); err != nil {
					return
				}
			}
		}()
		defer func() { a.Cut(); <-done }()
		kept := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return cap(s.out.frames.bytes)
		}
		// The writer's buffer and the one that is filled change places with each
		// burst, so that the second shows what the first left.
		for range 3 {
			for range 500 {
				s.send(ddp.ErrorMessage{Reason: strings.Repeat("x", 1000)})
			}
			synctest.Wait()
		}
		if kept() < 100<<10 {
			t.Errorf("only %d bytes are kept in the midst of bursts", kept())
		}
		time.Sleep(time.Minute)
		if kept() > 32<<10 {
			t.Errorf("%d bytes are kept", kept())
		}
	})
}

// TestMemoryBounded: however many calls are made, and however large their results
// are, what is remembered of them is bounded, and the latest are known.
func TestMemoryBounded(t *testing.T) {
	for _, size := range []int{10, 10_000, 100_000} {
		var m memory
		result := make([]byte, size)
		for i := range 3 * memoryCalls {
			id := fmt.Sprint(i)
			call := ddp.Method{ID: id, Name: "m", Params: ejson.ArrayOf(ejson.NumberValue(float64(i)))}
			sum := callSum(call)
			if m.find(id, sum) != nil {
				t.Fatalf("%d was made before it was made", i)
			}
			p := m.began(id, sum)
			if i%7 == 0 { // the same id for another call
				p = m.began(id, sum+1)
				sum++
			}
			m.answered(p, result)
			if m.find(id, sum) != p || m.find(id, sum+1) != nil {
				t.Fatalf("%d is not known", i)
			}
		}
		kept := 0
		for _, p := range m.done {
			kept += len(p.result)
		}
		if len(m.calls) > memoryCalls || len(m.done) > memoryCalls || kept != m.bytes || kept > memoryBytes {
			t.Errorf("results of %d bytes: %d calls, %d answered, %d bytes (%d counted)", size, len(m.calls), len(m.done), kept, m.bytes)
		}
		last := m.done[len(m.done)-1]
		if kept := last.result != nil; kept != (size <= memoryResult) {
			t.Errorf("results of %d bytes: the last is kept: %v", size, kept)
		}
	}
}
