package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// TestReplayStubs plays the recordings in which Meteor's client ran stubs, with the same
// stubs and the same seed: what the stub shows is what the server says, under the same
// id, so nobody hears of anything when the server has answered; and an error takes back
// what was shown.
func TestReplayStubs(t *testing.T) {
	for _, test := range []struct {
		file string
		call func(sc *scene, l line) *call
		seen map[string][]string // what observers are told, by the message that has been played
	}{
		{"meteor-client-latency", func(sc *scene, l line) *call {
			_, list, err := paramsOf(l.msg.Params)
			if err != nil {
				sc.t.Fatal(err)
			}
			params, _ := arrayOf(list)
			c := newCall(Method{Name: l.msg.Method.(string)}, params)
			if _, seed, ok := strings.Cut(string(l.Msg), `"randomSeed":"`); ok {
				c.seed = seed[:20]
			}
			return c
		}, map[string][]string{
			"c>s method 1": {"+NEdu93YQHDea69mpP"},
			"c>s method 2": {"-NEdu93YQHDea69mpP"},
		}},
		{"meteor-client-stubrollback", func(sc *scene, l line) *call {
			return newCall(Method{Name: "errPlain"}, ejson.Array{})
		}, map[string][]string{
			"c>s method 1": {"+foretold"},
			"s>c updated":  {"-foretold"}, // the error is the undo
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			inScene(t, func(t *testing.T, sc *scene) {
				sc.open()
				sc.r.Stub("insert", insertStub)
				sc.r.Stub("remove", removeStub)
				sc.r.Stub("errPlain", func(tx *Tx, in Invocation) error {
					_, err := tx.Insert("items", ejson.Make().WithID(ejson.StringID("foretold")))
					return err
				})
				p := sc.accept()
				ids := map[string]string{}
				var calls []*call
				for _, l := range readRecording(t, "testdata/replay/"+test.file+".jsonl") {
					id, _ := l.msg.ID.(string)
					at := l.Dir + " " + l.msg.Msg
					switch {
					case l.Dir == "c>s" && l.msg.Msg == "sub":
						sc.subscribe(l.msg.Name, "lc")
						ids[id] = p.wantSub(l.msg.Name)["id"].(string)
					case l.Dir == "c>s" && l.msg.Msg == "method":
						c := test.call(sc, l)
						if err := sc.r.enter(context.Background(), c); err != nil {
							t.Fatal(err)
						}
						calls = append(calls, c)
						m := p.wantMethod(c.method.Name)
						if seed, _ := m["randomSeed"].(string); seed != c.seed {
							t.Errorf("sent %v, seed %s", m, c.seed)
						}
						ids[id] = c.wire
						at += " " + id
					case l.Dir == "s>c" && l.msg.Msg != "connected" && l.msg.Collection != "universal":
						text := string(l.Msg)
						for was, is := range ids {
							text = strings.Replace(text, `"`+was+`"`, `"`+is+`"`, 1)
						}
						p.send(text)
					}
					sc.seen(test.seen[at]...)
				}
				synctest.Wait()
				for _, c := range calls {
					var refused *ddp.Error
					if _, err := sc.r.await(t.Context(), c); err != nil && !(c.method.Name == "errPlain" && errors.As(err, &refused) && refused.Code == "500") {
						t.Errorf("%s: %v", c.method.Name, err)
					}
				}
				sc.shadows(0)
			})
		})
	}
}
