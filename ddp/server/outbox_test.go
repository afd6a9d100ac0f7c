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
	"pgregory.net/rapid"
)

// TestOutboxOver: a step of any size is let through, and what comes beside it
// counts as ever.
func TestOutboxOver(t *testing.T) {
	var o outbox
	o.init(100, 0, 0, 0)
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

// kept returns how much memory the frames of an outbox take.
func (o *outbox) kept() (bytes int) {
	for _, c := range o.chunks {
		bytes += cap(c.bytes)
	}
	return bytes
}

// TestOutboxGivesBack: what was sent is kept for a while, within bounds, and then
// nothing of it stays with a quiet session.
func TestOutboxGivesBack(t *testing.T) {
	for _, grace := range []time.Duration{-1, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			srv := Server{Heartbeat: -1, Grace: grace, MaxTail: 1 << 20}
			a, b := wire.Pipe(wire.PipeOptions{})
			var s *Session
			srv.OnConnect = func(session *Session) { s = session }
			done := make(chan struct{})
			go func() { srv.Serve(t.Context(), b); close(done) }()
			go func() {
				for {
					if _, err := a.Read(); err != nil {
						return
					}
				}
			}()
			defer func() { a.Cut(); <-done }()
			a.Write(t.Context(), []byte(`{"msg":"connect","version":"1","support":["1"]}`), false)
			synctest.Wait()
			kept := func() int {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.out.kept()
			}
			for range 5 {
				for range 500 {
					s.send(ddp.ErrorMessage{Reason: strings.Repeat("x", 1000)})
				}
				synctest.Wait()
			}
			switch n := kept(); {
			case grace < 0 && n != 0:
				t.Errorf("%d bytes are kept of a session that is not resumed", n)
			case grace > 0 && (n < 1<<20 || n > 1<<20+4*chunkBytes):
				t.Errorf("%d bytes are kept of 2.5 MB, want 1 MiB", n)
			}
			time.Sleep(2 * time.Minute)
			if n := kept(); n != 0 {
				t.Errorf("%d bytes are kept after two minutes", n)
			}
			// Little now and then does not gather.
			for range 1000 {
				s.send(ddp.ErrorMessage{Reason: "now and then"})
				time.Sleep(10 * time.Second)
			}
			if n := kept(); n > 4<<10 {
				t.Errorf("%d bytes are kept of a message every ten seconds", n)
			}
		})
	}
}

// TestOutboxModel puts, writes, loses and rewinds at random, and compares with a list
// of all frames: a client that counts what it gets lacks nothing and gets nothing
// twice, however often it comes back.
func TestOutboxModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o outbox
		frames := rapid.IntRange(1, 300).Draw(t, "tail frames")
		o.init(1<<30, rapid.SampledFrom([]int{1, 1000, 1 << 20}).Draw(t, "tail bytes"), frames, time.Minute)
		var all []string // that were put
		var way []string // written, and not received
		now := time.Now()
		got, count := 0, 1 // what the client has, and what it counts
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "n") {
					f := fmt.Sprint("frame ", len(all), strings.Repeat("x", len(all)*97%3000))
					all = append(all, f)
					o.frame(func(b []byte) []byte { return append(b, f...) })
				}
			},
			"write": func(t *rapid.T) {
				b := o.unwritten()
				n := rapid.IntRange(0, len(b.ends)).Draw(t, "n")
				from := b.from
				for _, end := range b.ends[:n] {
					way = append(way, string(b.bytes[from:end]))
					o.taken.Add(int64(end - from))
					from = end
				}
				o.written(n, now)
			},
			"receive": func(t *rapid.T) {
				n := rapid.IntRange(0, len(way)).Draw(t, "n")
				for _, f := range way[:n] {
					if f == "connected" {
						count++
						continue
					}
					if got >= len(all) || f != all[got] {
						t.Fatalf("got %.20q, want number %d", f, got)
					}
					got++
					count++
				}
				way = way[n:]
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "s")) * time.Second)
				o.trim(now)
			},
			"come back": func(t *rapid.T) {
				p, ok := o.position(count, true)
				if ok != (got >= int(o.first) && int(o.at)-got <= frames) {
					t.Fatalf("has %d, kept from %d, written %d: %v", got, o.first, o.at, ok)
				}
				if _, may := o.position(count, false); ok && !may {
					t.Fatal("refused too early")
				}
				if !ok {
					t.Skip("not kept")
				}
				if int(p) != got {
					t.Fatalf("has %d, is sent from %d", got, p)
				}
				o.rewind(p, count)
				way = []string{"connected"}
			},
			"": func(t *rapid.T) {
				bytes := 0
				for _, f := range all[o.at:] {
					bytes += len(f)
				}
				if int(o.frames) != len(all) || o.queued() != int64(bytes) || o.first > o.at || o.at > o.frames {
					t.Fatalf("%d <= %d <= %d of %d; %d bytes wait, want %d", o.first, o.at, o.frames, len(all), o.queued(), bytes)
				}
				for _, wrong := range []int{0, -1, int(o.at + o.offset), 1 << 40} {
					if _, ok := o.position(wrong, true); ok {
						t.Fatalf("a count of %d is taken", wrong)
					}
				}
			},
		})
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
			p := m.began(id, sum, 0, 0)
			if i%7 == 0 { // the same id for another call
				p = m.began(id, sum+1, 0, 0)
				sum++
			}
			m.answered(p, result, 0)
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
