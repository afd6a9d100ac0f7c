package ejson

import (
	"fmt"
	"math"
)

// maxRawDepth bounds what FromRaw follows. It is far above MaxDepth, for
// documents can be put together to any depth, and what was saved must load.
const maxRawDepth = 10_000

// FromRaw returns the document of the bytes that [Doc.Raw] returned, and shares
// them. It checks everything, so that no byte that a disk has changed can make
// any later operation panic: it returns an error that wraps [ErrCorrupt]. It
// cannot notice a change that gives another valid document.
func FromRaw(raw string) (Doc, error) {
	var r RawReader
	if err := r.run(raw, true, false, 1, nil); err != nil {
		return Doc{}, err
	}
	return Doc{raw}, nil
}

// RawReader is [FromRaw] for many documents. It remembers names where they came, as
// a [Decoder] does: one that comes there again is compared with the one that was
// checked, and needs neither its hash nor a search for another of that name. That
// takes half of the time. The zero RawReader is ready; it is not for several
// goroutines at once.
type RawReader struct{ known shapes }

// FromRaw is like the function FromRaw.
func (r *RawReader) FromRaw(raw string) (Doc, error) {
	if err := r.run(raw, true, false, 1, &r.known.root); err != nil {
		return Doc{}, err
	}
	return Doc{raw}, nil
}

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

// run checks a run of a document, or of a list. Where plain is set it may hold only
// what JSON has. known is where the names of a document at this place are
// remembered; nil remembers nothing.
func (r *RawReader) run(s string, object, plain bool, depth int, known **shape) error {
	if depth > maxRawDepth {
		return corrupt("nested too deep")
	}
	if len(s) == 0 {
		return corrupt("no trailer")
	}
	if s[len(s)-1] == wideMark {
		if len(s) < 5 || uint64(le32(s, len(s)-5))*8 > uint64(len(s)-5) {
			return corrupt("table outside of the run")
		}
	} else if n := int(s[len(s)-1]); n > maxNarrow || 4*n > len(s)-1 {
		return corrupt("table outside of the run")
	}
	t := open(s)
	if t.wide == (t.n <= maxNarrow && t.at <= maxNarrowData) {
		return corrupt("run in the wrong form")
	}
	if t.n == 0 {
		if t.at != 0 {
			return corrupt("bytes in an empty run")
		}
		return nil
	}
	next := t.entry(0)
	if next.off != 0 {
		return corrupt("offset outside of the run")
	}
	var seen uint64 // as in a frame
	for i := range t.n {
		e := next
		if next = (entry{off: uint32(t.at)}); i+1 < t.n {
			next = t.entry(i + 1)
		}
		lo, hi, inner := int(e.off), int(next.off), known
		if lo > hi || hi > t.at || e.meta&offsetMask != 0 {
			return corrupt("offset outside of the run")
		}
		if !object {
			if e.meta&hashMask != 0 {
				return corrupt("name in a list")
			}
		} else if n := matchField(known, s, lo, hi, e.meta&hashMask); n != nil {
			lo, seen, inner, known = lo+len(n.field), n.seen, &n.inner, &n.next
		} else {
			n, end, err := r.name(&t, i, hi, &seen, known)
			if err != nil {
				return err
			}
			if lo, inner, known = end, nil, nil; n != nil {
				inner, known = &n.inner, &n.next
			}
		}
		ok := true
		switch tag := e.tag(); tag {
		case tagString:
		case tagInt:
			ok = hi-lo == 4
		case tagNull, tagFalse, tagTrue:
			ok = hi == lo
		case tagObject, tagList:
			if err := r.run(s[lo:hi], tag == tagObject, plain, depth+1, inner); err != nil {
				return err
			}
		default:
			if err := r.value(s[lo:hi], tag, plain, depth); err != nil {
				return err
			}
		}
		if !ok {
			return errForm
		}
	}
	if object && t.n > manyFields {
		return checkNames(&t)
	}
	return nil
}

