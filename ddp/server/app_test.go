package server_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// app is the application that the recorded server ran, as far as the recordings
// show it: a collection of items with live queries, and the publications and
// methods of the recordings' scripts.
type app struct {
	*server.Server
	newIDs []string // ids for inserts that the recording drew at random

	mu      sync.Mutex // guards the rest
	items   []ejson.Doc
	queries map[*query]struct{}
	counts  map[string]int
	inserts int
}

// query is a live query over the items.
type query struct {
	p     *server.Publication
	match func(ejson.Doc) bool
	sort  string // a number field; "" for the order of insertion
	limit int    // 0: none
	keep  []string
	shown []ejson.Doc
}

// must parses a document of the test itself.
func must(text string) ejson.Doc {
	d, err := ejson.Parse([]byte(text))
	if err != nil {
		panic(fmt.Sprint(text, ": ", err))
	}
	return d
}

// param returns a parameter, Missing where the client gave fewer.
func param(ps ejson.Array, i int) ejson.Value {
	if i >= ps.Len() {
		return ejson.Value{}
	}
	return ps.At(i)
}

func newApp(items int) *app {
	a := &app{Server: &server.Server{}, queries: make(map[*query]struct{}), counts: make(map[string]int)}
	for i := range items {
		a.items = append(a.items, must(fmt.Sprintf(
			`{"_id":"doc%06d","n":%d,"title":"Item %d","group":"g%d","nested":{"a":%d,"b":[%d,%d]},"createdAt":{"$date":%d}}`,
			i, i, i, i%5, i, i, i+1, 1700000000000+1000*i)))
	}
	a.publish()
	a.methods()
	return a
}

// sleep waits like a timer of the recorded server, and not longer than ctx.
func sleep(ctx context.Context, ms float64) {
	select {
	case <-time.After(time.Duration(ms * float64(time.Millisecond))):
	case <-ctx.Done():
	}
}

