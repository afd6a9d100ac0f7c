package ejson

import (
	"math"
	"math/bits"
)

// Format is the number of the byte format of [Doc.Raw]. A file that keeps raw
// documents keeps this number with them.
const Format = 1

// A run is a finished container, a document or a list:
//
//	fields   for each: the length of its name, its name, its value
//	         (an element of a list: its value alone)
//	table    for each: one word of offset, tag and hash of the name
//	trailer  the number of fields, in one byte
//
// The table stands behind what it describes, so that a run is written in one
// pass, and a nested run in its place inside the outer one. A value ends where
// the next field begins, or at the table. All integers are little-endian.
//
// A word is offset (16 bits), tag (5), hash (11). Where the fields take more than
// 64 KiB or there are more than maxNarrow of them, the run is wide: an entry is two
// words, the offset and then tag and hash, the count takes four bytes, and behind
// it stands wideMark.
//
// The form is canonical: equal values in equal order give equal bytes, but for
// 0 and -0.
const (
	offsetMask = 0xffff
	tagShift   = 16
	tagMask    = 0x1f
	hashMask   = 0xffe00000

	maxNarrow     = 250
	maxNarrowData = 0xffff
	wideMark      = 0xff
	longName      = 0xff // this length means: four bytes of length follow

	emptyRun = "\x00"
)

// The tags of values, and what their bytes are.
const (
	tagNull    uint32 = iota // nothing
	tagFalse                 // nothing
	tagTrue                  // nothing
	tagInt                   // int32: every number that it holds, except -0
	tagFloat                 // float64
	tagString                // WTF-8
	tagObject                // a run
	tagList                  // a run
	tagBinary                // the bytes
	tagOID                   // oidMark and 12 bytes, which is also the form of an ID
	tagDate                  // int64, milliseconds since 1970; invalidDate
	tagRegexp                // length of flags, flags, source
	tagDecimal               // the text
	tagCustom                // length of type, type, tag of value, value
	tagEnd
)

var kindOf = [tagMask + 1]Kind{
	tagNull: Null, tagFalse: Bool, tagTrue: Bool, tagInt: Number, tagFloat: Number,
	tagString: String, tagObject: Object, tagList: List, tagBinary: Binary, tagOID: OID,
	tagDate: Date, tagRegexp: RegexpKind, tagDecimal: DecimalKind, tagCustom: CustomKind,
}

// entry is a word of the table, in the wide form.
type entry struct {
	off  uint32 // of the field from the start of the run
	meta uint32 // tag << tagShift | hash
}

func (e entry) tag() uint32 { return e.meta >> tagShift & tagMask }

// table is an opened run.
type table struct {
	s    string
	n    int // fields
	at   int // where the table begins, and the fields end
	wide bool
}

// open reads the trailer of a run. The run "" of a zero Doc or Array is empty.
func open(s string) table {
	if len(s) == 0 {
		return table{}
	}
	last := len(s) - 1
	if c := s[last]; c != wideMark {
		return table{s: s, n: int(c), at: last - 4*int(c)}
	}
	n := int(le32(s, last-4))
	return table{s: s, n: n, at: last - 4 - 8*n, wide: true}
}

func (t *table) entry(i int) entry {
	if !t.wide {
		w := le32(t.s, t.at+4*i)
		return entry{off: w & offsetMask, meta: w &^ offsetMask}
	}
	return entry{off: le32(t.s, t.at+8*i), meta: le32(t.s, t.at+8*i+4)}
}

// end returns where field i ends.
func (t *table) end(i int) int {
	if i+1 == t.n {
		return t.at
	}
	if !t.wide {
		return int(le32(t.s, t.at+4*i+4) & offsetMask)
	}
	return int(le32(t.s, t.at+8*i+8))
}

// field returns the name of field i of a document, its entry, and where its
// value lies.
func (t *table) field(i int) (name string, tag uint32, lo, hi int) {
	e := t.entry(i)
	name, lo = nameAt(t.s, int(e.off))
	return name, e.tag(), lo, t.end(i)
}

// element returns where element i of a list lies.
func (t *table) element(i int) (tag uint32, lo, hi int) {
	e := t.entry(i)
	return e.tag(), int(e.off), t.end(i)
}

// nameAt reads the name at off, and returns where the value begins.
func nameAt(s string, off int) (name string, value int) {
	n := int(s[off])
	off++
	if n == longName {
		n = int(le32(s, off))
		off += 4
	}
	return s[off : off+n], off + n
}

// hashName returns the bits of an entry that tell names apart. It looks at the
// ends and the length of a name only; a reader compares the name afterwards.
func hashName(s string) uint32 {
	var h uint64
	switch n := len(s); {
	case n > 8:
		h = le64(s, 0) ^ bits.RotateLeft64(le64(s, n-8), 29)
	case n >= 4:
		h = uint64(le32(s, 0)) | uint64(le32(s, n-4))<<32
	case n > 0:
		h = uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	h = (h ^ uint64(len(s))) * 0x9e3779b97f4a7c15
	return uint32(h>>32) & hashMask
}

// le32 and le64 compile to one load each.
func le32(s string, i int) uint32 {
	s = s[i : i+4]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// fitsInt reports whether f is kept as tagInt.
func fitsInt(f float64) bool {
	return f == float64(int32(f)) && (f != 0 || !math.Signbit(f))
}

// view returns the value that lies in s[lo:hi].
func view(s string, tag uint32, lo, hi int) Value {
	switch tag {
	case tagString:
		return Value{kind: String, s: s[lo:hi]}
	case tagInt:
		return Value{kind: Number, num: math.Float64bits(float64(int32(le32(s, lo))))}
	case tagFloat:
		return Value{kind: Number, num: le64(s, lo)}
	case tagDate:
		return Value{kind: Date, num: le64(s, lo)}
	case tagNull, tagFalse, tagTrue:
		return Value{kind: kindOf[tag], num: uint64(tag) >> 1}
	}
	return Value{kind: kindOf[tag&tagMask], s: s[lo:hi]}
}
