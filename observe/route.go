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
// found by hash of field and value, one that confines a field to ranges by a tree
// of intervals, and only the rest are asked about every change. Adding and
// removing a result cost O(1) a pinned value, O(log n) a range.
type router struct {
	byID   map[ejson.ID]*bucket
	fields []*field
	asked  bucket
	made   uint64   // intervals so far
	keys   [][]byte // scratch
	before []byte   // scratch
	after  []byte   // scratch
}

// field is a path that some results pin or confine.
type field struct {
	path   string
	key    *query.IndexKey // takes the values at the path, one by one from lists
	values map[string]*bucket
	ranges intervals
	seats  int // results that are found by the field
}

// bucket is the set of results that pin one value.
type bucket struct {
	seats []*seat
}

// seat is a result's place in a bucket, or among the intervals of a field.
type seat struct {
	res   *result
	in    *bucket
	at    int // in the bucket
	field *field
	key   string    // of the field, to forget the bucket with its last seat
	id    ejson.ID  // likewise, for a bucket by _id; zero if it is not
	span  *interval // instead of a bucket
}

func (b *bucket) add(s *seat) {
	s.in, s.at = b, len(b.seats)
	b.seats = append(b.seats, s)
	s.res.seats = append(s.res.seats, s)
}

func (b *bucket) remove(s *seat) {
	last := b.seats[len(b.seats)-1]
	b.seats[s.at], last.at = last, s.at
	b.seats[len(b.seats)-1] = nil
	b.seats = b.seats[:len(b.seats)-1]
}

// A way is how changes find a result: the first of these that its selector has.
type way struct {
	ids    []ejson.ID // by _id, if byID
	byID   bool
	pin    query.Pin     // by a pinned field, if its path is not empty
	path   string        // by ranges of a field, if there are bounds
	bounds []query.Bound // of the keys at the path
}

// wayOf chooses the way: by id, by the pin with the fewest values, by ranges.
func wayOf(m *query.Matcher) (w way) {
	if m.None() {
		w.byID = true // by none
		return w
	}
	if w.ids, w.byID = m.IDs(); w.byID {
		return w
	}
	for _, p := range m.Pins() {
		if (w.pin.Path == "" || len(p.Values) < len(w.pin.Values)) && indexable(p.Path) && scalar(p.Values) {
			w.pin = p
		}
	}
	if w.pin.Path == "" {
		w.path, w.bounds = rangesOf(m)
	}
	return w
}

// scalar reports whether an index has each of the values, where a document has it
// at the path: it holds a list by its elements, and has null for what is missing.
func scalar(values []ejson.Value) bool {
	return !slices.ContainsFunc(values, func(v ejson.Value) bool {
		return v.Kind() == ejson.List || v.Kind() == ejson.Null || v.IsMissing()
	})
}

// indexable reports whether a path has no positions of lists in it.
func indexable(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.Trim(name, "0123456789") == "" {
			return false
		}
	}
	return true
}

// rangesOf finds a path whose only value, in a document that matches and has one
// there, lies in a few ranges: those that an index on it would be searched in.
func rangesOf(m *query.Matcher) (path string, best []query.Bound) {
	cost := 0
	for _, p := range pathsOf(nil, m.Selector()) {
		key, err := query.CompileIndex(p)
		if err != nil || !indexable(p) {
			continue
		}
		plan := query.Choose(m, nil, 0, []query.Index{{Name: p, Key: key, Size: 1_000_000}})
		if plan.Access == query.ByIndex && len(plan.Bounds) <= 64 && (best == nil || plan.Cost < cost) {
			path, best, cost = p, plan.Bounds, plan.Cost
		}
	}
	return path, best
}

// pathsOf appends the paths that a selector names, also those inside $and.
func pathsOf(paths []string, selector ejson.Doc) []string {
	for name, v := range selector.Fields() {
		switch {
		case name == "$and" && v.Kind() == ejson.List:
			for _, part := range v.Array().All() {
				if part.Kind() == ejson.Object {
					paths = pathsOf(paths, part.Doc())
				}
			}
		case name != "" && name[0] != '$':
			paths = append(paths, name)
		}
	}
	return paths
}

