package query

import (
	"math"
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxBounds bounds the ranges of one plan: beyond, columns are left to the
	// matcher.
	maxBounds = 10_000
	// maxTexts is the number of values beyond which ranges have no text.
	maxTexts = 100
)

// Bound is a range of index keys: Low <= key < High in byte order, where an
// empty High means no upper end. An entry may be a key with more bytes behind it.
type Bound struct {
	Low, High string
	Text      string // for people: room = "x", ts > 5
}

// A span is a range of one column of an index: low <= key < high.
type span struct {
	low, high string
	point     bool // one value
	text      string
}

// A column is what a selector says of one path, as spans of an index column.
type column struct {
	spans  []span
	exact  bool    // the spans hold what the clause accepts and nothing else
	used   int     // clauses that the spans stand for
	guess  float64 // share of the entries, where the spans are no points
	points bool    // all spans are points

	present bool // what the clause accepts is there
}

// encoder makes spans of values in the direction of an index column.
type encoder struct {
	desc     bool
	multikey bool // a document may have several keys
	position bool // a name of the path is a number
	path     string
	quiet    bool // no texts
}

func (e encoder) key(v ejson.Value) string {
	var buf [64]byte
	return string(ejson.AppendKey(buf[:0], v, e.desc))
}

// after returns the least key behind all those that begin with key; "" where
// there is none.
func after(key string) string {
	i := len(key) - 1
	for i >= 0 && key[i] == 0xff {
		i--
	}
	if i < 0 {
		return ""
	}
	var buf [64]byte
	b := append(buf[:0], key[:i+1]...)
	b[i]++
	return string(b)
}

func (e encoder) point(v ejson.Value) span {
	k := e.key(v)
	s := span{low: k, high: after(k), point: true}
	if !e.quiet {
		s.text = e.path + " = " + v.String()
	}
	return s
}

// between makes the span from low to high. Where the column descends the ends
// change places.
func (e encoder) between(low ejson.Value, lowIn bool, high ejson.Value, highIn bool, text string) span {
	a, b := e.key(low), e.key(high)
	if e.desc {
		a, b, lowIn, highIn = b, a, highIn, lowIn
	}
	if !lowIn {
		a = after(a)
	}
	if highIn {
		b = after(b)
	}
	return span{low: a, high: b, text: e.path + " " + text}
}

// toEnd makes the span of the values of v's type that are in order with it.
func (e encoder) toEnd(o order, v ejson.Value) span {
	text := o.String() + " " + v.String()
	in := o&equal != 0
	if isNumber(v) {
		if o&greater != 0 {
			return e.between(v, in, ejson.NumberValue(math.Inf(1)), true, text)
		}
		return e.between(ejson.NumberValue(math.Inf(-1)), true, v, in, text)
	}
	k := e.key(v)
	s := span{low: k[:1], high: after(k[:1]), text: e.path + " " + text}
	up := (o&greater != 0) != e.desc
	switch {
	case up && in:
		s.low = k
	case up:
		s.low = after(k)
	case in:
		s.high = after(k)
	default:
		s.high = k
	}
	return s
}

func (o order) String() string {
	return map[order]string{less: "<", less | equal: "<=", greater: ">", greater | equal: ">="}[o]
}

// The share of an index that a condition is thought to leave.
const (
	guessRange  = 0.3
	guessPrefix = 0.02
)

// spansOf returns the spans in which every value that p accepts lies; ok is
// false where they cannot be told. Lists are never compared as a whole by what
// is accepted here, so a multikey index serves, too.
func (e encoder) spansOf(p pred) (c column, ok bool) {
	switch p := p.(type) {
	case noValue:
		return column{exact: true, points: true}, true
	case eqNull:
		return column{spans: []span{e.point(ejson.NullValue())}, points: true, exact: !e.multikey}, true
	case eqBool, eqNumber, eqNaN, eqString, eqValue:
		v := operandOf(p)
		if v.Kind() == ejson.List {
			return column{}, false
		}
		return column{spans: []span{e.point(v)}, points: true, exact: exactKind(v.Kind())}, true
	case gtNumber:
		return e.rangeOf(greater, ejson.NumberValue(p.f)), true
	case gteNumber:
		return e.rangeOf(greater|equal, ejson.NumberValue(p.f)), true
	case ltNumber:
		return e.rangeOf(less, ejson.NumberValue(p.f)), true
	case lteNumber:
		return e.rangeOf(less|equal, ejson.NumberValue(p.f)), true
	case ordDate:
		return e.rangeOf(p.o, ejson.DateValue(p.ms)), true
	case ordString:
		return e.rangeOf(p.o, ejson.StringValue(p.s)), true
	case ordNumber:
		if p.o == equal {
			return column{spans: []span{e.point(p.v)}, points: true, exact: true}, true
		}
		c := e.rangeOf(p.o, p.v)
		c.exact = true
		return c, true
	case ordValue:
		if p.kind == ejson.List {
			return column{}, false
		}
		return e.rangeOf(p.o, p.v), true
	case fewStrings:
		c = column{points: true, exact: true}
		for _, s := range p.list {
			c.spans = append(c.spans, e.point(ejson.StringValue(s)))
		}
	case *oneOf:
		if len(p.all) > maxBounds {
			return column{}, false
		}
		e.quiet = len(p.all) > maxTexts
		c = column{points: true, exact: true}
		if p.null {
			c.exact = !e.multikey
			c.spans = append(c.spans, e.point(ejson.NullValue()))
		}
		for _, v := range p.all {
			if v.Kind() == ejson.List {
				return column{}, false
			}
			c.exact = c.exact && exactKind(v.Kind())
			c.spans = append(c.spans, e.point(v))
		}
		for _, r := range p.regexps {
			sub, ok := e.spansOf(r)
			if !ok {
				return column{}, false
			}
			c.spans = append(c.spans, sub.spans...)
			c.exact = c.exact && sub.exact
			c.points = c.points && sub.points
			c.guess += sub.guess
		}
	case *pattern:
		return e.ofPattern(p)
	default:
		return column{}, false
	}
	c.spans = union(c.spans)
	return c, true
}

