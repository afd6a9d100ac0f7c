package sync

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// TestTooLong has a server close the connection, since a call is longer than it takes:
// that one has failed, and those behind it go on.
func TestTooLong(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		path := filepath.Join(t.TempDir(), "replica.db")
		r := sc.open(kept(path))
		sc.stubs()
		p := sc.accept()
		p.quiet()
		long := strings.Repeat("x", 100<<10)
		sc.must(Method{Name: "first", Params: []any{long[:20<<10]}})
		sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "a", "text": long}}})
		sc.must(Method{Name: "last"})
		p.wantMethod("first")
		p.wantMethod("insert")
		p.wantMethod("last")
		sc.has("items", `{"_id":"a","text":"`+long+`"}`)
		p.end.Close(tooBig, "message too big")
		synctest.Wait()
		sc.has("items")
		p = sc.accept()
		p.answer(p.wantMethod("first"), "")
		p.answer(p.wantMethod("last"), "")
		p.quiet()
		sc.outbox("insert failed")

		o := sc.call(Method{Name: "live", Params: []any{long}})
		p.wantMethod("live")
		p.end.Close(tooBig, "message too big")
		sc.came(o, nil, ErrTooLong)
		p = sc.accept()
		p.quiet()

		// A short one is not to blame.
		o = sc.call(Method{Name: "short"})
		p.wantMethod("short")
		p.end.Close(tooBig, "message too big")
		p = sc.accept()
		p.answer(p.wantMethod("short"), "")
		sc.came(o, nil, nil)

		// Nor is one that is shorter than a subscription.
		sub := sc.subscribe("s", long+long)
		p.wantSub("s")
		o = sc.call(Method{Name: "live", Params: []any{long}})
		p.wantMethod("live")
		p.end.Close(tooBig, "message too big")
		p = sc.accept()
		p.answer(p.wantMethod("live"), "")
		p.quiet()
		sc.came(o, nil, nil)
		if err := sub.Ready(t.Context()); !errors.Is(err, ErrTooLong) {
			t.Errorf("subscription: %v", err)
		}
		r.Close()

		r = sc.open(kept(path))
		sc.outbox("insert failed")
		letter := r.failedCalls(t)
		if len(letter) != 1 || !errors.Is(letter[0], ErrTooLong) {
			t.Errorf("%v", letter)
		}
	})
}

// failedCalls returns the errors of calls that have failed.
func (r *Replica) failedCalls(t *testing.T) (errs []error) {
	t.Helper()
	for _, doc := range r.Store().Snapshot().Each(OutboxCollection) {
		p, err := r.Pending(doc.ID().Value().Str())
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Result(t.Context())
		errs = append(errs, err)
	}
	return errs
}
