package ejson

import "sync/atomic"

// Place is a Name that remembers where it was found last. The documents of a
// collection mostly have the same fields in the same order: then it is found
// there again, at the price of the first field, however many there are. A Place
// is made by [PlaceOf], not copied, and safe for use by several goroutines.
type Place struct {
	name Name
	at   atomic.Uint32 // the place, and in the upper half how often it has changed
}

// A Place that changes more often stays as it is: where shapes are mixed, writing
// it down each time would cost more than it saves.
const maxPlaceChanges = 1 << 10

// PlaceOf returns the Place of a name. Dots have no meaning in it.
func PlaceOf(field string) *Place { return &Place{name: NameOf(field)} }

// Name returns the name.
func (p *Place) Name() Name { return p.name }

// In is d.Lookup of the name.
func (p *Place) In(d Doc) Value {
	s, n := d.s, &p.name
	last := len(s) - 1
	if last < 0 {
		return Value{}
	}
	c, i := int(s[last]), int(p.at.Load()&0xffff)
	if i >= c || c == wideMark || n.mask == 0 {
		return p.find(d)
	}
	at := last - 4*c
	w := le32(s, at+4*i)
	off := int(w & offsetMask)
	if (w^n.want)&hashMask != 0 || off+8 > len(s) || (le64(s, off)^n.head)&n.mask != 0 {
		return p.find(d)
	}
	lo := off + 1 + len(n.s)
	if len(n.s) > 7 && s[off+8:lo] != n.s[7:] {
		return p.find(d)
	}
	hi := at
	if i+1 < c {
		hi = int(le32(s, at+4*i+4) & offsetMask)
	}
	return view(s, w>>tagShift&tagMask, lo, hi)
}

// find looks through the table, and remembers the place.
func (p *Place) find(d Doc) Value {
	t := open(d.s)
	i := t.find(p.name)
	if i < 0 {
		return Value{}
	}
	if was := p.at.Load(); i < maxNarrow && uint32(i) != was&0xffff && was>>16 < maxPlaceChanges {
		p.at.CompareAndSwap(was, (was>>16+1)<<16|uint32(i))
	}
	_, tag, lo, hi := t.field(i)
	return view(d.s, tag, lo, hi)
}
