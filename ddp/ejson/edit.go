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
	in := newFinder(d.s)
	for _, name := range names {
		if i := in.find(Name{s: name, want: hashName(name)}); i >= 0 {
			edits = append(edits, edit{at: i})
		}
	}
	if len(edits) == 0 {
		return d.made()
	}
	return d.splice(inOrder(edits, in.t.n))
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
	n, size := t.n+1, t.at+sizeOfField(len(idName.s), v)
	if i >= 0 {
		n--
		size -= t.end(i) - int(t.entry(i).off)
	}
	w := newSplicer(n, size)
	w.field(idName, v)
	if i < 0 {
		w.fields(&t, 0, t.n)
	} else {
		w.fields(&t, 0, i)
		w.fields(&t, i+1, t.n)
	}
	return Doc{w.run()}
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
	in, also := newFinder(d.s), newFinder(set.s)
	for _, name := range unset {
		n := Name{s: name, want: hashName(name)}
		if i := in.find(n); i >= 0 && also.find(n) < 0 {
			edits = append(edits, edit{at: i})
		}
	}
	t, s := &in.t, &also.t
	for k := range s.n {
		e := s.entry(k)
		name, lo := nameAt(s.s, int(e.off))
		n := Name{s: name, want: e.meta & hashMask}
		v := view(s.s, e.tag(), lo, s.end(k))
		i := in.find(n)
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
	return d.splice(inOrder(edits, t.n))
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
	inOld, inNew := newFinder(old.s), newFinder(new.s)
	o, n := &inOld.t, &inNew.t
	var room [16]int
	changed, size := room[:0], 0 // places in new of what is to be set
	found := 0                   // fields of old that new has
	for i := range n.n {
		e := n.entry(i)
		if k := inOld.next; k < o.n {
			// Mostly the field is at its old place, and as it was.
			was := o.entry(k)
			if was.meta == e.meta && e.tag() != tagDate && o.s[was.off:o.end(k)] == n.s[e.off:n.end(i)] {
				found++
				inOld.next++
				continue
			}
		}
		name, lo := nameAt(n.s, int(e.off))
		k := inOld.find(Name{s: name, want: e.meta & hashMask})
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
		changed = append(changed, i)
		size += n.end(i) - int(e.off)
	}
	if len(changed) > 0 {
		w := newSplicer(len(changed), size)
		for _, i := range changed {
			w.fields(n, i, i+1)
		}
		set = Doc{w.run()}
	}
	if found == o.n {
		return set, nil
	}
	for i := range o.n {
		e := o.entry(i)
		name, _ := nameAt(o.s, int(e.off))
		if name != idName.s && inNew.find(Name{s: name, want: e.meta & hashMask}) < 0 {
			unset = append(unset, name)
		}
	}
	return set, unset
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

// inOrder sorts edits by place, those of new fields last and in their order. A
// field may be named to be taken away twice.
func inOrder(edits []edit, fields int) []edit {
	sorted := slices.IsSortedFunc(edits, func(a, b edit) int { return a.at - b.at })
	if !sorted {
		slices.SortStableFunc(edits, func(a, b edit) int { return a.at - b.at })
	}
	return slices.CompactFunc(edits, func(a, b edit) bool { return a.at == b.at && a.at < fields })
}

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
	w := newSplicer(n, size)
	from := 0
	for i := range edits {
		e := &edits[i]
		w.fields(&t, from, e.at)
		from = min(e.at+1, t.n)
		switch {
		case e.v.IsMissing():
		case e.at == t.n:
			w.field(e.name, e.v)
		default:
			name, _, _, _ := t.field(e.at)
			w.field(Name{s: name, want: t.entry(e.at).meta & hashMask}, e.v)
		}
	}
	w.fields(&t, from, t.n)
	return Doc{w.run()}
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
