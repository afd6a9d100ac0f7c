package ejson

import (
	"iter"
	"strconv"
)

// Array is an immutable list of values. The zero Array is empty.
type Array struct{ s string }

// MakeArray returns a list of Go values. It panics on one that is not an EJSON
// value; use [ValueOf] for values that come from outside.
func MakeArray(xs ...any) Array {
	if xs == nil {
		return Array{emptyRun}
	}
	var w writer
	if _, err := w.list(xs, 0); err != nil {
		panic(err)
	}
	return Array{freeze(w.buf)}
}

// ArrayOf returns a list of values. Missing becomes null.
func ArrayOf(vs ...Value) Array {
	size := 0
	for _, v := range vs {
		size += sizeOf(v)
	}
	w := newSplicer(len(vs), size)
	for _, v := range vs {
		w.element(v)
	}
	return Array{w.run()}
}

// Len returns the number of elements.
func (a Array) Len() int {
	if n := len(a.s); n > 0 {
		if c := a.s[n-1]; c != wideMark {
			return int(c)
		}
		return int(le32(a.s, n-5))
	}
	return 0
}

// At returns element i. It panics unless 0 <= i < Len.
func (a Array) At(i int) Value {
	s, n := a.s, a.Len()
	if uint(i) >= uint(n) {
		panic("ejson: element " + strconv.Itoa(i) + " of a list of " + strconv.Itoa(n))
	}
	last := len(s) - 1
	if s[last] == wideMark {
		t := open(s)
		tag, lo, hi := t.element(i)
		return view(s, tag, lo, hi)
	}
	at := last - 4*n
	p := at + 4*i
	w := le32(s, p)
	hi := at
	if p+4 < last {
		hi = int(le32(s, p+4) & offsetMask)
	}
	return view(s, w>>tagShift&tagMask, int(w&offsetMask), hi)
}

// All yields the positions and elements. Nothing is copied.
func (a Array) All() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		t := open(a.s)
		for i := range t.n {
			tag, lo, hi := t.element(i)
			if !yield(i, view(a.s, tag, lo, hi)) {
				return
			}
		}
	}
}

// Builder makes documents field by field. The zero Builder is ready for use, and
// is ready again after Reset. It must not be copied once used.
type Builder struct {
	w    writer
	f    frame
	done bool
}

// Reset forgets the fields, and keeps the memory.
func (b *Builder) Reset() {
	b.w.reset()
	b.f, b.done = frame{}, false
}

// Add adds a field, or replaces the value of an earlier one of that name, which
// keeps its place. Missing adds nothing. After Doc it begins anew.
func (b *Builder) Add(name string, v Value) {
	if b.done {
		b.Reset()
	}
	if v.IsMissing() {
		return
	}
	b.w.name(&b.f, name)
	b.w.tag(b.w.value(v))
}

// Doc returns the document of the fields that were added.
func (b *Builder) Doc() Doc {
	if !b.done {
		b.w.close(&b.f)
		b.done = true
	}
	return Doc{string(b.w.buf)}
}

// ListBuilder makes lists element by element. The zero ListBuilder is ready for
// use, and is ready again after Reset. It must not be copied once used.
type ListBuilder struct {
	w    writer
	f    frame
	done bool
}

// Reset forgets the elements, and keeps the memory.
func (b *ListBuilder) Reset() {
	b.w.reset()
	b.f, b.done = frame{}, false
}

// Append adds an element. Missing becomes null. After Array it begins anew.
func (b *ListBuilder) Append(v Value) {
	if b.done {
		b.Reset()
	}
	b.w.element(&b.f)
	b.w.tag(b.w.value(v))
}

// Len returns the number of elements that were added since Reset.
func (b *ListBuilder) Len() int {
	if b.done {
		return 0
	}
	return len(b.w.ents)
}

// Array returns the list of the elements that were added.
func (b *ListBuilder) Array() Array {
	if !b.done {
		b.w.close(&b.f)
		b.done = true
	}
	return Array{string(b.w.buf)}
}
