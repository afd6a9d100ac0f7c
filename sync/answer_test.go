package sync

import "testing"

// A process ends between the answer of a call and the documents that it made: what its
// stub foretold stays until they come, though the outbox has forgotten the call.
func TestAnsweredBeforeDocuments(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path))
		sc.stubs()
		sc.subscribe("s")
		sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "a", "n": 1}}})
		sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "b", "n": 1}}})
		p := sc.accept()
		p.answer(p.wantMethod("insert"), "")
		p.answer(p.wantMethod("insert"), "")
		sc.sub = p.wantSub("s")
		sc.outbox()
		sc.r.Close()

		for range 2 { // they stay, also without the server
			sc.open(kept(path))
			sc.has("items", `{"_id":"a","n":1}`, `{"_id":"b","n":1}`)
			sc.shadows(2)
			<-sc.conns
			sc.r.Close()
		}
		sc.open(kept(path))
		p = sc.accept()
		p.same(sc.sub, p.wantSub("s"))
		sc.seen()
		p.added("a", 1)
		p.ready(sc.sub)
		sc.seen("-b") // somebody has removed it
		sc.shadows(0)
	})
}
