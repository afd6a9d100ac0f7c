package ejson

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// The loops of this file take most of the time of reading. They keep the text,
// the place in it and the buffer in variables, and call the methods of Decoder,
// which have them in its fields, for what is rare. Only the length of the buffer
// is written back: to write its pointer, too, costs a tenth of all the time while
// the garbage collector works.

// value reads a value in depth containers, writes its bytes and returns its
// tag. Where raw is set, objects have no special meaning. known is where the names
// of an object at this place are remembered; nil remembers nothing.
func (d *Decoder) value(raw bool, depth int, known **shape) (uint32, error) {
	switch c := d.space(); c {
	case '"':
		s, err := d.string()
		if err != nil {
			return 0, err
		}
		d.w.buf = append(d.w.buf, s...)
		return tagString, nil
	case '{':
		return d.object(raw, depth+1, known)
	case '[':
		return d.list(raw, depth+1, known)
	case 't':
		return tagTrue, d.word("true")
	case 'f':
		return tagFalse, d.word("false")
	case 'n':
		return tagNull, d.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return 0, d.unexpected("a value")
		}
		f, err := d.number()
		if err != nil {
			return 0, err
		}
		return d.w.number(f), nil
	}
}

func (d *Decoder) object(raw bool, depth int, known **shape) (uint32, error) {
	if depth > MaxDepth {
		return 0, d.fail(ErrTooDeep)
	}
	if !raw {
		if tag, ok := d.shortcut(); ok {
			return tag, nil
		}
	}
	from := d.pos
	f := d.w.open()
	special, err := d.members(&f, raw, depth, known)
	if err != nil {
		return 0, err
	}
	d.w.close(&f)
	if special {
		end := d.pos
		d.pos = from // of the errors
		tag, err := d.interpret(f.start)
		if err != nil {
			return 0, err
		}
		d.pos = end
		return tag, nil
	}
	return tagObject, nil
}

// members reads an object into a container that is open, and does not close it.
// special reports that it may stand for a value: whether it does, all its names
// tell, and its members have been read as they are.
func (d *Decoder) members(f *frame, raw bool, depth int, known **shape) (special bool, err error) {
	text, p, buf := d.text, d.pos+1, d.w.buf
	c := charAt(text, p)
	if c <= ' ' {
		c, p = spaceAt(text, p)
	}
	if c == '}' {
		d.pos = p + 1
		return false, nil
	}
	for first := true; ; first = false {
		if c != '"' {
			d.pos = p
			return false, d.unexpected("a name in quotes")
		}
		if cap(buf)-len(buf) < len(text)-p+16 {
			buf = d.w.room(len(buf), len(text)-p)
		}
		off, hash := len(buf)-f.start, uint32(0)
		var inner **shape
		if s := match(known, text, p+1); s != nil {
			p += s.skip
			binary.LittleEndian.PutUint64(buf[len(buf):len(buf)+8], s.front)
			buf = buf[:len(buf)+len(s.field)]
			if len(s.field) > 8 {
				copy(buf[len(buf)-len(s.field)+8:], s.field[8:])
			}
			hash, f.seen = s.hash, s.seen
			inner, known = &s.inner, &s.next
		} else {
			d.pos, d.w.buf = p, d.w.buf[:len(buf)]
			var s *shape
			if hash, s, err = d.name(f, known); err != nil {
				return false, err
			}
			p, buf = d.pos, d.w.buf
			if s != nil {
				inner, known = &s.inner, &s.next
			} else {
				known = nil
			}
			if first && !raw && isSpecial(buf[f.start+off+1:]) {
				special, raw = true, true
			}
		}
		c = charAt(text, p)
		if c <= ' ' {
			c, p = spaceAt(text, p)
		}
		b, end, tag := simple(buf, text, p, c)
		if end > 0 {
			buf, p = b, end
		} else {
			d.pos, d.w.buf = p, d.w.buf[:len(buf)]
			if tag, err = d.value(raw, depth, inner); err != nil {
				name, _ := nameAt(peek(d.w.buf), f.start+off)
				return false, under(err, strings.Clone(name))
			}
			p, buf = d.pos, d.w.buf
		}
		d.w.ents = append(d.w.ents, entry{off: uint32(off), meta: hash | tag<<tagShift})
		c = charAt(text, p)
		if c <= ' ' {
			c, p = spaceAt(text, p)
		}
		if c == '}' {
			d.pos, d.w.buf = p+1, d.w.buf[:len(buf)]
			return special, nil
		}
		if c != ',' {
			d.pos = p
			return false, d.unexpected("',' or '}'")
		}
		p++
		c = charAt(text, p)
		if c <= ' ' {
			c, p = spaceAt(text, p)
		}
	}
}

