package sync

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// rename is a migration: n becomes number, and what has an x goes.
func rename(from int, tx *Tx) error {
	for doc := range tx.Each("items") {
		if !doc.Field("x").IsMissing() {
			tx.Delete("items", doc.ID())
			continue
		}
		if n := doc.Field("n"); !n.IsMissing() {
			if err := tx.Put("items", doc.Without("n").WithValue("number", n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func schema(n int, migrate func(int, *Tx) error) func(*Options) {
	return func(o *Options) { o.Schema, o.Migrate = n, migrate }
}

// TestSchema: what becomes of a file when the program's schema rises.
func TestSchema(t *testing.T) {
	never := func(int, *Tx) error { return errors.New("must not be called") }
	for _, test := range []struct {
		name string
		run  func(t *testing.T, sc *scene, path string)
	}{
		{"once, in one commit, and the server has the last word", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b")
			var seen []int
			sc.open(kept(path), schema(2, func(from int, tx *Tx) error {
				seen = append(seen, from)
				return rename(from, tx)
			}))
			sc.has("items", `{"_id":"a","number":1}`, `{"_id":"b","number":1}`)
			p := sc.accept() // which asks for no session: all comes anew
			p.wantSub("s")
			p.send(`{"msg":"added","collection":"items","id":"a","fields":{"number":1}}`)
			p.added("b", 7) // a server that is not migrated
			p.ready(sc.sub)
			sc.seen("~b")
			sc.has("items", `{"_id":"a","number":1}`, `{"_id":"b","n":7}`)
			sc.r.Close()
			sc.open(kept(path), schema(2, never))
			sc.has("items", `{"_id":"a","number":1}`, `{"_id":"b","n":7}`)
			if len(seen) != 1 || seen[0] != 0 {
				t.Errorf("migrated from %v", seen)
			}
		}},
		{"a new file is of the program's schema", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path), schema(3, never))
			sc.r.Close()
			sc.open(kept(path), schema(3, never))
			sc.r.Close()
			sc.open(kept(path), schema(4, func(from int, tx *Tx) error {
				if from != 3 {
					t.Errorf("from %d", from)
				}
				return nil
			}))
		}},
		{"a migration that fails leaves the file as it was", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a")
			was := read(t, path)
			no := errors.New("cannot be")
			for _, fail := range []func(from int, tx *Tx) error{
				func(from int, tx *Tx) error {
					if err := rename(from, tx); err != nil {
						t.Error(err)
					}
					return no
				},
				func(from int, tx *Tx) error {
					return tx.Put(OutboxCollection, ejson.Make().WithID(ejson.StringID("x")))
				},
			} {
				r, err := Open(t.Context(), "ws://test.example", Options{Path: path, Schema: 1, Migrate: fail, Logger: quietLog()})
				if err == nil {
					r.Close()
					t.Fatal("opened")
				}
				if !errors.Is(err, no) && !errors.Is(err, store.ErrReplicated) || !strings.Contains(err.Error(), "schema 0 to 1") || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v", err)
				}
				if read(t, path) != was {
					t.Error("the file was changed")
				}
			}
			sc.open(kept(path), schema(1, rename))
			sc.has("items", `{"_id":"a","number":1}`)
		}},
		{"a file of a newer program is refused", func(t *testing.T, sc *scene, path string) {
			sc.open(kept(path), schema(7, nil))
			sc.r.Close()
			was := read(t, path)
			for _, old := range []int{0, 6} {
				r, err := Open(t.Context(), "ws://test.example", Options{Path: path, Schema: old, Migrate: never, Logger: quietLog()})
				if err == nil {
					r.Close()
					t.Fatal("opened")
				}
				var se *SchemaError
				if !errors.Is(err, ErrSchema) || !errors.As(err, &se) || se.File != 7 || se.Want != old || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v", err)
				}
			}
			if read(t, path) != was {
				t.Error("the file was changed")
			}
			sc.open(kept(path), schema(-1, never)) // who only looks
			sc.r.Close()
			sc.open(kept(path), schema(7, never))
		}},
		{"what pending calls foretold is migrated with the rest", func(t *testing.T, sc *scene, path string) {
			sc.liveKept(path, "a", "b", "c", "d")
			sc.refuse = errors.New("away")
			sc.open(kept(path))
			sc.stubs()
			sc.must(setCall("a", map[string]any{"n": 2, "y": 1}))
			sc.must(setCall("a", map[string]any{"z": 1}))
			sc.must(Method{Name: "remove", Params: []any{"b"}})
			sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "e", "n": 5}}})
			sc.must(setCall("d", map[string]any{"x": 1}))
			sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "f", "x": 5}}})
			sc.r.Close()

			sc.open(kept(path), schema(1, rename))
			want := []string{`{"_id":"a","y":1,"z":1,"number":2}`, `{"_id":"c","number":1}`, `{"_id":"e","number":5}`}
			sc.has("items", want...)
			sc.r.Close()
			sc.refuse = nil
			sc.open(kept(path), schema(1, never))
			sc.has("items", want...)
			p := sc.accept()
			var sent []map[string]any
			for range 6 {
				sent = append(sent, p.want(`{"msg":"method"}`))
			}
			p.wantSub("s")
			p.send(`{"msg":"added","collection":"items","id":"a","fields":{"number":1,"y":0}}`)
			p.added("c", 1)
			p.ready(sc.sub)
			sc.told()
			sc.has("items", `{"_id":"a","number":1,"y":1,"z":1}`, `{"_id":"c","n":1}`, `{"_id":"e","number":5}`)
			for _, m := range sent {
				p.answer(m, "")
			}
			sc.shadows(0)
			sc.has("items", `{"_id":"a","number":1,"y":0}`, `{"_id":"c","n":1}`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "r.db")
			inScene(t, func(t *testing.T, sc *scene) { test.run(t, sc, path) })
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
