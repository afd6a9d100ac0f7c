package sync

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// Subscription is one holder's interest in a publication. Its methods may be
// called from any goroutine.
type Subscription struct {
	r       *Replica
	on      *subscribed
	stopped chan struct{} // closed by the loop
	stop    func()
}

// subscribed is one subscription on the wire, and all who hold it. The loop owns
// it, but for ready, ended and (once ended is closed) err.
type subscribed struct {
	id, name  string
	params    ejson.Array
	key       string // name and params
	order     uint64 // of creation
	holders   int
	unclaimed bool // found in the file, and not yet asked for

	sent  bool // on this session
	old   bool // sent on an earlier one: documents in the store may be its
	whole bool // it was ready once: the store has, or had, all its documents

	ready chan struct{} // closed when ready for the first time in this process
	ended chan struct{}
	err   error
}

// Subscribe asks for a publication, now and after every reconnect. Equal
// subscriptions (by name, and by value of the params) share one on the wire, which
// ends with the last holder's Stop; one that the file brought is taken over. It
// does not wait for the server.
//
// Errors: ErrClosed; a parameter that is no EJSON value.
func (r *Replica) Subscribe(name string, params ...any) (*Subscription, error) {
	list, err := arrayOf(params)
	if err != nil {
		return nil, err
	}
	s := &Subscription{r: r, stopped: make(chan struct{})}
	if err := r.do(context.Background(), func(l *loop) { s.on = l.subscribe(name, list) }); err != nil {
		return nil, err
	}
	s.stop = sync.OnceFunc(func() {
		// An error says that the replica is closed, and everything stopped.
		_ = r.do(context.Background(), func(l *loop) {
			close(s.stopped)
			l.release(s.on)
		})
	})
	return s, nil
}

