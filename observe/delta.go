package observe

import "github.com/replicad/replicad/ddp/ejson"

// delta is what became of one document of a result between two moments, however
// much happened in between. An item without a document: not in the result.
type delta struct {
	id       ejson.ID
	old, new item
}

func (it item) none() bool { return it.doc == ejson.Doc{} }

// difference is a set of deltas, at most one a document, that grows as changes
// are folded into it. What comes and goes again leaves no trace, so it is never
// larger than the result at its beginning and the result at its end together.
type difference struct {
	list  []delta
	index map[ejson.ID]int // of list; nil while a walk along the list is faster
}

// Up to 16 ids are compared faster than one is hashed and a map made.
const walkable = 16

// fold adds d, which must begin where the document's delta so far ends.
func (df *difference) fold(d delta) {
	i := df.find(d.id)
	if i < 0 {
		if df.index != nil {
			df.index[d.id] = len(df.list)
		}
		df.list = append(df.list, d)
		return
	}
	at := &df.list[i]
	at.new = d.new
	if at.old == at.new || at.old.none() && at.new.none() {
		df.drop(i)
	}
}

func (df *difference) find(id ejson.ID) int {
	if df.index == nil {
		if len(df.list) <= walkable {
			for i := range df.list {
				if df.list[i].id == id {
					return i
				}
			}
			return -1
		}
		df.index = make(map[ejson.ID]int, 2*len(df.list))
		for i := range df.list {
			df.index[df.list[i].id] = i
		}
	}
	if i, ok := df.index[id]; ok {
		return i
	}
	return -1
}

func (df *difference) drop(i int) {
	last := len(df.list) - 1
	if df.index != nil {
		delete(df.index, df.list[i].id)
		if i != last {
			df.index[df.list[last].id] = i
		}
	}
	df.list[i] = df.list[last]
	df.list[last] = delta{}
	df.list = df.list[:last]
}

// take returns the deltas and leaves the difference empty.
func (df *difference) take() []delta {
	list := df.list
	*df = difference{}
	return list
}

// reset empties the difference, and keeps what little space it had.
func (df *difference) reset() {
	if cap(df.list) > walkable {
		*df = difference{}
		return
	}
	clear(df.list)
	df.list = df.list[:0]
}
