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
	if err := checkRun(raw, true, false, 1); err != nil {
		return Doc{}, err
	}
	return Doc{raw}, nil
}

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

// checkRun checks a run of a document, or of a list. Where plain is set it may
// hold only what JSON has.
func checkRun(s string, object, plain bool, depth int) error {
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
	if t.n == 0 && t.at != 0 {
		return corrupt("bytes in an empty run")
	}
	var seen uint64
	for i := range t.n {
		e := t.entry(i)
		lo, hi := int(e.off), t.end(i)
		if i == 0 && lo != 0 || lo > hi || hi > t.at || e.meta&offsetMask != 0 {
			return corrupt("offset outside of the run")
		}
		if object {
			var err error
			if lo, err = checkName(s, lo, hi); err != nil {
				return err
			}
			name, _ := nameAt(s, int(e.off))
			if hashName(name) != e.meta&hashMask {
				return corrupt("name and hash differ")
			}
			bit := uint64(1) << (e.meta >> 21 & 63)
			if seen&bit != 0 && t.n <= manyFields && t.find(Name{s: name, want: e.meta & hashMask}) != i {
				return corrupt("two fields of one name")
			}
			seen |= bit
		} else if e.meta&hashMask != 0 {
			return corrupt("name in a list")
		}
		if err := checkValue(s[lo:hi], e.tag(), plain, depth); err != nil {
			return err
		}
	}
	if object && t.n > manyFields {
		return checkNames(&t)
	}
	return nil
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

func checkValue(s string, tag uint32, plain bool, depth int) error {
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
		return checkRun(s, tag == tagObject, plain, depth+1)
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
		return checkValue(s[at+1:], uint32(s[at]), true, depth+1)
	default:
		return corrupt("unknown tag")
	}
	if !ok {
		return corrupt("value of the wrong form")
	}
	return nil
}
