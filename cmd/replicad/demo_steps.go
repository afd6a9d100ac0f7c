package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// seed fills the server's collection.
func (d *demo) seed(context.Context) ([]string, error) {
	if err := d.data.fill(d.docs); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%s in %q, on ws://%s", plural(d.docs, "document"), demoCollection, d.link.server)}, nil
}

// firstSync starts the replica with an empty file and waits until it is live and
// everything is on disk.
func (d *demo) firstSync(ctx context.Context) ([]string, error) {
	begin := time.Now()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	if err := d.await(ctx, "the replica is live", func(s state) bool { return s.live && s.docs == d.docs }); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	if err := d.await(ctx, "the replica is on disk", func(s state) bool { return s.durable }); err != nil {
		return nil, err
	}
	onDisk := time.Since(begin)
	if first, _, _ := d.server.seen(); len(first) != 1 || first[0] != "method login" {
		return nil, fmt.Errorf("the session began with %q, wants the login", first)
	}
	info, err := os.Stat(d.file)
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("%s in %v, process start included: %s/s", plural(d.docs, "document"), round(took), thousands(int(float64(d.docs)/took.Seconds()))),
		"logged in as " + demoUser + " first, then subscribed",
		fmt.Sprintf("all on disk after %v, in a file of %.1f MB", round(onDisk), float64(info.Size())/1e6),
	}, nil
}

// demoQuery is a query that an index answers.
func demoQuery() (request, error) {
	sel, err := ejson.From(map[string]any{"list": "list-42"})
	return request{collection: demoCollection, selector: sel, sort: []string{"-createdAt"}, limit: 20}, err
}

// indexedQuery asks the replica, and the server for the right answer.
func (d *demo) indexedQuery(ctx context.Context) ([]string, error) {
	r, err := demoQuery()
	if err != nil {
		return nil, err
	}
	got, err := d.find(ctx, r)
	if err != nil {
		return nil, err
	}
	want, err := r.query(d.store).All()
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(got, want, ejson.Doc.Same) {
		return nil, fmt.Errorf("the replica answers with %s, the server with %s, or with others", plural(len(got), "document"), plural(len(want), "document"))
	}
	how, err := d.child.client.explain(ctx, r)
	if err != nil {
		return nil, err
	}
	return []string{
		`{"list":"list-42"} sort -createdAt limit 20`,
		fmt.Sprintf("%s of %s in %v", thousands(len(got)), plural(d.docs, "document"), round(micros(how))),
		how.Field("plan").Str(),
	}, nil
}

// micros reads the time that explain tells.
func micros(how ejson.Doc) time.Duration {
	return time.Duration(how.Field("micros").Number() * float64(time.Microsecond))
}

