package sync

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/replicad/replicad/ddp/client"
)

// TestDoCost holds a call to the memory that it takes where few calls wait, also where
// thousands do. Memory stands for work: what looks at all calls makes a list of them.
func TestDoCost(t *testing.T) {
	for _, test := range []struct {
		name  string
		needs bool // somebody has to log in again
		m     Method
	}{
		{"away", false, Method{Name: "insert"}},
		{"with an entity", false, Method{Name: "insert", Entity: "e"}},
		{"without a login", true, Method{Name: "insert"}},
		{"with a stub", false, Method{Name: "stub", Params: []any{map[string]any{"n": 1}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := Options{Logger: quietLog(), MaxOutbox: 1 << 20}
			opts.Client.Dial = func(context.Context, string) (client.Transport, error) { return nil, errors.New("away") }
			r, err := Open(t.Context(), "ws://cost.example", opts)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			r.Stub("stub", insertStub)
			if err := r.do(t.Context(), func(l *loop) { l.me.needs = test.needs }); err != nil {
				t.Fatal(err)
			}
			calls := func(n int) (bytes uint64) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range n {
					if _, err := r.Do(t.Context(), test.m); err != nil {
						t.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			calls(100)
			few := calls(1000)
			calls(4000)
			many := calls(1000)
			t.Logf("%d bytes, then %d", few/1000, many/1000)
			if many > 3*few {
				t.Errorf("a call allocates %d bytes where 5,000 wait, and %d where 100 do", many/1000, few/1000)
			}
		})
	}
}