func (a *app) publish() {
	all := func(ejson.Doc) bool { return true }
	a.live("items", func(ejson.Array) *query { return &query{match: all} })
	a.live("itemsLimit", func(ps ejson.Array) *query {
		return &query{match: all, sort: "n", limit: int(ps.At(0).Number())}
	})
	a.live("itemsByGroup", func(ps ejson.Array) *query {
		group := ps.At(0)
		if group.Kind() != ejson.String {
			return nil
		}
		return &query{match: func(d ejson.Doc) bool { return d.Field("group").Same(group) }}
	})
	a.live("itemTitles", func(ejson.Array) *query {
		return &query{match: all, sort: "n", limit: 6, keep: []string{"title"}}
	})
	a.live("itemNumbers", func(ejson.Array) *query {
		return &query{match: all, sort: "n", limit: 6, keep: []string{"group", "n"}}
	})
	simple := func(name string, fn func(p *server.Publication)) {
		a.Publish(name, func(_ context.Context, p *server.Publication) error { fn(p); return nil })
	}
	simple("empty", func(*server.Publication) {})
	simple("fields", func(p *server.Publication) {
		p.Added("merge", p.Params.At(1).Doc().WithValue("_id", p.Params.At(0)))
	})
	a.Publish("merge1", a.merge("from1", "a", 60, 100))
	a.Publish("merge2", a.merge("from2", "b", 100, 200))
	a.Publish("clearing", func(ctx context.Context, p *server.Publication) error {
		p.Added("things", must(`{"_id":"x","a":1,"b":2,"c":3}`))
		p.Ready()
		sleep(ctx, 30)
		p.Changed("things", ejson.StringID("x"), must(`{"a":10}`), []string{"b"})
		p.Changed("things", ejson.StringID("x"), ejson.Make(), []string{"c"})
		p.Removed("things", ejson.StringID("x"))
		return nil
	})
	a.Publish("never", func(ctx context.Context, p *server.Publication) error {
		p.Added("things", must(`{"_id":"n","v":1}`))
		p.Unblock()
		<-ctx.Done()
		return ctx.Err()
	})
	a.Publish("delayed", func(ctx context.Context, p *server.Publication) error {
		p.Unblock()
		sleep(ctx, p.Params.At(0).Number())
		return nil
	})
	a.Publish("errMeteor", func(context.Context, *server.Publication) error {
		return &ddp.Error{Code: "not-allowed", Reason: "You may not", Details: must(`{"detail":1}`)}
	})
	for _, name := range []string{"errPlain", "badReturn"} {
		a.Publish(name, func(context.Context, *server.Publication) error { return errors.New("secret") })
	}
	later := func(name, id string, err error) {
		a.Publish(name, func(ctx context.Context, p *server.Publication) error {
			p.Added("things", must(`{"_id":"`+id+`","v":1}`))
			p.Ready()
			sleep(ctx, 50)
			p.Stop(err)
			return nil
		})
	}
	later("errLater", "e", ddp.NumericError(403, "Kicked"))
	later("stopLater", "s", nil)
	a.Publish("ticker", func(ctx context.Context, p *server.Publication) error {
		p.Added("ticks", must(`{"_id":"t","n":0}`))
		p.Ready()
		for n := 1; ; n++ {
			// A little late, as timers are.
			sleep(ctx, p.Params.At(0).Number()+0.2)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.Changed("ticks", ejson.StringID("t"), must(fmt.Sprintf(`{"n":%d}`, n)), nil)
		}
	})
	a.SetStrategy("nomerge", server.NoMerge)
	a.SetStrategy("queue", server.NoMergeNoHistory)
	a.SetStrategy("multi", server.NoMergeMulti)
	for name, doc := range map[string][2]string{
		"noMergeSub": {"nomerge", `{"_id":"a","v":1}`}, "noMergeSub2": {"nomerge", `{"_id":"a","w":2}`},
		"historyless": {"queue", `{"_id":"q","v":1}`},
		"multiSub":    {"multi", `{"_id":"a","v":1}`}, "multiSub2": {"multi", `{"_id":"a","w":2}`},
	} {
		simple(name, func(p *server.Publication) { p.Added(doc[0], must(doc[1])) })
	}
	simple("userData", func(p *server.Publication) {
		if p.UserID == "" {
			p.Added("me", must(`{"_id":"anon","anon":true}`))
			return
		}
		p.Added("me", must(`{"_id":"user","id":"`+p.UserID+`"}`))
		p.Added("users", must(`{"_id":"`+p.UserID+`","username":"user-`+p.UserID+`"}`))
	})
	simple("many", func(p *server.Publication) {
		for i := range int(p.Params.At(0).Number()) {
			p.Added("many", must(fmt.Sprintf(`{"_id":"k%d","i":%d}`, i, i)))
		}
	})
	simple("echoParams", func(p *server.Publication) {
		p.Added("params", must(`{"_id":"p"}`).WithValue("args", p.Params.Value()))
	})
	simple("large", func(p *server.Publication) {
		var list ejson.ListBuilder
		for i := range 1000 {
			list.Append(must(fmt.Sprintf(`{"i":%d,"s":"s%d"}`, i, i)).Value())
		}
		blob := strings.Repeat("x", int(p.Params.At(0).Number())<<10)
		p.Added("large", must(`{"_id":"L","blob":"`+blob+`"}`).WithValue("arr", list.Array().Value()))
	})
}

// merge is a publication of one document whose field x changes after a while.
func (a *app) merge(from, field string, ms float64, x int) server.PublishFunc {
	return func(ctx context.Context, p *server.Publication) error {
		p.Added("merge", must(fmt.Sprintf(`{"_id":"m","x":%d,%q:%q}`, x/100, field, from)))
		p.Ready()
		sleep(ctx, ms)
		p.Changed("merge", ejson.StringID("m"), must(fmt.Sprintf(`{"x":%d}`, x)), nil)
		return nil
	}
}

// live publishes a live query; nil from make is a failed check of the parameters.
func (a *app) live(name string, make func(ejson.Array) *query) {
	a.Publish(name, func(_ context.Context, p *server.Publication) error {
		q := make(p.Params)
		if q == nil {
			return matchError{}
		}
		q.p = p
		a.mu.Lock()
		a.queries[q] = struct{}{}
		q.update(a.items)
		a.mu.Unlock()
		p.OnStop(func() {
			a.mu.Lock()
			delete(a.queries, q)
			a.mu.Unlock()
		})
		return nil
	})
}

