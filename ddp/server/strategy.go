package server

import (
	"maps"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// Strategy is how much a session remembers of the documents of one collection that
// its client has, and so how exact the messages about them are; see
// [Server.SetStrategy].
type Strategy uint8

// The strategies have the names that Meteor gives them, in Go's spelling.
const (
	// ServerMerge remembers every document with its fields. Where several
	// subscriptions hold one, the client gets the sum of them, and nothing twice.
	ServerMerge Strategy = iota
	// NoMerge remembers the ids that each subscription sent. Everything is sent as it
	// was said; a subscription that ends removes its ids, also those that others hold.
	// It is for collections that only one subscription at a time is about.
	NoMerge
	// NoMergeNoHistory remembers nothing, and a subscription that ends removes nothing.
	// It is for messages that the client takes as they come, as from a queue.
	NoMergeNoHistory
	// NoMergeMulti remembers which subscriptions hold an id. What a second one adds is
	// sent as a change with all its fields, and a document is removed when the last
	// leaves it.
	NoMergeMulti
)

// String returns Meteor's name of the strategy.
func (s Strategy) String() string {
	switch s {
	case NoMerge:
		return "NO_MERGE"
	case NoMergeNoHistory:
		return "NO_MERGE_NO_HISTORY"
	case NoMergeMulti:
		return "NO_MERGE_MULTI"
	}
	return "SERVER_MERGE"
}

// SetStrategy says how much sessions remember of a collection; without it that is
// ServerMerge. It holds for sessions that begin from then on, so it is best called before
// the server serves.
//
// At a change of user, what publications say under the other strategies is sent at
// once, and not as a difference; then what the runs before held, and no new one does,
// is removed (but for NoMergeNoHistory).
func (s *Server) SetStrategy(collection string, how Strategy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.strategies == nil {
		s.strategies = make(map[string]Strategy)
	}
	s.strategies[collection] = how
}

// strategiesNow returns what is set, for a session to keep: under its lock it cannot
// ask the server, whose lock is taken first.
func (s *Server) strategiesNow() map[string]Strategy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.strategies)
}

// passed is what a holding remembers under a strategy that is not ServerMerge: the ids
// that it sent, with their order.
type passed struct {
	ids  map[ejson.ID]uint64
	next uint64
}

func (p *passed) has(id ejson.ID) bool { _, ok := p.ids[id]; return ok }

func (p *passed) note(id ejson.ID) {
	if p.ids == nil {
		p.ids = make(map[ejson.ID]uint64)
	}
	if !p.has(id) {
		p.ids[id] = p.next
		p.next++
	}
}

// inOrder returns the ids in the order in which they were sent.
func (p *passed) inOrder() []ejson.ID {
	return slices.SortedFunc(maps.Keys(p.ids), func(a, b ejson.ID) int { return int(p.ids[a]) - int(p.ids[b]) })
}

// passAdd is add under another strategy than ServerMerge.
func (h *holding) passAdd(id ejson.ID, doc ejson.Doc, d *delta) {
	s := h.shelf
	known := false
	switch s.how {
	case NoMerge:
		h.passed.note(id.Clone())
	case NoMergeMulti:
		known = s.holders[id] > 0 || s.before.held(id)
		if !h.passed.has(id) {
			id = id.Clone()
			h.passed.note(id)
			if s.holders == nil {
				s.holders = make(map[ejson.ID]int)
			}
			s.holders[id]++
		}
	}
	if !known {
		d.added(s.name, id, doc)
	} else {
		d.changed(s.name, id)
		for name, v := range doc.Fields() {
			if name != idField {
				d.set(name, v)
			}
		}
	}
	d.direct = true
}

// passChange is change under another strategy than ServerMerge.
func (h *holding) passChange(id ejson.ID, set ejson.Doc, unset []string, d *delta) bool {
	if h.shelf.how != NoMergeNoHistory && !h.passed.has(id) {
		return false
	}
	d.changed(h.shelf.name, id)
	for name, v := range set.Fields() {
		if name != idField {
			d.set(name, v)
		}
	}
	for _, name := range unset {
		if name != idField && set.Field(name).IsMissing() {
			d.clear(name)
		}
	}
	d.direct = true
	return true
}

// passRemove is remove under another strategy than ServerMerge.
func (h *holding) passRemove(id ejson.ID, d *delta) bool {
	s := h.shelf
	d.changed(s.name, id) // nothing, as yet
	if s.how == NoMergeNoHistory {
		d.removed(s.name, id)
		d.direct = true
		return true
	}
	if !h.passed.has(id) {
		return false
	}
	delete(h.passed.ids, id)
	if s.how == NoMerge || s.leave(id) {
		d.removed(s.name, id)
		d.direct = true
	}
	return true
}

// passEnd is end under another strategy than ServerMerge.
func (h *holding) passEnd(d *delta, tell func(*delta)) {
	for _, id := range h.passed.inOrder() {
		h.passRemove(id, d)
		tell(d)
	}
}

// leave counts a holder of a document out, and reports whether it was the last.
func (s *shelf) leave(id ejson.ID) bool {
	if s.holders[id]--; s.holders[id] > 0 {
		return false
	}
	delete(s.holders, id)
	return true
}

// held reports whether a holding of the shelf has sent a document.
func (s *shelf) held(id ejson.ID) bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(s.holdings, func(h *holding) bool { return h.passed.has(id) })
}

// passDifferences removes what the shelf held before and no longer does.
func (v *view) passDifferences(before *shelf, d *delta, tell func(*delta)) {
	now := v.shelves[before.name]
	told := make(map[ejson.ID]bool)
	for _, h := range before.holdings {
		for _, id := range h.passed.inOrder() {
			if !now.held(id) && !told[id] {
				told[id] = true
				d.removed(before.name, id)
				tell(d)
			}
		}
	}
}

// forgetBefore ends the time in which documents of another user's view count.
func (v *view) forgetBefore() {
	v.before = nil
	for _, s := range v.shelves {
		s.before = nil
	}
}
