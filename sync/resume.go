package sync

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// position is how far the store has followed a session: what the next connection
// quotes, to go on from there. It is kept in sync.meta, and written in the commit that
// puts into the store what came up to there; so it is right of every state of the
// store, and of every state of the file.
type position struct {
	client.Position        // zero: the store is of no session that can be taken up
	user            string // whom the session belongs to
}

var (
	sessionID     = ejson.StringID("session")
	fieldSession  = "session"
	fieldReceived = "received"
	fieldStopping = "stopping"
)

// positionOf returns the position of a session, given that all that has come is in the
// store. It is zero where the store has more than the session's documents, or the
// server knows more of the session than the file does.
func (l *loop) positionOf(s *session) position {
	if s.conn.Session() == "" || s.blocked() || s.view != nil || s.stale.n > 0 || len(s.revalidating) > 0 {
		return position{}
	}
	return position{client.Position{Session: s.conn.Session(), Received: s.received}, s.user}
}

// recordPosition writes a position, in the transaction that makes it right.
func (l *loop) recordPosition(tx *store.Tx, at position) {
	if l.r.db == nil || at == l.at {
		return // without a file it is enough that the loop knows
	}
	if at == (position{}) {
		tx.Delete(metaCollection, sessionID)
		return
	}
	var b ejson.Builder
	b.Add("_id", sessionID.Value())
	b.Add(fieldSession, ejson.StringValue(at.Session))
	b.Add(fieldReceived, ejson.NumberValue(float64(at.Received)))
	b.Add(fieldUser, ejson.StringValue(at.user))
	if err := tx.Put(metaCollection, b.Doc()); err != nil {
		l.skip(fmt.Errorf("position: %w", err))
	}
}

// restorePosition takes up how far the file had come.
func (l *loop) restorePosition(doc ejson.Doc) {
	id, n, user := doc.Field(fieldSession), doc.Field(fieldReceived), doc.Field(fieldUser)
	if id.Kind() == ejson.String && n.Kind() == ejson.Number && n.Number() >= 1 && n.Number() < 1<<53 && user.Kind() == ejson.String {
		l.at = position{client.Position{Session: id.Str(), Received: int(n.Number())}, user.Str()}
	}
}

// keepPosition writes the position of a session that ends, with the messages that
// have changed nothing.
func (l *loop) keepPosition(s *session) {
	if len(s.batch) > 0 || len(s.release) > 0 {
		return // they could not be shown, and will come again
	}
	at := l.positionOf(s)
	if at == (position{}) || at == l.at {
		return
	}
	if l.r.db == nil {
		l.at = at
		return
	}
	if err := l.update(func(tx *store.Tx) error { l.recordPosition(tx, at); return nil }); err == nil {
		l.at = at
	}
}

// forgetPosition is for a session that the server will know more of than the file, or
// that is gone; and with it goes what it was to be told.
func (l *loop) forgetPosition(stopping bool) {
	if l.at == (position{}) && (!stopping || len(l.stopping) == 0) {
		return
	}
	l.updateSystem(func(tx *store.Tx) error {
		l.recordPosition(tx, position{})
		if stopping {
			for id := range l.stopping {
				tx.Delete(subsCollection, ejson.StringID(id))
			}
		}
		return nil
	})
	l.at = position{}
	if stopping {
		clear(l.stopping)
	}
}

// replayPrefix begins the ids of the questions for the end of what was kept.
const replayPrefix = "replay-"

// resume goes on with a session that the server has kept. What was on its way to it
// may be lost, so everything unanswered is sent again; a server knows what it has.
//
// What the server has kept comes now, and shows as it comes. It does not say where that
// ends; but it answers in order, so the end of a subscription that it does not know
// comes behind.
func (l *loop) resume(s *session) {
	s.begun = true
	l.resync = true
	l.enter(Catching, nil)
	s.gone, l.leaving = l.leaving, nil
	l.resendCalls(s)
	for id := range l.stopping {
		s.out = append(s.out, ddp.Unsub{ID: id})
	}
	l.sendSubs(s, l.subsInOrder())
	s.replay = replayPrefix + uuid.NewString()
	s.out = append(s.out, ddp.Unsub{ID: s.replay})
	l.settle(s)
}

// replayed is when all that the server had kept is in the store.
func (l *loop) replayed(s *session) {
	s.replay = ""
	s.release = append(s.release, s.gone...)
	s.gone = nil
	l.settle(s)
	if l.session != s {
		return
	}
	for _, sub := range l.subsInOrder() {
		if sub.whole {
			l.vouch(s, sub.markReady)
		}
	}
	l.goLive()
}

// heldBack is a message that goes out when a commit is on disk.
type heldBack struct {
	m   ddp.Message
	seq store.Seq
}

// sendKept sends a message that makes the server know more of the session than the
// file does, which must therefore know it first: a process that ends now would take
// the session up. Where the file has no position of this session, it cannot.
func (l *loop) sendKept(s *session, m ddp.Message) {
	if l.r.db == nil || len(s.held) == 0 && l.at.Session != s.conn.Session() {
		s.out = append(s.out, m)
		return
	}
	s.held = append(s.held, heldBack{m, l.seq})
	l.nudge(l.seq)
}

// sendHeld sends what the file knows of by now. A file that falls behind must not hold
// up the rest.
func (l *loop) sendHeld(s *session) {
	for len(s.held) > 0 && (s.held[0].seq <= l.r.db.Durable() || l.r.db.Err() != nil) {
		s.out = append(s.out, s.held[0].m)
		s.held = s.held[1:]
	}
}

// stop has the server end a subscription that the replica does not have, or has no
// more. It is remembered until the server has answered, for the session may be taken
// up by a connection, or a process, that would not know of it otherwise.
func (l *loop) stop(s *session, id string) {
	l.stopping[id] = struct{}{}
	l.updateSystem(func(tx *store.Tx) error { return tx.Put(subsCollection, stoppingRecord(id)) })
	if s != nil {
		s.out = append(s.out, ddp.Unsub{ID: id})
	}
}

// stopped notes that the server has ended it.
func (l *loop) stopped(id string) {
	if _, ok := l.stopping[id]; !ok {
		return
	}
	delete(l.stopping, id)
	l.updateSystem(func(tx *store.Tx) error {
		tx.Delete(subsCollection, ejson.StringID(id))
		return nil
	})
}

func stoppingRecord(id string) ejson.Doc {
	return ejson.Make(
		ejson.Field{Name: "_id", Value: id},
		ejson.Field{Name: fieldStopping, Value: true},
	)
}
