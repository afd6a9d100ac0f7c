package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

func TestInsertUpdateRemove(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.live("a", "b")
		ctx := context.Background()
		id, pi, err := sc.r.Insert(ctx, "items", map[string]any{"n": 5})
		if err != nil || len(id.String()) != 17 {
			t.Fatalf("%v, %v", id, err)
		}
		pu, err := sc.r.Update(ctx, "items", ejson.StringID("a"), map[string]any{"$inc": map[string]any{"n": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sc.r.Update(ctx, "items", id, map[string]any{"$set": map[string]any{"m": 1}}); err != nil {
			t.Fatal(err)
		}
		pr, err := sc.r.Remove(ctx, "items", ejson.StringID("b"))
		if err != nil {
			t.Fatal(err)
		}
		sc.has("items", `{"_id":"a","n":2}`, fmt.Sprintf(`{"_id":%q,"n":5,"m":1}`, id))
		i := sc.p.want(fmt.Sprintf(`{"msg":"method","method":"/items/insert","params":[{"_id":%q,"n":5}]}`, id))
		u := sc.p.want(`{"msg":"method","method":"/items/update","params":[{"_id":"a"},{"$inc":{"n":1}}]}`)
		r := sc.p.want(`{"msg":"method","method":"/items/remove","params":[{"_id":"b"}]}`)
		sc.p.quiet() // the insert goes first
		sc.p.send(fmt.Sprintf(`{"msg":"added","collection":"items","id":%q,"fields":{"n":5}}`, id))
		sc.p.answer(i, fmt.Sprintf(`,"result":%q`, id))
		sc.p.want(fmt.Sprintf(`{"msg":"method","method":"/items/update","params":[{"_id":%q},{"$set":{"m":1}}]}`, id))
		sc.p.answer(u, `,"error":{"error":403,"reason":"Access denied"}`)
		sc.p.send(`{"msg":"removed","collection":"items","id":"b"}`)
		sc.p.answer(r, `,"result":1`)
		sc.ended(pi, id.String(), nil)
		sc.ended(pu, nil, &ddp.Error{Code: "403"})
		sc.ended(pr, 1.0, nil)
		sc.has("items", `{"_id":"a","n":1}`, fmt.Sprintf(`{"_id":%q,"n":5,"m":1}`, id))

		if _, _, err := sc.r.Insert(ctx, "items", map[string]any{"_id": "a"}); !errors.Is(err, store.ErrDuplicateID) {
			t.Errorf("inserted twice: %v", err)
		}
		var bad *query.SyntaxError
		if _, err := sc.r.Update(ctx, "items", ejson.StringID("a"), map[string]any{"$sing": 1}); !errors.As(err, &bad) {
			t.Errorf("modifier: %v", err)
		}
		var unfit *query.UpdateError
		if _, err := sc.r.Update(ctx, "items", ejson.StringID("a"), map[string]any{"$push": map[string]any{"n": 1}}); !errors.As(err, &unfit) {
			t.Errorf("modifier: %v", err)
		}
		for _, name := range []string{"/items/insert", "/items/update", "/items/remove"} {
			if _, err := sc.r.Do(ctx, Method{Name: name}); err == nil {
				t.Errorf("%s without what it needs was taken", name)
			}
		}
		meta := Method{Name: "/sync.meta/remove", Params: []any{map[string]any{"_id": "replica"}}}
		if _, err := sc.r.Do(ctx, meta); !errors.Is(err, store.ErrReplicated) {
			t.Errorf("a collection of the replica's own: %v", err)
		}
		sc.p.quiet()
	})
}

// A file that holds nonsense where calls should be is refused, and does no harm.
func TestOutboxDamaged(t *testing.T) {
	for _, doc := range []string{`{"_id":"x"}`, `{"_id":{"$type":"oid","$value":"000000000000000000000000"},"method":"m"}`, `{"_id":"x","method":7,"params":3}`} {
		path := t.TempDir() + "/r.db"
		db, err := persist.Open(t.Context(), path, persist.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := store.New(store.Options{Journal: db})
		d, err := ejson.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(func(tx *store.Tx) error { return tx.Put(OutboxCollection, d) }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), "ws://127.0.0.1:1", Options{Path: path, Logger: quietLog()})
		if err == nil {
			r.Close()
			t.Errorf("%s was taken", doc)
		}
	}
}
