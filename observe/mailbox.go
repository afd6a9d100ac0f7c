package observe

import "github.com/replicad/replicad/store"

// parcel is what one commit did to a result. The handles of the result share it.
type parcel struct {
	seq    store.Seq
	deltas []delta
	events []docEvent // made when the first handle wants them
	made   bool
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

// add puts a parcel in and reports whether there was anything to put. It is
// called before the result changes again.
func (m *mailbox) add(p *parcel, r *result, merge bool) bool {
	if !merge && !m.late && (m.len() == 0 || m.len() < maxQueued && m.deltas+len(p.deltas) <= maxDeltas) {
		if !p.made {
			p.events, p.made = r.events(p.deltas), true
		}
		if len(p.events) == 0 && m.len() == 0 {
			// What the projection hides is no batch. The handle goes on from a
			// state that differs from the one it was told only in what is hidden.
			return false
		}
		m.queue = append(m.queue, p)
		m.deltas += len(p.deltas)
		return true
	}
	m.mergeAll()
	m.late = true
	m.seq = p.seq
	for _, d := range p.deltas {
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
