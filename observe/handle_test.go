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

// TestStartHoldsWhatWasWritten: the initial result of a late start, which shares a
// result that is kept up to date, holds what was written right before.
func TestStartHoldsWhatWasWritten(t *testing.T) {
	s, c := fixture(t, 5)
	q := c.Find(nil).Sort("-n").Limit(1)
	defer mustStart(t, q).Stop()
	for i := range 200 {
		seq := putDoc(t, s, thing(i%5, 100+i))
		var first docBatch
		h, err := Start(q, func(b docBatch) { first = b })
		if err != nil {
			t.Fatal(err)
		}
		h.Stop()
		if first.Seq < seq || len(first.Events) != 1 || first.Events[0].New != thing(i%5, 100+i) {
			t.Fatalf("after commit %d it begins with %v", seq, first)
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
	if in := Handles(s); len(in) != 0 || h.Err() != nil {
		t.Errorf("%v is left, error %v", in, h.Err())
	}
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

// TestStartInsideUpdate: the store refuses, and nothing is left behind.
func TestStartInsideUpdate(t *testing.T) {
	s, c := fixture(t, 3)
	put(t, s, func(tx *store.Tx) error {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = Start(c.Find(nil), func(docBatch) {})
		return nil
	})
	h, err := Start(c.Find(nil), func(docBatch) {})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, h, putDoc(t, s, thing(1, 7)))
	h.Stop()
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if len(registry.stores) != 0 {
		t.Error("the registry is not empty")
	}
}

// TestIdleObservers: ten thousand observations cost less than 1 KiB each, beside
// their queries, and no goroutine; they leave nothing when they have been stopped.
func TestIdleObservers(t *testing.T) {
	s, c := fixture(t, 10)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second empties the pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	goroutines := runtime.NumGoroutine()
	hs := make([]*Handle, 10_000)
	qs := make([]store.Query[ejson.Doc], len(hs)) // compiled, and planned
	for i := range qs {
		qs[i] = c.Find(object{"room": fmt.Sprint("room", i)})
		if _, err := qs[i].All(); err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	for i := range hs {
		var err error
		if hs[i], err = Start(qs[i], func(docBatch) {}); err != nil {
			t.Fatal(err)
		}
	}
	each := int64(heap()-before) / int64(len(hs))
	t.Logf("%d bytes an observation", each)
	wait(t, hs[77], putDoc(t, s, thing(1, 1).With("room", "room77")))
	if in := hs[77].Explain(); in.Batches != 1 {
		t.Errorf("%v", in)
	}
	if n := runtime.NumGoroutine(); n > goroutines+10 {
		t.Errorf("%d goroutines for idle observations", n-goroutines)
	}
	if each > 1024 {
		t.Errorf("%d bytes an observation", each)
	}
	for _, h := range hs {
		h.Stop()
	}
	clear(hs)
	if n := runtime.NumGoroutine(); n > goroutines+10 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d bytes are left", after-before)
	}
	runtime.KeepAlive(qs)
}
