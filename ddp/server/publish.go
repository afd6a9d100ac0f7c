package server

import (
	"context"
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// Publication is one client's subscription, or one run of it: when the user
// changes, the subscription is run again with a new Publication. All methods may
// be called from any goroutine, also after the publication's function has
// returned; once the subscription has ended they do nothing.
type Publication struct {
	Params ejson.Array // of the subscription; empty for a universal publication
	UserID string      // who is logged in, for this run; "" for nobody

	s      *Session
	id     string // "" if universal
	name   string
	fn     PublishFunc
	order  int
	size   int // of the message that asked for it
	asked  int // number of the link on which it was asked for last; belongs to s.mu
	ctx    context.Context
	cancel context.CancelFunc
	turn   *turn

	// The rest belongs to s.mu.
	holdings []*holding
	byName   map[string]*holding
	last     *holding // of byName, the one used last
	ready    bool
	over     bool
	hooks    []func()
	follow   []func(context.Context, uint64) error
}

// ID returns the subscription's id, which the client chose; "" for a universal
// publication.
func (p *Publication) ID() string { return p.id }

// Name returns the name under which it was published; "" for a universal one.
func (p *Publication) Name() string { return p.name }

// Session returns the session of the client.
func (p *Publication) Session() *Session { return p.s }

// Added, Changed and Removed tell the client of one document; where several of
// its subscriptions hold the same document, the client hears of the sum of them.
// With these three a Publication is an observe.Sink.
//
// The document is shared, not copied. An Added of a document that this
// subscription has already replaces it. A document without _id, or a Changed or
// Removed of one that this subscription does not have, is a mistake in the
// publication: the subscription ends, with an error in the log.
//
// Until the subscription is ready, they wait while the client is slower than the
// publisher. After that they never wait; a client that lets more than
// Server.MaxQueue lie unread is cut off (see Drain).
func (p *Publication) Added(collection string, doc ejson.Doc) {
	id := doc.ID()
	if id.IsZero() {
		p.Stop(fmt.Errorf("added to %s: a document without _id", collection))
		return
	}
	p.s.mu.Lock()
	if p.over {
		p.s.mu.Unlock()
		return
	}
	p.holding(collection).add(id, doc, &p.s.delta)
	p.told()
}

// Changed sets and unsets top-level fields of a document; see [Publication.Added].
// An _id among them does not count.
func (p *Publication) Changed(collection string, id ejson.ID, set ejson.Doc, unset []string) {
	p.s.mu.Lock()
	if p.over {
		p.s.mu.Unlock()
		return
	}
	if !p.holding(collection).change(id, set, unset, &p.s.delta) {
		p.s.mu.Unlock()
		p.Stop(fmt.Errorf("changed in %s: this subscription has no document %s", collection, id))
		return
	}
	p.told()
}

// Removed takes a document away; see [Publication.Added].
func (p *Publication) Removed(collection string, id ejson.ID) {
	p.s.mu.Lock()
	if p.over {
		p.s.mu.Unlock()
		return
	}
	if !p.holding(collection).remove(id, &p.s.delta) {
		p.s.mu.Unlock()
		p.Stop(fmt.Errorf("removed from %s: this subscription has no document %s", collection, id))
		return
	}
	p.told()
}

// Ready tells the client that it has all documents of the subscription, once, and
// lets its next message be handled. It is called for a function that returns nil;
// one that stays to watch calls it itself.
func (p *Publication) Ready() {
	p.becomeReady()
	p.turn.pass()
}

func (p *Publication) becomeReady() {
	s := p.s
	s.mu.Lock()
	// A function returns nil also because its context is done, and has not sent all then.
	if !p.ready && !p.over && p.ctx.Err() == nil {
		p.ready = true
		switch {
		case p.id == "": // nobody waits for a universal publication
		case s.rerun != nil:
			s.rerun.ready = append(s.rerun.ready, p.id)
		default:
			s.sendLocked(ddp.Ready{Subs: []string{p.id}})
		}
	}
	s.sent()
}

// Unblock lets the client's next message be handled before this publication's
// function has returned. More than once is once.
func (p *Publication) Unblock() { p.turn.pass() }

// Drain waits until the client has taken nearly all that it was sent. A publisher
// of large bursts that calls it now and then keeps a slow client from being cut
// off. It returns an error if the session or the subscription ended, or ctx did.
func (p *Publication) Drain(ctx context.Context) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	return p.s.awaitRoom(ctx)
}

