package main

import (
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// request is one query, as the command line and the local API put it.
type request struct {
	collection string
	selector   any
	sort       []string
	fields     []string
	skip       int
	limit      int
	hint       string
	path       string // of distinct, on the local API
}

// query returns the request as a query of a store. A fault in it shows at the
// query's first use.
func (r request) query(s *store.Store) store.Query[ejson.Doc] {
	q := s.Collection(r.collection).Find(r.selector)
	if len(r.sort) > 0 {
		q = q.Sort(r.sort...)
	}
	if len(r.fields) > 0 {
		q = q.Fields(r.fields...)
	}
	if r.hint != "" {
		q = q.Hint(r.hint)
	}
	return q.Skip(r.skip).Limit(r.limit)
}

// doc returns the request in the form in which the local API takes it.
func (r request) doc() (ejson.Doc, error) {
	var b ejson.Builder
	b.Add("collection", ejson.StringValue(r.collection))
	if r.selector != nil {
		sel, err := selectorDoc(r.selector)
		if err != nil {
			return ejson.Doc{}, err
		}
		b.Add("selector", sel.Value())
	}
	b.Add("sort", stringList(r.sort))
	b.Add("fields", stringList(r.fields))
	b.Add("skip", ejson.NumberValue(float64(r.skip)))
	b.Add("limit", ejson.NumberValue(float64(r.limit)))
	if r.hint != "" {
		b.Add("hint", ejson.StringValue(r.hint))
	}
	return b.Doc(), nil
}

// selectorDoc writes a selector out as a document; an id becomes {_id: id}.
func selectorDoc(selector any) (ejson.Doc, error) {
	if id, ok := selector.(ejson.ID); ok {
		return ejson.Make(ejson.Field{Name: "_id", Value: id.Value().Any()}), nil
	}
	return ejson.From(selector)
}

// requestOf reads a request that the local API was given.
func requestOf(d ejson.Doc) (request, error) {
	if err := onlyFields(d, "collection", "selector", "sort", "fields", "skip", "limit", "hint", "path"); err != nil {
		return request{}, err
	}
	r := request{collection: d.Field("collection").Str()}
	if r.collection == "" {
		return r, usagef("collection: wants a name, got none")
	}
	if err := checkCollection(r.collection); err != nil {
		return r, err
	}
	switch sel := d.Field("selector"); sel.Kind() {
	case ejson.Missing, ejson.Null:
	case ejson.Object:
		r.selector = sel.Doc()
	default:
		id, err := ejson.IDOf(sel)
		if err != nil {
			return r, usagef("selector: %w", err)
		}
		r.selector = id
	}
	var err error
	if r.hint, err = stringOf(d, "hint"); err != nil {
		return r, err
	}
	if r.path, err = stringOf(d, "path"); err != nil {
		return r, err
	}
	if r.sort, err = stringsOf(d, "sort"); err != nil {
		return r, err
	}
	if r.fields, err = stringsOf(d, "fields"); err != nil {
		return r, err
	}
	if r.skip, err = countOf(d, "skip"); err != nil {
		return r, err
	}
	r.limit, err = countOf(d, "limit")
	return r, err
}

// onlyFields refuses a document with fields that mean nothing: a slip in "selector"
// would else be answered with every document.
func onlyFields(d ejson.Doc, names ...string) error {
	for name := range d.Fields() {
		if !slices.Contains(names, name) {
			return usagef("%q means nothing here; there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// stringList makes an array value of strings.
func stringList(list []string) ejson.Value {
	values := make([]ejson.Value, len(list))
	for i, s := range list {
		values[i] = ejson.StringValue(s)
	}
	return ejson.ArrayOf(values...).Value()
}

// stringOf reads a string; it may be absent.
func stringOf(d ejson.Doc, name string) (string, error) {
	v := d.Field(name)
	if v.Kind() != ejson.String && !v.IsMissing() {
		return "", usagef("%s: wants text, got %v", name, v)
	}
	return v.Str(), nil
}

// stringsOf reads a list of strings; it may be absent.
func stringsOf(d ejson.Doc, name string) ([]string, error) {
	v := d.Field(name)
	if v.Kind() == ejson.Missing {
		return nil, nil
	}
	if v.Kind() != ejson.List {
		return nil, usagef("%s: wants a list of names, got %v", name, v)
	}
	var out []string
	for _, e := range v.Array().All() {
		if e.Kind() != ejson.String {
			return nil, usagef("%s: wants a list of names, got %v in it", name, e)
		}
		out = append(out, e.Str())
	}
	return out, nil
}

// countOf reads a number that is not negative; it may be absent.
func countOf(d ejson.Doc, name string) (int, error) {
	v := d.Field(name)
	if v.Kind() == ejson.Missing {
		return 0, nil
	}
	n := v.Number()
	if v.Kind() != ejson.Number || n < 0 || n != float64(int(n)) {
		return 0, usagef("%s: wants a whole number from 0, got %v", name, v)
	}
	return int(n), nil
}
