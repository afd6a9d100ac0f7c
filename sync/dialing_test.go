package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
)

// Line 34, against what Meteor's package retry computes.
func TestBackoffVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/retry.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		ByCount []struct {
			Count          int
			Low, Mid, High float64 // milliseconds
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.ByCount) < 10 {
		t.Fatal("few vectors")
	}
	o := Options{}.withDefaults()
	for _, v := range vectors.ByCount {
		for _, at := range []struct{ u, ms float64 }{{0, v.Low}, {0.5, v.Mid}, {1, v.High}} {
			want := time.Duration(at.ms * float64(time.Millisecond))
			if got := o.backoff(v.Count, at.u); (got - want).Abs() > time.Microsecond {
				t.Errorf("retry %d at %v: wait %v, want %v", v.Count, at.u, got, want)
			}
		}
	}
	if got := o.backoff(hopeless, 0.5); got != o.MaxBackoff {
		t.Errorf("retry %d: wait %v", hopeless, got)
	}
	if got := (Options{MinBackoff: time.Millisecond}).withDefaults().backoff(0, 0); got != time.Millisecond {
		t.Errorf("first wait %v with a MinBackoff of 1ms", got)
	}
}

// gaps returns the times between dials.
func gaps(dials []time.Time) (d []time.Duration) {
	for i := 1; i < len(dials); i++ {
		d = append(d, dials[i].Sub(dials[i-1]))
	}
	return d
}

// growing checks that waits follow the backoff from the first retry on.
func growing(t *testing.T, d []time.Duration, slack time.Duration) {
	t.Helper()
	o := Options{}.withDefaults()
	for n, got := range d {
		if low, high := o.backoff(n, 0), o.backoff(n, 1)+slack; got < low || got > high {
			t.Errorf("wait %d is %v, want %v to %v", n, got, low, high)
		}
	}
}

// Lines 34, 36: nobody listens.
func TestNobodyListens(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("refused")
		r := sc.open()
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := len(sc.dialed()); n < 9 || n > 14 {
			t.Errorf("%d dials in 20 minutes", n)
		}
		growing(t, gaps(sc.dialed()), 0)
		st := sc.phase(Offline)
		if !errors.Is(st.Err, sc.refuse) || st.Tries != len(sc.dialed()) || !st.RetryAt.After(time.Now()) {
			t.Errorf("status %+v after %d dials", st, len(sc.dialed()))
		}
		r.Close()
		if st := r.Status(); st.Phase != Closed || st.Err != nil {
			t.Errorf("closed: %+v", st)
		}
	})
}

// Line 35: a server that accepts and drops is not hammered; one that goes away
// after a good connection is dialed at once.
func TestAcceptAndDrop(t *testing.T) {
	for _, connects := range []bool{false, true} {
		inScene(t, func(t *testing.T, sc *scene) {
			sc.open()
			for range 6 {
				p := <-sc.conns
				if connects {
					p.want(`{"msg":"connect"}`)
					p.send(fmt.Sprintf(`{"msg":"connected","session":"%p"}`, p))
					synctest.Wait()
				}
				p.end.Cut()
			}
			synctest.Wait()
			growing(t, gaps(sc.dialed()), 0)
			sc.phase(Offline)

			p := sc.accept()
			time.Sleep(2 * time.Second) // a good one
			before, lost := len(sc.dialed()), time.Now()
			sc.cut(p)
			if wait := sc.dialed()[before].Sub(lost); wait != 10*time.Millisecond {
				t.Errorf("dialed %v after a good connection", wait)
			}
		})
	}
}

