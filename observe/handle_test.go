package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// fixture is a store with n documents d0, d1, … of {n: i, room: "r<i mod 3>"}.
func fixture(tb testing.TB, n int) (*store.Store, store.Collection[ejson.Doc]) {
	tb.Helper()
	s := store.New(store.Options{})
	put(tb, s, func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Put("c", thing(i, i)); err != nil {
				return err
			}
		}
		return nil
	})
	return s, s.Collection("c")
}

func thing(i, n int) ejson.Doc {
	return ejson.Make(ejson.Field{Name: "_id", Value: fmt.Sprint("d", i)}, ejson.Field{Name: "n", Value: n},
		ejson.Field{Name: "room", Value: fmt.Sprint("r", i%3)})
}

func put(tb testing.TB, s *store.Store, fn func(*store.Tx) error) store.Seq {
	tb.Helper()
	seq, err := s.Update(fn)
	if err != nil {
		tb.Fatal(err)
	}
	return seq
}

func putDoc(tb testing.TB, s *store.Store, d ejson.Doc) store.Seq {
	return put(tb, s, func(tx *store.Tx) error { return tx.Put("c", d) })
}

func wait(tb testing.TB, h *Handle, seq store.Seq) {
	tb.Helper()
	if err := h.Wait(context.Background(), seq); err != nil {
		tb.Fatal(err)
	}
}

