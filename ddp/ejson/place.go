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

const (
	// A Place that changes more often stays as it is: where shapes are mixed,
	// writing it down each time would cost more than it saves.
	maxPlaceChanges = 1 << 10

	nowhere = 0xffff // the place of a name that has to be looked for each time
)

// PlaceOf returns the Place of a name. Dots have no meaning in it.
func PlaceOf(field string) *Place {
	p := new(Place)
	p.init(field)
	return p
}

func (p *Place) init(field string) {
	p.name = NameOf(field)
	if p.name.mask == 0 {
		p.at.Store(nowhere)
	}
}

// Name returns the name.
func (p *Place) Name() Name { return p.name }

// In is d.Lookup of the name.
func (p *Place) In(d Doc) Value {
	tag, lo, hi := p.spot(d.s)
	if tag == tagEnd {
		return Value{}
	}
	return view(d.s, tag, lo, hi)
}

// spot returns where the value lies in a document, and tagEnd where there is none.
func (p *Place) spot(s string) (tag uint32, lo, hi int) {
	last := len(s) - 1
	if last < 0 {
		return tagEnd, 0, 0
	}
	c, i, n := int(s[last]), int(p.at.Load()&0xffff), &p.name
	if i >= c || c == wideMark {
		return p.find(s)
	}
	hi = last - 4*c
	at := hi + 4*i
	w := le32(s, at)
	off := int(w & offsetMask)
	if (w^n.want)&hashMask != 0 || off+8 > len(s) || (le64(s, off)^n.head)&n.mask != 0 {
		return p.find(s)
	}
	lo = off + 1 + len(n.s)
	if len(n.s) > 7 && s[off+8:lo] != n.s[7:] {
		return p.find(s)
	}
	if at += 4; at < last {
		hi = int(le32(s, at) & offsetMask)
	}
	return w >> tagShift & tagMask, lo, hi
}

// find looks through the table, and remembers the place.
func (p *Place) find(s string) (tag uint32, lo, hi int) {
	t := open(s)
	i := t.find(p.name)
	if i < 0 {
		return tagEnd, 0, 0
	}
	if was := p.at.Load(); i < maxNarrow && uint32(i) != was&0xffff && was&0xffff != nowhere && was>>16 < maxPlaceChanges {
		p.at.CompareAndSwap(was, (was>>16+1)<<16|uint32(i))
	}
	_, tag, lo, hi = t.field(i)
	return tag, lo, hi
}

// Trail is a dotted path: the places of its names. It is made by [TrailOf], not
// copied, and safe for use by several goroutines.
type Trail struct{ places []Place }

// TrailOf returns the Trail of some names, one at least.
func TrailOf(names ...string) *Trail {
	t := &Trail{make([]Place, len(names))}
	for i, name := range names {
		t.places[i].init(name)
	}
	return t
}

// Place returns the place of name i.
func (t *Trail) Place(i int) *Place { return &t.places[i] }

// In goes from d as far as objects lead. It returns the value that the first n names
// have led to: n is less than all only where that is no object.
func (t *Trail) In(d Doc) (v Value, n int) {
	s := d.s
	for n < len(t.places) {
		tag, lo, hi := t.places[n].spot(s)
		n++
		if tag == tagEnd {
			return Value{}, n
		}
		if tag == tagObject && n < len(t.places) {
			s = s[lo:hi]
			continue
		}
		return view(s, tag, lo, hi), n
	}
	return Value{}, n
}
