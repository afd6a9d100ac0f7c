package ejson

import "encoding/binary"

// shape is a name of an object at a place where it came before. The documents
// of a collection mostly have the same names in the same order, so a Decoder
// guesses the next name from the last ones: to see that the guess was right takes
// one comparison, and spares the scanning, hashing and searching for duplicates
// that a name takes otherwise; a document of 290 bytes takes a third less time.
//
// Shapes form a tree. The names on the way from the root to a shape, less those of
// outer objects, are all different.
type shape struct {
	front      uint64 // the first bytes of field
	frontMask  uint64 // which of them are
	head, mask uint64 // the first bytes of the name in a text, `n":`, and which of them are
	tail       string // and those beyond eight
	skip       int    // how long the name is in a text, with quotes and colon
	field      string // the name as a run has it, with its length before it
	hash       uint32
	seen       uint64 // what a frame has after it
	next       *shape // the first of those that came next in the object
	inner      *shape // the first of those that began an object that was the value
	other      *shape // another one that came instead
}

// shapes are the roots of the two trees of a Decoder: names of documents, and of
// documents that get an _id before them, which they may not have again.
type shapes struct {
	root, whole *shape
	n           int // shapes
	strange     int // names that found no place since
}

const (
	maxShapes     = 512     // 100 KiB, and several times what servers have
	maxOthers     = 6       // a place where more names come has no shape
	maxShapeName  = 64      // longer names are rare
	strangeShapes = 1 << 14 // so many names without a place, and all is learned anew
)

// learn adds a name to the shapes of a place, and returns nil where it cannot.
func (t *shapes) learn(place **shape, name string, hash uint32, seen uint64) *shape {
	if len(name) > maxShapeName || name != "" && name[0] == '$' {
		return nil
	}
	others := 0
	for ; *place != nil; place = &(*place).other {
		if (*place).field[1:] == name {
			return *place // it came with a space before its colon
		}
		others++
	}
	if t.n >= maxShapes || others >= maxOthers {
		if t.strange++; t.strange >= strangeShapes {
			*t = shapes{}
		}
		return nil
	}
	t.n++
	text := name + `":`
	s := &shape{skip: len(text) + 1, field: string(appendName(nil, name)), hash: hash, seen: seen}
	var first [8]byte
	copy(first[:], s.field)
	s.front = binary.LittleEndian.Uint64(first[:])
	s.frontMask = 1<<(8*min(len(s.field), 8)) - 1
	first = [8]byte{}
	copy(first[:], text)
	s.head = binary.LittleEndian.Uint64(first[:])
	s.mask = ^uint64(0)
	if len(text) < 8 {
		s.mask = 1<<(8*len(text)) - 1
	} else {
		s.tail = text[8:]
	}
	*place = s
	return s
}

// match returns the shape of the name that begins at p, behind its quote, or nil.
func match(place **shape, text []byte, p int) *shape {
	if place == nil {
		return nil
	}
	x := wordAt(text, p)
	for s := *place; s != nil; s = s.other {
		if (x^s.head)&s.mask != 0 {
			continue
		}
		if s.tail == "" {
			return s
		}
		if end := p + s.skip - 1; end <= len(text) && string(text[p+8:end]) == s.tail {
			return s
		}
	}
	return nil
}