// update runs the query again and publishes the difference.
func (q *query) update(items []ejson.Doc) {
	var now []ejson.Doc
	for _, d := range items {
		if q.match(d) {
			now = append(now, d)
		}
	}
	if q.sort != "" {
		slices.SortStableFunc(now, func(a, b ejson.Doc) int {
			return cmp.Compare(a.Field(q.sort).Number(), b.Field(q.sort).Number())
		})
	}
	if q.limit > 0 && len(now) > q.limit {
		now = now[:q.limit]
	}
	if q.keep != nil {
		for i, d := range now {
			var b ejson.Builder
			for _, name := range append([]string{"_id"}, q.keep...) {
				b.Add(name, d.Field(name))
			}
			now[i] = b.Doc()
		}
	}
	find := func(list []ejson.Doc, id ejson.ID) (ejson.Doc, bool) {
		i := slices.IndexFunc(list, func(d ejson.Doc) bool { return d.ID() == id })
		if i < 0 {
			return ejson.Doc{}, false
		}
		return list[i], true
	}
	for _, d := range q.shown {
		if _, ok := find(now, d.ID()); !ok {
			q.p.Removed("items", d.ID())
		}
	}
	for _, d := range now {
		if was, ok := find(q.shown, d.ID()); !ok {
			q.p.Added("items", d)
		} else if !was.Same(d) {
			set, unset := ejson.Diff(was, d)
			q.p.Changed("items", d.ID(), set, unset)
		}
	}
	q.shown = now
}

// write changes the items and runs the live queries.
func (a *app) write(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
	for q := range a.queries {
		q.update(a.items)
	}
}

func (a *app) insert(d ejson.Doc) {
	a.write(func() { a.items = append(a.items, d); a.inserts++ })
}

// universal adds the universal publication that some recordings have.
func (a *app) universal() {
	a.Publish("", func(_ context.Context, p *server.Publication) error {
		user := ejson.NullValue()
		if p.UserID != "" {
			user = ejson.StringValue(p.UserID)
		}
		p.Added("universal", must(`{"_id":"u","hello":"world"}`).WithValue("userId", user))
		return nil
	})
}

// types adds the publications of odd values and names; plain leaves out what
// minimongo would not take.
func (a *app) types() {
	a.Publish("ejsonTypes", func(_ context.Context, p *server.Publication) error {
		for _, text := range []string{
			`{"_id":"date","v":{"$date":1234567890123}}`,
			`{"_id":"bin","v":{"$binary":"AAEC/w=="}}`,
			`{"_id":"bin0","v":{"$binary":""}}`,
			`{"_id":{"$type":"oid","$value":"0123456789abcdef01234567"},"v":{"$type":"oid","$value":"aaaaaaaaaaaaaaaaaaaaaaaa"}}`,
			`{"_id":"nan","nan":{"$InfNaN":0},"inf":{"$InfNaN":1},"ninf":{"$InfNaN":-1}}`,
			`{"_id":"escape","v":{"$escape":{"$date":"not a date"}},"w":{"$escape":{"$escape":{"$escape":{"$date":1}}}},"q":{"$escape":{"$type":"oid","$value":"zz"}}}`,
			`{"_id":"regexp","v":{"$regexp":"ab+c","$flags":"gi"}}`,
			`{"_id":"nul","v":null,"e":{},"arr":[],"b":false,"z":0,"s":""}`,
			`{"_id":"deep","v":{"l":[{"d":{"$date":0}},[{"$binary":"CQ=="}]]}}`,
			`{"_id":"undef","w":1}`,
			`{"_id":"0123456789abcdef01234567","v":"string id that looks like an ObjectID"}`,
			`{"_id":"-dash","v":"id starting with dash"}`,
			`{"_id":"~tilde","v":"id starting with tilde"}`,
			`{"_id":"","v":"empty id"}`,
		} {
			if d := must(text); !param(p.Params, 0).Bool() || !strings.Contains(text, `"escape"`) {
				p.Added("types", d)
			}
		}
		return nil
	})
	a.Publish("unicode", func(_ context.Context, p *server.Publication) error {
		p.Added("uni", must(`{"_id":"ключ-🔑","emoji😀":"👩‍👩‍👧‍👦","cjk":"漢字","rtl":"שלום","combining":"e\u0301",`+
			`"ctrl":"\u0000\u001f\u2028\u2029","lone":"\ud800","bmpmax":"\uffff","astral":"\udbff\udfff"}`))
		return nil
	})
}