// matchField returns the shape of the name that the field in s[lo:hi] begins with, or
// nil.
func matchField(place **shape, s string, lo, hi int, hash uint32) *shape {
	if place == nil || lo+8 > len(s) {
		return nil
	}
	x := le64(s, lo)
	for n := *place; n != nil; n = n.other {
		if n.hash != hash || (x^n.front)&n.frontMask != 0 || len(n.field) > hi-lo {
			continue
		}
		if len(n.field) <= 8 || s[lo+8:lo+len(n.field)] == n.field[8:] {
			return n
		}
	}
	return nil
}

// name checks the name of field i, which ends at hi, and that it is not among those
// before it. It returns where the name ends and the shape that stands for it from now
// on, if any.
func (r *RawReader) name(t *table, i, hi int, seen *uint64, known **shape) (n *shape, end int, err error) {
	e := t.entry(i)
	if end, err = checkName(t.s, int(e.off), hi); err != nil {
		return nil, 0, err
	}
	name, _ := nameAt(t.s, int(e.off))
	hash := e.meta & hashMask
	if hashName(name) != hash {
		return nil, 0, corrupt("name and hash differ")
	}
	if t.n > manyFields {
		return nil, end, nil // checkNames will look at all of them
	}
	bit := uint64(1) << (hash >> 21 & 63)
	if *seen&bit != 0 && t.find(Name{s: name, want: hash}) != i {
		return nil, 0, corrupt("two fields of one name")
	}
	*seen |= bit
	if known != nil {
		n = r.known.learn(known, name, hash, *seen)
	}
	return n, end, nil
}

// checkNames looks for fields of one name in a document of many.
func checkNames(t *table) error {
	names := make(map[string]struct{}, t.n)
	for i := range t.n {
		name, _, _, _ := t.field(i)
		names[name] = struct{}{}
	}
	if len(names) != t.n {
		return corrupt("two fields of one name")
	}
	return nil
}

// checkName checks the name in s[lo:hi] and returns where it ends.
func checkName(s string, lo, hi int) (int, error) {
	if lo >= hi {
		return 0, corrupt("field without a name")
	}
	n := int(s[lo])
	lo++
	if n == longName {
		if lo+4 > hi {
			return 0, corrupt("name outside of its field")
		}
		n = int(le32(s, lo))
		if lo += 4; n < longName {
			return 0, corrupt("name in the wrong form")
		}
	}
	if n > hi-lo {
		return 0, corrupt("name outside of its field")
	}
	return lo + n, nil
}

var errForm = corrupt("value of the wrong form")

// value checks a value in a run.
func (r *RawReader) value(s string, tag uint32, plain bool, depth int) error {
	ok := true
	switch tag {
	case tagNull, tagFalse, tagTrue:
		ok = s == ""
	case tagInt:
		ok = len(s) == 4
	case tagFloat:
		if ok = len(s) == 8; ok {
			f := math.Float64frombits(le64(s, 0))
			ok = !fitsInt(f) && (f == f || le64(s, 0) == math.Float64bits(math.NaN()))
		}
	case tagObject, tagList:
		return r.run(s, tag == tagObject, plain, depth+1, nil)
	case tagString:
	case tagBinary, tagDecimal:
		ok = !plain
	case tagOID:
		ok = len(s) == 13 && s[0] == oidMark && !plain
	case tagDate:
		if ok = len(s) == 8 && !plain; ok {
			ms := int64(le64(s, 0))
			ok = DateValue(ms).Millis() == ms
		}
	case tagRegexp:
		if ok = len(s) > 0 && int(s[0]) < len(s) && !plain; ok {
			flags := s[1 : 1+int(s[0])]
			ok = cleanFlags(flags) == flags
		}
	case tagCustom:
		at, err := checkName(s, 0, len(s))
		if err != nil || at >= len(s) || plain {
			return corrupt("custom type without a value")
		}
		return r.value(s[at+1:], uint32(s[at]), true, depth+1)
	default:
		return corrupt("unknown tag")
	}
	if !ok {
		return errForm
	}
	return nil
}
