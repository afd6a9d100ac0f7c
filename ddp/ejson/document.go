package ejson

import (
	"iter"
	"strconv"
	"strings"
)

// Doc is an immutable, ordered document. The zero Doc says that there is no
// document; it reads as an empty one. A Doc is one string inside: comparing two
// with == asks whether they have the same bytes, see [Doc.Equal].
type Doc struct{ s string }

// Field is one named value of a document.
type Field struct {
	Name  string
	Value any
}

// Make returns a document of the given fields, in their order; of equal names
// the last value counts. It panics on a value that is not an EJSON value; use
// [From] for values that come from outside.
func Make(fields ...Field) Doc {
	w := writers.Get().(*writer)
	defer w.release()
	f := w.open()
	for _, field := range fields {
		w.name(&f, field.Name)
		tag, err := w.any(field.Value, 1)
		if err != nil {
			panic(under(err, field.Name))
		}
		w.tag(tag)
	}
	w.close(&f)
	return Doc{string(w.buf)}
}

// IsZero reports whether d is the zero Doc: no document. An empty document that
// was made, parsed or emptied is not zero.
func (d Doc) IsZero() bool { return d.s == "" }

// Len returns the number of top-level fields.
func (d Doc) Len() int {
	t := open(d.s)
	return t.n
}

// Size returns the number of bytes that d takes, in memory and on disk.
func (d Doc) Size() int { return len(d.s) }

// At returns field i, in document order. It panics unless 0 <= i < Len.
func (d Doc) At(i int) (name string, v Value) {
	t := open(d.s)
	if uint(i) >= uint(t.n) {
		panic("ejson: field " + strconv.Itoa(i) + " of a document of " + strconv.Itoa(t.n))
	}
	name, tag, lo, hi := t.field(i)
	return name, view(d.s, tag, lo, hi)
}

// Fields yields the fields in document order. Nothing is copied.
func (d Doc) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		t := open(d.s)
		for i := range t.n {
			name, tag, lo, hi := t.field(i)
			if !yield(name, view(d.s, tag, lo, hi)) {
				return
			}
		}
	}
}

// All yields the fields in document order, as Go values: see [Value.Any].
func (d Doc) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for name, v := range d.Fields() {
			if !yield(name, v.Any()) {
				return
			}
		}
	}
}

// Name is the name of a field, prepared to be looked up many times. The zero
// Name finds nothing.
type Name struct {
	s    string
	want uint32 // its hash
	// A field begins with the length of its name and the name. These are the
	// first eight bytes of one of this name, and which of them are that.
	head, mask uint64
}

// NameOf prepares a name. Dots have no meaning in it.
func NameOf(field string) Name {
	n := Name{s: field, want: hashName(field)}
	var head uint64
	switch k := len(field); {
	case k >= 8:
		head = le64(field, 0)
	case k >= 4:
		head = uint64(le32(field, 0)) | uint64(le32(field, k-4))<<(8*k-32)
	case k > 0:
		head = uint64(field[0]) | uint64(field[k/2])<<(8*(k/2)) | uint64(field[k-1])<<(8*k-8)
	}
	if len(field) < longName {
		n.head = head<<8 | uint64(len(field))
		n.mask = 1<<(8+8*min(len(field), 7)) - 1
	}
	return n
}

// String returns the name.
func (n Name) String() string { return n.s }

// Lookup returns a top-level field, and Missing where there is none. It does not
// allocate.
func (d Doc) Lookup(n Name) Value {
	s := d.s
	last := len(s) - 1
	if last < 0 {
		return Value{}
	}
	c := int(s[last])
	if c == wideMark || n.mask == 0 {
		return d.lookupSlow(n)
	}
	at := last - 4*c
	for p := at; p < last; p += 4 {
		w := le32(s, p)
		if (w^n.want)&hashMask != 0 {
			continue
		}
		off := int(w & offsetMask)
		lo := off + 1 + len(n.s)
		if off+8 <= len(s) {
			if (le64(s, off)^n.head)&n.mask != 0 || len(n.s) > 7 && s[off+8:lo] != n.s[7:] {
				continue
			}
		} else if int(s[off]) != len(n.s) || s[off+1:lo] != n.s {
			continue
		}
		hi := at
		if p+4 < last {
			hi = int(le32(s, p+4) & offsetMask)
		}
		return view(s, w>>tagShift&tagMask, lo, hi)
	}
	return Value{}
}

func (d Doc) lookupSlow(n Name) Value {
	t := open(d.s)
	if i := t.find(n); i >= 0 {
		_, tag, lo, hi := t.field(i)
		return view(d.s, tag, lo, hi)
	}
	return Value{}
}

// find returns the place of a field, or -1. It needs only s and want of n. Who
// looks for many fields takes a finder.
func (t *table) find(n Name) int {
	shift := 2
	meta := t.at
	if t.wide {
		shift, meta = 3, t.at+4
	}
	for i := range t.n {
		if (le32(t.s, meta+i<<shift)^n.want)&hashMask == 0 {
			if name, _ := nameAt(t.s, int(t.entry(i).off)); name == n.s {
				return i
			}
		}
	}
	return -1
}

// Field is Lookup of a name that is used once.
func (d Doc) Field(name string) Value { return d.Lookup(NameOf(name)) }

// Get returns the value at a dotted path; list positions count as names. ok
// reports whether there is one.
func (d Doc) Get(path string) (v any, ok bool) {
	at := d.Path(path)
	return at.Any(), !at.IsMissing()
}

// Path returns the value at a dotted path, and Missing where there is none; list
// positions count as names.
func (d Doc) Path(path string) Value {
	v := d.Value()
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ".")
		switch v.kind {
		case Object:
			v = v.Doc().Field(name)
		case List:
			i, ok := position(name)
			if !ok || i >= v.Array().Len() {
				return Value{}
			}
			v = v.Array().At(i)
		default:
			return Value{}
		}
	}
	return v
}

// position reads a list position: digits, without a leading zero.
func position(name string) (int, bool) {
	if name == "" || len(name) > 9 || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

var idName = NameOf("_id")

// ID returns the _id field, and the zero ID where there is none, or one that
// cannot be an id. A string id shares memory with d; see [ID.Clone].
func (d Doc) ID() ID {
	id, err := IDOf(d.Lookup(idName))
	if err != nil {
		return ID{}
	}
	return id
}

// HasID reports whether the _id of d is id: whether d.ID() == id. Where the _id is
// a string and comes first, as it does in a store, the two ends of the document
// are fetched from memory at the same time, and not one after the other.
func (d Doc) HasID(id ID) bool {
	s, n := d.s, len(id.s)
	const head = "\x03_id"
	if n == 0 || id.s[0] >= stringMark || len(s) < len(head)+n || s[:len(head)] != head || s[len(head):len(head)+n] != id.s {
		return d.ID() == id
	}
	// The bytes are those. Are they the value, and all of it?
	last := len(s) - 1
	c := int(s[last])
	if c == wideMark || c == 0 {
		return d.ID() == id
	}
	end := last - 4*c
	w := le32(s, end)
	if c > 1 {
		end = int(le32(s, end+4) & offsetMask)
	}
	return w == idName.want|tagString<<tagShift && end == len(head)+n
}

// Raw returns the bytes of d in the private format, for a file. They are
// immutable and stay good, in every process that has the same [Format].
func (d Doc) Raw() string { return d.s }
