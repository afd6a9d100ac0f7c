package ejson

import "slices"

// The operations of this file make a new document of an old one. They copy what
// stays in whole stretches and make one allocation, the new document.

// With returns d with one top-level field set; a new name goes last, an old one
// keeps its place. It panics on a value that is not an EJSON value.
func (d Doc) With(name string, value any) Doc {
	v, err := ValueOf(value)
	if err != nil {
		panic(under(err, name))
	}
	return d.WithValue(name, v)
}

// WithValue is With of a Value. Missing takes the field away.
func (d Doc) WithValue(name string, v Value) Doc {
	t := open(d.s)
	n := NameOf(name)
	i := t.find(n)
	if i < 0 {
		if v.IsMissing() {
			return d.made()
		}
		e := [1]edit{{at: t.n, name: n, v: v}}
		return d.splice(e[:])
	}
	e := [1]edit{{at: i, v: v}}
	return d.splice(e[:])
}

// Without returns d less the named top-level fields.
func (d Doc) Without(names ...string) Doc {
	var room [16]edit
	edits := room[:0]
	t := open(d.s)
	for _, name := range names {
		if i := t.find(NameOf(name)); i >= 0 {
			edits = append(edits, edit{at: i})
		}
	}
	if len(edits) == 0 {
		return d.made()
	}
	return d.splice(inOrder(edits))
}

// WithID returns d with the _id, which comes first, and everything else in its
// order. An _id that d has is replaced.
func (d Doc) WithID(id ID) Doc {
	v := id.Value()
	t := open(d.s)
	i := t.find(idName)
	if i == 0 && !v.IsMissing() {
		if _, tag, lo, hi := t.field(0); view(d.s, tag, lo, hi).Equal(v) {
			return d
		}
	}
	if v.IsMissing() {
		return d.WithoutID()
	}
	var room [stackFields]entry
	w := writer{
		buf:  make([]byte, 0, runSize(t.n+1, t.at+sizeOfField(len(idName.s), v))),
		ents: room[:0],
	}
	f := w.open()
	w.fresh(&f, idName.s, idName.want)
	w.tag(w.value(v))
	if i < 0 {
		w.fields(&f, &t, 0, t.n)
	} else {
		w.fields(&f, &t, 0, i)
		w.fields(&f, &t, i+1, t.n)
	}
	w.finish(&f)
	return Doc{freeze(w.buf)}
}

// WithoutID returns d less its _id.
func (d Doc) WithoutID() Doc {
	t := open(d.s)
	i := t.find(idName)
	if i < 0 {
		return d.made()
	}
	e := [1]edit{{at: i}}
	return d.splice(e[:])
}

// Merge returns d with the fields of set set and the fields named in unset taken
// away: what the message changed of DDP does. A field that is in both is set. It
// returns d itself where nothing changes, by [Value.Same].
func (d Doc) Merge(set Doc, unset []string) Doc {
	var room [16]edit
	edits := room[:0]
	t, s := open(d.s), open(set.s)
	for _, name := range unset {
		n := NameOf(name)
		if i := t.find(n); i >= 0 && s.find(n) < 0 {
			edits = append(edits, edit{at: i})
		}
	}
	for k := range s.n {
		e := s.entry(k)
		name, lo := nameAt(s.s, int(e.off))
		n := Name{name, e.meta & hashMask}
		v := view(s.s, e.tag(), lo, s.end(k))
		i := t.find(n)
		if i < 0 {
			edits = append(edits, edit{at: t.n, name: n, v: v})
			continue
		}
		if _, tag, lo, hi := t.field(i); !view(d.s, tag, lo, hi).Same(v) {
			edits = append(edits, edit{at: i, v: v})
		}
	}
	if len(edits) == 0 {
		return d.made()
	}
	return d.splice(inOrder(edits))
}

