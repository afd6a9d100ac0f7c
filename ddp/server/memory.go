package server

import (
	"hash/maphash"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

// How much of a session's past calls is remembered: the ids of as many calls as a
// client may have outstanding in any sensible case, and results enough for those
// that a lost connection can have swallowed.
const (
	memoryCalls  = 4096
	memoryBytes  = 1 << 20
	memoryResult = 64 << 10 // one larger than this is not kept
)

// memory holds the calls of a session, so that one that is sent again is answered
// and not made again. It belongs to Session.mu.
type memory struct {
	calls map[string]*past
	done  []*past // those answered, oldest first
	bare  int     // the first that many of done have no result any more
	bytes int     // of results
}

// past is a call that was made, or is being made.
type past struct {
	id       string
	sum      uint64 // of what was called
	size     int    // of the message
	answered bool
	at       int64  // position of the result in the outbox
	socket   int    // link.number of the one on which it was asked for last
	result   []byte // the frame; nil: it was too large, or is too long ago
}

// find returns the call of that id, if it is that call: an id that a client uses
// for something else is another call.
func (m *memory) find(id string, sum uint64) *past {
	if p := m.calls[id]; p != nil && p.sum == sum {
		return p
	}
	return nil
}

// began notes a call that is to be made.
func (m *memory) began(id string, sum uint64, socket, size int) *past {
	if m.calls == nil {
		m.calls = make(map[string]*past)
	}
	p := &past{id: id, sum: sum, size: size, socket: socket}
	m.calls[id] = p
	return p
}

// answered notes the result of a call, and its position. It keeps a copy of it.
func (m *memory) answered(p *past, result []byte, at int64) {
	p.answered, p.at = true, at
	if len(result) <= memoryResult {
		p.result = append([]byte(nil), result...)
		m.bytes += len(result)
	}
	m.done = append(m.done, p)
	for m.bytes > memoryBytes {
		m.bytes -= len(m.done[m.bare].result)
		m.done[m.bare].result = nil
		m.bare++
	}
	for len(m.done) > memoryCalls {
		old := m.done[0]
		m.bytes -= len(old.result)
		m.bare = max(0, m.bare-1)
		m.done[0] = nil
		m.done = m.done[1:]
		if m.calls[old.id] == old {
			delete(m.calls, old.id)
		}
	}
}

// alreadyCalled is the code of the error for a call that was made, and whose result cannot
// be told.
const alreadyCalled = "already-called"

// again returns the answer to a call that was made before, as a frame or, where that is
// no longer kept, as a message.
func (p *past) again() ([]byte, ddp.Message) {
	if p.result != nil {
		return p.result, nil
	}
	err := &ddp.Error{Code: alreadyCalled, Reason: "The call was made; its result is no longer kept"}
	return nil, ddp.Result{ID: p.id, Err: err.ForClient()}
}

var seed = maphash.MakeSeed()

// callSum tells calls of one id apart that are not the same call.
func callSum(m ddp.Method) uint64 {
	return maphash.Comparable(seed, struct {
		name   string
		params ejson.Array
		seed   string
	}{m.Name, m.Params, m.RandomSeed})
}
