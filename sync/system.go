package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// The replica's own collections. They are in the store, so that what the replica
// knows of its documents changes in the same commit as the documents, and reaches
// the disk with them.
const (
	reserved = "sync."

	// metaCollection has one document "replica", with the id of the replica, and one
	// for each collection that the server has sent documents of.
	metaCollection = "sync.meta"
	// subsCollection has the subscriptions: name, params, and whole, which says that
	// the store has all documents.
	subsCollection = "sync.subs"
	// shadowCollection has what the server last said of each document that stubs have
	// changed, and what they did: see shadow.
	shadowCollection = "sync.shadow"
	// OutboxCollection has the calls made by Do that have not ended, or ended with an
	// error. Its documents decode as Entry. Anybody may read and observe it.
	OutboxCollection = "sync.outbox"
)

// isReserved reports whether a name is that of a collection that neither server nor stub
// may write to.
func isReserved(collection string) bool {
	return strings.HasPrefix(collection, reserved) || store.Reserved(collection)
}

var (
	replicaID   = ejson.StringID("replica")
	fieldID     = "id"
	fieldName   = "name"
	fieldParams = "params"
	fieldWhole  = "whole"
)

func ownedRecord(collection string) ejson.Doc {
	return ejson.Make(
		ejson.Field{Name: "_id", Value: "collection " + collection},
		ejson.Field{Name: fieldName, Value: collection},
	)
}

func (sub *subscribed) record(whole bool) ejson.Doc {
	return ejson.Make(
		ejson.Field{Name: "_id", Value: sub.id},
		ejson.Field{Name: fieldName, Value: sub.name},
		ejson.Field{Name: fieldParams, Value: sub.params},
		ejson.Field{Name: fieldWhole, Value: whole},
	)
}

// restore takes up what the store was loaded with.
func (l *loop) restore(ctx context.Context) error {
	l.store.Claim(l.r, metaCollection, subsCollection, shadowCollection, OutboxCollection)
	if err := l.migrate(ctx); err != nil {
		return err
	}
	snap := l.store.Snapshot()
	for _, doc := range snap.Each(metaCollection) {
		if doc.ID() == replicaID {
			l.r.id = doc.Field(fieldID).Str()
			continue
		}
		if doc.ID() == sessionID {
			l.restorePosition(doc)
			continue
		}
		if doc.ID() == schemaID {
			continue
		}
		if doc.ID() == loginID {
			l.restoreIdentity(doc)
			continue
		}
		if name := doc.Field(fieldName).Str(); name != "" {
			l.owned[name] = struct{}{}
			l.store.Claim(l.r, name)
			l.resync = l.resync || snap.Len(name) > 0
		}
	}
	for _, doc := range snap.Each(subsCollection) {
		if isTrue(doc.Field(fieldStopping)) {
			l.stopping[doc.Field("_id").Str()] = struct{}{}
			continue
		}
		sub := &subscribed{
			id:        doc.Field("_id").Str(),
			name:      doc.Field(fieldName).Str(),
			params:    doc.Field(fieldParams).Array(),
			whole:     isTrue(doc.Field(fieldWhole)),
			unclaimed: true,
			old:       true,
		}
		if sub.id == "" {
			return errors.New("a subscription in the file has no id")
		}
		sub.key = subKey(sub.name, sub.params)
		l.addSub(sub)
		l.unclaimed++
		l.resync = l.resync || sub.whole
	}
	if err := l.restoreOutbox(snap); err != nil {
		return err
	}
	l.boundDelays()
	if err := l.restoreShadows(snap, func(call string) bool { return l.calls[call] != nil }); err != nil {
		return err
	}
	l.align()
	// A new number for each Open, for the file may be an old copy. Eight hex digits of
	// a UUID are random.
	defer func() { l.prefix = l.r.id + "-" + uuid.NewString()[:8] + "-" }()
	if l.r.id != "" {
		return nil
	}
	l.r.id = uuid.NewString()
	return l.update(func(tx *store.Tx) error {
		return tx.Put(metaCollection, ejson.Make(
			ejson.Field{Name: "_id", Value: "replica"},
			ejson.Field{Name: fieldID, Value: l.r.id},
		))
	})
}

// updateSystem changes the replica's own collections. Without them only a restart
// is the poorer, so an error is told to the log and no one else.
func (l *loop) updateSystem(fn func(tx *store.Tx) error) {
	if err := l.update(fn); err != nil {
		l.log.Error("sync: subscriptions not recorded", "err", err)
	}
}

// arrayOf makes the params of a subscription or call.
func arrayOf(params []any) (ejson.Array, error) {
	var b ejson.ListBuilder
	for i, p := range params {
		v, err := ejson.ValueOf(p)
		if err != nil {
			return ejson.Array{}, fmt.Errorf("sync: parameter %d: %w", i+1, err)
		}
		b.Append(v)
	}
	return b.Array(), nil
}

// subKey is equal for equal subscriptions. The order of keys in objects is no part
// of a value.
func subKey(name string, params ejson.Array) string {
	return string(appendCanonical(append([]byte(name), 0), params.Value()))
}

func appendCanonical(dst []byte, v ejson.Value) []byte {
	switch v.Kind() {
	case ejson.List:
		dst = append(dst, '[')
		for _, e := range v.Array().All() {
			dst = append(appendCanonical(dst, e), ',')
		}
		return append(dst, ']')
	case ejson.Object:
		type field struct {
			name  string
			value ejson.Value
		}
		var fields []field
		for name, value := range v.Doc().Fields() {
			fields = append(fields, field{name, value})
		}
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
		dst = append(dst, '{')
		for _, f := range fields {
			dst = append(ejson.StringValue(f.name).AppendJSON(dst), ':')
			dst = append(appendCanonical(dst, f.value), ',')
		}
		return append(dst, '}')
	default:
		return v.AppendJSON(dst)
	}
}
