package store

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// Query is an immutable description of a result. Each method returns a new one;
// nothing runs until All, One, Count, Each, Explain or Spec is called, and a fault
// in what was given (*query.SyntaxError) is returned by whichever of them is
// called first. What they compile and plan is kept: to use one Query many times
// costs less than to make it many times. Any number of goroutines may use one.
type Query[T any] struct {
	s        *Store
	name     string
	selector any
	sort     any // what query.CompileSortSpec takes, or []string of CompileSort
	fields   any
	hint     any // what query.HintOf takes
	skip     int
	limit    int
	at       *Snapshot
	compiled *compiled
}

// compiled is what a Query was found to mean; shared by its copies.
type compiled struct {
	once sync.Once
	spec Spec
	err  error
}

// Sort orders the result by paths, each with "-" before it to descend; documents
// that tie are in the order of their _id. Without Sort, or with no keys, a result
// is in the order of insertion.
func (q Query[T]) Sort(keys ...string) Query[T] {
	q.sort, q.compiled = slices.Clone(keys), new(compiled)
	return q
}

// SortSpec is Sort for the forms that a sort has on the wire: {a: 1, b: -1},
// [["a", "desc"]].
func (q Query[T]) SortSpec(spec any) Query[T] {
	q.sort, q.compiled = spec, new(compiled)
	return q
}

// Skip leaves out the first n documents.
func (q Query[T]) Skip(n int) Query[T] {
	q.skip, q.compiled = max(n, 0), new(compiled)
	return q
}

// Limit keeps at most n documents; 0 keeps all.
func (q Query[T]) Limit(n int) Query[T] {
	q.limit, q.compiled = max(n, 0), new(compiled)
	return q
}

// Fields keeps the named fields and _id, or drops those named with "-".
func (q Query[T]) Fields(names ...string) Query[T] {
	q.fields, q.compiled = slices.Clone(names), new(compiled)
	return q
}

// FieldsSpec is Fields for what query.CompileFields takes: {a: 1}, {a: 0}.
func (q Query[T]) FieldsSpec(spec any) Query[T] {
	q.fields, q.compiled = spec, new(compiled)
	return q
}

// Hint asks for an index by its name or its keys, or for a scan by "$natural", in
// any form that query.HintOf takes. It decides what a result costs, never what is
// in it. The error is a *query.HintError where the collection has no such index, or
// one that lacks documents which the selector may select.
func (q Query[T]) Hint(hint any) Query[T] {
	q.hint, q.compiled = hint, new(compiled)
	return q
}

// At pins the query to a snapshot of the same store; unpinned, or with nil, each
// use reads the latest.
func (q Query[T]) At(s *Snapshot) Query[T] {
	q.at = s
	return q
}

// Spec returns the query compiled. It is shared: copy it to change it.
func (q Query[T]) Spec() (*Spec, error) {
	if q.compiled == nil {
		return nil, errNoQuery
	}
	c := q.compiled
	c.once.Do(func() { c.err = q.compile(&c.spec) })
	if c.err != nil {
		return nil, c.err
	}
	return &c.spec, nil
}

func (q *Query[T]) compile(sp *Spec) (err error) {
	*sp = Spec{Store: q.s, Collection: q.name, Skip: q.skip, Limit: q.limit, cache: new(planCache)}
	if sp.Matcher, err = compile(q.selector); err != nil {
		return err
	}
	switch sort := q.sort.(type) {
	case nil:
	case []string:
		sp.Sorter, err = query.CompileSort(sort...)
	default:
		sp.Sorter, err = query.CompileSortSpec(sort)
	}
	if err != nil {
		return err
	}
	if sp.Sorter == nil {
		sp.Sorter = sp.Matcher.Order()
	}
	if q.fields != nil {
		if sp.Fields, err = query.CompileFields(q.fields); err != nil {
			return err
		}
	}
	sp.Hint, err = query.HintOf(q.hint)
	return err
}

// snapshot returns what the query reads.
func (q *Query[T]) snapshot() *Snapshot {
	if q.at != nil {
		return q.at
	}
	return q.s.Snapshot()
}

// none is a collection that is not there.
var none version

