package observe

import "github.com/replicad/replicad/store"

// news is what one commit did to a result, on its way to the result's handles.
type news struct {
	seq    store.Seq
	deltas []delta // of the result's difference, until there is a parcel
	res    *result
	parcel *parcel // nil until a handle wants one
}

// parcel is news that a handle keeps until it is delivered. The handles of the
// result share it.
type parcel struct {
	seq    store.Seq
	deltas []delta
	events []docEvent

	// Most commits change one document of a result: then there is no other memory.
	one  [1]delta
	room [1]docEvent
}

// pack makes the parcel, before the result changes again.
func (n *news) pack() *parcel {
	if n.parcel == nil {
		p := &parcel{seq: n.seq}
		if len(n.deltas) == 1 {
			p.one[0] = n.deltas[0]
			p.deltas = p.one[:]
		} else {
			p.deltas = n.res.diff.take()
		}
		p.events = n.res.events(p.room[:0], p.deltas)
		n.parcel = p
	}
	return n.parcel
}

// A handle that lags by no more than this is given its batches one by one.
// Behind it, intermediate states are of no use to anybody, and memory is.
const (
	maxQueued = 64   // parcels
	maxDeltas = 1024 // deltas in more than one parcel
)

// mailbox is what a handle has still to deliver: a short queue of parcels, or,
// when it lags more, a single difference between what it last saw and now. That
// cannot outgrow the two results.
type mailbox struct {
	queue  []*parcel
	head   int // parcels before it have been taken
	deltas int // in the queue

	late   bool // there is a merged difference, and the queue is empty
	seq    store.Seq
	merged difference
}

func (m *mailbox) len() int { return len(m.queue) - m.head }

// size is the number of deltas that it holds.
func (m *mailbox) size() int { return m.deltas + len(m.merged.list) }

// add puts news in and reports whether there was anything to put. It is called
// before the result changes again.
func (m *mailbox) add(n *news, merge bool) bool {
	if !merge && !m.late && (m.len() == 0 || m.len() < maxQueued && m.deltas+len(n.deltas) <= maxDeltas) {
		p := n.pack()
		if len(p.events) == 0 && m.len() == 0 {
			// What the projection hides is no batch. The handle goes on from a
			// state that differs from the one it was told only in what is hidden.
			return false
		}
		if m.head >= maxQueued { // it is never full and never empty
			k := copy(m.queue, m.queue[m.head:])
			clear(m.queue[k:])
			m.queue, m.head = m.queue[:k], 0
		}
		m.queue = append(m.queue, p)
		m.deltas += len(p.deltas)
		return true
	}
	m.mergeAll()
	m.late = true
	m.seq = n.seq
	for _, d := range n.deltas {
		m.merged.fold(d)
	}
	return true
}

// mergeAll makes one difference of the queue.
func (m *mailbox) mergeAll() {
	for p := m.pop(); p != nil; p = m.pop() {
		m.late, m.seq = true, p.seq
		for _, d := range p.deltas {
			m.merged.fold(d)
		}
	}
}

// pop takes the oldest parcel of the queue; nil where there is none.
func (m *mailbox) pop() *parcel {
	if m.len() == 0 {
		return nil
	}
	p := m.queue[m.head]
	m.queue[m.head] = nil
	m.head++
	m.deltas -= len(p.deltas)
	if m.len() == 0 {
		m.queue, m.head = m.queue[:0], 0
	}
	return p
}

// takeMerged takes the difference.
func (m *mailbox) takeMerged() (store.Seq, []delta) {
	m.late = false
	return m.seq, m.merged.take()
}