func TestStartTellsBeforeItReturns(t *testing.T) {
	s, c := fixture(t, 5)
	var batches []docBatch
	h, err := Start(c.Find(nil).Sort("-n"), func(b docBatch) { batches = append(batches, b) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	if len(batches) != 1 || !batches[0].First || batches[0].Seq != s.Snapshot().Seq() || len(batches[0].Events) != 5 {
		t.Fatalf("first batch %v", batches)
	}
	for i, e := range batches[0].Events {
		if e.Kind != Added || e.To != i || e.From != -1 || e.New.Field("n").Number() != float64(4-i) {
			t.Errorf("event %d: %v", i, e)
		}
	}
}

func TestStartReportsFaults(t *testing.T) {
	_, c := fixture(t, 1)
	if _, err := Start(c.Find(object{"n": object{"$bogus": 1}}), func(docBatch) {}); err == nil {
		t.Error("no error for an unknown operator")
	}
	type narrow struct {
		N string `bson:"n"`
	}
	_, err := Start(store.Of[narrow](c.Store(), "c").Find(nil), func(Batch[narrow]) { t.Error("called") })
	if err == nil || !strings.HasPrefix(err.Error(), "observe: document d0: ") {
		t.Errorf("error %v for a document that does not fit", err)
	}
	defer func() {
		if v := recover(); v != "first" {
			t.Errorf("recovered %v", v)
		}
	}()
	_, _ = Start(c.Find(nil), func(docBatch) { panic("first") })
}

// TestMisfitEndsTheObservation: a later document that cannot be made a T.
func TestMisfitEndsTheObservation(t *testing.T) {
	type wide struct {
		N float64 `bson:"n"`
	}
	s, _ := fixture(t, 1)
	h, err := Start(store.Of[wide](s, "c").Find(nil), func(Batch[wide]) {})
	if err != nil {
		t.Fatal(err)
	}
	putDoc(t, s, ejson.Make(ejson.Field{Name: "_id", Value: "x"}, ejson.Field{Name: "n", Value: "a string"}))
	<-h.Done()
	if err := h.Err(); err == nil {
		t.Error("no error")
	}
	if err := h.Wait(context.Background(), 2); !errors.Is(err, ErrStopped) {
		t.Errorf("Wait: %v", err)
	}
	h.Stop()
}

func TestPanicStopsOnlyItsHandle(t *testing.T) {
	var log bytes.Buffer
	s := store.New(store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c := s.Collection("c")
	bad, err := Start(c.Find(object{"room": "r1"}).Limit(2), func(b docBatch) {
		if !b.First {
			panic("on purpose")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	good, err := Start(c.Find(object{"room": "r1"}).Limit(2), func(b docBatch) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	seq := putDoc(t, s, thing(1, 100))
	<-bad.Done()
	wait(t, good, seq)
	good.Stop()
	var p *PanicError
	if err := bad.Err(); !errors.As(err, &p) || p.Value != "on purpose" || len(p.Stack) == 0 {
		t.Errorf("error %v", err)
	}
	if told != 2 {
		t.Errorf("the other was told %d times", told)
	}
	if text := log.String(); !strings.Contains(text, `find({\"room\":\"r1\"}).limit(2)`) || !strings.Contains(text, "on purpose") {
		t.Errorf("log: %s", text)
	}
}

// TestGoexit: a callback that ends its goroutine, as t.FailNow does.
func TestGoexit(t *testing.T) {
	s, c := fixture(t, 1)
	h, err := Start(c.Find(nil), func(b docBatch) {
		if !b.First {
			runtime.Goexit()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	putDoc(t, s, thing(0, 5))
	<-h.Done()
	h.Stop()
}

// TestCallbacksHoldNoLock: from a callback one can write, start and stop.
func TestCallbacksHoldNoLock(t *testing.T) {
	s, c := fixture(t, 3)
	var inner *Handle
	var seen []float64
	h, err := Start(c.Find(object{"_id": "d0"}), func(b docBatch) {
		d := b.Events[len(b.Events)-1].New
		n := d.Field("n").Number()
		seen = append(seen, n)
		if n < 10 { // a callback that feeds itself
			putDoc(t, s, d.With("n", n+1))
		}
		if inner == nil {
			var err error
			if inner, err = Start(c.Find(nil).Sort("n"), func(docBatch) {}); err != nil {
				t.Error(err)
			}
		} else if n == 10 {
			inner.Stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, h, 11)
	h.Stop()
	if want := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(seen, want) {
		t.Errorf("seen %v", seen)
	}
	if inner.ended() != true {
		t.Error("the inner observation runs")
	}
}

func TestStopInOwnCallback(t *testing.T) {
	s, c := fixture(t, 3)
	var h *Handle
	calls := 0
	ready := make(chan struct{})
	h, err := Docs(c.Find(nil), Callbacks[ejson.Doc]{SkipInitial: true, Added: func(ejson.Doc) {
		<-ready
		calls++
		h.Stop()
		h.Stop()
	}})
	close(ready)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, func(tx *store.Tx) error { // one batch of three events
		return errors.Join(tx.Put("c", thing(10, 1)), tx.Put("c", thing(11, 1)), tx.Put("c", thing(12, 1)))
	})
	<-h.Done()
	h.Stop()
	if calls != 1 || h.Err() != nil {
		t.Errorf("%d calls, error %v", calls, h.Err())
	}
}

// TestStopEachOther: two callbacks that stop each other do not wait for ever.
func TestStopEachOther(t *testing.T) {
	s, c := fixture(t, 1)
	var hs [2]*Handle
	var both sync.WaitGroup
	both.Add(2)
	for i := range hs {
		var err error
		hs[i], err = Start(c.Find(nil), func(b docBatch) {
			if !b.First {
				both.Done()
				both.Wait()
				hs[1-i].Stop()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	putDoc(t, s, thing(0, 5))
	<-hs[0].Done()
	<-hs[1].Done()
}

// TestStopWaitsForTheCallback, in a bubble, where time tells that it waited.
func TestStopWaitsForTheCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := fixture(t, 1)
		var running atomic.Bool
		h, err := Start(c.Find(nil), func(b docBatch) {
			if b.First {
				return
			}
			running.Store(true)
			<-time.After(time.Hour)
			running.Store(false)
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		putDoc(t, s, thing(0, 1))
		putDoc(t, s, thing(0, 2))
		synctest.Wait()
		if !running.Load() {
			t.Error("no callback runs")
		}
		h.Stop()
		if running.Load() {
			t.Error("a callback still runs")
		}
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("Stop returned after %v", d)
		}
	})
}

// TestSlowObserver: one blocked callback delays nobody, and what waits for it is
// bounded by the result, however much happens.
func TestSlowObserver(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered=", ordered), func(t *testing.T) {
			const docs, changes = 50, 20_000
			s, c := fixture(t, docs)
			q := c.Find(nil)
			if ordered {
				q = q.Sort("n")
			}
			gate := make(chan struct{})
			var batches []docBatch
			h, err := Start(q, func(b docBatch) {
				if !b.First {
					<-gate
				}
				batches = append(batches, b)
			})
			if err != nil {
				t.Fatal(err)
			}
			other := 0
			quick, err := Start(q, func(b docBatch) { other += len(b.Events) })
			if err != nil {
				t.Fatal(err)
			}
			var seq store.Seq
			most := 0
			for i := range changes {
				seq = putDoc(t, s, thing(i%docs, i))
				if i%512 == 0 {
					wait(t, quick, seq) // not held up by the slow one
					h.mu.Lock()
					most = max(most, h.mail.size())
					h.mu.Unlock()
				}
			}
			wait(t, quick, seq)
			if most > maxDeltas+docs {
				t.Errorf("%d deltas waited", most)
			}
			h.mu.Lock()
			if n := h.mail.size(); n > docs || !h.mail.late {
				t.Errorf("%d deltas wait for %d documents", n, docs)
			}
			h.mu.Unlock()
			close(gate)
			wait(t, h, seq)
			h.Stop()
			quick.Stop()
			if len(batches) > 2+maxQueued {
				t.Errorf("%d batches", len(batches))
			}
			if last := batches[len(batches)-1]; last.Seq != seq {
				t.Errorf("the last batch is of %d, not %d", last.Seq, seq)
			}
			var list []ejson.Doc
			if !ordered {
				return
			}
			for _, b := range batches {
				list = apply(t, list, b.Events)
			}
			if want, _ := q.All(); !slices.EqualFunc(list, want, ejson.Doc.Same) {
				t.Errorf("observed %v, fetched %v", list, want)
			}
		})
	}
}

// TestChangedBack: what was undone before it was told is not told.
func TestChangedBack(t *testing.T) {
	s, c := fixture(t, 3)
	told := 0
	h, err := Start(c.Find(nil), func(b docBatch) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Stop()
	resume := Pause(s)
	putDoc(t, s, thing(1, 77))
	putDoc(t, s, thing(9, 9))
	putDoc(t, s, thing(1, 1))
	seq := put(t, s, func(tx *store.Tx) error {
		tx.Delete("c", ejson.StringID("d9"))
		return nil
	})
	resume()
	resume()
	wait(t, h, seq)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := fixture(t, 1)
		told := 0
		h, err := Start(c.Find(nil), func(b docBatch) {
			told++
			<-time.After(time.Minute)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Stop()
		go func() {
			<-time.After(time.Hour)
			put(t, s, func(tx *store.Tx) error { return tx.Put("other", thing(1, 1)) })
			<-time.After(time.Hour)
			putDoc(t, s, thing(0, 1))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Wait(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		begin := time.Now()
		wait(t, h, 2) // a commit still to come, and of another collection
		if told != 1 || time.Since(begin) < 50*time.Minute {
			t.Errorf("told %d times, %v later", told, time.Since(begin))
		}
		wait(t, h, 3)
		if told != 2 {
			t.Errorf("told %d times", told)
		}
	})
}

func TestPause(t *testing.T) {
	s, c := fixture(t, 4)
	type told struct{ batches, events int }
	var a, b told
	note := func(x *told) func(docBatch) {
		return func(b docBatch) { x.batches++; x.events += len(b.Events) }
	}
	ha, err := Start(c.Find(nil).Sort("n").Limit(3), note(&a))
	if err != nil {
		t.Fatal(err)
	}
	defer ha.Stop()
	first, second := Pause(s), Pause(s)
	hb, err := Start(c.Find(nil), note(&b)) // started while paused: told at once
	if err != nil {
		t.Fatal(err)
	}
	defer hb.Stop()
	var seq store.Seq
	for i := range 10 {
		seq = putDoc(t, s, thing(3, -i))
	}
	first()
	first()
	if a != (told{1, 3}) || b != (told{1, 4}) {
		t.Errorf("while paused: %v %v", a, b)
	}
	second()
	wait(t, ha, seq)
	wait(t, hb, seq)
	if a != (told{2, 5}) || b != (told{2, 5}) {
		t.Errorf("after it: %v %v", a, b)
	}
}

// TestRegistryIsEmpty: pausing and observing leave nothing behind.
func TestRegistryIsEmpty(t *testing.T) {
	s, c := fixture(t, 3)
	resume := Pause(s)
	var hs []*Handle
	for range 100 {
		h, err := Start(c.Find(object{"room": "r1"}), func(docBatch) {})
		if err != nil {
			t.Fatal(err)
		}
		hs = append(hs, h)
	}
	hub := hs[0].hub
	hub.mu.Lock()
	if n := len(hub.all); n != 1 {
		t.Errorf("%d results for equal queries", n)
	}
	hub.mu.Unlock()
	resume()
	for _, h := range hs {
		h.Stop()
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if n := len(registry.stores); n != 0 {
		t.Errorf("%d stores are left", n)
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if len(hub.all)+len(hub.results)+len(hub.routes.fields)+len(hub.routes.byID)+len(hub.routes.asked.seats) != 0 {
		t.Errorf("the hub still has %v", hub.routes)
	}
}
