package sync

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// Whatever stubs foretell and the server does, in whatever order it is told: what is
// shown in between is the server's truth with the pending effects over it, and in
// the end it is the server's truth alone.
func TestRebase(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	fmt.Printf("rebase: seed %d\n", seed)
	for n := range uint64(60) {
		inScene(t, func(t *testing.T, sc *scene) { rebase(t, sc, rand.New(rand.NewPCG(seed, n))) })
		if t.Failed() {
			t.Fatalf("seed %d, %d", seed, n)
		}
	}
}

func rebase(t *testing.T, sc *scene, rng *rand.Rand) {
	ids := []string{"a", "b", "c"}
	fields := []string{"f", "g", "h"}
	sc.live(ids...)
	sc.stubs()
	truth := map[string]map[string]any{"a": {"n": 1.0}, "b": {"n": 1.0}, "c": {"n": 1.0}}
	type pending struct {
		wire map[string]any
		do   func(doc map[string]any) map[string]any
		id   string
	}
	var calls []pending
	check := func() {
		time.Sleep(time.Second)
		for _, id := range ids {
			want := map[string]any(nil)
			if doc := truth[id]; doc != nil {
				want = map[string]any{}
				for k, v := range doc {
					want[k] = v
				}
			}
			for _, c := range calls {
				if c.id == id {
					want = c.do(want)
				}
			}
			got, ok := sc.r.Store().Snapshot().Get("items", ejson.StringID(id))
			if ok != (want != nil) {
				t.Fatalf("%s: %v, want %v", id, got, want)
			}
			if w, err := ejson.From(want); want != nil && (err != nil || !got.WithoutID().Same(w)) {
				t.Fatalf("%s: %v, want %v (%v)", id, got, want, err)
			}
		}
	}
	server := func(id string, rng *rand.Rand) {
		f := fields[rng.IntN(3)]
		switch doc := truth[id]; {
		case doc == nil:
			truth[id] = map[string]any{f: rng.Float64()}
			b, _ := ejson.From(truth[id])
			sc.p.send(fmt.Sprintf(`{"msg":"added","collection":"items","id":%q,"fields":%v}`, id, b))
		case rng.IntN(4) == 0:
			delete(truth, id)
			sc.p.send(fmt.Sprintf(`{"msg":"removed","collection":"items","id":%q}`, id))
		case rng.IntN(3) == 0:
			delete(doc, f)
			sc.p.send(fmt.Sprintf(`{"msg":"changed","collection":"items","id":%q,"cleared":[%q]}`, id, f))
		default:
			doc[f] = rng.Float64()
			sc.p.send(fmt.Sprintf(`{"msg":"changed","collection":"items","id":%q,"fields":{%q:%v}}`, id, f, doc[f]))
		}
	}
	for range 60 {
		id := ids[rng.IntN(3)]
		switch rng.IntN(5) {
		case 0, 1:
			server(id, rng)
		case 2: // set
			_, ok := sc.r.Store().Snapshot().Get("items", ejson.StringID(id))
			f, v := fields[rng.IntN(3)], rng.Float64()
			sc.call(setCall(id, map[string]any{f: v}))
			calls = append(calls, pending{sc.p.wantMethod("set"), func(doc map[string]any) map[string]any {
				if doc != nil && ok { // a stub that found nothing foretells nothing
					doc[f] = v
				}
				return doc
			}, id})
		case 3: // remove, or insert
			if _, ok := sc.r.Store().Snapshot().Get("items", ejson.StringID(id)); ok {
				sc.call(Method{Name: "remove", Params: []any{id}})
				calls = append(calls, pending{sc.p.wantMethod("remove"), func(map[string]any) map[string]any { return nil }, id})
				break
			}
			v := rng.Float64()
			sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": id, "g": v}}})
			calls = append(calls, pending{sc.p.wantMethod("insert"), func(doc map[string]any) map[string]any {
				if doc == nil {
					doc = map[string]any{}
				}
				doc["g"] = v
				return doc
			}, id})
		case 4:
			if len(calls) == 0 {
				break
			}
			i := rng.IntN(len(calls)) // unblocked methods end in any order
			if rng.IntN(2) == 0 {
				server(calls[i].id, rng)
			}
			sc.p.updated(calls[i].wire)
			sc.p.result(calls[i].wire, "")
			calls = append(calls[:i], calls[i+1:]...)
		}
		check()
	}
	for len(calls) > 0 {
		sc.p.updated(calls[0].wire)
		calls = calls[1:]
		check()
	}
	sc.shadows(0)
}