// Stop ends the subscription: its documents are removed, as far as no other
// subscription has them, and the client is told, with err if it is not nil (see
// [Sanitize]).
func (p *Publication) Stop(err error) {
	s := p.s
	s.mu.Lock()
	if p.over {
		s.mu.Unlock()
		return
	}
	hooks := p.endLocked()
	if s.subs[p.id] == p {
		delete(s.subs, p.id)
	}
	delete(s.all, p)
	p.withdrawLocked()
	safe := true
	if err != nil && s.ctx.Err() != nil {
		err = nil // it failed because the client left: nobody is there to be told
	}
	var why *ddp.Error
	if err != nil {
		why, safe = Sanitize(err)
	}
	if p.id != "" {
		s.endedLocked(p)
		s.sendLocked(ddp.Nosub{ID: p.id, Err: why})
	}
	s.sent()
	if !safe || err != nil && p.id == "" {
		s.logError("publication", p.name, err)
	}
	p.cancel()
	s.later(hooks)
}

// OnStop has fn called when this run of the subscription ends, however it ends; now, if
// it has already. fn never runs on a goroutine that is in a method of the Publication,
// so those may be called with a lock held that fn asks for.
func (p *Publication) OnStop(fn func()) {
	p.s.mu.Lock()
	if !p.over {
		p.hooks = append(p.hooks, fn)
		p.s.mu.Unlock()
		return
	}
	p.s.mu.Unlock()
	p.s.later([]func(){fn})
}

// Follow says how to wait until this publication has told all changes up to seq, a
// number of the publisher's own. Methods that changed something call Fence with
// such a number, so that their client hears of the changes before it hears that
// they are done. ctx is the publication's.
func (p *Publication) Follow(wait func(ctx context.Context, seq uint64) error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.follow = append(p.follow, wait)
}

// holding returns what the publication holds of a collection.
func (p *Publication) holding(collection string) *holding {
	if p.last != nil && p.last.shelf.name == collection {
		return p.last
	}
	h := p.byName[collection]
	if h == nil {
		h = p.s.view.hold(collection)
		if p.byName == nil {
			p.byName = make(map[string]*holding)
		}
		p.byName[collection] = h
		p.holdings = append(p.holdings, h)
	}
	p.last = h
	return h
}

// told sends what the step in s.delta means, unlocks the session, and makes the
// publisher wait if need be.
func (p *Publication) told() {
	s := p.s
	s.tell(&s.delta)
	fills := !p.ready && s.out.queued() > s.out.mark
	s.sent()
	if fills {
		s.awaitRoom(p.ctx) // an error ends the subscription
	}
}

// awaitRoom waits until the client has taken most of what is queued; if it is away,
// until it comes back. A client that takes nothing for Server.Timeout is cut off.
func (s *Session) awaitRoom(ctx context.Context) error {
	timer := time.NewTimer(s.server.timeout())
	defer timer.Stop()
	for ctx.Err() == nil {
		s.mu.Lock()
		room, taken, absence := s.out.await(), s.out.taken.Load(), s.absence
		s.mu.Unlock()
		if room == nil {
			return nil
		}
		timer.Reset(s.server.timeout())
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			s.mu.Lock()
			stuck := s.link != nil && s.absence == absence && s.out.taken.Load() == taken
			s.mu.Unlock()
			if stuck {
				s.lag()
			}
		}
	}
	return context.Cause(ctx)
}

// endLocked stops the publication from saying more, and returns the hooks to be
// run by clean.
func (p *Publication) endLocked() []func() {
	p.over = true
	p.s.asked -= p.size
	hooks := p.hooks
	p.hooks, p.follow = nil, nil
	return hooks
}

func (p *Publication) clean(hooks []func()) {
	p.cancel()
	for _, fn := range hooks {
		p.s.hook(fn)
	}
}

// withdrawLocked takes the documents of the publication out of the view.
func (p *Publication) withdrawLocked() {
	s := p.s
	from := s.out.put
	for _, h := range p.holdings {
		s.view.end(h, &s.delta, s.tell)
	}
	s.out.exempt(from)
	p.holdings, p.byName, p.last = nil, nil, nil
}

// abandon ends the publication with its session: nobody is told.
func (p *Publication) abandon() {
	p.s.mu.Lock()
	if p.over {
		p.s.mu.Unlock()
		return
	}
	hooks := p.endLocked()
	p.s.mu.Unlock()
	p.clean(hooks)
}
