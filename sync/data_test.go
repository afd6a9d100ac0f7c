package sync

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// How data are buffered and applied: chapters 7, 8 and 22, by line.
func TestData(t *testing.T) {
	for _, test := range []struct {
		lines string
		run   func(t *testing.T, sc *scene)
	}{
		{"70: together if within 5ms", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			time.Sleep(4 * time.Millisecond)
			sc.seen()
			sc.p.added("b", 1)
			time.Sleep(4 * time.Millisecond)
			sc.p.send(`{"msg":"changed","collection":"items","id":"a","fields":{"n":2}}`)
			time.Sleep(4 * time.Millisecond)
			sc.seen()
			time.Sleep(time.Millisecond)
			sc.seen("+a +b")
			time.Sleep(time.Second)
			sc.seen()
		}},
		{"but at once where it comes alone, after a rest", func(t *testing.T, sc *scene) {
			sc.live()
			time.Sleep(flushIdle)
			sc.p.added("a", 1)
			sc.seen("+a") // and no time has passed
			sc.p.added("b", 1)
			sc.p.added("c", 1)
			sc.seen()
			time.Sleep(flushIdle)
			sc.seen("+b +c")
			sc.p.added("d", 1)
			sc.seen() // there was no rest
			time.Sleep(2 * flushIdle)
			sc.seen("+d")
			sc.p.send(`{"msg":"changed","collection":"items","id":"d","fields":{"n":2}}`)
			sc.seen("~d")
		}},
		{"a burst is no single change", func(t *testing.T, sc *scene) {
			sc.live()
			synctest.Wait()
			time.Sleep(flushIdle)
			var s session
			for range leadingSize {
				s.batch, s.first, s.begun = append(s.batch, ddp.Removed{}), time.Now(), true
				if !s.leads() {
					t.Fatalf("%d wait", len(s.batch))
				}
			}
			if s.batch = append(s.batch, ddp.Removed{}); s.leads() {
				t.Errorf("%d do not", len(s.batch))
			}
		}},
		{"70 71: after 500ms in any case", func(t *testing.T, sc *scene) {
			sc.live()
			for i := range 200 {
				sc.p.added(fmt.Sprint("d", i), 1)
				time.Sleep(4 * time.Millisecond)
			}
			if n := len(sc.told()); n != 1 {
				t.Errorf("%d commits in 800ms", n)
			}
			if n := sc.r.Store().Snapshot().Len("items"); n != 125 {
				t.Errorf("%d documents in the first", n)
			}
		}},
		{"70: and where there are many", func(t *testing.T, sc *scene) {
			sc.live()
			for i := range 2*flushSize + 1 {
				sc.p.added(fmt.Sprint("d", i), 1)
			}
			synctest.Wait()
			if n := sc.r.Store().Snapshot().Len("items"); n != 2*flushSize {
				t.Errorf("%d documents at once", n)
			}
		}},
		{"73: ready, updated and nosub end a batch", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			sc.p.send(`{"msg":"ready","subs":["unknown"]}`)
			sc.seen("+a")
			sc.p.added("b", 1)
			sc.p.send(`{"msg":"updated","methods":["unknown"]}`)
			sc.seen("+b")
			sc.p.added("c", 1)
			sc.p.send(`{"msg":"nosub","id":"unknown"}`)
			sc.seen("+c")
		}},
		{"74: so does result", func(t *testing.T, sc *scene) {
			sc.live()
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			sc.p.updated(m)
			sc.p.added("a", 1)
			sc.p.result(m, "")
			sc.came(o, nil, nil)
			sc.seen("+a")
		}},
		{"77: a refused document loses nothing else", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.added("a", 1)
			sc.p.send(`{"msg":"added","collection":"sync.meta","id":"replica","fields":{"id":"stolen"}}`)
			sc.p.send(`{"msg":"added","collection":"items","id":"bad","fields":{"x":{"$type":"oid","$value":7}}}`)
			sc.p.send(`{"msg":"added","collection":"items","id":"b","fields":{"n":1}}`)
			sc.p.send(`{"msg":"added"`, `[]`, `7`, `{"msg":"added","id":3}`, `{"msg":"added","collection":"items"}`)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+a +b")
			st := sc.phase(Live)
			if st.Skipped < 2 {
				t.Errorf("%d skipped", st.Skipped)
			}
			if doc, _ := sc.r.Store().Snapshot().Get("sync.meta", ejson.StringID("replica")); doc.Field("id").Str() != sc.r.ID() {
				t.Errorf("the server wrote %v", doc)
			}
		}},
		{"83: lenient", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"changed","collection":"items","id":"new","fields":{"n":1},"cleared":["m"]}`,
				`{"msg":"removed","collection":"items","id":"absent"}`,
				`{"msg":"added","collection":"items","id":"twice","fields":{"a":1,"b":1}}`,
				`{"msg":"added","collection":"items","id":"twice","fields":{"b":2,"c":2}}`,
				`{"msg":"removed","collection":"items","id":"twice-not"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"new","n":1}`, `{"_id":"twice","a":1,"b":2,"c":2}`)
			sc.p.send(`{"msg":"changed","collection":"items","id":"new","fields":{"n":1}}`)
			sc.p.added("new", 1)
			time.Sleep(10 * time.Millisecond)
			sc.seen("+new +twice") // and no change that is none
		}},
		{"87 88: fields and cleared", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"added","collection":"items","id":"a"}`,
				`{"msg":"added","collection":"items","id":"b","fields":{"x":1,"y":1},"cleared":["v","z"]}`,
				`{"msg":"added","collection":"items","id":"c","fields":{"_id":"other","x":1,"y":1}}`,
				`{"msg":"changed","collection":"items","id":"c","fields":{"_id":"other"},"cleared":["y","_id"]}`,
				`{"msg":"changed","collection":"items","id":"b","cleared":["y","w"]}`,
				`{"msg":"changed","collection":"items","id":"a"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"a"}`, `{"_id":"b","x":1}`, `{"_id":"c","x":1}`)
		}},
		{"89: places are ignored, documents are not", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"addedBefore","collection":"items","id":"a","fields":{"n":1},"before":null}`,
				`{"msg":"movedBefore","collection":"items","id":"a","before":"z"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"a","n":1}`)
		}},
		{"222-225: ids of all kinds", func(t *testing.T, sc *scene) {
			sc.live()
			sc.p.send(
				`{"msg":"added","collection":"items","id":"0123456789abcdef01234567"}`,
				`{"msg":"added","collection":"items","id":"-0123456789abcdef01234567"}`,
				`{"msg":"added","collection":"items","id":"~7"}`,
				`{"msg":"removed","collection":"items","id":"0123456789abcdef01234567"}`,
				`{"msg":"ready","subs":[]}`)
			sc.has("items", `{"_id":"0123456789abcdef01234567"}`, `{"_id":7}`)
		}},
		{"19 20 243: strange messages", func(t *testing.T, sc *scene) {
			sc.live()
			o := sc.call(Method{Name: "m"})
			m := sc.p.wantMethod("m")
			sc.p.send(`{"server_id":"0"}`, `{}`, `null`, `"x"`, `{"msg":7}`, `{"msg":"strange"}`,
				`{"msg":"updated"}`, `{"msg":"updated","id":"1"}`, `{"msg":"ready"}`, `{"msg":"nosub"}`,
				`{"msg":"error","reason":"Bad request","offendingMessage":{}}`, `{"msg":"connected","session":"again"}`,
				`{"msg":"failed","version":"1"}`, `{"msg":"result"}`, `{"msg":"result","id":"nobody's"}`, `{`)
			sc.p.result(m, "")
			sc.p.updated(m)
			sc.came(o, nil, nil)
			sc.phase(Live)
		}},
		{"a result that cannot be read is an error", func(t *testing.T, sc *scene) {
			sc.live()
			var err error
			go func() { _, err = sc.r.Call(context.Background(), "m") }()
			m := sc.p.wantMethod("m")
			sc.p.updated(m)
			sc.p.result(m, `,"result":{"$type":"oid","$value":7}`)
			synctest.Wait()
			if err == nil || !strings.Contains(err.Error(), "unreadable result") {
				t.Errorf("error %v", err)
			}
		}},
		{"collections of the program's own", func(t *testing.T, sc *scene) {
			sc.live("a")
			drafts := sc.r.Store().Collection("drafts")
			if _, err := drafts.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "d"})); err != nil {
				t.Fatal(err)
			}
			items := sc.r.Store().Collection("items")
			if _, err := items.InsertOne(ejson.Make(ejson.Field{Name: "_id", Value: "d"})); !errors.Is(err, store.ErrReplicated) {
				t.Errorf("direct write: %v", err)
			}
			sc.p.send(`{"msg":"removed","collection":"drafts","id":"d"}`)
			p := sc.again(sc.p)
			p.added("a", 1)
			p.ready(sc.sub)
			sc.seen("+d")
		}},
	} {
		t.Run(test.lines, func(t *testing.T) { inScene(t, test.run) })
	}
}
