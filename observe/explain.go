package observe

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/replicad/replicad/store"
)

// Info tells what an observation is and what it has cost so far.
type Info struct {
	Query   string        // collection.find(…)…
	Route   string        // how changes find the result
	Ordered bool          // documents have places
	Shared  int           // observations that have the result in common, this one included
	Docs    int           // documents in the result's state; 0 where it has none
	Partial bool          // of a window, the state holds only what it may soon need
	Refills uint64        // times that such a window was read again from its index
	Bytes   int           // of that state, documents not counted, and of what waits; an estimate
	Changes uint64        // changes that concerned the result
	Batches uint64        // delivered, after the initial one
	Merged  uint64        // times that what waited had been merged into one difference
	Waiting int           // documents with a change that waits to be delivered
	Paused  bool          // see Pause
	Busy    time.Duration // spent in the callback, after the initial one
}

// String writes the info in one line.
func (in Info) String() string {
	docs := plural(in.Docs, "document")
	if in.Partial {
		docs = "the first " + docs + " by an index (read again " + plural(int(in.Refills), "time") + ")"
	}
	return fmt.Sprintf("%s: %s; shared by %d, %s, %d bytes; %d changes, %d batches (%d merged), %d waiting, %v busy",
		in.Query, in.Route, in.Shared, docs, in.Bytes, in.Changes, in.Batches, in.Merged, in.Waiting, in.Busy)
}

// Explain returns how the observation is kept up and what it has cost so far.
func (h *Handle) Explain() Info {
	h.hub.mu.Lock()
	in := h.infoLocked()
	h.hub.mu.Unlock()
	h.name(&in)
	return in
}

// name adds what never changes. It is for who holds no lock: it takes as long as
// starting does.
func (h *Handle) name(in *Info) {
	in.Query, in.Route = describe(h.spec), wayOf(h.spec.Matcher).String()
}

// infoLocked is called with the hub's mutex held. Names are still to be added.
func (h *Handle) infoLocked() Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.res
	in := Info{
		Ordered: r.order != nil,
		Shared:  len(r.handles),
		Changes: r.changes,
		Batches: h.stats.batches,
		Merged:  h.stats.merged,
		Waiting: h.mail.size(),
		Paused:  h.paused,
		Busy:    h.stats.busy,
	}
	in.Bytes = in.Waiting * int(unsafe.Sizeof(delta{}))
	if r.order != nil {
		in.Partial, in.Refills = r.partial, r.refills
		if in.Docs = r.tree.len(); in.Docs > 0 {
			// The keys are about as long as one of them.
			in.Bytes += r.tree.root.bytes() + in.Docs*((len(r.tree.at(in.Docs/2).key)+7)&^7)
		}
	}
	return in
}

// Handles returns the info of every observation of a store, those with the most
// state first, and of equal ones those that were busy longest.
func Handles(s *store.Store) []Info {
	list, of := infos(s)
	for i, h := range of {
		h.name(&list[i])
	}
	slices.SortStableFunc(list, func(a, b Info) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Busy, a.Busy), strings.Compare(a.Query, b.Query))
	})
	return list
}

// infos returns the infos of all handles, without names, and whose they are.
func infos(s *store.Store) (list []Info, of []*Handle) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if o := registry.stores[s]; o != nil {
		for _, h := range o.hubs {
			h.mu.Lock()
			for _, r := range h.all {
				for _, hd := range r.handles {
					list, of = append(list, hd.infoLocked()), append(of, hd)
				}
			}
			h.mu.Unlock()
		}
	}
	return list, of
}

// plural writes "1 value", "2 values".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// describe writes a query as a chain of calls.
func describe(spec *store.Spec) string {
	var b strings.Builder
	b.WriteString(spec.Collection)
	b.WriteString(".find(")
	b.Write(spec.Matcher.Selector().AppendJSON(nil))
	b.WriteByte(')')
	if spec.Sorter != nil {
		b.WriteString(".sort(" + strings.Join(spec.Sorter.Keys(), ", ") + ")")
	}
	if spec.Skip > 0 {
		b.WriteString(".skip(" + strconv.Itoa(spec.Skip) + ")")
	}
	if spec.Limit > 0 {
		b.WriteString(".limit(" + strconv.Itoa(spec.Limit) + ")")
	}
	if spec.Fields != nil {
		b.WriteString(".fields(")
		b.Write(spec.Fields.Spec().AppendJSON(nil))
		b.WriteByte(')')
	}
	return b.String()
}

// bytes is the memory that the nodes take, less that of keys and documents.
func (n *node) bytes() int {
	sum := int(unsafe.Sizeof(*n)) + cap(n.items)*int(unsafe.Sizeof(item{})) + cap(n.seps)*int(unsafe.Sizeof(""))
	sum += (cap(n.heads) + cap(n.kids) + cap(n.sizes)) * 8
	for _, kid := range n.kids {
		sum += kid.bytes()
	}
	return sum
}
