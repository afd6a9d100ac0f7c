package query

import (
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxSegments bounds the names in a dotted path: documents are not nested
	// deeper than twice this, and MongoDB stops there too.
	maxSegments = 100
	// maxPositions bounds the segments of a path that are numbers. Such a
	// segment may be a list position or a name, so each can double the ways
	// through a document that alternates lists and documents.
	maxPositions = 10
)

// A segment is one name of a dotted path.
type segment struct {
	name  ejson.Name
	place *ejson.Place // of the name, in the documents that were asked last
	text  string
	index int // as a list position; -1 where it cannot be one
	odd   int // a position in another spelling ("00"), which leads to nothing; -1
}

// A path is a dotted path, taken apart.
type path struct {
	text  string
	segs  []segment
	trail *ejson.Trail // of the same names
}

// makePath takes a dotted path apart. It never looks at what the names mean:
// "$" is a name here.
func makePath(text string) (path, error) {
	names := strings.Count(text, ".") + 1
	if names > maxSegments {
		return path{}, syntaxError(clip(text), "", "a path may have %d names, this one has %d", maxSegments, names)
	}
	p := path{text: text, segs: make([]segment, names), trail: ejson.TrailOf(strings.Split(text, ".")...)}
	positions := 0
	for i := range p.segs {
		n, rest, _ := strings.Cut(text, ".")
		text = rest
		p.segs[i] = segment{place: p.trail.Place(i), text: n, index: position(n), odd: -1}
		p.segs[i].name = p.segs[i].place.Name()
		if p.segs[i].index < 0 {
			if bare := strings.TrimLeft(n, "0"); bare != n {
				p.segs[i].odd = max(position(bare), position("0"+bare))
			}
		}
		if p.segs[i].index >= 0 {
			positions++
		}
	}
	if positions > maxPositions {
		return path{}, syntaxError(clip(p.text), "", "a path may have %d positions, this one has %d", maxPositions, positions)
	}
	return p, nil
}

// top returns the name of the top-level field that p begins with.
func (p path) top() string { return p.segs[0].text }

// position returns the list position that a name stands for, and -1 for a name
// that is not the canonical form of one ("00", "1e1", "-1").
func position(name string) int {
	if name == "" || len(name) > 9 || (len(name) > 1 && name[0] == '0') {
		return -1
	}
	n := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// A pred is a condition on one value. It must not keep v.
type pred interface {
	test(v ejson.Value) bool
}

// seek looks p up in v, a document or a list, and reports whether t holds for
// one of the values found there. These are the branches:
//
//   - a document leads to its field; a field that is not there, or lies behind a
//     scalar, is one branch that is Missing;
//   - a list leads to the element at a position, if the name is one, and to the
//     rest of the path in each element that is a document. A list that offers
//     neither has no branch at all. A list where the path begins, which is an
//     element that $elemMatch tries, offers positions only;
//   - a list at the end of the path is a branch, and so is each of its elements,
//     unless whole is set or the list was reached by position.
//
// at is the position in the outermost list passed through so far, or -1; seek
// returns that of the branch for which t held.
func seek(v ejson.Value, segs []segment, t pred, whole bool, at int) (int, bool) {
	for v.Kind() == ejson.Object {
		v = segs[0].place.In(v.Doc())
		segs = segs[1:]
		if len(segs) == 0 {
			return seekLeaf(v, t, whole, at)
		}
		if k := v.Kind(); k != ejson.Object && k != ejson.List {
			return at, t.test(ejson.Value{})
		}
	}
	list := v.Array()
	if from, ok := seekPosition(list, segs, t, whole, at); ok {
		return from, true
	}
	for i, v := range list.All() {
		if v.Kind() != ejson.Object {
			continue
		}
		from := at
		if from < 0 {
			from = i
		}
		if from, ok := seek(v, segs, t, whole, from); ok {
			return from, true
		}
	}
	return at, false
}

func seekPosition(list ejson.Array, segs []segment, t pred, whole bool, at int) (int, bool) {
	if i := segs[0].index; i >= 0 && i < list.Len() {
		v, from := list.At(i), at
		if from < 0 {
			from = i
		}
		rest := segs[1:]
		switch {
		case len(rest) == 0:
			if t.test(v) {
				return from, true
			}
		case v.Kind() == ejson.Object || v.Kind() == ejson.List:
			if from, ok := seek(v, rest, t, whole, from); ok {
				return from, true
			}
		}
	}
	if i := segs[0].odd; i >= 0 && i < list.Len() && len(segs) == 1 {
		return at, t.test(ejson.Value{})
	}
	return at, false
}

func seekLeaf(v ejson.Value, t pred, whole bool, at int) (int, bool) {
	if v.Kind() == ejson.List && !whole {
		for i, e := range v.Array().All() {
			if t.test(e) {
				if at < 0 {
					at = i
				}
				return at, true
			}
		}
	}
	if !t.test(v) {
		return at, false
	}
	if at < 0 {
		// An $elemMatch knows which element it was.
		if m, ok := t.(*elemMatch); ok {
			at = m.index(v)
		}
	}
	return at, true
}
