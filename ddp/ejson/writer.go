package ejson

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync"
)

// writer makes runs. Everything that builds a document builds it here: the
// decoder, the builders, From, and the operations on documents.
type writer struct {
	buf  []byte  // what has been written; finished runs lie inside open ones
	ents []entry // the entries of the open containers, innermost last
}

// frame is an open container of a writer.
type frame struct {
	start int    // of its run in buf
	base  int    // of its entries in ents
	seen  uint64 // one bit for some hashes of names, to find duplicates
	dup   bool   // two names are equal
}

// manyFields is the size from which duplicates are looked for once, by sorting,
// and not name by name.
const manyFields = 64

// writers lends writers to what makes one document and keeps none.
var writers = sync.Pool{New: func() any { return new(writer) }}

// release gives w back, unless one huge document has made it huge.
func (w *writer) release() {
	if cap(w.buf) <= 1<<20 && cap(w.ents) <= 1<<16 {
		w.reset()
		writers.Put(w)
	}
}

func (w *writer) reset() {
	w.buf, w.ents = w.buf[:0], w.ents[:0]
}

func (w *writer) open() frame {
	return frame{start: len(w.buf), base: len(w.ents)}
}

// name begins a field.
func (w *writer) name(f *frame, name string) {
	h := hashName(name)
	bit := uint64(1) << (h >> 21 & 63)
	if f.seen&bit != 0 && len(w.ents)-f.base <= manyFields && w.find(f, h, name) >= 0 {
		f.dup = true
	}
	f.seen |= bit
	w.fresh(f, name, h)
}

// fresh begins a field whose name is not in the frame yet.
func (w *writer) fresh(f *frame, name string, hash uint32) {
	w.ents = append(w.ents, entry{off: uint32(len(w.buf) - f.start), meta: hash})
	w.buf = appendName(w.buf, name)
}

// find returns the place in ents of an earlier field of that name, or -1.
func (w *writer) find(f *frame, hash uint32, name string) int {
	for i := f.base; i < len(w.ents); i++ {
		if w.ents[i].meta&hashMask != hash {
			continue
		}
		if n, _ := nameAt(peek(w.buf), f.start+int(w.ents[i].off)); n == name {
			return i
		}
	}
	return -1
}

// element begins an element of a list.
func (w *writer) element(f *frame) {
	w.ents = append(w.ents, entry{off: uint32(len(w.buf) - f.start)})
}

// tag ends a field or an element: its value has been written.
func (w *writer) tag(tag uint32) {
	w.ents[len(w.ents)-1].meta |= tag << tagShift
}

// close ends a container, and leaves its run in buf[f.start:].
func (w *writer) close(f *frame) {
	if f.dup || f.seen != 0 && len(w.ents)-f.base > manyFields {
		w.dropDuplicates(f)
	}
	w.finish(f)
}

// finish writes table and trailer.
func (w *writer) finish(f *frame) {
	ents := w.ents[f.base:]
	n, size := len(ents), len(w.buf)-f.start
	if n <= maxNarrow && size <= maxNarrowData {
		at := len(w.buf)
		if cap(w.buf)-at <= 4*n {
			w.buf = slices.Grow(w.buf, 4*n+1)
		}
		w.buf = w.buf[:at+4*n+1]
		table := w.buf[at:]
		for i, e := range ents {
			binary.LittleEndian.PutUint32(table[4*i:], e.off|e.meta)
		}
		table[4*n] = byte(n)
	} else {
		if uint64(size) > math.MaxUint32 {
			panic("ejson: a document of more than 4 GiB")
		}
		for _, e := range ents {
			w.buf = binary.LittleEndian.AppendUint32(w.buf, e.off)
			w.buf = binary.LittleEndian.AppendUint32(w.buf, e.meta)
		}
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(n))
		w.buf = append(w.buf, wideMark)
	}
	w.ents = w.ents[:f.base]
}

// dropDuplicates leaves, of fields of one name, the value of the last at the
// place of the first.
func (w *writer) dropDuplicates(f *frame) {
	ents, data := w.ents[f.base:], peek(w.buf[f.start:])
	nameOf := func(i int) string { n, _ := nameAt(data, int(ents[i].off)); return n }
	order := make([]int, len(ents))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return strings.Compare(nameOf(i), nameOf(j)) })
	last := make([]int, len(ents)) // for the first of a name its last, else -1
	unique := 0
	for i := 0; i < len(order); unique++ {
		j := i + 1
		for j < len(order) && nameOf(order[j]) == nameOf(order[i]) {
			last[order[j]] = -1
			j++
		}
		last[order[i]] = order[j-1]
		i = j
	}
	if unique == len(ents) {
		return
	}
	var kept []byte
	table := make([]entry, 0, unique)
	for i, k := range last {
		if k < 0 {
			continue
		}
		end := len(data)
		if k+1 < len(ents) {
			end = int(ents[k+1].off)
		}
		table = append(table, entry{off: uint32(len(kept)), meta: ents[k].meta})
		kept = appendName(kept, nameOf(i))
		_, value := nameAt(data, int(ents[k].off))
		kept = append(kept, data[value:end]...)
	}
	w.buf = append(w.buf[:f.start], kept...)
	w.ents = append(w.ents[:f.base], table...)
}

// value writes the bytes of v and returns its tag. Missing is written as null.
func (w *writer) value(v Value) uint32 {
	switch v.kind {
	case Bool:
		return tagFalse + uint32(v.num)
	case Number:
		return w.number(v.Number())
	case Date:
		w.buf = binary.LittleEndian.AppendUint64(w.buf, v.num)
		return tagDate
	case Missing, Null:
		return tagNull
	case Object, List:
		if v.s == "" {
			v.s = emptyRun
		}
	}
	w.buf = append(w.buf, v.s...)
	return tagOf[v.kind]
}

// tagOf is the tag of the kinds that are kept as they are in a Value.
var tagOf = [CustomKind + 1]uint32{
	String: tagString, Object: tagObject, List: tagList, Binary: tagBinary, OID: tagOID,
	RegexpKind: tagRegexp, DecimalKind: tagDecimal, CustomKind: tagCustom,
}

func (w *writer) number(f float64) uint32 {
	if fitsInt(f) {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(int32(f)))
		return tagInt
	}
	if f != f {
		f = math.NaN() // one NaN, so that equal documents have equal bytes
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, math.Float64bits(f))
	return tagFloat
}

func appendName(b []byte, name string) []byte {
	if len(name) >= longName {
		b = binary.LittleEndian.AppendUint32(append(b, longName), uint32(len(name)))
		return append(b, name...)
	}
	at := len(b)
	if cap(b)-at <= len(name) {
		b = slices.Grow(b, len(name)+1)
	}
	b = b[:at+1+len(name)]
	b[at] = byte(len(name))
	copy(b[at+1:], name)
	return b
}