// Diff returns what leads from old to new: the top-level fields that are new or
// have another value, by [Value.Same], and the names of those that are gone. The
// _id is left out. Where no field is to be set, set is the zero Doc.
//
// It holds that old.Merge(Diff(old, new)) is the same as new.
func Diff(old, new Doc) (set Doc, unset []string) {
	if old.s == new.s {
		return Doc{}, nil
	}
	o, n := open(old.s), open(new.s)
	var w writer
	var f frame
	found := 0 // fields of old that new has
	for i := range n.n {
		e := n.entry(i)
		name, lo := nameAt(n.s, int(e.off))
		k := o.findNear(Name{name, e.meta & hashMask}, i)
		if k >= 0 {
			found++
		}
		if name == idName.s {
			continue
		}
		if k >= 0 {
			_, tag, olo, ohi := o.field(k)
			if sameBytes(old.s, tag, olo, ohi, new.s, e.tag(), lo, n.end(i)) {
				continue
			}
		}
		if w.buf == nil {
			w.buf = make([]byte, 0, 64)
		}
		w.fields(&f, &n, i, i+1)
	}
	if w.buf != nil {
		w.finish(&f)
		set = Doc{freeze(w.buf)}
	}
	if found == o.n {
		return set, nil
	}
	for i := range o.n {
		e := o.entry(i)
		name, _ := nameAt(o.s, int(e.off))
		if name != idName.s && n.findNear(Name{name, e.meta & hashMask}, i) < 0 {
			unset = append(unset, name)
		}
	}
	return set, unset
}

// findNear is find for a field that is probably at i: fields mostly keep their
// places.
func (t *table) findNear(n Name, i int) int {
	if i < t.n {
		if e := t.entry(i); e.meta&hashMask == n.want {
			if name, _ := nameAt(t.s, int(e.off)); name == n.s {
				return i
			}
		}
	}
	return t.find(n)
}

// made returns d, and an empty document where there is none: the operations of
// this file never return the zero Doc.
func (d Doc) made() Doc {
	if d.s == "" {
		return Doc{emptyRun}
	}
	return d
}

// edit changes one field of a document: at is its place, or the number of
// fields to add one of that name. A Missing value takes the field away.
type edit struct {
	at   int
	name Name
	v    Value
}

// inOrder sorts edits by place, those of new fields last and in their order. Of
// several at one place the last is kept.
func inOrder(edits []edit) []edit {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.at - b.at })
	return edits
}

// stackFields is how many fields a new document may have before its entries go
// to the heap.
const stackFields = 32

// splice applies edits, which are in order.
func (d Doc) splice(edits []edit) Doc {
	t := open(d.s)
	n, size := t.n, t.at
	for i := range edits {
		e := &edits[i]
		if e.at == t.n {
			n++
			size += sizeOfField(len(e.name.s), e.v)
			continue
		}
		if e.v.IsMissing() {
			n--
			size -= t.end(e.at) - int(t.entry(e.at).off)
			continue
		}
		_, _, lo, hi := t.field(e.at)
		size += sizeOf(e.v) - (hi - lo)
	}
	var room [stackFields]entry
	w := writer{buf: make([]byte, 0, runSize(max(n, 0), max(size, 0))), ents: room[:0]}
	f := w.open()
	from := 0
	for i := range edits {
		e := &edits[i]
		if e.at < from && e.at < t.n {
			continue // a name given twice to Without
		}
		w.fields(&f, &t, from, e.at)
		from = min(e.at+1, t.n)
		switch {
		case e.v.IsMissing():
			continue
		case e.at == t.n:
			w.fresh(&f, e.name.s, e.name.want)
		default:
			name, _, _, _ := t.field(e.at)
			w.fresh(&f, name, t.entry(e.at).meta&hashMask)
		}
		w.tag(w.value(e.v))
	}
	w.fields(&f, &t, from, t.n)
	w.finish(&f)
	return Doc{freeze(w.buf)}
}

// sizeOf returns how many bytes a value takes in a run.
func sizeOf(v Value) int {
	switch v.kind {
	case Number:
		if fitsInt(v.Number()) {
			return 4
		}
		return 8
	case Date:
		return 8
	case Object, List:
		return max(len(v.s), len(emptyRun))
	}
	return len(v.s)
}

func sizeOfField(name int, v Value) int {
	if name >= longName {
		name += 4
	}
	return 1 + name + sizeOf(v)
}

// runSize returns the size of a run of n fields that take size bytes.
func runSize(n, size int) int {
	if n <= maxNarrow && size <= maxNarrowData {
		return size + 4*n + 1
	}
	return size + 8*n + 5
}
