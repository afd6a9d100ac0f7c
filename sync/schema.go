package sync

import (
	"context"
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// SchemaError is an ErrSchema with the numbers.
type SchemaError struct {
	File int // the schema of the documents in the file
	Want int // Options.Schema
}

// Error names both schemas and the way out.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("documents of schema %d, and this program knows schema %d (a newer one wrote them: start that one, or move the file away to fetch the data anew)", e.File, e.Want)
}

// Is reports whether target is ErrSchema.
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }

var (
	schemaID     = ejson.StringID("schema")
	fieldVersion = "version"
)

// migrate brings the documents of the file to the schema of the program, before anything
// else has been done. It is one commit: the documents, what is known of them, and the
// number of the schema.
func (l *loop) migrate(ctx context.Context) error {
	want := l.opts.Schema
	if want < 0 {
		return nil
	}
	from, err := l.schema()
	switch {
	case err != nil || from == want:
		return err
	case from > want:
		return &SchemaError{File: from, Want: want}
	}
	snap := l.store.Snapshot()
	_, inUse := snap.Get(metaCollection, replicaID)
	err = l.update(func(tx *store.Tx) (err error) {
		if inUse && l.opts.Migrate != nil {
			if err := l.rewrite(tx, snap, from); err != nil {
				return err
			}
			// A server that went on with the session would send only what changes, and
			// what was rewritten would stay, right or wrong. A new session tells all.
			tx.Delete(metaCollection, sessionID)
		}
		return tx.Put(metaCollection, ejson.Make(
			ejson.Field{Name: "_id", Value: "schema"},
			ejson.Field{Name: fieldVersion, Value: want},
		))
	})
	if err != nil {
		return fmt.Errorf("migrate documents from schema %d to %d (nothing was changed): %w", from, want, err)
	}
	if !inUse {
		return nil
	}
	if l.r.db != nil { // so that it is run once
		if err := l.r.db.Flush(ctx, l.seq); err != nil {
			return err
		}
	}
	l.log.Info("sync: documents migrated", "path", l.opts.Path, "from", from, "to", want)
	return nil
}

// schema returns the schema of the documents in the file.
func (l *loop) schema() (int, error) {
	doc, ok := l.store.Snapshot().Get(metaCollection, schemaID)
	if !ok {
		return 0, nil
	}
	v := doc.Field(fieldVersion)
	if v.Kind() != ejson.Number || v.Number() < 0 || v.Number() >= 1<<31 {
		return 0, fmt.Errorf("the schema in the file is no number: %v", v.Any())
	}
	return int(v.Number()), nil
}

// rewrite has the program's Migrate change the documents, and gives the shadows what it
// did to those that pending calls have a part in.
func (l *loop) rewrite(tx *store.Tx, snap *store.Snapshot, from int) error {
	sim := &simulated{l: l, seed: ddp.NewSeed()}
	sim.tx = &Tx{tx: tx, l: l, sim: sim, known: map[docRef]struct{}{}}
	if err := errors.Join(l.opts.Migrate(from, sim.tx), sim.tx.err); err != nil {
		return err
	}
	if snap.Len(shadowCollection) == 0 {
		return nil
	}
	for _, w := range sim.tx.writes {
		record, ok := tx.Get(shadowCollection, shadowID(w.docRef))
		if !ok {
			continue
		}
		sh, err := shadowFrom(record)
		if err != nil {
			return err
		}
		after, _ := tx.Get(w.collection, w.id)
		sh.migrate(effectOf(w.before, after))
		if err := tx.Put(shadowCollection, sh.record()); err != nil {
			return err
		}
		l.become(tx, sh.docRef, sh.shown())
	}
	return nil
}

// migrate applies what was done to the document that is shown to the server's truth, and
// to what calls have done to it: so it stays as it is when they are replayed.
func (sh *shadow) migrate(done effect) {
	if !sh.truth.IsZero() {
		sh.truth = done.over(sh.truth)
	}
	for i := range sh.writers {
		sh.writers[i].effect = sh.writers[i].effect.rebased(done)
	}
}

// rebased returns an effect that leaves every field that another one has set or unset as
// that one leaves it.
func (e effect) rebased(done effect) effect {
	switch {
	case e.gone:
		return e
	case done.gone:
		return effect{}
	case e.made:
		e.set = done.over(e.set)
		return e
	}
	names := append([]string(nil), done.unset...)
	for name := range done.set.Fields() {
		names = append(names, name)
	}
	e.set = e.set.Without(names...)
	var unset []string
	for _, name := range e.unset {
		if done.set.Field(name).IsMissing() {
			unset = append(unset, name)
		}
	}
	e.unset = unset
	return e
}
