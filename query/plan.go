package query

import (
	"fmt"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// Access is a way to find candidates.
type Access uint8

// The ways, cheapest first.
const (
	ByID    Access = iota + 1 // look up Plan.IDs
	ByIndex                   // walk Plan.Bounds of Plan.Index
	ByScan                    // all documents, in the order of insertion
	ByUnion                   // what any of Plan.Parts finds
)

// String names the way: "id", "index", "scan" or "union".
func (a Access) String() string {
	switch a {
	case ByID:
		return "id"
	case ByIndex:
		return "index"
	case ByUnion:
		return "union"
	}
	return "scan"
}

// Index describes an index to the planner. What kind it is of, its Key knows.
type Index struct {
	Name     string
	Key      *IndexKey
	Size     int  // number of entries, for the cost
	Multikey bool // some document has, or may have, several entries
	Distinct int  // number of distinct keys, for the cost; 0: unknown
}

// Plan says how a query will be answered. It is plain data; print it.
//
// Without a sort the order asked for is that of insertion. The entries of one
// key are supposed to be in the order of insertion, too.
//
// A union is several plans, by id or by index and no two by the same index. A
// document may be found by more than one of them, so Repeats is set; no order is
// promised, so it is not Sorted; and Filter is said once, of the whole matcher
// and the candidates of all parts.
type Plan struct {
	Access  Access     // how candidates are found
	Index   string     // the name of the index used, for ByIndex
	Bounds  []Bound    // disjoint ranges of that index, ascending; for ByIndex
	IDs     []ejson.ID // for ByID
	Parts   []Plan     // two or more, for ByUnion: only their Access, Index, Bounds, IDs, Repeats and Cost count
	Reverse bool       // walk the bounds from the last to the first, each backwards
	Sorted  bool       // candidates come in the order asked for, ties (Sorter.Same) in any order
	Filter  bool       // the matcher must still be asked
	Repeats bool       // a document may come more than once: keep the first
	Cost    int        // candidates that will be met, as a guess
}

// Exact reports whether the candidates are just the documents selected, each
// once: their number is the count, and no document need be looked at. Where it
// is false only for Repeats, the number of different candidates is.
func (p Plan) Exact() bool { return !p.Filter && !p.Repeats }

// String prints the plan on one line. A scan whose size is not known has no
// guess.
func (p Plan) String() string {
	var b strings.Builder
	b.WriteString("by " + p.Access.String())
	p.writeAccess(&b)
	for _, flag := range []struct {
		on   bool
		text string
	}{
		{p.Reverse, "backwards"}, {p.Repeats, "with repeats"}, {p.Filter, "filter"},
		{p.Sorted, "in order"}, {!p.Sorted, "to be sorted"},
	} {
		if flag.on {
			b.WriteString("; " + flag.text)
		}
	}
	if p.Access != ByScan || p.Cost > 0 {
		fmt.Fprintf(&b, "; about %d", p.Cost)
	}
	return b.String()
}

func (p *Plan) writeAccess(b *strings.Builder) {
	switch p.Access {
	case ByID:
		for i, id := range p.IDs {
			if i == 3 && len(p.IDs) > 4 {
				fmt.Fprintf(b, " … (%d)", len(p.IDs))
				break
			}
			b.WriteString(" " + id.Value().String())
		}
	case ByIndex:
		b.WriteString(" " + p.Index + ": ")
		for i, r := range p.Bounds {
			if i > 0 {
				b.WriteString(" | ")
			}
			if i == 3 && len(p.Bounds) > 4 || r.Text == "" {
				fmt.Fprintf(b, "… (%d ranges)", len(p.Bounds))
				break
			}
			b.WriteString(r.Text)
		}
		if len(p.Bounds) == 0 {
			b.WriteString("nothing")
		}
	case ByUnion:
		for i := range p.Parts {
			if i > 0 {
				b.WriteString(" or")
			}
			b.WriteString(" (" + p.Parts[i].Access.String())
			p.Parts[i].writeAccess(b)
			b.WriteString(")")
		}
	}
}
