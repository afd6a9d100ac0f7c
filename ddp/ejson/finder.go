package ejson

// finder finds many fields of one document. Where they come in the document's
// own order, as they mostly do, each is found at once; else it looks through the
// table, and in a large one makes an index, so that two documents of n fields in
// different orders are compared in time proportional to n.
type finder struct {
	t     table
	next  int // where the next field probably is
	long  int // searches through a large table so far
	index map[string]int
}

const (
	largeTable   = 64 // fields
	longSearches = 8  // after so many an index pays
)

func newFinder(s string) finder { return finder{t: open(s)} }

// find returns the place of the field, or -1. It needs only s and want of n.
func (f *finder) find(n Name) int {
	if i := f.next; i < f.t.n {
		if e := f.t.entry(i); e.meta&hashMask == n.want {
			if name, _ := nameAt(f.t.s, int(e.off)); name == n.s {
				f.next++
				return i
			}
		}
	}
	i := f.search(n)
	if i >= 0 {
		f.next = i + 1
	}
	return i
}

func (f *finder) search(n Name) int {
	if f.t.n <= largeTable {
		return f.t.find(n)
	}
	if f.index == nil {
		if f.long++; f.long <= longSearches {
			return f.t.find(n)
		}
		f.index = make(map[string]int, f.t.n)
		for i := range f.t.n {
			name, _ := nameAt(f.t.s, int(f.t.entry(i).off))
			f.index[name] = i
		}
	}
	if i, ok := f.index[n.s]; ok {
		return i
	}
	return -1
}
