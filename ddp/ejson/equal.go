package ejson

// Equality is EJSON's: numbers by value, so that 0 equals -0 and NaN equals NaN,
// dates by their time, binary data by their bytes, ObjectIDs, regular
// expressions and decimals by their text, custom types by name and JSON value,
// objects and lists by their members. A missing value equals nothing but a
// missing value. An invalid date does not equal another, as in JavaScript; but a
// document or list always equals one of the same bytes.

// Equal reports whether v and w are equal, with the keys of objects in the same
// order.
func (v Value) Equal(w Value) bool { return equal(v, w, true) }

// Same reports whether v and w are equal in the sense of EJSON.equals: the order
// of keys does not matter.
func (v Value) Same(w Value) bool { return equal(v, w, false) }

// Equal reports whether d and e hold equal values in the same order. A zero Doc
// equals an empty one.
func (d Doc) Equal(e Doc) bool { return d.s == e.s || sameObject(d.s, e.s, true) }

// Same reports whether d and e hold equal values, in any order.
func (d Doc) Same(e Doc) bool { return d.s == e.s || sameObject(d.s, e.s, false) }

// Equal reports whether a and b hold equal values.
func (a Array) Equal(b Array) bool { return a.s == b.s || sameList(a.s, b.s, true) }

// Same reports whether a and b hold equal values; the order of keys of objects
// in them does not matter.
func (a Array) Same(b Array) bool { return a.s == b.s || sameList(a.s, b.s, false) }

func equal(v, w Value, ordered bool) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case Number:
		a, b := v.Number(), w.Number()
		return a == b || a != a && b != b
	case Bool:
		return v.num == w.num
	case Date:
		return v.num == w.num && v.Millis() != invalidDate
	case Object:
		return v.s == w.s || sameObject(v.s, w.s, ordered)
	case List:
		return v.s == w.s || sameList(v.s, w.s, ordered)
	case CustomKind:
		if v.s == w.s {
			return true
		}
		t, a := v.Custom()
		u, b := w.Custom()
		return t == u && equal(a, b, ordered)
	}
	return v.s == w.s
}

// sameObject compares two runs that differ in their bytes.
func sameObject(a, b string, ordered bool) bool {
	t, in := open(a), newFinder(b)
	u := &in.t
	if t.n != u.n {
		return false
	}
	for i := range t.n {
		e := t.entry(i)
		name, lo := nameAt(a, int(e.off))
		v := view(a, e.tag(), lo, t.end(i))
		k := -1
		if ordered {
			if other, _, _, _ := u.field(i); other == name {
				k = i
			}
		} else {
			k = in.find(Name{s: name, want: e.meta & hashMask})
		}
		if k < 0 {
			return false
		}
		_, tag, lo, hi := u.field(k)
		if !equal(v, view(b, tag, lo, hi), ordered) {
			return false
		}
	}
	return true
}

func sameList(a, b string, ordered bool) bool {
	t, u := open(a), open(b)
	if t.n != u.n {
		return false
	}
	for i := range t.n {
		tag, lo, hi := t.element(i)
		tagB, loB, hiB := u.element(i)
		if !equal(view(a, tag, lo, hi), view(b, tagB, loB, hiB), ordered) {
			return false
		}
	}
	return true
}

// sameBytes is Same of two values that lie in runs. Equal bytes are the common
// case, and need no look inside.
func sameBytes(a string, tagA uint32, loA, hiA int, b string, tagB uint32, loB, hiB int) bool {
	if tagA == tagB && tagA != tagDate && a[loA:hiA] == b[loB:hiB] {
		return true
	}
	return equal(view(a, tagA, loA, hiA), view(b, tagB, loB, hiB), false)
}
