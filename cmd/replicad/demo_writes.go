package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

// The steps of the demo that write: offline, through a kill, and to the server.

// writeOffline makes five writes with the link cut. They show at once, and are queued.
func (d *demo) writeOffline(ctx context.Context) ([]string, error) {
	finish := func(id ejson.ID) doRequest {
		return doRequest{method: "/" + demoCollection + "/update", params: ejson.MakeArray(
			id.Value(), map[string]any{"$set": map[string]any{"finishedBy": demoUser}})}
	}
	insert := func(id, list string) doRequest {
		return doRequest{method: "/" + demoCollection + "/insert", params: ejson.MakeArray(
			map[string]any{"_id": id, "list": list, "text": "written without a server", "finishedBy": demoUser})}
	}
	ids, err := d.untouched(ctx, 2)
	if err != nil {
		return nil, err
	}
	const bad = 2 // it is in the middle: what is behind it must not wait for it
	writes := []doRequest{
		insert("offline-1", "list-42"), finish(ids[0]), insert("offline-2", demoClosed), finish(ids[1]), insert("offline-3", "list-42"),
	}
	var longest time.Duration
	for i, w := range writes {
		begin := time.Now()
		id, _, err := d.child.client.do(ctx, w)
		if err != nil {
			return nil, err
		}
		longest = max(longest, time.Since(begin))
		d.calls = append(d.calls, id)
		if n, err := d.written(ctx); err != nil || n != i+1 {
			return nil, errors.Join(err, fmt.Errorf("%s show after %d were made", plural(n, "write"), i+1))
		}
	}
	d.bad = d.calls[bad]
	st, err := d.state(ctx)
	if err != nil {
		return nil, err
	}
	if st.live || st.outbox != len(writes) {
		return nil, fmt.Errorf("live is %v, and the outbox holds %s; wants false and %d", st.live, plural(st.outbox, "call"), len(writes))
	}
	return []string{
		fmt.Sprintf("%d writes, offline: each shows in the replica at once,", st.outbox),
		fmt.Sprintf("and is in its outbox, on disk, within %v", round(longest)),
	}, nil
}

// untouched returns documents of the replica that the server has not changed meanwhile,
// so that it has them when it is asked to change them.
func (d *demo) untouched(ctx context.Context, n int) (ids []ejson.ID, err error) {
	server := d.store.Snapshot()
	enough := errors.New("enough")
	err = d.child.client.find(ctx, request{collection: demoCollection, sort: []string{"_id"}}, func(doc ejson.Doc) error {
		if _, ok := server.Get(demoCollection, doc.ID()); ok {
			ids = append(ids, doc.ID())
		}
		if len(ids) == n {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	if err == nil && len(ids) < n {
		err = errors.New("the server has none of the replica's documents any more")
	}
	return ids, err
}

// written counts the replica's documents that show one of the five writes.
func (d *demo) written(ctx context.Context) (int, error) {
	return d.child.client.count(ctx, request{collection: demoCollection, selector: ejson.Make(ejson.Field{Name: "finishedBy", Value: demoUser})})
}

// mendLink mends the link and waits until the replica has caught up, and its outbox is
// empty.
func (d *demo) mendLink(ctx context.Context) ([]string, error) {
	d.sent = d.server.ddp.Stats().Out.Frames
	begin := time.Now()
	if err := d.link.mend(); err != nil {
		return nil, err
	}
	err := d.await(ctx, "the replica has caught up", func(s state) bool {
		return s.live && s.outbox == 0 && s.docs == d.store.Snapshot().Len(demoCollection)
	})
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	if err := d.await(ctx, "the difference is on disk", func(s state) bool { return s.durable }); err != nil {
		return nil, err
	}
	st, err := d.state(ctx)
	if err != nil {
		return nil, err
	}
	messages := int(d.server.ddp.Stats().Out.Frames - d.sent)
	if !st.resumed || st.user != d.server.user {
		return nil, fmt.Errorf("the session was not resumed (%v), or not in the user's name (%q)", st.resumed, st.user)
	}
	if d.docs >= 10*demoLeast && messages > d.docs/2 {
		return nil, fmt.Errorf("the server sent %s to a replica that has %s", plural(messages, "message"), plural(st.docs, "document"))
	}
	return []string{
		"the session goes on where the disk stood, with its login:",
		fmt.Sprintf("%s instead of %s", plural(messages, "message"), thousands(st.docs)),
		fmt.Sprintf("caught up, and the outbox drained, in %v, redial included", round(took)),
	}, nil
}

// drained holds what became of the five writes against what should have.
func (d *demo) drained(ctx context.Context) ([]string, error) {
	_, made, who := d.server.seen()
	for _, id := range d.calls {
		if made[id] != 1 {
			return nil, fmt.Errorf("call %s was made %d times at the server", id, made[id])
		}
	}
	if len(made) != len(d.calls) || len(who) != 1 || !who[d.server.user] {
		return nil, fmt.Errorf("the server saw %s, in the names of %v; wants %d, all of %s", plural(len(made), "call"), who, len(d.calls), d.server.user)
	}
	var failed []ejson.Doc
	err := d.child.client.entries(ctx, func(e ejson.Doc) error {
		failed = append(failed, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(failed) != 1 || failed[0].ID().String() != d.bad || failed[0].Field("state").Str() != "failed" {
		return nil, fmt.Errorf("the outbox has %v, wants the one call that the server refused", failed)
	}
	if n, err := d.written(ctx); err != nil || n != len(d.calls)-1 {
		return nil, errors.Join(err, fmt.Errorf("%s show, wants %d", plural(n, "write"), len(d.calls)-1))
	}
	return []string{
		fmt.Sprintf("%d calls were made, once each, in the name of %s", len(d.calls)-1, demoUser),
		"1 was refused: " + entryError(failed[0]),
		"it is set aside, its effect taken back, and held up nobody",
	}, nil
}
