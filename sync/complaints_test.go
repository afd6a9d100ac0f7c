package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
)

// What people complain of in other replicas, one story each. Every rule that they rest
// on has its own tests elsewhere; these are to be read.

// "The methods that were queued were sent before the login, and refused."
func TestComplaintMethodsReplayedBeforeLogin(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path))
		sc.signIn(sc.accept(), "ann")
		sc.r.Disconnect()
		sc.must(Method{Name: "first"})
		sc.must(Method{Name: "second"})
		sc.r.Close() // also over a restart

		sc.open(kept(path))
		p := sc.accept()
		login := p.wantMethod("login")
		time.Sleep(10 * time.Second)
		p.quiet()
		p.answer(login, `,"result":{"id":"ann","token":"t2"}`)
		p.answer(p.wantMethod("first"), "")
		p.answer(p.wantMethod("second"), "")
		sc.outbox()
	})
}

// "My token had expired while I was away, and all I had done offline was gone."
func TestComplaintOfflineWorkLostWhenTokenExpired(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path))
		sc.stubs()
		sc.signIn(sc.accept(), "ann")
		sc.r.Disconnect()
		work := sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": "note"}}})
		sc.r.Reconnect()
		p := sc.accept()
		p.answer(p.wantMethod("login"), `,"error":{"error":403,"reason":"expired"}`)
		time.Sleep(24 * time.Hour) // it is not sent as nobody, nor forgotten
		for len(sc.conns) > 0 {
			<-sc.conns
		}
		if st := sc.r.Status(); !st.NeedsLogin || st.UserID != "ann" || st.Parked != 1 {
			t.Errorf("status %+v", st)
		}
		sc.outbox("insert parked")
		sc.has("items", `{"_id":"note"}`)
		sc.r.Close()

		sc.open(kept(path))
		p = sc.accept()
		p.quiet()
		go sc.r.Login(context.Background(), Password{User: "ann", Password: "secret"})
		p.answer(p.wantMethod("login"), `,"result":{"id":"ann","token":"t2"}`)
		m := p.wantMethod("insert")
		if m["id"] != work.ID() {
			t.Errorf("sent %v", m)
		}
		p.send(`{"msg":"added","collection":"items","id":"note","fields":{}}`)
		p.answer(m, "")
		sc.outbox()
		sc.has("items", `{"_id":"note"}`)
	})
}

// "What others deleted while I was away stayed with me for ever."
func TestComplaintDeletedWhileAwayStays(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.live("a", "b", "c")
		p := sc.again(sc.p)
		p.added("a", 1)
		p.added("c", 1)
		sc.seen() // and nothing vanishes too soon
		p.ready(sc.sub)
		sc.seen("-b")
	})
}

// "After some reconnects I had every subscription four times."
func TestComplaintSubscriptionsDuplicatedByReconnects(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.live("a")
		p := sc.p
		for range 5 {
			again := sc.subscribe("s") // an equal one, as a view makes that is shown again
			p = sc.again(p)            // it comes once, under its id
			p.quiet()
			p.added("a", 1)
			p.ready(sc.sub)
			sc.isReady(again, true)
			again.Stop()
		}
		p.quiet()
		if n := sc.r.Store().Snapshot().Len(subsCollection); n != 1 {
			t.Errorf("%d subscriptions in the file", n)
		}
		sc.seen()
	})
}

// "The connection dropped, and the callback of my call never came."
func TestComplaintCallbacksNeverFireAfterDrop(t *testing.T) {
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open()
		p := sc.accept()
		var calls []*outcome
		var sent []map[string]any
		for i := range 4 { // lost before, between and after its two answers
			calls = append(calls, sc.call(Method{Name: fmt.Sprint("m", i)}))
			sent = append(sent, p.wantMethod(fmt.Sprint("m", i)))
		}
		once := sc.call(Method{Name: "once", NoRetry: true})
		p.wantMethod("once")
		p.result(sent[1], `,"result":1`)
		p.updated(sent[2])
		p.answer(sent[3], `,"result":3`)
		sc.came(calls[3], 3.0, nil)
		p = sc.cut(p)
		sc.came(once, nil, ErrUnknownOutcome)
		for _, i := range []int{0, 2} {
			m := p.wantMethod(fmt.Sprint("m", i))
			p.same(sent[i], m)
			p.answer(m, fmt.Sprintf(`,"result":%d`, i))
		}
		for i, o := range calls {
			sc.came(o, float64(i), nil)
		}
		p.quiet()
	})
}

