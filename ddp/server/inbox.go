package server

import (
	"errors"

	"github.com/replicad/replicad/ddp"
)

// backlog is how many bytes of messages may wait for their turn. Beyond it the
// reader stops, so that TCP slows the client down. It holds some twenty thousand
// calls of ordinary size.
const backlog = 4 << 20

// maxID is how long the id of a call or subscription may be, in bytes: ids are kept when
// all else is forgotten. Those of clients have 60 at most.
const maxID = 1 << 10

// inbox is what the reader queued and nobody has handled. It belongs to
// Session.mu.
type inbox struct {
	items []item
	bytes int
	busy  bool          // somebody has the turn
	room  chan struct{} // closed when the reader may go on; nil if it does not wait
}

// item is a message that waits for its turn.
type item struct {
	message ddp.Message // Sub, Unsub, Method, or an answer; nil: see start
	past    *past       // of a Method
	start   PublishFunc // a universal publication that is to be run
	size    int
	link    int // number of the link that it came on
}

// push appends an item and reports whether somebody must be given the turn.
func (b *inbox) push(it item) (start bool) {
	b.items = append(b.items, it)
	b.bytes += it.size
	start = !b.busy
	b.busy = true
	return start
}

// pop takes the first item; without one the turn is given up.
func (b *inbox) pop() (it item, ok bool) {
	if len(b.items) == 0 {
		b.items = nil // it may have been long
		b.busy = false
		return item{}, false
	}
	it, b.items[0] = b.items[0], item{}
	b.items = b.items[1:]
	b.bytes -= it.size
	if b.room != nil && b.bytes <= backlog/2 {
		close(b.room)
		b.room = nil
	}
	return it, true
}

// drop forgets all that waits.
func (b *inbox) drop() {
	b.items, b.bytes = nil, 0
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// receive handles a frame as far as that needs no turn. The frame is lent. An
// error ends the link.
func (s *Session) receive(l *link, frame []byte) error {
	m, err := l.decoder.Decode(frame)
	if err != nil {
		s.complain(l, err, frame)
		return nil
	}
	size := len(frame)
	switch m := m.(type) {
	case ddp.Unknown:
		refusal := ddp.Refuse(ddp.BadRequest, frame)
		if m.Type == "" {
			s.send(refusal)
		} else {
			s.queue(l, item{message: refusal, size: size})
		}
	case ddp.Connect:
		s.send(ddp.Refuse(ddp.AlreadyStarted, frame))
	case ddp.Ping:
		if l.version != "pre1" {
			l.urgent(ddp.Pong(m))
			break
		}
		s.queue(l, item{message: ddp.Refuse(ddp.BadRequest, frame), size: size})
	case ddp.Pong:
		if l.version != "pre1" {
			l.answered(m.ID)
			break
		}
		s.queue(l, item{message: ddp.Refuse(ddp.BadRequest, frame), size: size})
	case ddp.Disconnect:
		s.cancel(errLeft)
		return errLeft
	case ddp.Method:
		if len(m.ID) > maxID {
			s.queue(l, item{message: ddp.Refuse(ddp.MalformedCall, frame), size: size})
			break
		}
		s.receiveMethod(l, m, size)
	case ddp.Sub:
		if m.ID == "" || len(m.ID) > maxID {
			s.queue(l, item{message: ddp.Refuse(ddp.MalformedSub, frame), size: size})
			break
		}
		if !s.repeated(l, m.ID) {
			s.queue(l, item{message: m, size: size, link: l.number})
		}
	case ddp.Unsub:
		s.queue(l, item{message: m, size: size})
	default:
		s.queue(l, item{message: ddp.Refuse(ddp.BadRequest, frame), size: size})
	}
	return nil
}

// complain answers a frame that is no proper message. What is a message of the
// session, though a malformed one, is answered in its turn.
func (s *Session) complain(l *link, err error, frame []byte) {
	var bad *ddp.MalformedError
	if !errors.As(err, &bad) {
		s.send(ddp.ErrorMessage{Reason: ddp.BadRequest})
		return
	}
	switch {
	case bad.Type == "":
		s.send(bad.Answer())
	case bad.Type == "method" && bad.ID != "" && bad.Reason == ddp.ParseError:
		// Better than an error that names no call and leaves it unanswered.
		s.refuseCall(bad.ID, ddp.NumericError(400, ddp.ParseError))
	case bad.Type == "sub" && bad.ID != "" && bad.Reason == ddp.ParseError:
		err := ddp.NumericError(400, ddp.ParseError).ForClient()
		s.queue(l, item{message: ddp.Nosub{ID: bad.ID, Err: err}, size: len(frame)})
	case bad.Type == "unsub":
		s.queue(l, item{message: ddp.Unsub{}, size: len(frame)}) // answered like any other
	default:
		s.queue(l, item{message: bad.Answer(), size: len(frame)})
	}
}

// receiveMethod queues a call, unless it is one that was made before, or one too
// many.
func (s *Session) receiveMethod(l *link, m ddp.Method, size int) {
	s.mu.Lock()
	sum := callSum(m)
	if old := s.memory.find(m.ID, sum); old != nil {
		before := old.socket != l.number
		old.socket = l.number
		switch {
		case !old.answered: // it waits or runs, and its answer is still to come
		case before && old.at >= l.start:
			// The answer is among what the client is sent again: when it asked it did
			// not know. Clients need not bear a second result.
		default:
			s.sendLocked(ddp.Updated{Methods: []string{m.ID}})
			if frame, m := old.again(); m != nil {
				s.sendLocked(m)
			} else {
				s.out.frame(func(b []byte) []byte { return append(b, frame...) })
			}
		}
		s.sent()
		return
	}
	if s.calls >= s.server.maxCalls() || s.asked+size > s.server.maxAsked() {
		s.mu.Unlock()
		s.refuseCall(m.ID, &ddp.Error{Code: "too-many-requests", Reason: "Too many calls wait for their answer"})
		return
	}
	s.calls++
	s.asked += size
	past := s.memory.began(m.ID, sum, l.number, size)
	s.mu.Unlock()
	s.queue(l, item{message: m, past: past, size: size})
}

// refuseCall answers a call that is not made.
func (s *Session) refuseCall(id string, err *ddp.Error) {
	s.mu.Lock()
	s.sendLocked(ddp.Updated{Methods: []string{id}})
	s.sendLocked(ddp.Result{ID: id, Err: err.ForClient()})
	s.sent()
}

// queue gives an item to whoever has the turn. The reader, and nobody else, waits
// here while too much waits already. If its link is lost meanwhile the item is queued
// all the same: it has arrived.
func (s *Session) queue(l *link, it item) {
	s.mu.Lock()
	for s.inbox.bytes > backlog && !s.ended && !s.leaving {
		room := make(chan struct{})
		s.inbox.room = room
		s.mu.Unlock()
		l.beat.Deaf(true)
		select {
		case <-room:
		case <-l.ctx.Done():
		}
		l.beat.Deaf(false)
		s.mu.Lock()
		if l.ctx.Err() != nil {
			break
		}
	}
	s.pushLocked(it)
	s.mu.Unlock()
}

// pushLocked queues an item, and starts somebody on it.
func (s *Session) pushLocked(it item) {
	if s.ended || s.leaving {
		return
	}
	if s.inbox.push(it) {
		s.wg.Go(s.work)
	}
}

// startUniversal queues the start of a universal publication.
func (s *Session) startUniversal(fn PublishFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushLocked(item{start: fn})
}