// Lines 16, 33: no answer, and no common version.
func TestNoSession(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open()
		<-sc.conns // and no answer
		time.Sleep(9 * time.Second)
		sc.phase(Connecting)
		time.Sleep(1005 * time.Millisecond)
		if st := sc.phase(Offline); st.Err == nil || st.Tries != 1 {
			t.Errorf("status %+v", st)
		}
		p := <-sc.conns
		p.want(`{"msg":"connect"}`)
		p.send(`{"msg":"failed","version":"9"}`)
		synctest.Wait()
		st := sc.phase(Offline)
		if !errors.Is(st.Err, client.ErrVersion) {
			t.Errorf("error %v", st.Err)
		}
		if wait := time.Until(st.RetryAt); wait < 3*time.Minute {
			t.Errorf("dials again in %v", wait)
		}
		if err := sc.r.Reconnect(); err != nil {
			t.Fatal(err)
		}
		sc.accept()
		if st := sc.phase(Live); st.Err != nil || st.Tries != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

// A server that does not speak DDP.
func TestNotDDP(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open()
		p := <-sc.conns
		p.send("hello", "<html>", "7", `{"server_id":"0"}`)
		time.Sleep(10*time.Second + 5*time.Millisecond)
		if st := sc.phase(Offline); st.Err == nil || st.Phase != Offline {
			t.Errorf("status %+v", st)
		}
		sc.accept()
		sc.phase(Live)
	})
}

// Lines 37, 39, 41.
func TestReconnectOnRequest(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("refused")
		r := sc.open()
		time.Sleep(time.Minute)
		synctest.Wait()
		st := sc.phase(Offline)
		sc.refuse = nil
		before := len(sc.dialed())
		r.Reconnect() // waiting: tries at once
		synctest.Wait()
		if len(sc.dialed()) != before+1 || r.Status().Tries != st.Tries {
			t.Errorf("%d dials more, tries %d, was %d", len(sc.dialed())-before, r.Status().Tries, st.Tries)
		}
		first := <-sc.conns
		r.Reconnect() // connecting: another attempt
		p := sc.accept()
		first.end.Write(t.Context(), []byte(`{"msg":"connected","session":"late"}`), false)
		sc.phase(Live)
		if _, ok := <-first.frames; !ok {
			t.Error("nothing was sent on the first")
		}
		if _, ok := <-first.frames; ok {
			t.Error("the abandoned attempt lives")
		}
		before = len(sc.dialed())
		r.Reconnect() // connected: nothing
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(sc.dialed()) != before {
			t.Error("dialed while connected")
		}
		p.quiet()

		r.Disconnect()
		st = sc.phase(Offline)
		if !errors.Is(st.Err, ErrOffline) || !st.RetryAt.IsZero() {
			t.Errorf("status %+v", st)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(sc.dialed()) != before {
			t.Error("dialed although offline on request")
		}
		r.Reconnect()
		sc.accept()
		sc.phase(Live)
		r.Disconnect()
		r.Close()
		if err := r.Reconnect(); !errors.Is(err, ErrClosed) {
			t.Errorf("Reconnect after Close: %v", err)
		}
	})
}

// Line 36, and the merging of statuses.
func TestStatuses(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		r := sc.open()
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for st := range r.Statuses(context.Background()) {
				got = append(got, st.Phase.String())
			}
		}()
		synctest.Wait()
		p := sc.accept()
		synctest.Wait()
		p.end.Cut()
		synctest.Wait()
		time.Sleep(11 * time.Millisecond)
		synctest.Wait()
		r.Close()
		<-done
		// The first may be missed: Open returns while the loop begins.
		want := "connecting live offline connecting closed"
		if s := strings.TrimPrefix(strings.Join(got, " "), "offline "); s != want {
			t.Errorf("statuses %q, want %q", s, want)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if n := len(slices.Collect(r.Statuses(ctx))); n != 1 {
			t.Errorf("%d statuses after Close", n)
		}
	})
}

func TestOpenRefusesURL(t *testing.T) {
	for _, url := range []string{"", "  ", "ftp://example.com", "http://", "ws://a b/", "http://[::1"} {
		r, err := Open(t.Context(), url, Options{Path: t.TempDir() + "/x.db"})
		if err == nil {
			r.Close()
			t.Errorf("%q: no error", url)
			continue
		}
		if !errors.Is(err, client.ErrURL) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
