package observe

import (
	"cmp"
	"slices"
	"sort"

	"github.com/replicad/replicad/ddp/ejson"
)

// span is a part of a tree: the items of rank skip up to skip+limit, or to the
// end where limit is 0. It is what an observer of an ordered result sees.
type span struct {
	tree        *tree
	skip, limit int
}

func (s span) len() int {
	n := max(s.tree.len()-s.skip, 0)
	if s.limit > 0 {
		n = min(n, s.limit)
	}
	return n
}

// rank returns how many items of the span lie before key.
func (s span) rank(key string) int {
	return min(max(s.tree.rank(key)-s.skip, 0), s.len())
}

// idAt returns the id of the document at a place, and zero behind the end.
func (s span) idAt(i int) ejson.ID {
	if i >= s.len() {
		return ejson.ID{}
	}
	return s.tree.at(s.skip + i).doc.ID()
}

// step is a delta on its way to become events: what the observer is shown of
// it, and where.
type step struct {
	*delta
	was, is ejson.Doc // as projected
	set     ejson.Doc
	unset   []string

	oldGap, newGap int // untouched documents before the place
	place          int // the place in the new sequence
	next           ejson.ID
	stays          bool
	prev           *step // the one before it in a run that stays
	waits          int   // among those that move, in the order before
}

// place turns deltas into the events that lead from the sequence before them to
// the one that now is. That one is in the tree; the former is not kept, for it
// is known: documents without a delta have the keys that they had, so their
// ranks tell how many of them lie before any key, old or new.
//
// The events come in this order, each with the places of its own moment:
// removals from the last to the first, changes of fields from the first to the
// last, moves from the last new place to the first, additions from the first to
// the last. The fewest documents move: of those with a delta, a longest
// increasing subsequence stays.
func (s span) place(steps []step) []docEvent {
	olds := make([]*step, 0, len(steps)) // in the order before
	news := make([]*step, 0, len(steps)) // in the order now
	for i := range steps {
		st := &steps[i]
		if !st.old.none() {
			olds = append(olds, st)
		}
		if !st.new.none() {
			news = append(news, st)
		}
	}
	slices.SortFunc(olds, func(a, b *step) int { return cmp.Compare(a.old.key, b.old.key) })
	slices.SortFunc(news, func(a, b *step) int { return cmp.Compare(a.new.key, b.new.key) })
	s.measure(olds, news)

	events := make([]docEvent, 0, len(steps)+4)
	for i, st := range slices.Backward(olds) {
		if st.new.none() {
			events = append(events, docEvent{Kind: Removed, ID: st.id, Old: st.was, From: st.oldGap + i, To: -1})
		}
	}
	kept := slices.DeleteFunc(olds, func(st *step) bool { return st.new.none() })
	for i, st := range kept {
		if st.differs() {
			events = append(events, st.changed(st.oldGap+i))
		}
	}
	events = moves(events, kept, news)
	for _, st := range news {
		if st.old.none() {
			events = append(events, docEvent{Kind: Added, ID: st.id, New: st.is, From: -1, To: st.place, Before: st.next})
		}
	}
	return events
}

// placeOne is place for a single delta, which needs no sorting. It appends to events.
func (s span) placeOne(events []docEvent, st *step) []docEvent {
	switch {
	case st.new.none():
		return append(events, docEvent{Kind: Removed, ID: st.id, Old: st.was, From: s.rank(st.old.key), To: -1})
	case st.old.none():
		to := s.rank(st.new.key)
		return append(events, docEvent{Kind: Added, ID: st.id, New: st.is, From: -1, To: to, Before: s.idAt(to + 1)})
	}
	to := s.rank(st.new.key)
	from := to
	if st.old.key != st.new.key {
		if from = s.rank(st.old.key); st.new.key < st.old.key {
			from-- // the document itself, at its new place
		}
	}
	if st.differs() {
		events = append(events, st.changed(from))
	}
	if from != to {
		events = append(events, st.moved(from, to, s.idAt(to+1)))
	}
	return events
}