// "One write that the server refused, and nothing went through any more."
func TestComplaintOneBadWriteBlocksTheQueue(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.refuse = errors.New("away")
		sc.open(kept(path))
		sc.must(Method{Name: "good", Entity: "e"})
		bad := sc.must(Method{Name: "bad", Entity: "e"})
		sc.must(Method{Name: "better", Entity: "e"}) // also behind it in its own lane
		sc.must(Method{Name: "best"})
		sc.refuse = nil
		sc.r.Reconnect()
		p := sc.accept()
		good, best := p.wantMethod("good"), p.wantMethod("best")
		p.answer(good, "")
		p.answer(best, "")
		p.answer(p.wantMethod("bad"), `,"error":{"error":400,"reason":"poison"}`)
		p.answer(p.wantMethod("better"), "")
		sc.outbox("bad failed")
		sc.ended(bad, nil, &ddp.Error{Code: "400"})
	})
}

// "On a bad line my changes jumped back, and forth again."
func TestComplaintLocalWritesRevertOnFlakyLink(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.liveKept(path, "a")
		sc.open(kept(path))
		sc.stubs()
		sub := sc.subscribe("s", "x")
		p := sc.accept()
		p.wantSub("s")
		p.added("a", 1)
		p.ready(sc.sub)
		sc.isReady(sub, true)
		sc.told()
		sc.must(setCall("a", map[string]any{"n": 2}))
		sc.seen("~a")
		p.wantMethod("set")
		for range 3 { // the server has the old value again and again
			p = sc.cut(p)
			p.wantMethod("set")
			p.wantSub("s")
			p.added("a", 1)
			p.ready(sc.sub)
			sc.has("items", `{"_id":"a","n":2}`)
		}
		p = sc.cut(p)
		m := p.wantMethod("set")
		p.wantSub("s")
		p.added("a", 2) // it had run, and only the answer was lost
		p.ready(sc.sub)
		p.answer(m, "")
		sc.seen() // nobody saw anything but the change itself
		sc.shadows(0)
	})
}

// "It runs for weeks, and needs more memory every day."
func TestComplaintBookkeepingGrows(t *testing.T) {
	path := t.TempDir() + "/r.db"
	inScene(t, func(t *testing.T, sc *scene) {
		sc.open(kept(path), func(o *Options) { o.MaxFailed = 3 })
		sc.stubs()
		never := sc.subscribe("never")
		sc.call(Method{Name: "insert", Params: []any{map[string]any{"_id": "first"}}})
		p := sc.accept()
		first := p.wantMethod("insert")
		p.wantSub("never") // behind the first call, and never ready
		p.added("first", 1)
		p.answer(first, "")
		time.Sleep(time.Hour)
		for i := range 300 {
			if i == 250 {
				never.Stop()
				p.send(fmt.Sprintf(`{"msg":"nosub","id":%q}`, p.want(`{"msg":"unsub"}`)["id"]))
			}
			if i > 250 && i%20 == 0 {
				p = sc.cut(p)
			}
			sub := sc.subscribe("s", i)
			w := p.wantSub("s")
			p.added("a", i)
			p.ready(w)
			sc.call(setCall("a", map[string]any{"n": -1}))
			p.answer(p.wantMethod("set"), "")
			sc.must(Method{Name: "insert", Params: []any{map[string]any{"_id": fmt.Sprint("i", i)}}, Entity: fmt.Sprint(i), Squash: fmt.Sprint(i)})
			p.added(fmt.Sprint("i", i), 1)
			p.answer(p.wantMethod("insert"), []string{"", `,"error":{"error":1}`}[i%2])
			sub.Stop()
			p.send(fmt.Sprintf(`{"msg":"nosub","id":%q}`, p.want(`{"msg":"unsub"}`)["id"]))
			synctest.Wait()
			if i == 249 {
				sc.r.do(context.Background(), func(l *loop) {
					if n := len(l.session.heard) + len(l.session.opening); n > 2 {
						t.Errorf("%d documents remembered that the server has spoken of", n)
					}
				})
			}
		}
		sc.lean(3)
	})
}

