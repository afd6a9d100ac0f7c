package observe

import (
	"slices"

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
	seats []seated
	one   [1]seated // the place of the seat that most buckets have
}

// seated has the result beside the seat, so that routing need not fetch the seat.
type seated struct {
	res  *result
	seat *seat
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
	if b.seats == nil {
		b.seats = b.one[:0]
	}
	s.in, s.at = b, len(b.seats)
	b.seats = append(b.seats, seated{s.res, s})
	s.res.seats = append(s.res.seats, s)
}

func (b *bucket) remove(s *seat) {
	last := b.seats[len(b.seats)-1]
	b.seats[s.at], last.seat.at = last, s.at
	b.seats[len(b.seats)-1] = seated{}
	b.seats = b.seats[:len(b.seats)-1]
}

// add seats a result.
func (ro *router) add(r *result) {
	w := wayOf(r.matcher)
	r.exact = w.exact
	ro.seat(r, w)
}

func (ro *router) seat(r *result, w way) {
	for _, branch := range w.any {
		ro.seat(r, branch)
	}
	if w.byID || w.any != nil {
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

// A hit is a result that a change may concern.
type hit struct {
	res  *result
	sure bool // the document has what the result was found by, before and after, or is not there
}

// route appends the results that the change may concern, some more than once.
func (ro *router) route(found []hit, c *store.Change) []hit {
	found = ro.asked.all(found, false)
	if len(ro.byID) > 0 {
		found = ro.byID[c.ID].all(found, true)
	}
	was, is := !c.Before.IsZero(), !c.After.IsZero()
	for _, f := range ro.fields {
		var wasOne, isOne bool // there is one key, and it is in the scratch
		if was {
			ro.before, wasOne = f.key.AppendOne(ro.before[:0], c.Before)
		}
		if is {
			ro.after, isOne = f.key.AppendOne(ro.after[:0], c.After)
		}
		same := wasOne && isOne && string(ro.before) == string(ro.after)
		sure := same || wasOne && !is || isOne && !was
		switch {
		case wasOne:
			found = f.at(found, ro.before, sure)
		case was:
			found = ro.many(found, f, c.Before)
		}
		switch {
		case same:
		case isOne:
			found = f.at(found, ro.after, sure)
		case is:
			found = ro.many(found, f, c.After)
		}
	}
	return found
}

// at appends the results that want the only value of a document.
func (f *field) at(found []hit, key []byte, sure bool) []hit {
	if len(f.values) > 0 {
		found = f.values[string(key)].all(found, sure)
	}
	if f.ranges.root != nil {
		found = f.ranges.root.find(found, view(key), sure)
	}
	return found
}

// many appends the results that may want a document with several values at the
// path. Of two limits each may hold for another of them, so ranges tell nothing.
func (ro *router) many(found []hit, f *field, d ejson.Doc) []hit {
	ro.keys, _ = f.key.Append(ro.keys[:0], d)
	for _, key := range ro.keys {
		found = f.values[string(key)].all(found, false)
	}
	return f.ranges.root.all(found)
}

// all appends the results of a bucket, which may be nil.
func (b *bucket) all(found []hit, sure bool) []hit {
	if b == nil {
		return found
	}
	for _, s := range b.seats {
		found = append(found, hit{s.res, sure})
	}
	return found
}
