package store

import (
	"iter"
	"sync/atomic"

	"github.com/replicad/replicad/ddp/ejson"
)

// Seq numbers commits, from 1, without gaps. It is the one clock of the house:
// observers, the disk and the dashboard all say how far they are in Seq.
type Seq uint64

// Change is what a commit did to one document. Before is zero for an insert and
// After for a removal; they are never equal. Several writes to one document in a
// transaction make one Change.
type Change struct {
	Collection string
	ID         ejson.ID
	// Slot is the document's place in the order of insertion. It is kept through
	// updates, also by a document that is removed and put back in one transaction,
	// and not used again in the life of the store.
	Slot          uint64
	Before, After ejson.Doc
}

// Commit is one transaction as everybody else sees it. It must not be modified,
// and may be kept: it holds the documents that it names and, once After was
// called, a snapshot.
type Commit struct {
	Seq     Seq
	Changes []Change // those of one collection lie together, in order of first write

	store *Store // nil for a commit that was made by hand
	after atomic.Pointer[Snapshot]
}

// After returns the store as the commit left it. Within a function given to
// [Store.Tail] it always does, and pins that snapshot to the commit; later it
// returns the pinned one or, where none was pinned, the snapshot if the commit is
// still the last, and nil if it is not. For a removal from one's own result the
// pin is seldom worth it: a snapshot that is kept keeps the documents in it.
func (c *Commit) After() *Snapshot {
	if snap := c.after.Load(); snap != nil || c.store == nil {
		return snap
	}
	if snap := c.store.Snapshot(); snap.seq == c.Seq {
		c.after.CompareAndSwap(nil, snap)
	}
	return c.after.Load()
}

// Journal makes commits durable. Append is called with the writer's lock held,
// in the order of Seq, before anybody sees the commit; it must take the commit
// and return without waiting. An error refuses the commit: nothing happened, and
// its Seq is given to the next.
type Journal interface {
	Append(*Commit) error
}

// Record is a document as a file holds it.
type Record struct {
	Collection string
	Slot       uint64
	Doc        ejson.Doc
}

// tail is one function that is told of commits.
type tail struct {
	fn      func(*Commit)
	stopped atomic.Bool
}

// Tail calls fn after each commit that touched the collection, until stop is
// called; "" is every collection. fn runs with the writer's lock held: it may
// note the commit, no more, and must neither write to the store nor call Tail.
// Commits come in the order of Seq, without gaps among those that qualify. fn is
// called even where the goroutine that wrote sees a panic of its own later.
//
// Tail returns the snapshot from which the first such commit follows. It waits
// for a transaction that is running. stop does not wait, and may be called from
// fn and more than once: a commit that is being told may still reach fn, no later
// one does.
func (s *Store) Tail(collection string, fn func(*Commit)) (from *Snapshot, stop func()) {
	s.lock()
	defer s.mu.Unlock()
	t := &tail{fn: fn}
	s.tailMu.Lock()
	s.tails[collection] = append(s.tails[collection][:len(s.tails[collection]):len(s.tails[collection])], t)
	s.tailMu.Unlock()
	return s.Snapshot(), func() {
		if t.stopped.Swap(true) {
			return
		}
		s.tailMu.Lock()
		defer s.tailMu.Unlock()
		var rest []*tail
		for _, o := range s.tails[collection] {
			if o != t {
				rest = append(rest, o)
			}
		}
		if s.tails[collection] = rest; rest == nil {
			delete(s.tails, collection)
		}
	}
}

// tell calls the tails of a commit, those of all collections last.
func (s *Store) tell(c *Commit) {
	s.tailMu.Lock()
	if len(s.tails) == 0 {
		s.tailMu.Unlock()
		return
	}
	told := s.told[:0]
	for name := range c.collections() {
		told = append(told, s.tails[name]...)
	}
	told = append(told, s.tails[""]...)
	s.tailMu.Unlock()
	for _, t := range told {
		if !t.stopped.Load() {
			t.fn(c)
		}
	}
	clear(told)
	s.told = told
}

// collections yields the names of the collections that the commit touched.
func (c *Commit) collections() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range c.Changes {
			if i == 0 || c.Changes[i].Collection != c.Changes[i-1].Collection {
				if !yield(c.Changes[i].Collection) {
					return
				}
			}
		}
	}
}