// Ready waits until the first full set of documents is in the store. A
// subscription that was ready stays so through reconnects; one that was taken over
// from the file is ready when the server has confirmed, in this process, what the
// file had. Where more subscriptions than this one were interrupted, documents that
// are gone may be there a little longer: as long as Status.Stale is not 0.
//
// Errors: the server's, a *ddp.Error, if it refused or ended the subscription, and
// ErrEnded if it gave none; ErrStopped; ErrClosed; that of ctx.
func (s *Subscription) Ready(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	select {
	case <-s.on.ready:
		return nil // also where ctx is done
	default:
	}
	select {
	case <-s.on.ready:
		return nil
	case <-s.on.ended:
		return s.Err()
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the subscription has ended on the server's side, or with the
// replica; Err then says why. A Stop of this holder alone does not close it.
func (s *Subscription) Done() <-chan struct{} { return s.on.ended }

// Err returns why the subscription has ended, as Ready does, and nil while it lives.
func (s *Subscription) Err() error {
	select {
	case <-s.stopped:
		return ErrStopped
	default:
	}
	select {
	case <-s.on.ended:
		return s.on.err
	default:
		return nil
	}
}

// Stop gives the interest up. When the last holder stops, so does the server, and
// the documents go that no other subscription has. It may be called again. A
// program that ends and wants its documents in the file next time calls only
// Replica.Close.
func (s *Subscription) Stop() { s.stop() }

// subscribe returns the subscription of that name and params.
func (l *loop) subscribe(name string, params ejson.Array) *subscribed {
	key := subKey(name, params)
	if sub := l.subsByKey[key]; sub != nil {
		sub.holders++
		if sub.unclaimed {
			sub.unclaimed = false
			l.unclaimed--
		}
		return sub
	}
	sub := &subscribed{id: uuid.NewString(), name: name, params: params, key: key, holders: 1}
	l.addSub(sub)
	l.updateSystem(func(tx *store.Tx) error { return tx.Put(subsCollection, sub.record(false)) })
	if s := l.session; s != nil {
		if s.orphans && (s.view != nil || s.stale.n > 0) {
			l.speak(s, sub)
		}
		l.sendSub(s, sub)
	}
	return sub
}

// addSub enters a subscription, after all others.
func (l *loop) addSub(sub *subscribed) {
	l.lastSub++
	sub.order = l.lastSub
	sub.ready, sub.ended = make(chan struct{}), make(chan struct{})
	l.subs[sub.id], l.subsByKey[sub.key] = sub, sub
}

func (l *loop) sendSub(s *session, sub *subscribed) {
	sub.sent = true
	l.sendKept(s, ddp.Sub{ID: sub.id, Name: sub.name, Params: sub.params})
}

// subsInOrder returns the subscriptions as they were made.
func (l *loop) subsInOrder() []*subscribed {
	return slices.SortedFunc(maps.Values(l.subs), func(a, b *subscribed) int { return cmp.Compare(a.order, b.order) })
}

// release is one holder's Stop.
func (l *loop) release(sub *subscribed) {
	sub.holders--
	if sub.holders == 0 && l.subs[sub.id] == sub {
		l.unsubscribe(sub)
	}
}

// unsubscribe ends a subscription that nobody wants.
func (l *loop) unsubscribe(sub *subscribed) {
	l.forget(sub)
	sub.end(ErrStopped)
	s := l.session
	if s == nil {
		if sub.old && l.at.Session != "" {
			l.stop(nil, sub.id)
		}
		return
	}
	held := slices.IndexFunc(s.held, func(h heldBack) bool {
		m, ok := h.m.(ddp.Sub)
		return ok && m.ID == sub.id
	})
	switch {
	case held >= 0:
		s.held = slices.Delete(s.held, held, held+1)
	case sub.sent:
		l.stop(s, sub.id)
	}
	l.settle(s) // it may have been the last to hold data up
}

// forget takes a subscription out of everything.
func (l *loop) forget(sub *subscribed) {
	delete(l.subs, sub.id)
	delete(l.subsByKey, sub.key)
	if sub.unclaimed {
		sub.unclaimed = false
		l.unclaimed--
	}
	if s := l.session; s != nil {
		s.answered(sub)
		s.unblocked()
	}
	l.updateSystem(func(tx *store.Tx) error {
		tx.Delete(subsCollection, ejson.StringID(sub.id))
		return nil
	})
}

// dropUnclaimed gives up what the file brought and the program does not want.
func (l *loop) dropUnclaimed() {
	for _, sub := range l.subs {
		if sub.unclaimed {
			l.log.Info("sync: subscription not asked for again; dropped", "name", sub.name, "id", sub.id)
			l.unsubscribe(sub)
		}
	}
}

// readied takes the message ready.
func (l *loop) readied(s *session, ids []string) {
	for _, id := range ids {
		if sub := l.subs[id]; sub != nil && sub.sent {
			s.answered(sub)
			s.ready = append(s.ready, sub)
			continue
		}
		// Stopped meanwhile, or of a process that had no time to write it down.
		if _, ok := l.stopping[id]; !ok && s.resumed {
			l.stop(s, id)
		}
	}
	s.unblocked()
	l.settle(s)
}

// newlyWhole reports whether one of the subscriptions was never ready before.
func (l *loop) newlyWhole(subs []*subscribed) bool {
	return slices.ContainsFunc(subs, func(sub *subscribed) bool { return !sub.whole })
}

// recordReady marks subscriptions whole, in the transaction that makes them so.
func (l *loop) recordReady(tx *store.Tx, subs []*subscribed) {
	for _, sub := range subs {
		if sub.whole || l.subs[sub.id] != sub {
			continue // stopped meanwhile, and no longer in the file
		}
		if err := tx.Put(subsCollection, sub.record(true)); err != nil {
			l.log.Error("sync: subscription not recorded as ready", "name", sub.name, "err", err)
		}
	}
}

// ended takes the message nosub. Who waits for the subscription is told at once,
// also while data are held up.
func (l *loop) ended(s *session, m ddp.Nosub) {
	sub := l.subs[m.ID]
	if sub != nil {
		l.forget(sub)
		if s.resumed && sub.sent {
			l.stop(s, sub.id) // it may have been begun again before this arrived
		}
	} else {
		l.stopped(m.ID)
	}
	l.settle(s)
	if sub == nil { // the answer to unsub
		switch {
		case l.session != s:
		case s.probe != "" && s.probe == m.ID:
			l.alive(s)
		case s.replay != "" && s.replay == m.ID:
			l.replayed(s)
		}
		return
	}
	if m.Err != nil {
		l.log.Warn("sync: subscription refused", "name", sub.name, "id", sub.id, "err", m.Err)
		sub.end(m.Err)
		return
	}
	sub.end(ErrEnded)
}

// markReady releases those who wait for the documents, which are in the store now.
func (sub *subscribed) markReady() {
	select {
	case <-sub.ready:
	default:
		close(sub.ready)
	}
}

// end tells all holders, the first time.
func (sub *subscribed) end(err error) {
	select {
	case <-sub.ended:
	default:
		sub.err = err
		close(sub.ended)
	}
}