// name reads a name and the colon behind it the general way, and begins a field
// of that name. It returns the shape that stands for it from now on, if any.
func (d *Decoder) name(f *frame, known **shape) (hash uint32, s *shape, err error) {
	from := d.pos
	name, err := d.string()
	if err != nil {
		return 0, nil, err
	}
	plain := d.pos-from == len(name)+2 && charAt(d.text, d.pos) == ':'
	hash = hashName(peek(name))
	bit := uint64(1) << (hash >> 21 & 63)
	w := &d.w
	fields := len(w.ents) - f.base
	if f.seen&bit != 0 && fields <= manyFields && w.find(f, hash, peek(name)) >= 0 {
		f.dup = true
	}
	f.seen |= bit
	if plain && known != nil && !f.dup && fields < manyFields {
		s = d.known.learn(known, string(name), hash, f.seen)
	}
	w.buf = appendName(w.buf, peek(name))
	if c := d.space(); c != ':' {
		return 0, nil, d.unexpected("':'")
	}
	d.pos++
	return hash, s, nil
}

func (d *Decoder) list(raw bool, depth int, known **shape) (uint32, error) {
	if depth > MaxDepth {
		return 0, d.fail(ErrTooDeep)
	}
	d.pos++
	f := d.w.open()
	if d.space() == ']' {
		d.pos++
		d.w.close(&f)
		return tagList, nil
	}
	text, p, buf := d.text, d.pos, d.w.buf
	for i := 0; ; i++ {
		c := charAt(text, p)
		if c <= ' ' {
			c, p = spaceAt(text, p)
		}
		if cap(buf)-len(buf) < len(text)-p+16 {
			buf = d.w.room(len(buf), len(text)-p)
		}
		off := len(buf) - f.start
		b, end, tag := simple(buf, text, p, c)
		if end > 0 {
			buf, p = b, end
		} else {
			var err error
			d.pos, d.w.buf = p, d.w.buf[:len(buf)]
			if tag, err = d.value(raw, depth, known); err != nil {
				return 0, under(err, strconv.Itoa(i))
			}
			p, buf = d.pos, d.w.buf
		}
		d.w.ents = append(d.w.ents, entry{off: uint32(off), meta: tag << tagShift})
		c = charAt(text, p)
		if c <= ' ' {
			c, p = spaceAt(text, p)
		}
		if c == ']' {
			break
		}
		if c != ',' {
			d.pos = p
			return 0, d.unexpected("',' or ']'")
		}
		p++
	}
	d.pos, d.w.buf = p+1, d.w.buf[:len(buf)]
	d.w.close(&f)
	return tagList, nil
}

// room gives the buffer, of which n bytes are in use, room for a name and a string
// of the rest of a text, and for a word more, so that words can be stored whole.
func (w *writer) room(n, rest int) []byte {
	w.buf = slices.Grow(w.buf[:n], 2*rest+64)
	return w.buf
}

// simple reads a value of a common kind in its usual form, which begins with c: a
// string without escapes, of ASCII; a number of few digits; a boolean. It returns
// the buffer with the value, where the value ends, and its tag; the end is 0 where
// the value has to be read the general way, also because it is broken. buf has the
// room that writer.room gives, and the result shares its memory.
func simple(buf, text []byte, p int, c byte) (b []byte, end int, tag uint32) {
	switch {
	case c == '"':
		n := len(buf)
		room := buf[:cap(buf)]
		for q := p + 1; n+8 <= len(room); q, n = q+8, n+8 {
			x := wordAt(text, q)
			binary.LittleEndian.PutUint64(room[n:], x)
			if k := plainBytes(x); k < 8 {
				if charAt(text, q+k) != '"' {
					return nil, 0, 0
				}
				return room[:n+k], q + k + 1, tagString
			}
		}
	case c-'0' <= 9 || c == '-':
		m, frac, end := exact(text, p)
		if end == 0 {
			return nil, 0, 0
		}
		if frac == 0 && m == int64(int32(m)) {
			return binary.LittleEndian.AppendUint32(buf, uint32(m)), end, tagInt
		}
		w := writer{buf: buf}
		tag := w.number(float64(m) / pow10[frac])
		return w.buf, end, tag
	case c == 't':
		if p+4 <= len(text) && string(text[p:p+4]) == "true" {
			return buf, p + 4, tagTrue
		}
	case c == 'f':
		if p+5 <= len(text) && string(text[p:p+5]) == "false" {
			return buf, p + 5, tagFalse
		}
	}
	return nil, 0, 0
}
