package ejson

import (
	"encoding/binary"
	"math"
)

// splicer writes a run whose number of fields and size are known beforehand,
// into one allocation that becomes the run: fields from the front, their entries
// into the table at the same time. It takes two thirds of the time and half of
// the memory that a writer would.
type splicer struct {
	out  []byte
	p    int // where the next field goes
	t    int // where its entry goes
	wide bool
}

// newSplicer returns a splicer for n fields that take size bytes.
func newSplicer(n, size int) splicer {
	s := splicer{t: size}
	if n <= maxNarrow && size <= maxNarrowData {
		s.out = make([]byte, size+4*n+1)
		s.out[len(s.out)-1] = byte(n)
		return s
	}
	if uint64(size) > math.MaxUint32 {
		panic("ejson: a document of more than 4 GiB")
	}
	s.wide = true
	s.out = make([]byte, size+8*n+5)
	binary.LittleEndian.PutUint32(s.out[len(s.out)-5:], uint32(n))
	s.out[len(s.out)-1] = wideMark
	return s
}

func (s *splicer) run() string { return freeze(s.out) }

func (s *splicer) entry(off int, meta uint32) {
	if !s.wide {
		binary.LittleEndian.PutUint32(s.out[s.t:], uint32(off)|meta)
		s.t += 4
		return
	}
	binary.LittleEndian.PutUint32(s.out[s.t:], uint32(off))
	binary.LittleEndian.PutUint32(s.out[s.t+4:], meta)
	s.t += 8
}

// fields copies the fields i to j of t.
func (s *splicer) fields(t *table, i, j int) {
	if i >= j {
		return
	}
	lo, hi := int(t.entry(i).off), t.end(j-1)
	delta := s.p - lo
	s.p += copy(s.out[s.p:], t.s[lo:hi])
	if !t.wide && !s.wide {
		for ; i < j; i++ {
			w := le32(t.s, t.at+4*i)
			binary.LittleEndian.PutUint32(s.out[s.t:], w+uint32(delta))
			s.t += 4
		}
		return
	}
	for ; i < j; i++ {
		e := t.entry(i)
		s.entry(int(e.off)+delta, e.meta)
	}
}

func (s *splicer) field(n Name, v Value) {
	off := s.p
	if len(n.s) < longName {
		s.out[s.p] = byte(len(n.s))
		s.p++
	} else {
		s.out[s.p] = longName
		binary.LittleEndian.PutUint32(s.out[s.p+1:], uint32(len(n.s)))
		s.p += 5
	}
	s.p += copy(s.out[s.p:], n.s)
	s.entry(off, n.want|s.value(v)<<tagShift)
}

func (s *splicer) element(v Value) {
	off := s.p
	s.entry(off, s.value(v)<<tagShift)
}

// value is writer.value.
func (s *splicer) value(v Value) uint32 {
	switch v.kind {
	case Bool:
		return tagFalse + uint32(v.num)
	case Number:
		f := v.Number()
		if fitsInt(f) {
			binary.LittleEndian.PutUint32(s.out[s.p:], uint32(int32(f)))
			s.p += 4
			return tagInt
		}
		if f != f {
			f = math.NaN()
		}
		binary.LittleEndian.PutUint64(s.out[s.p:], math.Float64bits(f))
		s.p += 8
		return tagFloat
	case Date:
		binary.LittleEndian.PutUint64(s.out[s.p:], v.num)
		s.p += 8
		return tagDate
	case Missing, Null:
		return tagNull
	case Object, List:
		if v.s == "" {
			v.s = emptyRun
		}
	}
	s.p += copy(s.out[s.p:], v.s)
	return tagOf[v.kind]
}