// measure finds the gaps of all steps, and for the new ones their places and
// the next document that is there before any addition.
func (s span) measure(olds, news []*step) {
	for i, st := range news {
		st.place = s.rank(st.new.key)
		st.newGap = st.place - i
	}
	for i, st := range slices.Backward(news) {
		if j := i + 1; j < len(news) && news[j].place == st.place+1 {
			if st.next = news[j].id; news[j].old.none() {
				st.next = news[j].next
			}
		} else {
			st.next = s.idAt(st.place + 1)
		}
	}
	j := 0
	for _, st := range olds {
		for j < len(news) && news[j].new.key < st.old.key {
			j++
		}
		st.oldGap = s.rank(st.old.key) - j
	}
}

// moves appends the moves among kept, which is in the order before.
func moves(events []docEvent, kept, news []*step) []docEvent {
	settle(kept)
	var movers []*step // in the order before
	stays := 0
	var fixedOld []int // documents that stay before the old place
	for _, st := range kept {
		if st.stays {
			stays++
			continue
		}
		st.waits = len(movers)
		movers = append(movers, st)
		fixedOld = append(fixedOld, st.oldGap+stays)
	}
	if len(movers) == 0 {
		return events
	}
	var order []*step // the movers in the new order
	fixedNew := make([]int, 0, len(movers))
	stays = 0
	for _, st := range news {
		switch {
		case st.old.none():
		case st.stays:
			stays++
		default:
			order = append(order, st)
			// newGap counts what has no delta; additions are not there yet.
			fixedNew = append(fixedNew, st.newGap+stays)
		}
	}
	// A place between two that stay holds first those that have still to go from
	// there, in the old order, then those that have come, in the new one.
	waiting := newCounter(len(movers))
	for i, st := range slices.Backward(order) {
		o := st.waits
		come := max(sort.SearchInts(fixedNew, fixedOld[o])-(i+1), 0)
		from := fixedOld[o] + waiting.before(o) + come
		waiting.remove(o)
		to := fixedNew[i] + waiting.before(sort.SearchInts(fixedOld, fixedNew[i]+1))
		if from != to {
			events = append(events, st.moved(from, to, st.next))
		}
	}
	return events
}

// settle marks the most documents that can stay: those that keep their place
// among the untouched, and of them a longest run that keeps its order.
func settle(kept []*step) {
	var tails []*step // of the best run of each length, by the new key
	for _, st := range kept {
		if st.oldGap != st.newGap {
			continue
		}
		i := sort.Search(len(tails), func(i int) bool { return tails[i].new.key >= st.new.key })
		if i > 0 {
			st.prev = tails[i-1]
		}
		if i == len(tails) {
			tails = append(tails, st)
		} else {
			tails[i] = st
		}
	}
	if len(tails) > 0 {
		for st := tails[len(tails)-1]; st != nil; st = st.prev {
			st.stays = true
		}
	}
}

func (st *step) differs() bool { return !st.set.IsZero() && st.set.Len() > 0 || len(st.unset) > 0 }

func (st *step) changed(at int) docEvent {
	return docEvent{Kind: Changed, ID: st.id, Old: st.was, New: st.is, From: at, To: at, Set: st.set, Unset: st.unset}
}

func (st *step) moved(from, to int, next ejson.ID) docEvent {
	return docEvent{Kind: Moved, ID: st.id, Old: st.is, New: st.is, From: from, To: to, Before: next}
}

// counter counts, of the numbers 0 to n-1 that have not been removed, those
// below a given one: a Fenwick tree.
type counter []int

func newCounter(n int) counter {
	c := make(counter, n+1)
	for i := 1; i <= n; i++ {
		c[i] = i & -i
	}
	return c
}

func (c counter) before(i int) (sum int) {
	for ; i > 0; i -= i & -i {
		sum += c[i]
	}
	return sum
}

func (c counter) remove(i int) {
	for i++; i < len(c); i += i & -i {
		c[i]--
	}
}