func (e encoder) rangeOf(o order, v ejson.Value) column {
	return column{spans: []span{e.toEnd(o, v)}, exact: exactKind(v.Kind()), guess: guessRange}
}

// exactKind reports whether what is equal to a value of a kind, or in order with
// it, is just what lies in the spans made of it: a decimal may be a number, or
// a value of a custom type.
func exactKind(k ejson.Kind) bool { return k != ejson.CustomKind && k != ejson.DecimalKind }

// ofPattern returns the strings with the pattern's prefix, and the regular
// expression that equals it.
func (e encoder) ofPattern(p *pattern) (column, bool) {
	same := e.point(ejson.RegexpValue(ejson.Regexp{Source: p.source, Flags: p.flags}))
	if p.literal == whole {
		spans := union([]span{e.point(ejson.StringValue(p.text)), same})
		return column{spans: spans, points: true, exact: p.flags == ""}, true
	}
	if p.prefix == "" {
		return column{}, false
	}
	strs := e.between(ejson.StringValue(p.prefix), true, ejson.StringValue(after(p.prefix)), false,
		"begins with "+ejson.StringValue(p.prefix).String())
	return column{spans: union([]span{strs, same}), exact: p.literal == atStart && p.flags == "", guess: guessPrefix}, true
}

// union sorts spans, drops empty ones and joins those that overlap.
func union(spans []span) []span {
	spans = slices.DeleteFunc(spans, func(s span) bool { return s.high != "" && s.low >= s.high })
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.low, b.low) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && (out[n-1].high == "" || s.low < out[n-1].high) {
			last := &out[n-1]
			if last.low == s.low && last.high == s.high {
				continue
			}
			if last.high != "" && (s.high == "" || s.high > last.high) {
				last.high = s.high
			}
			last.point = false
			if s.text != "" {
				last.text += " or " + s.text
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// intersect returns what two lists of disjoint ascending spans have in common.
func intersect(a, b []span) []span {
	var out []span
	for i, j := 0, 0; i < len(a) && j < len(b); {
		s := span{low: max(a[i].low, b[j].low), high: a[i].high, text: a[i].text}
		if a[i].text != b[j].text {
			s.text += ", " + b[j].text
		}
		if s.high == "" || b[j].high != "" && b[j].high < s.high {
			s.high = b[j].high
		}
		s.point = a[i].point || b[j].point
		if s.high == "" || s.low < s.high {
			if s.point && a[i].point {
				s.text = a[i].text
			} else if s.point {
				s.text = b[j].text
			}
			out = append(out, s)
		}
		if a[i].high != "" && (b[j].high == "" || a[i].high < b[j].high) {
			i++
		} else {
			j++
		}
	}
	return out
}

// column returns what the conditions say of one path. In an index where one
// document has several keys, each condition may be met by another of them, so
// that only one can be used.
func (e encoder) column(clauses []*clause) (out column, ok bool) {
	for _, cl := range clauses {
		c, can := e.clause(cl)
		if !can {
			continue
		}
		switch {
		case !ok:
			out, ok = c, true
		case e.multikey:
			if len(c.spans) < len(out.spans) || c.points && !out.points {
				c.used = 1
				out = c
			}
			continue
		default:
			out.spans = intersect(out.spans, c.spans)
			out.exact = out.exact && c.exact
			out.points = out.points || c.points
			out.present = out.present || c.present
			out.guess *= 0.5
		}
		out.used++
	}
	return out, ok
}

func (e encoder) clause(cl *clause) (column, bool) {
	if cl.deny {
		if _, ok := cl.pred.(present); ok { // {$exists: false}
			return column{spans: []span{e.point(ejson.NullValue())}, points: true}, true
		}
		return column{}, false
	}
	if cl.pred == nil { // $all: any of its parts serves
		for i := range cl.all {
			if c, ok := e.clause(&cl.all[i]); ok {
				c.exact = c.exact && len(cl.all) == 1
				return c, true
			}
		}
		return column{}, false
	}
	if m, ok := cl.pred.(*elemMatch); ok {
		// Its conditions are met by one element, which has one key. A list at a
		// position is one key as a whole, and its elements are none.
		if m.doc != nil || e.position {
			return column{}, false
		}
		sub := e
		sub.multikey = false
		all := make([]*clause, len(m.clauses))
		for i := range m.clauses {
			all[i] = &m.clauses[i]
		}
		c, ok := sub.column(all)
		c.exact, c.used, c.present = false, 1, true
		return c, ok
	}
	c, ok := e.spansOf(cl.pred)
	c.present = ok && !cl.pred.test(ejson.Value{})
	return c, ok
}