// version returns the collection as the query reads it.
func (q *Query[T]) version() *version {
	if v := q.snapshot().version(q.name); v != nil {
		return v
	}
	return &none
}

// prepare returns what is needed to run the query.
func (q *Query[T]) prepare() (*Spec, *version, *planned, error) {
	sp, err := q.Spec()
	if err != nil {
		return nil, nil, nil, err
	}
	v := q.version()
	p := sp.plan(v)
	return sp, v, p, p.misled
}

// All returns the whole result, nil where it is empty.
func (q Query[T]) All() ([]T, error) {
	sp, v, p, err := q.prepare()
	if err != nil {
		return nil, err
	}
	docs := sp.all(v, p)
	if sp.Fields != nil {
		for i, d := range docs {
			docs[i] = sp.Project(d)
		}
	}
	if same, ok := any(&docs).(*[]T); ok {
		return *same, nil
	}
	if docs == nil {
		return nil, nil
	}
	out := make([]T, len(docs))
	for i, d := range docs {
		if out[i], err = decode[T](d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// One returns the first document of the result, or ErrNotFound.
func (q Query[T]) One() (T, error) {
	if q.limit != 1 {
		q = q.Limit(1)
	}
	for t, err := range q.Each() {
		return t, err
	}
	var none T
	return none, ErrNotFound
}

// Each yields the documents of the result one by one, from one snapshot. It stops
// after the first error that it yields. There is nothing to close.
func (q Query[T]) Each() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		sp, v, p, err := q.prepare()
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		w := sp.window()
		w.yield = func(_ uint64, d ejson.Doc) bool {
			if sp.Fields != nil {
				d = sp.Project(d)
			}
			t, err := decode[T](d)
			return yield(t, err) && err == nil
		}
		sp.fill(v, p, &w)
	}
}

// Count returns the size of the result, skip and limit considered. It decodes
// nothing, and looks at no document where bounds of an index say it all.
func (q Query[T]) Count() (int, error) {
	sp, err := q.Spec()
	if err != nil {
		return 0, err
	}
	v := q.version()
	p := sp.countPlan(v)
	if p.misled != nil {
		return 0, p.misled
	}
	return sp.count(v, p), nil
}

// Distinct returns the different values that a dotted path leads to in the
// documents of the result, before the projection, in the order in which they come
// first. Each element of a list counts for itself; null counts, and what is missing
// does not. Values keep the memory of their documents.
func (q Query[T]) Distinct(path string) ([]ejson.Value, error) {
	compiled, err := query.CompilePath(path)
	if err != nil {
		return nil, err
	}
	sp, v, p, err := q.prepare()
	if err != nil {
		return nil, err
	}
	return sp.distinct(v, p, compiled), nil
}

// Explain returns the plan without running it.
func (q Query[T]) Explain() (query.Plan, error) {
	_, _, p, err := q.prepare()
	if err != nil {
		return query.Plan{}, err
	}
	return p.Plan, nil
}

// Explained tells what a query did.
type Explained struct {
	query.Plan
	Examined int           // documents looked at, selected or not
	Returned int           // documents in the result
	Took     time.Duration // to find and sort them; nothing was decoded
}

// ExplainRun runs the query, throws the result away, and returns what it took.
func (q Query[T]) ExplainRun() (Explained, error) {
	sp, v, p, err := q.prepare()
	if err != nil {
		return Explained{}, err
	}
	e := Explained{Plan: p.Plan}
	start := time.Now()
	w := sp.window()
	w.yield = func(uint64, ejson.Doc) bool {
		e.Returned++
		return true
	}
	sp.fill(v, p, &w)
	e.Examined, e.Took = w.met, time.Since(start)
	return e, nil
}

// decode makes a T of a document; it is free where T is ejson.Doc.
func decode[T any](d ejson.Doc) (T, error) {
	var t T
	if p, ok := any(&t).(*ejson.Doc); ok {
		*p = d
		return t, nil
	}
	return ejson.Decode[T](d)
}

// encode is the way back.
func encode[T any](t *T) (ejson.Doc, error) {
	if d, ok := any(t).(*ejson.Doc); ok {
		return *d, nil
	}
	return ejson.From(*t)
}
