package sync

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/server"
)

// TestCancelWhileSending: a call that is cancelled at the moment when it may be sent either
// was cancelled, and the server never hears of it, or was sent, and is run; and who asked is
// told which.
func TestCancelWhileSending(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "r.db")} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			runs := map[string]int{}
			srv := &server.Server{Logger: quietLog()}
			srv.Method("m", func(_ context.Context, c *server.Call) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				runs[c.ID()]++
				return nil, nil
			})
			opts := Options{Path: path, Logger: quietLog()}
			opts.Client.Dial = func(context.Context, string) (client.Transport, error) {
				ours, theirs := client.Pipe(client.PipeOptions{})
				go srv.Serve(context.Background(), theirs)
				return ours, nil
			}
			r, err := Open(t.Context(), "ws://test.example", opts)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{}
			var callers sync.WaitGroup
			for caller := range 8 {
				callers.Go(func() {
					for i := range 40 {
						p, err := r.Do(t.Context(), Method{Name: "m", Entity: fmt.Sprint(caller % 3)})
						if err != nil {
							t.Error(err)
							return
						}
						if i%4 == 0 { // let it come a little further
							runtime.Gosched()
						}
						err = p.Cancel()
						if err != nil && !errors.Is(err, ErrSent) {
							t.Errorf("cancel: %v", err)
						}
						_, result := p.Result(t.Context())
						if (err == nil) != errors.Is(result, ErrCancelled) {
							t.Errorf("cancel: %v, and the call ended with %v", err, result)
						}
						mu.Lock()
						want[p.ID()] = 1
						if err == nil {
							want[p.ID()] = 0
						}
						mu.Unlock()
					}
				})
			}
			callers.Wait()
			time.Sleep(time.Minute)
			cancelled := 0
			for id, n := range want {
				cancelled += 1 - n
				if runs[id] != n {
					t.Errorf("call %s was run %d times, want %d", id, runs[id], n)
				}
			}
			t.Logf("%d of %d calls were cancelled", cancelled, len(want))
			if st := r.Status(); st.Outbox != 0 || st.Failed != 0 {
				t.Errorf("status %+v", st)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if err := srv.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