// liveTop watches the ten tasks of the highest priority while the server lifts
// tasks above them, one at a time.
func (d *demo) liveTop(ctx context.Context) ([]string, error) {
	const lifts = 50
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := request{collection: demoCollection, sort: []string{"-priority"}, limit: 10}
	events := make(chan ejson.Doc, 1024)
	ended := make(chan error, 1)
	go func() {
		ended <- d.child.client.watch(ctx, r, func(ev ejson.Doc) error {
			select {
			case events <- ev:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	var top topList
	// until takes events in until one does what is waited for.
	until := func(good func(ejson.Doc) bool) error {
		for {
			select {
			case ev := <-events:
				if err := top.take(ev); err != nil {
					return err
				}
				if good(ev) {
					return nil
				}
			case err := <-ended:
				return errors.Join(errors.New("the watch has ended"), err)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := until(func(ev ejson.Doc) bool { return ev.Field("event").Str() == "ready" }); err != nil {
		return nil, err
	}
	times := make([]time.Duration, lifts)
	for i := range times {
		begin := time.Now()
		if _, err := d.data.lift(float64(i + 2)); err != nil {
			return nil, err
		}
		want := float64(i + 2)
		if err := until(func(ejson.Doc) bool { return top.first() == want && len(top.docs) == r.limit }); err != nil {
			return nil, err
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	want, err := r.query(d.store).All()
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(top.docs, want, ejson.Doc.Same) {
		return nil, errors.New("the watched list is not the server's")
	}
	how, err := d.child.client.explain(ctx, r)
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("%d changes on the server, each seen in the live list:", lifts),
		fmt.Sprintf("half within %v, all within %v", round(times[lifts/2]), round(times[lifts-1])),
		how.Field("plan").Str(),
	}, nil
}

// cutLink cuts the link, goes on changing the server's documents, and asks the
// replica all the while.
func (d *demo) cutLink(ctx context.Context) ([]string, error) {
	d.link.cut()
	if err := d.await(ctx, "the replica has noticed", func(s state) bool { return !s.live }); err != nil {
		return nil, err
	}
	changes := min(max(50, d.docs/20), 5000)
	if err := d.data.churn(changes); err != nil {
		return nil, err
	}
	r, err := demoQuery()
	if err != nil {
		return nil, err
	}
	how, err := d.child.client.explain(ctx, r)
	if err != nil {
		return nil, err
	}
	s, err := d.state(ctx)
	if err != nil {
		return nil, err
	}
	if s.docs != d.docs {
		return nil, fmt.Errorf("offline, the replica has %s, wants %s", plural(s.docs, "document"), thousands(d.docs))
	}
	return []string{
		fmt.Sprintf("the server makes %s meanwhile;", plural(changes, "change")),
		fmt.Sprintf("the replica, offline, answers the same query in %v", round(micros(how))),
	}, nil
}

// killAndRestart kills the replica and starts it again with the link still cut.
func (d *demo) killAndRestart(ctx context.Context) ([]string, error) {
	if err := d.await(ctx, "the replica is on disk", func(s state) bool { return s.durable }); err != nil {
		return nil, err
	}
	before, err := d.find(ctx, request{collection: demoCollection})
	if err != nil {
		return nil, err
	}
	d.child.kill()
	begin := time.Now()
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	r, err := demoQuery()
	if err != nil {
		return nil, err
	}
	first, err := d.find(ctx, r)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	after, err := d.find(ctx, request{collection: demoCollection})
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(before, after, ejson.Doc.Equal) {
		return nil, fmt.Errorf("%s before the kill, %s after it, or others", plural(len(before), "document"), plural(len(after), "document"))
	}
	st, err := d.state(ctx)
	if err != nil {
		return nil, err
	}
	if st.outbox != len(d.calls) || st.user != d.server.user {
		return nil, fmt.Errorf("after the kill the outbox holds %s of %d, in the name of %q", plural(st.outbox, "call"), len(d.calls), st.user)
	}
	return []string{
		plural(len(after), "document") + " again, the same in the same order",
		fmt.Sprintf("a query (%s) answered %v after the start,", plural(len(first), "document"), round(took)),
		"with no server in reach",
		fmt.Sprintf("the outbox still holds %d", st.outbox),
	}, nil
}

// prove compares every document of the replica with the server's.
func (d *demo) prove(ctx context.Context) ([]string, error) {
	snap := d.store.Snapshot()
	sum := sha256.New()
	seen := 0
	var line []byte
	err := d.child.client.find(ctx, request{collection: demoCollection, sort: []string{"_id"}}, func(got ejson.Doc) error {
		want, ok := snap.Get(demoCollection, got.ID())
		if !ok {
			return fmt.Errorf("the replica has %s, the server has not", got.ID())
		}
		if !got.Same(want) {
			return fmt.Errorf("%s is %v on the replica and %v on the server", got.ID(), got, want)
		}
		seen++
		line = append(want.AppendJSON(line[:0]), '\n')
		sum.Write(line)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n := snap.Len(demoCollection); seen != n {
		return nil, fmt.Errorf("the replica has %s, the server %s", plural(seen, "document"), thousands(n))
	}
	return []string{
		"replica and server are identical: " + plural(seen, "document"),
		fmt.Sprintf("sha256 %x…", sum.Sum(nil)[:8]),
	}, nil
}

// topList is a watched list, kept by its events alone.
type topList struct{ docs []ejson.Doc }

// take applies one event.
func (l *topList) take(ev ejson.Doc) error {
	kind := ev.Field("event").Str()
	from, to := int(ev.Field("from").Number()), int(ev.Field("to").Number())
	if kind == "ready" {
		return nil
	}
	var doc ejson.Doc
	if kind == "added" {
		doc = ev.Field("doc").Doc()
	} else {
		if from < 0 || from >= len(l.docs) {
			return fmt.Errorf("event %v: no place %d in a list of %d", ev, from, len(l.docs))
		}
		doc = l.docs[from]
		l.docs = slices.Delete(l.docs, from, from+1)
	}
	if kind == "changed" {
		var unset []string
		for _, name := range ev.Field("unset").Array().All() {
			unset = append(unset, name.Str())
		}
		doc = doc.Merge(ev.Field("set").Doc(), unset)
	}
	if kind == "removed" {
		return nil
	}
	if to < 0 || to > len(l.docs) {
		return fmt.Errorf("event %v: no place %d in a list of %d", ev, to, len(l.docs))
	}
	l.docs = slices.Insert(l.docs, to, doc)
	return nil
}

// first returns the highest priority in the list.
func (l *topList) first() float64 {
	if len(l.docs) == 0 {
		return 0
	}
	return l.docs[0].Field("priority").Number()
}
