package sync

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
)

// TestWeek is a week of a replica's life, and of its server's: calls, refusals, logins,
// subscriptions that come and go, connections that are lost every hour, and sessions twice
// a day. What they need of memory at the end of the week is what it was after two days.
func TestWeek(t *testing.T) {
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "replicad"); err == nil {
		t.Cleanup(func() { os.RemoveAll(shm) })
		dir = shm
	}
	path := filepath.Join(dir, "r.db")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.lifetime = 12 * time.Hour
		w.srv = w.newServer()
		var end *client.PipeEnd
		opts := Options{Path: path, Logger: quietLog(), MaxFailed: 10, MaxOutbox: 100}
		opts.Client.Heartbeat = time.Hour
		opts.Client.Dial = func(context.Context, string) (client.Transport, error) {
			ours, theirs := client.Pipe(client.PipeOptions{})
			end = ours
			go w.srv.Serve(context.Background(), theirs)
			return ours, nil
		}
		r, err := Open(t.Context(), "ws://week.example", opts)
		if err != nil {
			t.Fatal(err)
		}
		for name, stub := range map[string]Stub{
			"bump": func(tx *Tx, in Invocation) error {
				_, err := tx.Update("a", in.Params.At(0).Str(), map[string]any{"$set": map[string]any{"guess": 1}})
				return err
			},
			"fail": func(tx *Tx, in Invocation) error {
				_, err := tx.Insert("b", ejson.Make())
				return err
			},
		} {
			r.Stub(name, stub)
		}
		if _, err := r.Subscribe("a"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Subscribe("never"); err != nil {
			t.Fatal(err)
		}
		hour := func(n int) {
			if n%12 == 11 {
				w.kick() // at other times the session is taken up again
				time.Sleep(time.Second)
			}
			if n%10 == 0 {
				if _, err := r.Login(t.Context(), Token([]string{"ann", "bob"}[n/10%2])); err != nil {
					t.Fatal(err)
				}
			}
			sub, err := r.Subscribe("group", n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				m := Method{Name: "bump", Params: []any{fmt.Sprint("d", i)}, Entity: fmt.Sprint(n, i), Squash: fmt.Sprint(n, i%5)}
				if i == 5 {
					end.Cut()
				}
				if i%4 == 3 {
					m.Name = "fail"
				}
				p, err := r.Do(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if i == 7 {
					_ = p.Cancel() // or it was sent
				}
				if _, err := r.Call(t.Context(), "bump", fmt.Sprint("d", i)); err != nil {
					t.Fatal(err)
				}
			}
			sub.Stop()
			time.Sleep(time.Hour)
		}
		need := func() uint64 {
			synctest.Wait()
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.mu.Lock() // what the world notes for the simulation is not the replica's
			clear(w.history)
			clear(w.runs)
			clear(w.tokens)
			w.mu.Unlock()
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		for n := range 2 * 24 {
			hour(n)
		}
		heap := need()
		for n := range 5 * 24 {
			hour(2*24 + n)
		}
		now := need()
		t.Logf("%d KiB, was %d", now>>10, heap>>10)
		// Less than a hundred bytes for each call of the outbox.
		if now > heap+100<<10 {
			t.Errorf("the heap has grown from %d to %d bytes", heap, now)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := w.srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
