package sync

import (
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// merge returns a document as added or changed leaves it. It is lenient, for the
// servers that do not merge: added for a present document changes it, and changed
// for an absent one (old is the zero Doc) adds it.
func merge(old ejson.Doc, id ejson.ID, set ejson.Doc, unset []string) ejson.Doc {
	if old.IsZero() {
		return set.WithID(id)
	}
	doc := old.Merge(set, unset)
	if doc.ID() != id {
		doc = doc.WithID(id) // _id among the fields
	}
	return doc
}

// settle puts into the store what has come, as one transaction, and releases those
// who waited for it. It does nothing while data are held up.
func (l *loop) settle(s *session) {
	if s.blocked() {
		return
	}
	var ok bool
	if s.view != nil {
		ok = l.finish(s)
	} else {
		ok = l.flush(s)
	}
	if !ok {
		return // the session is lost
	}
	ready, updated := s.ready, s.updated
	s.ready, s.updated = nil, nil
	l.vouched(s)
	for _, sub := range ready {
		sub.whole = true
		l.vouch(s, sub.markReady)
	}
	for _, c := range updated {
		c.updatedOn = s.conn.Session() // whose position is behind the data, from here on
		l.vouch(s, func() { l.visible(c) })
	}
}

// vouch is somebody who is told when no stub's effect is shown of the calls that
// were at the server when he asked: until then something shown may be a guess.
type vouch struct {
	calls map[string]struct{}
	tell  func()
}

// vouch calls tell as soon as nothing is shown that is foretold of a sent call.
func (l *loop) vouch(s *session, tell func()) {
	v := &vouch{tell: tell}
	for id := range l.wrote {
		if c := l.calls[id]; c != nil && c.sent {
			if v.calls == nil {
				v.calls = map[string]struct{}{}
			}
			v.calls[id] = struct{}{}
		}
	}
	if v.calls == nil {
		tell()
		return
	}
	s.vouches = append(s.vouches, v)
}

// vouched tells those whose calls have all been taken back.
func (l *loop) vouched(s *session) {
	if len(s.vouches) == 0 {
		return
	}
	waiting := s.vouches
	s.vouches = nil
	for _, v := range waiting {
		for id := range v.calls {
			if l.wrote[id] == nil {
				delete(v.calls, id)
			}
		}
		if len(v.calls) == 0 {
			v.tell()
		} else {
			s.vouches = append(s.vouches, v)
		}
	}
}

// flush is settle where data go to the store as they come.
func (l *loop) flush(s *session) bool {
	batch := s.batch
	s.batch = nil
	if len(batch) > 0 {
		s.flushed = time.Now()
	}
	sweep := s.stale.n > 0 && !s.confirmable()
	release, later := l.due(s)
	if len(batch) == 0 && !sweep && len(release) == 0 && !l.newlyWhole(s.ready) {
		return true
	}
	for _, m := range batch {
		switch m := m.(type) {
		case ddp.Added:
			l.own(m.Collection)
		case ddp.Changed:
			l.own(m.Collection)
		}
	}
	before := s.stale.n
	var at position
	ok := l.commit(s, func(tx *store.Tx) {
		for _, m := range batch {
			switch m := m.(type) {
			case ddp.Added:
				l.put(tx, s, m.Collection, m.ID, m.Fields, nil)
			case ddp.Changed:
				l.put(tx, s, m.Collection, m.ID, m.Fields, m.Cleared)
			case ddp.Removed:
				s.stale.confirm(m.Collection, m.ID)
				l.remove(tx, m.Collection, m.ID)
			}
		}
		if sweep {
			s.stale.each(func(collection string, id ejson.ID) { l.remove(tx, collection, id) })
			s.stale = staleSet{}
		}
		release, later = l.due(s) // also with what was heard just now
		for _, call := range release {
			l.takeBack(tx, call)
		}
		l.recordReady(tx, s.ready)
		at = l.positionOf(s)
		l.recordPosition(tx, at)
	})
	if ok {
		reached(stepData)
		l.at = at
		s.release = later
		l.tookBack(release)
	}
	if s.stale.n != before {
		s.progressAt = time.Now()
		l.setStale(s.stale.n)
	}
	// Keep the room of a small batch only: a first sync should not leave its
	// largest one behind.
	if ok && cap(batch) <= 2*flushSize {
		clear(batch)
		s.batch = batch[:0]
	}
	return ok
}

// put applies added or changed to the store.
func (l *loop) put(tx *store.Tx, s *session, collection string, id ejson.ID, set ejson.Doc, unset []string) {
	if sh := l.shadowOf(tx, collection, id); sh != nil {
		if len(s.opening) > 0 {
			s.heard[sh.docRef] = struct{}{}
		}
		if s.stale.confirm(collection, id) {
			sh.truth = ejson.Doc{}
		}
		sh.truth = merge(sh.truth, id, set, unset)
		l.show(tx, sh)
		return
	}
	old, _ := tx.Get(collection, id)
	from := old
	if s.stale.confirm(collection, id) {
		from = ejson.Doc{} // what an earlier session said of it does not count
	}
	doc := merge(from, id, set, unset)
	if doc == old || !old.IsZero() && doc.Same(old) {
		return
	}
	if err := tx.Put(collection, doc); err != nil {
		l.skip(fmt.Errorf("collection %q, document %s: %w", collection, id, err))
	}
}

// commit runs fn as one transaction, with what must go with it. An error loses the
// session: the next one starts from what the store has.
func (l *loop) commit(s *session, fn func(tx *store.Tx)) bool {
	err := l.update(func(tx *store.Tx) error { fn(tx); return nil })
	l.report()
	if err != nil {
		l.log.Error("sync: commit refused; starting over", "err", err)
		l.drop(s)
		l.retry(fmt.Errorf("sync: commit refused: %w", err))
		return false
	}
	return true
}

// update runs fn as one transaction of the replica.
func (l *loop) update(fn func(tx *store.Tx) error) error {
	fresh := l.fresh
	seq, err := l.store.UpdateAs(l.r, func(tx *store.Tx) error {
		for _, name := range fresh {
			if err := tx.Put(metaCollection, ownedRecord(name)); err != nil {
				return err
			}
		}
		return fn(tx)
	})
	if err != nil {
		return err
	}
	l.fresh, l.seq = nil, seq
	if l.r.db != nil && l.diskAt.IsZero() {
		// Time for the writer to have met the disk.
		l.diskAt = time.Now().Add(time.Second)
	}
	return nil
}

// own makes a collection the server's, from its first document on.
func (l *loop) own(collection string) {
	if _, ok := l.owned[collection]; ok {
		return
	}
	l.owned[collection] = struct{}{}
	l.store.Claim(l.r, collection)
	l.fresh = append(l.fresh, collection)
}

// skip notes a message that could not be applied; report tells the log, once for
// all that came together.
func (l *loop) skip(err error) {
	if l.skipped == 0 {
		l.skippedFor = err
	}
	l.skipped++
}

func (l *loop) report() {
	if l.skipped == 0 {
		return
	}
	l.log.Warn("sync: messages skipped", "number", l.skipped, "first", l.skippedFor)
	l.status.Skipped += l.skipped
	l.dirty = true
	l.skipped, l.skippedFor = 0, nil
}
