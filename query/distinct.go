package query

import (
	"iter"

	"github.com/replicad/replicad/ddp/ejson"
)

// A Set is the different ones of some values, in the order in which they came.
// Values are the same where the order of values holds them equal: 1 and the
// decimal 1, but not {a: 1, b: 2} and {b: 2, a: 1}. The zero Set is empty and
// ready. It is for one goroutine.
type Set struct {
	seen map[string]struct{} // keys of the values
	list []ejson.Value
	key  []byte
}

// Add puts v in and reports whether it is new. The set keeps the document that v
// is a part of.
func (s *Set) Add(v ejson.Value) bool {
	s.key = ejson.AppendKey(s.key[:0], v, false)
	if _, again := s.seen[string(s.key)]; again {
		return false
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	s.seen[string(s.key)] = struct{}{}
	s.list = append(s.list, v)
	return true
}

// Len returns the number of values.
func (s *Set) Len() int { return len(s.list) }

// Values returns the values in the order in which they came first. They are not
// to be changed while the set is in use.
func (s *Set) Values() []ejson.Value { return s.list }

// Distinct returns the different values that the path leads to in some
// documents, in the order in which they come first: what MongoDB's distinct
// returns. Each element of a list counts for itself, but a list within it as
// one value; null counts, and what is missing does not.
func (p *Path) Distinct(docs iter.Seq[ejson.Doc]) []ejson.Value {
	var s Set
	for d := range docs {
		p.addTo(&s, d)
	}
	return s.Values()
}

// addTo adds the values of p in d. Most often it leads through documents only.
func (p *Path) addTo(s *Set, d ejson.Doc) {
	v, depth := p.path.trail.In(d)
	if depth < len(p.path.segs) {
		if v.Kind() == ejson.List {
			for v := range p.Values(d) {
				s.Add(v)
			}
		}
		return
	}
	switch v.Kind() {
	case ejson.Missing:
	case ejson.List:
		for _, e := range v.Array().All() {
			s.Add(e)
		}
	default:
		s.Add(v)
	}
}
