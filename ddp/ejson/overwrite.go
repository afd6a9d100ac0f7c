package ejson

import (
	"encoding/binary"
	"math"
	"slices"
)

// Overwrite returns d with another value at a path of names that leads through
// documents only, where the new value takes the room of the old: a number for a
// number that is kept alike, a date for a date, a boolean for a boolean, and for
// what is kept as bytes the same kind of the same length. That is one copy and a
// poke, however deep the value lies, in two thirds of the time that one
// [Doc.WithValue] takes. ok is false, and d is returned, for all others.
func (d Doc) Overwrite(path []Name, v Value) (out Doc, ok bool) {
	run, base := d.s, 0 // run is what begins at base in d
	for k := range path {
		t := open(run)
		i := t.find(path[k])
		if i < 0 {
			return d, false
		}
		_, tag, lo, hi := t.field(i)
		if k < len(path)-1 {
			if tag != tagObject {
				return d, false
			}
			run, base = run[lo:hi], base+lo
			continue
		}
		return d.poke(v, tag, base+lo, base+hi, base+t.meta(i))
	}
	return d, false
}

// meta returns where the tag and the hash of entry i are.
func (t *table) meta(i int) int {
	if t.wide {
		return t.at + 8*i + 4
	}
	return t.at + 4*i
}

// poke overwrites the value of a tag at d.s[lo:hi], whose entry is at meta.
func (d Doc) poke(v Value, tag uint32, lo, hi, meta int) (Doc, bool) {
	f, now := v.Number(), tag
	switch {
	case v.kind == Number && tag == tagInt && fitsInt(f):
	case v.kind == Number && tag == tagFloat && !fitsInt(f):
		if f != f {
			v.num = math.Float64bits(math.NaN())
		}
	case v.kind == Date && tag == tagDate:
	case v.kind == Bool && (tag == tagFalse || tag == tagTrue):
		now = tagFalse + uint32(v.num)
	case v.kind == kindOf[tag] && v.kind != Number && len(v.s) == hi-lo:
	default:
		return d, false
	}
	buf := make([]byte, len(d.s))
	copy(buf, d.s)
	switch tag {
	case tagInt:
		binary.LittleEndian.PutUint32(buf[lo:], uint32(int32(f)))
	case tagFloat, tagDate:
		binary.LittleEndian.PutUint64(buf[lo:], v.num)
	case tagFalse, tagTrue:
		w := binary.LittleEndian.Uint32(buf[meta:])
		binary.LittleEndian.PutUint32(buf[meta:], w&^(tagMask<<tagShift)|now<<tagShift)
	default:
		copy(buf[lo:], v.s)
	}
	return Doc{freeze(buf)}, true
}

// FieldValue is one field for [Doc.WithFields].
type FieldValue struct {
	Name  Name
	Value Value // Missing takes the field away
}

// WithFields returns d with several top-level fields set or taken away: what
// [Doc.WithValue] gives for one after the other, in one pass and one allocation
// (one for every sixty-four, if there are more). New names go last, in the order of
// sets.
func (d Doc) WithFields(sets []FieldValue) Doc {
	var room [8]edit
	edits := room[:0]
	in := newFinder(d.s)
	for k, set := range sets {
		e := edit{at: in.find(set.Name), v: set.Value}
		if e.at < 0 {
			e.at, e.name = in.t.n, set.Name
		}
		again := func(o edit) bool { return o.at == e.at && o.name.s == e.name.s }
		if k > 0 && (k == manyFields || slices.ContainsFunc(edits, again)) {
			return d.WithFields(sets[:k]).WithFields(sets[k:])
		}
		if e.at < in.t.n || !e.v.IsMissing() {
			edits = append(edits, e)
		}
	}
	if len(edits) == 0 {
		return d.made()
	}
	return d.splice(inOrder(edits, in.t.n))
}
