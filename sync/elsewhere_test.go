package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// A server that is not ours forgets the ids of calls, so it runs again what is sent again:
// then the id that the seed gives makes an insert harmless, since the document is there
// already, and the call shows that in the outbox, as the error of a duplicate key.
func TestElsewhere(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.live("a")
		sc.stubs()
		call := sc.must(Method{Name: "insert", Params: []any{map[string]any{"n": 1}}})
		m := sc.p.wantMethod("insert")
		id := ddp.NewStreams(m["randomSeed"].(string)).DocumentID("items")
		sc.seen("+" + id)
		p := sc.cut(sc.p) // it was run, and the answer is lost
		p.same(m, p.wantMethod("insert"))
		p.same(sc.sub, p.wantSub("s"))
		p.added("a", 1)
		p.added(id, 1)
		p.ready(sc.sub)
		p.answer(m, `,"error":{"error":409,"reason":"E11000 duplicate key error"}`)
		sc.ended(call, nil, &ddp.Error{Code: "409"})
		sc.outbox("insert failed")
		sc.has("items", `{"_id":"a","n":1}`, fmt.Sprintf(`{"_id":%q,"n":1}`, id))
		sc.seen() // and at no time was it away
		sc.shadows(0)
		if err := call.Dismiss(); err != nil {
			t.Error(err)
		}
		sc.outbox()
	})
}

// foreign is a server that is not ours. It keeps no sessions and remembers no calls; all
// that it has are documents, and one publication of them all.
type foreign struct {
	mu    sync.Mutex
	docs  map[string]int
	ids   []string                   // of docs, as they were made
	runs  map[string]int             // by id of the call
	conns map[*client.PipeEnd]string // and the id of the subscription on it

	linkMu sync.Mutex
	link   *rand.Rand
}

