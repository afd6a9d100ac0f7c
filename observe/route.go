package observe

import (
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
	"github.com/replicad/replicad/store"
)

// router finds the results that a change may concern, by the values that the
// document had and has: a result whose selector pins a field to some values is
// found by hash of field and value, and only results that pin nothing are asked
// about every change. Adding and removing a result cost O(1) a pinned value.
type router struct {
	byID   map[ejson.ID]*bucket
	fields []*field
	asked  bucket
	keys   [][]byte // scratch
	before []byte   // scratch
	after  []byte   // scratch
}

// field is a path that some results pin.
type field struct {
	path   string
	key    *query.IndexKey // takes the values at the path, one by one from arrays
	values map[string]*bucket
}

// bucket is the set of results that pin one value.
type bucket struct {
	members []*member
}

// member is a result's seat in a bucket.
type member struct {
	res  *result
	in   *bucket
	at   int
	drop func() // forgets the bucket, when it is empty; nil for the asked
}

func (b *bucket) add(r *result, drop func()) {
	m := &member{res: r, in: b, at: len(b.members), drop: drop}
	b.members = append(b.members, m)
	r.routes = append(r.routes, m)
}

// add seats a result: by ids, by the pinned field with the fewest values, or
// among those that are always asked.
func (ro *router) add(r *result) {
	if r.matcher.None() {
		return
	}
	if ids, ok := r.matcher.IDs(); ok {
		if ro.byID == nil {
			ro.byID = map[ejson.ID]*bucket{}
		}
		for _, id := range ids {
			b := ro.byID[id]
			if b == nil {
				b = &bucket{}
				ro.byID[id] = b
			}
			b.add(r, func() { delete(ro.byID, id) })
		}
		return
	}
	pin, ok := bestPin(r.matcher.Pins())
	f := ro.field(pin.Path, ok)
	if f == nil {
		ro.asked.add(r, nil)
		return
	}
	for _, v := range pin.Values {
		key := string(ejson.AppendKey(nil, v, false))
		b := f.values[key]
		if b == nil {
			b = &bucket{}
			f.values[key] = b
		}
		b.add(r, func() {
			if delete(f.values, key); len(f.values) == 0 {
				ro.fields = slices.DeleteFunc(ro.fields, func(g *field) bool { return g == f })
			}
		})
	}
}

// bestPin chooses the pin with the fewest values that can be routed by.
func bestPin(pins []query.Pin) (best query.Pin, ok bool) {
	for _, p := range pins {
		if (!ok || len(p.Values) < len(best.Values)) && routable(p) {
			best, ok = p, true
		}
	}
	return best, ok
}

// routable reports whether a document that matches is sure to have one of the
// pin's values among the keys that an index on the path has for it. That is so
// but for a list, which an index holds by its elements, and for paths with list
// positions.
func routable(p query.Pin) bool {
	for _, v := range p.Values {
		if v.Kind() == ejson.List || v.Kind() == ejson.Null || v.IsMissing() {
			return false
		}
	}
	for name := range strings.SplitSeq(p.Path, ".") {
		if name == "" || strings.Trim(name, "0123456789") == "" {
			return false
		}
	}
	return true
}

// field returns the field of that path, made if need be; nil where ok is false
// or nothing can be indexed there.
func (ro *router) field(path string, ok bool) *field {
	if !ok {
		return nil
	}
	for _, f := range ro.fields {
		if f.path == path {
			return f
		}
	}
	key, err := query.CompileIndex(path)
	if err != nil {
		return nil
	}
	f := &field{path: path, key: key, values: map[string]*bucket{}}
	ro.fields = append(ro.fields, f)
	return f
}

// remove takes a result out of all its seats.
func (ro *router) remove(r *result) {
	for _, m := range r.routes {
		b := m.in
		last := b.members[len(b.members)-1]
		b.members[m.at], last.at = last, m.at
		b.members[len(b.members)-1] = nil
		b.members = b.members[:len(b.members)-1]
		if len(b.members) == 0 && m.drop != nil {
			m.drop()
		}
	}
	r.routes = nil
}

// route calls meet for every result that the change may concern, for some more
// than once.
func (ro *router) route(c *store.Change, meet func(*bucket)) {
	if len(ro.asked.members) > 0 {
		meet(&ro.asked)
	}
	if len(ro.byID) > 0 {
		if b := ro.byID[c.ID]; b != nil {
			meet(b)
		}
	}
	for _, f := range ro.fields {
		single := true
		had, has := !c.Before.IsZero(), !c.After.IsZero()
		if had {
			if ro.before, single = f.key.AppendOne(ro.before[:0], c.Before); single {
				meetAt(f.values[string(ro.before)], meet)
			} else {
				ro.many(f, c.Before, meet)
			}
		}
		if has {
			was := had && single
			if ro.after, single = f.key.AppendOne(ro.after[:0], c.After); !single {
				ro.many(f, c.After, meet)
			} else if !was || string(ro.before) != string(ro.after) {
				meetAt(f.values[string(ro.after)], meet)
			}
		}
	}
}

// many looks up the values of a document that has several at the path.
func (ro *router) many(f *field, d ejson.Doc, meet func(*bucket)) {
	ro.keys, _ = f.key.Append(ro.keys[:0], d)
	for _, key := range ro.keys {
		meetAt(f.values[string(key)], meet)
	}
}

func meetAt(b *bucket, meet func(*bucket)) {
	if b != nil {
		meet(b)
	}
}