// signIn logs in.
func (sc *scene) signIn(p *peer, user string) {
	sc.t.Helper()
	o := sc.login(Token(user))
	p.welcome(p.wantMethod("login"), user, "t1")
	sc.came(o, user, nil)
}

// lean checks that the replica remembers nothing of what has ended, but for so many calls
// that have failed.
func (sc *scene) lean(failed int) {
	sc.t.Helper()
	synctest.Wait()
	var have map[string]int
	err := sc.r.do(context.Background(), func(l *loop) { have = l.remembered() })
	if err != nil {
		sc.t.Fatal(err)
	}
	for what, n := range have {
		if n > 0 && (what != "entries" && what != "failed" && what != "latest" || n != failed) {
			sc.t.Errorf("%d %s", n, what)
		}
	}
	snap := sc.r.Store().Snapshot()
	for collection, most := range map[string]int{OutboxCollection: failed, shadowCollection: 0, subsCollection: 0, metaCollection: 4} {
		if n := snap.Len(collection); n > most {
			sc.t.Errorf("%s has %d documents", collection, n)
		}
	}
}

// remembered counts what the loop holds of calls and subscriptions.
func (l *loop) remembered() map[string]int {
	have := map[string]int{
		"subs": len(l.subs), "subsByKey": len(l.subsByKey), "stopping": len(l.stopping),
		"blocks": len(l.blocks), "calls": len(l.calls), "plain": l.plain, "flying": l.flying, "parked": len(l.parked),
		"logins": len(l.logins), "entries": len(l.entries), "failed": len(l.failed), "latest": len(l.latest),
		"retired": len(l.retired), "delayed": len(l.delayed), "wrote": len(l.wrote), "leaving": len(l.leaving),
		"fresh": len(l.fresh),
	}
	if s := l.session; s != nil {
		for what, n := range map[string]int{
			"out": len(s.out), "batch": len(s.batch), "ready": len(s.ready), "updated": len(s.updated),
			"release": len(s.release), "vouches": len(s.vouches), "revalidating": len(s.revalidating),
			"filling": len(s.filling), "sent first": len(s.calls), "held": len(s.held), "stale": s.stale.n,
		} {
			have["session: "+what] = n
		}
	}
	return have
}

// "The server was restarted, and the clients came back all at once and brought it down."
func TestComplaintReconnectStorm(t *testing.T) {
	const clients = 200
	inScene(t, func(t *testing.T, sc *scene) {
		var all []*Replica
		var ends []*peer
		for range clients {
			all = append(all, sc.open())
			ends = append(ends, sc.accept())
		}
		sc.dials = nil
		sc.refuse = errors.New("restarting")
		synctest.Wait()
		died := time.Now()
		for _, p := range ends {
			p.end.Cut()
		}
		time.Sleep(2 * time.Minute)
		at := sc.dialed()
		// Two quick retries each, then ever fewer, and no two the same: after the first
		// second no tenth of a second has more than its share several times over.
		buckets := map[int]int{}
		for _, d := range at {
			if since := d.Sub(died); since > 500*time.Millisecond {
				buckets[int(since/(100*time.Millisecond))]++
			}
		}
		most := 0
		for _, n := range buckets {
			most = max(most, n)
		}
		if late := len(at) - 2*clients; late > 6*clients || most > clients/4 {
			t.Errorf("%d dials in two minutes, %d of them in one tenth of a second", len(at), most)
		}
		slices.SortFunc(at, time.Time.Compare)
		if last := at[len(at)-1]; last.Sub(died) < time.Minute {
			t.Errorf("nobody has tried since %v", last.Sub(died))
		}
		for _, r := range all {
			r.Close()
		}
	})
}
