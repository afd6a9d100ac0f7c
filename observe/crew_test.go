package observe

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestCrew: as many callbacks run at a time as are called for, and workers that
// have nothing to do end, but for a few.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := fixture(t, 1)
		const many = 50
		var inside atomic.Int32
		gate := make(chan struct{})
		hs := make([]*Handle, many)
		for i := range hs {
			var err error
			if hs[i], err = Start(c.Find(object{"n": object{"$gte": i}}), func(b docBatch) {
				if !b.First {
					inside.Add(1)
					<-gate
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		crew := &hs[0].hub.crew
		workers := func() (free, idle int) {
			crew.mu.Lock()
			defer crew.mu.Unlock()
			return crew.free, crew.idle
		}
		if free, idle := workers(); free != 0 || idle != 0 {
			t.Errorf("%d workers free and %d idle before there was anything to deliver", free, idle)
		}
		seq := putDoc(t, s, thing(1, many))
		synctest.Wait()
		if n := inside.Load(); n != many {
			t.Errorf("%d callbacks run of %d", n, many)
		}
		close(gate)
		for _, h := range hs {
			wait(t, h, seq)
		}
		synctest.Wait()
		if free, idle := workers(); free != 0 || idle == 0 || idle > mostIdle {
			t.Errorf("%d workers free and %d idle", free, idle)
		}
		for _, h := range hs {
			h.Stop()
		}
		synctest.Wait()
		if free, idle := workers(); free != 0 || idle != 0 || len(crew.queue) != 0 {
			t.Errorf("%d workers free and %d idle, %d in the queue, when all have stopped", free, idle, len(crew.queue))
		}
	})
}

// TestCrewStopped: handles that are stopped while they wait for a worker are done
// when Stop returns, and their callbacks do not run.
func TestCrewStopped(t *testing.T) {
	s, c := fixture(t, 1)
	var late atomic.Int32
	hs := make([]*Handle, 20)
	for i := range hs {
		var err error
		if hs[i], err = Start(c.Find(object{"n": object{"$gte": i}}), func(b docBatch) {
			if !b.First {
				late.Add(1)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	crew := &hs[0].hub.crew
	crew.mu.Lock()
	crew.free++ // as if a worker were on its way
	crew.mu.Unlock()
	seq := putDoc(t, s, thing(1, 100))
	hs[0].hub.reach(seq)
	stopped := make(chan *Handle)
	for _, hd := range hs {
		go func() {
			hd.Stop()
			stopped <- hd
		}()
	}
	for _, hd := range hs {
		for !hd.ended() {
			runtime.Gosched()
		}
	}
	crew.mu.Lock()
	if len(crew.queue) != len(hs) {
		t.Errorf("%d handles wait for a worker, not %d", len(crew.queue), len(hs))
	}
	crew.free--
	crew.callLocked()
	crew.mu.Unlock()
	for range hs {
		hd := <-stopped
		select {
		case <-hd.Done():
		default:
			t.Errorf("Stop returned before the end of %s", describe(hd.spec))
		}
	}
	if n := late.Load(); n != 0 {
		t.Errorf("%d callbacks after Stop", n)
	}
}

// TestCrewQueue: a queue that is never quite emptied does not grow for that, and
// holds on to no handle that has been taken.
func TestCrewQueue(t *testing.T) {
	var c crew
	c.free = 1 // as if a worker were on its way: none is called
	c.add(&Handle{})
	for range 1000 {
		h := &Handle{}
		c.add(h)
		c.next(1)
		if len(c.queue)-c.head != 1 || c.queue[c.head] != h || cap(c.queue) > 16 {
			t.Fatalf("%d handles wait in %d places", len(c.queue)-c.head, cap(c.queue))
		}
		for _, old := range c.queue[:c.head] {
			if old != nil {
				t.Fatal("a handle that was taken is kept")
			}
		}
	}
}
