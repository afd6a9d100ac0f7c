package store

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// IndexOptions define an index. The zero value of all but Keys is a plain one.
type IndexOptions struct {
	Name string   // empty: the keys, joined by commas, as "room,-ts"
	Keys []string // as for query.CompileSort; several make a compound index
	// Unique refuses a commit after which two documents have the same key; see
	// [DuplicateKeyError]. A missing field counts as null, unless the index is sparse.
	Unique bool
	// Sparse leaves out the documents that have none of the keys.
	Sparse bool
	// Partial is a selector: only what it selects is in the index. Nil: everything.
	// It cannot be combined with Sparse.
	Partial any
	// Expire removes documents when the date at the only key is past, and TTL on top
	// of it. A list of dates counts by the first of them; what has no date stays.
	Expire bool
	TTL    time.Duration // more than 0 implies Expire; at most 68 years
}

// maxTTL is MongoDB's: 2^31-1 seconds.
const maxTTL = math.MaxInt32 * time.Second

// definition is an index defined and compiled. It is immutable.
type definition struct {
	name   string
	key    *query.IndexKey
	whole  bool // every document is in the index
	expire bool
	ttl    time.Duration
}

func (o IndexOptions) compile() (*definition, error) {
	kinds := query.IndexOptions{Unique: o.Unique, Sparse: o.Sparse}
	if o.Partial != nil {
		m, err := compile(o.Partial)
		if err != nil {
			return nil, err
		}
		kinds.Partial = m
	}
	key, err := query.CompileIndexWith(o.Keys, kinds)
	if err != nil {
		return nil, err
	}
	d := &definition{name: o.Name, key: key, expire: o.Expire || o.TTL > 0, ttl: o.TTL}
	if d.name == "" {
		d.name = key.Name()
	}
	kinds = key.Options()
	d.whole = !kinds.Sparse && kinds.Partial == nil
	switch {
	case o.TTL < 0 || o.TTL > maxTTL:
		return nil, fmt.Errorf("store: index %q: wants a TTL from 0 to %v, got %v", d.name, maxTTL, o.TTL)
	case d.expire && len(o.Keys) > 1:
		return nil, fmt.Errorf("store: index %q: documents expire by one date, got %d keys", d.name, len(o.Keys))
	case d.name == "$natural" || d.name == "_id_":
		return nil, fmt.Errorf("store: index %q: the name means something else in a hint", d.name)
	}
	return d, nil
}

// plain returns the definition of an index of no special kind.
func plain(keys []string) (*definition, error) { return IndexOptions{Keys: keys}.compile() }

// options is the way back.
func (d *definition) options() IndexOptions {
	kinds := d.key.Options()
	o := IndexOptions{
		Name: d.name, Keys: d.key.Keys(), Unique: kinds.Unique, Sparse: kinds.Sparse, Expire: d.expire, TTL: d.ttl,
	}
	if kinds.Partial != nil {
		o.Partial = kinds.Partial.Selector()
	}
	return o
}

// alike reports whether two definitions differ at most in their names.
func (d *definition) alike(e *definition) bool {
	a, b := d.document("").Without("name", "_id"), e.document("").Without("name", "_id")
	return a.Same(b)
}

// indexCollection holds the definitions of the indexes of all collections.
const indexCollection = "system.indexes"

// Reserved reports whether a collection is the store's own: reads are as of any
// other, writes give ErrReserved.
func Reserved(collection string) bool { return collection == indexCollection }

// definitionID returns the _id under which a definition is kept.
func definitionID(collection, name string) ejson.ID {
	return ejson.StringID(url.PathEscape(collection) + "/" + name)
}

// document returns the definition as it is kept.
func (d *definition) document(collection string) ejson.Doc {
	var b ejson.Builder
	var keys []ejson.Value
	for _, k := range d.key.Keys() {
		keys = append(keys, ejson.StringValue(k))
	}
	b.Add("_id", definitionID(collection, d.name).Value())
	b.Add("collection", ejson.StringValue(collection))
	b.Add("name", ejson.StringValue(d.name))
	b.Add("keys", ejson.ArrayOf(keys...).Value())
	kinds := d.key.Options()
	if kinds.Unique {
		b.Add("unique", ejson.BoolValue(true))
	}
	if kinds.Sparse {
		b.Add("sparse", ejson.BoolValue(true))
	}
	if kinds.Partial != nil {
		b.Add("partial", kinds.Partial.Selector().Value())
	}
	if d.expire {
		b.Add("expireAfterSeconds", ejson.NumberValue(d.ttl.Seconds()))
	}
	return b.Doc()
}

// definitionFrom reads what document has written.
func definitionFrom(doc ejson.Doc) (collection string, d *definition, err error) {
	var o IndexOptions
	for name, v := range doc.Fields() {
		ok := true
		switch name {
		case "_id":
		case "collection":
			collection, ok = v.Str(), v.Kind() == ejson.String
		case "name":
			o.Name, ok = v.Str(), v.Kind() == ejson.String
		case "keys":
			ok = v.Kind() == ejson.List
			for _, k := range v.Array().All() {
				ok = ok && k.Kind() == ejson.String
				o.Keys = append(o.Keys, k.Str())
			}
		case "unique":
			o.Unique, ok = v.Bool(), v.Kind() == ejson.Bool
		case "sparse":
			o.Sparse, ok = v.Bool(), v.Kind() == ejson.Bool
		case "partial":
			o.Partial, ok = v.Doc(), v.Kind() == ejson.Object
		case "expireAfterSeconds":
			seconds := v.Number()
			ok = v.Kind() == ejson.Number && seconds >= 0 && seconds <= maxTTL.Seconds()
			o.Expire, o.TTL = true, time.Duration(seconds*float64(time.Second))
		default:
			// Of a later version: without it the index would be another one.
			ok = false
		}
		if !ok {
			return "", nil, fmt.Errorf("definition of an index with %s: %v", name, v)
		}
	}
	d, err = o.compile()
	if err == nil && doc.ID() != definitionID(collection, d.name) {
		err = fmt.Errorf("definition of index %q of %q under _id %v", d.name, collection, doc.ID())
	}
	return collection, d, err
}

// named returns the place of the index of that name, or else of the first whose
// keys are these; -1 where there is none.
func named(indexes []*index, nameOrKeys string) int {
	at := slices.IndexFunc(indexes, func(x *index) bool { return x.name == nameOrKeys })
	if at < 0 {
		at = slices.IndexFunc(indexes, func(x *index) bool { return x.key.Name() == nameOrKeys })
	}
	return at
}