// add seats a result.
func (ro *router) add(r *result) {
	w := wayOf(r.matcher)
	if w.byID {
		for _, id := range w.ids {
			if ro.byID == nil {
				ro.byID = map[ejson.ID]*bucket{}
			}
			b := ro.byID[id]
			if b == nil {
				b = &bucket{}
				ro.byID[id] = b
			}
			b.add(&seat{res: r, id: id})
		}
		return
	}
	path := w.pin.Path
	if path == "" {
		path = w.path
	}
	f := ro.field(path)
	if f == nil {
		ro.asked.add(&seat{res: r})
		return
	}
	for _, v := range w.pin.Values {
		key := string(ejson.AppendKey(nil, v, false))
		b := f.values[key]
		if b == nil {
			b = &bucket{}
			f.values[key] = b
		}
		f.seats++
		b.add(&seat{res: r, field: f, key: key})
	}
	for _, b := range w.bounds {
		ro.made++
		iv := &interval{low: b.Low, high: reach(b.High), res: r, id: ro.made}
		f.ranges.add(iv)
		f.seats++
		r.seats = append(r.seats, &seat{res: r, field: f, span: iv})
	}
}

// field returns the field of that path, made if need be; nil where there is none
// or nothing can be indexed there.
func (ro *router) field(path string) *field {
	if path == "" {
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
	for _, s := range r.seats {
		if s.span != nil {
			s.field.ranges.remove(s.span)
		} else {
			s.in.remove(s)
		}
		switch empty := s.in != nil && len(s.in.seats) == 0; {
		case s.field != nil:
			if empty {
				delete(s.field.values, s.key)
			}
			if s.field.seats--; s.field.seats == 0 {
				ro.fields = slices.DeleteFunc(ro.fields, func(f *field) bool { return f == s.field })
			}
		case empty && !s.id.IsZero():
			delete(ro.byID, s.id)
		}
	}
	r.seats = nil
}

// route appends the results that the change may concern, some more than once.
func (ro *router) route(found []*result, c *store.Change) []*result {
	found = ro.asked.all(found)
	if len(ro.byID) > 0 {
		found = ro.byID[c.ID].all(found)
	}
	for _, f := range ro.fields {
		single := false // Before has one key, and it is in before
		if !c.Before.IsZero() {
			if ro.before, single = f.key.AppendOne(ro.before[:0], c.Before); single {
				found = f.at(found, ro.before)
			} else {
				found = ro.many(found, f, c.Before)
			}
		}
		if c.After.IsZero() {
			continue
		}
		var ok bool
		if ro.after, ok = f.key.AppendOne(ro.after[:0], c.After); !ok {
			found = ro.many(found, f, c.After)
		} else if !single || string(ro.before) != string(ro.after) {
			found = f.at(found, ro.after)
		}
	}
	return found
}

// at appends the results that want the only value of a document.
func (f *field) at(found []*result, key []byte) []*result {
	if len(f.values) > 0 {
		found = f.values[string(key)].all(found)
	}
	if f.ranges.root != nil {
		found = f.ranges.root.find(found, view(key))
	}
	return found
}

// many appends the results that may want a document with several values at the
// path. Of two limits each may hold for another of them, so ranges tell nothing.
func (ro *router) many(found []*result, f *field, d ejson.Doc) []*result {
	ro.keys, _ = f.key.Append(ro.keys[:0], d)
	for _, key := range ro.keys {
		found = f.values[string(key)].all(found)
	}
	return f.ranges.root.all(found)
}

// all appends the results of a bucket, which may be nil.
func (b *bucket) all(found []*result) []*result {
	if b == nil {
		return found
	}
	for _, s := range b.seats {
		found = append(found, s.res)
	}
	return found
}