func (f *foreign) dial(context.Context, string) (client.Transport, error) {
	ours, theirs := client.Pipe(client.PipeOptions{Frame: func(int, []byte) (time.Duration, bool) {
		f.linkMu.Lock()
		defer f.linkMu.Unlock()
		return time.Duration(f.link.IntN(40)) * time.Millisecond, false
	}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[theirs] = ""
	go f.serve(theirs)
	return ours, nil
}

// cut ends all connections.
func (f *foreign) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end := range f.conns {
		end.Cut()
	}
}

func (f *foreign) serve(end *client.PipeEnd) {
	for {
		b, err := end.Read()
		f.mu.Lock()
		if err != nil {
			delete(f.conns, end)
			f.mu.Unlock()
			end.Close(1000, "")
			return
		}
		var m struct {
			Msg, ID, RandomSeed string
			Params              []int
		}
		_ = json.Unmarshal(b, &m) // what is none has no msg
		say := func(to *client.PipeEnd, format string, args ...any) {
			_ = to.Write(context.Background(), fmt.Appendf(nil, format, args...), false) // it may be gone
		}
		added := func(to *client.PipeEnd, id string) {
			say(to, `{"msg":"added","collection":"items","id":%q,"fields":{"n":%d}}`, id, f.docs[id])
		}
		switch m.Msg {
		case "connect":
			say(end, `{"msg":"connected","session":%q}`, ddp.NewID())
		case "ping":
			say(end, `{"msg":"pong","id":%q}`, m.ID)
		case "sub":
			f.conns[end] = m.ID
			for _, id := range f.ids {
				added(end, id)
			}
			say(end, `{"msg":"ready","subs":[%q]}`, m.ID)
		case "unsub":
			say(end, `{"msg":"nosub","id":%q}`, m.ID)
		case "method":
			f.runs[m.ID]++
			id, failed := ddp.NewStreams(m.RandomSeed).DocumentID("items"), ""
			if _, there := f.docs[id]; there {
				failed = `,"error":{"error":409,"reason":"E11000 duplicate key error"}`
			} else {
				f.docs[id] = m.Params[0]
				f.ids = append(f.ids, id)
				for to, sub := range f.conns {
					if sub != "" {
						added(to, id)
					}
				}
			}
			say(end, `{"msg":"result","id":%q%s}`, m.ID, failed)
			say(end, `{"msg":"updated","methods":[%q]}`, m.ID)
		}
		f.mu.Unlock()
	}
}

// TestElsewhereAtLeastOnce: what Do has promised is run by a server that remembers nothing
// at least once, through cut connections and processes that are killed, and its document is
// there once, under the id that its stub drew; it never vanishes from the replica; and what
// was run twice is told as a duplicate, and nothing else as a failure.
func TestElsewhereAtLeastOnce(t *testing.T) {
	for seed := range uint64(20) {
		path := filepath.Join(t.TempDir(), "r.db")
		synctest.Test(t, func(t *testing.T) { elsewhere(t, rand.New(rand.NewPCG(seed, 6)), path) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func elsewhere(t *testing.T, rng *rand.Rand, path string) {
	f := &foreign{
		docs: map[string]int{}, runs: map[string]int{}, conns: map[*client.PipeEnd]string{},
		link: rand.New(rand.NewPCG(rng.Uint64(), 0)),
	}
	var r *Replica
	drawn := map[string]int{} // the ids of all documents that were foretold
	open := func() {
		var err error
		opts := Options{Path: path, Logger: quietLog()}
		opts.Client.Dial = f.dial
		if r, err = Open(t.Context(), "ws://elsewhere.example", opts); err != nil {
			t.Fatal(err)
		}
		r.Stub("insert", func(tx *Tx, in Invocation) error {
			id, err := tx.Insert("items", ejson.Make(ejson.Field{Name: "n", Value: in.Params.At(0)}))
			drawn[id.String()] = int(in.Params.At(0).Number())
			return err
		})
		r.Store().Tail("items", func(c *store.Commit) {
			for _, ch := range c.Changes {
				if ch.Collection == "items" && ch.After.IsZero() {
					t.Errorf("%v vanished", ch.Before)
				}
			}
		})
		if _, err := r.Subscribe("items"); err != nil {
			t.Fatal(err)
		}
	}
	open()
	var promised []string
	for n := range 40 {
		switch rng.IntN(6) {
		case 0:
			f.cut()
		case 1:
			time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		case 2:
			synctest.Wait()
			image, err := os.ReadFile(path) // as it is when the process is killed
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(2) == 0 {
				err = os.WriteFile(path, image, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			open()
		default:
			p, err := r.Do(t.Context(), Method{Name: "insert", Params: []any{n}, Entity: []string{"", "e"}[rng.IntN(2)]})
			if err != nil {
				t.Fatal(err)
			}
			promised = append(promised, p.ID())
		}
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	twice := 0
	for _, id := range promised {
		if f.runs[id] == 0 {
			t.Errorf("call %s was promised, and never run", id)
		}
	}
	for _, n := range f.runs {
		twice += min(n-1, 1)
	}
	snap := r.Store().Snapshot()
	if len(f.docs) != len(drawn) || snap.Len("items") != len(drawn) || len(drawn) != len(promised) {
		t.Errorf("%d documents, the server has %d; %d were foretold, by %d calls", snap.Len("items"), len(f.docs), len(drawn), len(promised))
	}
	for id, n := range drawn {
		doc, ok := snap.Get("items", ejson.StringID(id))
		if at, there := f.docs[id]; !there || at != n || !ok || doc.Field("n").Number() != float64(n) {
			t.Errorf("%s is %v, %d at the server; want %d", id, doc, at, n)
		}
	}
	for e, err := range store.Of[Entry](r.Store(), OutboxCollection).Find(nil).Each() {
		if err != nil || e.State != Failed || e.Error.Code != "409" || f.runs[e.ID] < 2 {
			t.Errorf("%+v in the outbox (%v)", e, err)
		}
	}
	if st := r.Status(); st.Failed > twice || st.Outbox > 0 || snap.Len(shadowCollection) > 0 {
		t.Errorf("status %+v, %d calls were run twice, %d shadows", st, twice, snap.Len(shadowCollection))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	f.cut()
}
