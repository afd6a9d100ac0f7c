package observe

import (
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// observe starts the observer with the registered callbacks alone.
func (v *vector) observe() (*Handle, error) {
	has := func(name string) bool { return slices.Contains(v.names, name) }
	note := func(c call) { v.calls = append(v.calls, c) }
	quiet := v.doc.Field("suppressInitial").Bool()
	if v.doc.Field("mode").Str() == "observeChanges" {
		cb := ChangeCallbacks{SkipInitial: quiet}
		if has("added") {
			cb.Added = func(id ejson.ID, f ejson.Doc) { note(call{cb: "added", id: id, doc: f}) }
		}
		if has("changed") {
			cb.Changed = func(id ejson.ID, set ejson.Doc, unset []string) {
				note(call{cb: "changed", id: id, doc: set, cleared: unset})
			}
		}
		if has("removed") {
			cb.Removed = func(id ejson.ID) { note(call{cb: "removed", id: id}) }
		}
		if has("addedBefore") {
			cb.AddedBefore = func(id ejson.ID, f ejson.Doc, before ejson.ID) {
				note(call{cb: "addedBefore", id: id, doc: f, before: before})
			}
		}
		if has("movedBefore") {
			cb.MovedBefore = func(id, before ejson.ID) { note(call{cb: "movedBefore", id: id, before: before}) }
		}
		return Changes(v.q, cb)
	}
	cb := Callbacks[ejson.Doc]{SkipInitial: quiet}
	if has("added") {
		cb.Added = func(d ejson.Doc) { note(call{cb: "added", id: d.ID(), doc: d}) }
	}
	if has("changed") {
		cb.Changed = func(old, d ejson.Doc) { note(call{cb: "changed", id: d.ID(), doc: d, old: old}) }
	}
	if has("removed") {
		cb.Removed = func(old ejson.Doc) { note(call{cb: "removed", id: old.ID(), old: old}) }
	}
	if has("movedTo") {
		cb.MovedTo = func(d ejson.Doc, from, to int, before ejson.ID) {
			note(call{cb: "movedTo", id: d.ID(), doc: d, from: from, at: to, before: before})
		}
	}
	if has("addedAt") {
		cb.AddedAt = func(d ejson.Doc, at int, before ejson.ID) {
			note(call{cb: "addedAt", id: d.ID(), doc: d, at: at, before: before})
		}
	}
	if has("changedAt") {
		cb.ChangedAt = func(old, d ejson.Doc, at int) {
			note(call{cb: "changedAt", id: d.ID(), doc: d, old: old, at: at})
		}
	}
	if has("removedAt") {
		cb.RemovedAt = func(old ejson.Doc, at int) { note(call{cb: "removedAt", id: old.ID(), old: old, at: at}) }
	}
	return Docs(v.q, cb)
}

// observeAll starts a second observer, with all callbacks that give places.
func (v *vector) observeAll() (*Handle, error) {
	note := func(c call) { v.full = append(v.full, c) }
	return Docs(v.q, Callbacks[ejson.Doc]{
		AddedAt: func(d ejson.Doc, at int, before ejson.ID) {
			note(call{cb: "addedAt", id: d.ID(), doc: d, at: at, before: before})
		},
		ChangedAt: func(old, d ejson.Doc, at int) {
			note(call{cb: "changedAt", id: d.ID(), doc: d, old: old, at: at})
		},
		MovedTo: func(d ejson.Doc, from, to int, before ejson.ID) {
			note(call{cb: "movedTo", id: d.ID(), doc: d, from: from, at: to, before: before})
		},
		RemovedAt: func(old ejson.Doc, at int) { note(call{cb: "removedAt", id: old.ID(), old: old, at: at}) },
	})
}
