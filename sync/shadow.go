package sync

import (
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// docRef names a document.
type docRef struct {
	collection string
	id         ejson.ID
}

// shadow is what the server last said of a document that stubs have changed, and
// what they did to it. The store shows truth with the effects replayed over it, so
// what the server changes beside them is seen at once. Shadows are read and written
// only inside a transaction of the loop.
type shadow struct {
	docRef
	truth   ejson.Doc // zero: the server has none
	writers []writer  // oldest first; never empty
}

// writer is what one call's stub did to one document.
type writer struct {
	call   string // id of the call
	kept   bool   // the call is, or was, in the outbox
	effect effect
}

// effect is a difference between two versions of a document.
type effect struct {
	set   ejson.Doc // top-level fields; the whole document where it was made
	unset []string
	made  bool // there was none
	gone  bool // there is none any more
}

func effectOf(before, after ejson.Doc) effect {
	switch {
	case after.IsZero():
		return effect{gone: true}
	case before.IsZero():
		return effect{made: true, set: after}
	}
	set, unset := ejson.Diff(before, after)
	return effect{set: set, unset: unset}
}

// over returns the document as the effect leaves it. To change a document that is
// not there does nothing, as on the server.
func (e effect) over(doc ejson.Doc) ejson.Doc {
	switch {
	case e.gone, doc.IsZero() && !e.made:
		return ejson.Doc{}
	case doc.IsZero():
		return e.set
	}
	return doc.Merge(e.set, e.unset)
}

// shown returns the document as it is to be seen; zero: it is not.
func (sh *shadow) shown() ejson.Doc {
	doc := sh.truth
	for _, w := range sh.writers {
		doc = w.effect.over(doc)
	}
	return doc
}

// shadowID is the _id of a document's shadow. The quotes end the name.
func shadowID(ref docRef) ejson.ID {
	b := ejson.StringValue(ref.collection).AppendJSON(nil)
	return ejson.StringID(string(b) + ref.id.Wire())
}

var (
	fieldCollection = "collection"
	fieldDocument   = "document"
	fieldTruth      = "truth"
	fieldWriters    = "writers"
	fieldCall       = "call"
	fieldKept       = "kept"
	fieldSet        = "set"
	fieldUnset      = "unset"
	fieldMade       = "made"
	fieldGone       = "gone"
)

func (sh *shadow) record() ejson.Doc {
	var b, wb ejson.Builder
	b.Add("_id", shadowID(sh.docRef).Value())
	b.Add(fieldCollection, ejson.StringValue(sh.collection))
	b.Add(fieldDocument, sh.id.Value())
	if !sh.truth.IsZero() {
		b.Add(fieldTruth, sh.truth.Value())
	}
	var writers ejson.ListBuilder
	for _, w := range sh.writers {
		wb.Reset()
		wb.Add(fieldCall, ejson.StringValue(w.call))
		if w.kept {
			wb.Add(fieldKept, ejson.BoolValue(true))
		}
		switch {
		case w.effect.gone:
			wb.Add(fieldGone, ejson.BoolValue(true))
		case w.effect.made:
			wb.Add(fieldMade, ejson.BoolValue(true))
		}
		if !w.effect.set.IsZero() {
			wb.Add(fieldSet, w.effect.set.Value())
		}
		if len(w.effect.unset) > 0 {
			var names ejson.ListBuilder
			for _, name := range w.effect.unset {
				names.Append(ejson.StringValue(name))
			}
			wb.Add(fieldUnset, names.Array().Value())
		}
		writers.Append(wb.Doc().Value())
	}
	b.Add(fieldWriters, writers.Array().Value())
	return b.Doc()
}

func shadowFrom(record ejson.Doc) (*shadow, error) {
	id, err := ejson.IDOf(record.Field(fieldDocument))
	if err != nil {
		return nil, fmt.Errorf("shadow %v: %w", record.ID(), err)
	}
	sh := &shadow{docRef: docRef{record.Field(fieldCollection).Str(), id}, truth: docOf(record.Field(fieldTruth))}
	for _, v := range listOf(record.Field(fieldWriters)).All() {
		d := docOf(v)
		w := writer{call: d.Field(fieldCall).Str(), kept: isTrue(d.Field(fieldKept)), effect: effect{
			set:  docOf(d.Field(fieldSet)),
			made: isTrue(d.Field(fieldMade)),
			gone: isTrue(d.Field(fieldGone)),
		}}
		for _, name := range listOf(d.Field(fieldUnset)).All() {
			w.effect.unset = append(w.effect.unset, name.Str())
		}
		sh.writers = append(sh.writers, w)
	}
	return sh, nil
}

// shadowOf returns the shadow of a document, nil if it has none.
func (l *loop) shadowOf(tx *store.Tx, collection string, id ejson.ID) *shadow {
	if len(l.wrote) == 0 {
		return nil // the usual case costs nothing
	}
	record, ok := tx.Get(shadowCollection, shadowID(docRef{collection, id}))
	if !ok {
		return nil
	}
	sh, err := shadowFrom(record)
	if err != nil {
		l.skip(err)
		return nil
	}
	return sh
}

// show makes the store's document what its shadow says, and keeps the shadow.
func (l *loop) show(tx *store.Tx, sh *shadow) {
	if err := tx.Put(shadowCollection, sh.record()); err != nil {
		l.skip(err)
	}
	l.become(tx, sh.docRef, sh.shown())
}

// become makes a document what it should be; zero: it goes.
func (l *loop) become(tx *store.Tx, ref docRef, doc ejson.Doc) {
	old, ok := tx.Get(ref.collection, ref.id)
	switch {
	case doc.IsZero():
		if ok {
			tx.Delete(ref.collection, ref.id)
		}
	case !ok || old != doc && !old.Same(doc):
		if err := tx.Put(ref.collection, doc); err != nil {
			l.skip(fmt.Errorf("collection %q, document %s: %w", ref.collection, ref.id, err))
		}
	}
}

// remove takes a document away on the server's word.
func (l *loop) remove(tx *store.Tx, collection string, id ejson.ID) {
	if sh := l.shadowOf(tx, collection, id); sh != nil {
		sh.truth = ejson.Doc{}
		l.show(tx, sh)
	} else if _, ours := l.owned[collection]; ours {
		tx.Delete(collection, id)
	}
}

// foretell lays what a stub did over the server's truth, in its transaction.
func (l *loop) foretell(tx *store.Tx, c *call, writes []written) (refs []docRef) {
	for _, w := range writes {
		after, _ := tx.Get(w.collection, w.id)
		if after == w.before || !after.IsZero() && after.Same(w.before) {
			continue
		}
		sh := l.shadowOf(tx, w.collection, w.id)
		if sh == nil {
			sh = &shadow{docRef: w.docRef, truth: w.before}
		}
		sh.writers = append(sh.writers, writer{call: c.id, kept: c.kept != nil, effect: effectOf(w.before, after)})
		l.show(tx, sh)
		refs = append(refs, w.docRef)
	}
	return refs
}

// takeBack takes a call's part out of what is shown. Where no other stub had one, the
// document is the server's again.
func (l *loop) takeBack(tx *store.Tx, call string) {
	for _, ref := range l.wrote[call] {
		sh := l.shadowOf(tx, ref.collection, ref.id)
		if sh == nil {
			continue
		}
		sh.writers = slices.DeleteFunc(sh.writers, func(w writer) bool { return w.call == call })
		if len(sh.writers) > 0 {
			l.show(tx, sh)
			continue
		}
		tx.Delete(shadowCollection, shadowID(ref))
		l.become(tx, ref, sh.truth)
	}
}

// tookBack notes, after the commit, that calls have no part in what is shown.
func (l *loop) tookBack(calls []string) {
	for _, call := range calls {
		delete(l.wrote, call)
	}
}

// restoreShadows finds out who wrote what, and takes back what calls have done that
// died with their process: nobody will say how they ended. Where a call has left the
// outbox, and the documents that it made at the server had not come, what it did stays
// until the next session's data are whole.
func (l *loop) restoreShadows(snap *store.Snapshot, alive func(call string) bool) error {
	for _, record := range snap.Each(shadowCollection) {
		sh, err := shadowFrom(record)
		if err != nil {
			return err
		}
		for _, w := range sh.writers {
			l.wrote[w.call] = append(l.wrote[w.call], sh.docRef)
			if w.kept && l.entries[w.call] == nil {
				l.leaving = append(l.leaving, w.call)
			}
		}
	}
	slices.Sort(l.leaving)
	l.leaving = slices.Compact(l.leaving)
	var dead []string
	for call := range l.wrote {
		if _, leaves := slices.BinarySearch(l.leaving, call); !leaves && !alive(call) {
			dead = append(dead, call)
		}
	}
	slices.Sort(dead)
	return l.takeBackAll(dead)
}

// takeBackAll takes back what calls have foretold that have ended without a word from
// the server.
func (l *loop) takeBackAll(calls []string) error {
	calls = slices.DeleteFunc(calls, func(call string) bool { return l.wrote[call] == nil })
	if len(calls) == 0 {
		return nil
	}
	err := l.update(func(tx *store.Tx) error {
		for _, call := range calls {
			l.takeBack(tx, call)
		}
		return nil
	})
	if err == nil {
		l.tookBack(calls)
	}
	return err
}

// What a file holds may be anything, so values are looked at before they are used.

func docOf(v ejson.Value) ejson.Doc {
	if v.Kind() != ejson.Object {
		return ejson.Doc{}
	}
	return v.Doc()
}

func listOf(v ejson.Value) ejson.Array {
	if v.Kind() != ejson.List {
		return ejson.Array{}
	}
	return v.Array()
}

func isTrue(v ejson.Value) bool { return v.Kind() == ejson.Bool && v.Bool() }
