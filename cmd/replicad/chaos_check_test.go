package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// What the daemon of a chaos is held to.

// published reports whether a subscription of the daemon's holds the document.
func published(collection string, d ejson.Doc) bool {
	return collection != "hot" || d.Field("hot").Bool()
}

// note keeps what a commit made of each document.
func (c *chaos) note(commit *store.Commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range commit.Changes {
		key := chaosKey{ch.Collection, ch.ID}
		after := ch.After
		if !after.IsZero() && !published(ch.Collection, after) {
			after = ejson.Doc{}
		}
		if c.history[key] == nil {
			c.history[key] = []chaosState{{}}
		}
		c.history[key] = append(c.history[key], chaosState{commit.Seq, after})
	}
}

// look asks for all documents and holds each against its history.
func (c *chaos) look() {
	for _, coll := range chaosCollections {
		docs := c.find(coll)
		c.mu.Lock()
		for key, states := range c.history {
			if key.collection != coll {
				continue
			}
			place := c.seen[key]
			for place < len(states) && !states[place].doc.Same(docs[key.id]) {
				place++
			}
			if place == len(states) {
				c.wrong("%s %s: the daemon has %v, which the server did not have since %v", coll, key.id, docs[key.id], states[c.seen[key]])
			} else {
				c.seen[key] = place
			}
			delete(docs, key.id)
		}
		for id, d := range docs {
			c.wrong("%s %s: the server never had %v", coll, id, d)
		}
		c.mu.Unlock()
		c.passed()
	}
}

// find returns the daemon's documents of a collection.
func (c *chaos) find(coll string) map[ejson.ID]ejson.Doc {
	docs := map[ejson.ID]ejson.Doc{}
	err := c.child.client.find(c.ctx, request{collection: coll}, func(d ejson.Doc) error {
		if _, twice := docs[d.ID()]; twice {
			return fmt.Errorf("%s %s comes twice", coll, d.ID())
		}
		docs[d.ID()] = d
		return nil
	})
	c.must(err)
	return docs
}

// flush waits until what was seen is on disk.
func (c *chaos) flush() {
	c.look()
	st, err := c.child.client.status(c.ctx)
	c.must(err)
	seq := st.Field("seq").Number()
	c.await("on disk", func(st ejson.Doc) bool { return st.Field("durable").Number() >= seq })
	c.saved()
}

// call writes through the daemon. A call that has returned shows in the daemon.
func (c *chaos) call() {
	if !c.whole {
		return
	}
	c.settled() // before that, the server may run the call ahead of the subscriptions
	id := fmt.Sprintf("call%d", c.rng.Uint32())
	d := ejson.Make(ejson.Field{Name: "_id", Value: id}, ejson.Field{Name: "rank", Value: c.rng.Float64()})
	_, err := c.child.client.call(c.ctx, "/docs/insert", ejson.MakeArray(d))
	c.must(err)
	if got, ok := c.find("docs")[ejson.StringID(id)]; !ok || !got.Same(d) {
		c.t.Fatalf("the call that inserted %v has returned, and the daemon has %v", d, got)
	}
}

// heal mends the link, waits until the daemon is live, and wants it to be what the
// server is.
func (c *chaos) heal() {
	if c.whole { // a link that was never cut may have changes on it
		c.cut()
	}
	c.await("offline", func(st ejson.Doc) bool { return st.Field("phase").Str() != "live" })
	c.look()
	c.mend()
	c.settled()
	for _, coll := range chaosCollections {
		docs := c.find(coll)
		for _, want := range c.server(coll) {
			if got := docs[want.ID()]; !got.Same(want) {
				c.wrong("%s: the server has %v, the daemon, live, %v", coll, want, got)
			}
			delete(docs, want.ID())
		}
		for _, d := range docs {
			c.wrong("%s: the daemon, live, has %v, the server has not", coll, d)
		}
	}
	c.passed()
	want, err := topRequest().query(c.store).All()
	c.must(err)
	c.await("the watch shows the server's top", func(ejson.Doc) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.must(c.watchEnd)
		return slices.EqualFunc(c.top.docs, want, ejson.Doc.Same)
	})
	c.look()
}

// settled waits until the daemon is live and has the whole of each subscription. A
// daemon whose first sync was cut short is live before that.
func (c *chaos) settled() {
	c.await("live and whole", func(st ejson.Doc) bool {
		return live(st) && st.Field("stale").Number() == 0 &&
			st.Field("whole").Number() == float64(len(chaosCollections))
	})
}

// server returns what the server publishes of a collection.
func (c *chaos) server(coll string) []ejson.Doc {
	var docs []ejson.Doc
	for _, d := range c.store.Snapshot().Each(coll) {
		if published(coll, d) {
			docs = append(docs, d)
		}
	}
	return docs
}

// compareFile asks the file that no daemon holds any more.
func (c *chaos) compareFile() {
	for _, coll := range chaosCollections {
		got := replicad(c.ctx, "", "find", coll, "--db", c.file, "--sort", "_id")
		if got.code != exitOK {
			c.t.Fatalf("the file: exit %d: %s", got.code, got.errors)
		}
		want := c.server(coll)
		slices.SortFunc(want, func(a, b ejson.Doc) int { return cmp.Compare(a.ID().String(), b.ID().String()) })
		i := 0
		c.must(readLines(strings.NewReader(got.out), func(d ejson.Doc) error {
			if i >= len(want) || !d.Same(want[i]) {
				return fmt.Errorf("%s, document %d of %d: the file has %v", coll, i+1, len(want), d)
			}
			i++
			return nil
		}))
		if i != len(want) {
			c.t.Fatalf("%s: the file has %d documents, the server %d", coll, i, len(want))
		}
	}
}

// await polls the daemon's status until it is good.
func (c *chaos) await(what string, good func(ejson.Doc) bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := c.child.client.status(c.ctx)
		if err != nil {
			c.t.Fatalf("waiting until %s: %v", what, err)
		}
		if good(st) {
			return
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.t.Fatalf("still waiting until %s; status %v", what, st)
		}
	}
}

func (c *chaos) must(err error) {
	if err != nil {
		c.t.Helper()
		c.t.Fatal(err)
	}
}

// wrong notes a document that is not as it should be. The round ends at the next
// passed.
func (c *chaos) wrong(format string, args ...any) {
	if c.faults++; c.faults <= 5 {
		c.t.Errorf(format, args...)
	}
}

// passed ends the round where something was wrong.
func (c *chaos) passed() {
	if c.faults > 0 {
		c.t.Fatalf("%s are wrong", plural(c.faults, "document"))
	}
}
