package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

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
