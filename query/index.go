package query

import (
	"bytes"
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// maxIndexKeys bounds the keys that a compound index has for one document. What
// would have more has the one key overflowKey, which no value gives and which
// the bounds of every plan on such an index include.
const maxIndexKeys = 1000

const overflowKey = "\xff"

// IndexOptions are the kinds of an index. The zero value is a plain one, which
// has an entry at least for every document.
type IndexOptions struct {
	// Unique: no two documents may have the same key. A missing field counts as
	// null, so that only one document may lack it, unless the index is sparse.
	Unique bool
	// Sparse: a document that has none of the paths has no entry. A null is
	// something to have.
	Sparse bool
	// Partial: only the documents that it selects have entries. Nil: all. It
	// cannot be combined with Sparse.
	Partial *Matcher
}

// IndexKey makes the keys that an index has for a document. It is immutable;
// share it freely.
type IndexKey struct {
	keys   []sortKey
	paths  []path
	shared bool // two paths begin alike, and may lead through one list
	kind   IndexOptions
}

// CompileIndex takes paths, each with "-" before it to descend; several make a
// compound index.
func CompileIndex(keys ...string) (*IndexKey, error) {
	return CompileIndexWith(keys, IndexOptions{})
}

// CompileIndexWith is CompileIndex for an index of some kind.
func CompileIndexWith(keys []string, o IndexOptions) (*IndexKey, error) {
	if len(keys) == 0 {
		return nil, syntaxError("", "", "index: no keys")
	}
	parsed, err := parseKeys("index", keys)
	if err != nil {
		return nil, err
	}
	k := &IndexKey{keys: parsed, kind: o}
	for i, key := range parsed {
		for _, before := range parsed[:i] {
			if before.path.text == key.path.text {
				return nil, syntaxError(key.path.text, "", "index: a key stands twice")
			}
			k.shared = k.shared || before.path.top() == key.path.top()
		}
		k.paths = append(k.paths, key.path)
	}
	if o.Partial == nil {
		return k, nil
	}
	if o.Sparse {
		return nil, syntaxError("", "", "index: sparse and partial at once; say {%s: {$exists: true}} in the filter", parsed[0].path.text)
	}
	if o.Partial.near != nil {
		return nil, syntaxError("", "$near", "index: orders documents, and a filter only selects them; use $geoWithin")
	}
	if o.Partial.All() {
		k.kind.Partial = nil
	}
	return k, nil
}

// Keys returns what was compiled.
func (k *IndexKey) Keys() []string { return keyTexts(k.keys) }

// Options returns the kinds of the index. A filter that selects everything is
// nil there.
func (k *IndexKey) Options() IndexOptions { return k.kind }

// Name returns the canonical name of the index: its keys, joined by commas.
func (k *IndexKey) Name() string { return strings.Join(k.Keys(), ",") }

// Paths returns the top-level fields that the keys depend on, sorted, those of
// a partial filter included. A change that touches none of them changes no key.
func (k *IndexKey) Paths() []string {
	var paths []string
	for _, p := range k.paths {
		paths = append(paths, p.top())
	}
	if k.kind.Partial != nil {
		paths = append(paths, k.kind.Partial.Paths()...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Has reports whether the index has entries for d. It is true for all documents
// unless the index is sparse or partial.
func (k *IndexKey) Has(d ejson.Doc) bool {
	switch {
	case k.kind.Partial != nil:
		return k.kind.Partial.Match(d)
	case k.kind.Sparse:
		for i := range k.paths {
			if hasPath(d, &k.paths[i]) {
				return true
			}
		}
		return false
	}
	return true
}

// AppendOne appends the only key of d to buf. ok is false, and buf as it was,
// where d may have several (a list is on one of the paths, or at its end) or
// none (the index is sparse or partial); then use Append. A missing field counts
// as null.
func (k *IndexKey) AppendOne(buf []byte, d ejson.Doc) (key []byte, ok bool) {
	if k.selective() && !k.Has(d) {
		return buf, false
	}
	key = buf
	for i := range k.keys {
		v, plain := plainValue(d, &k.keys[i].path)
		if !plain {
			return buf, false
		}
		key = appendKey(key, v, k.keys[i].desc)
	}
	return key, true
}

// Append appends the keys of d to dst: one, or one for each distinct element
// where a list is at one of the paths; at least one for every document that the
// index Has, and none for others. multikey is true for a document with a list on
// one of the paths, even if it has one key only; while such a document is in an
// index, Index.Multikey must be true.
func (k *IndexKey) Append(dst [][]byte, d ejson.Doc) (keys [][]byte, multikey bool) {
	if key, ok := k.AppendOne(nil, d); ok {
		return append(dst, key), false
	}
	if k.selective() && !k.Has(d) {
		return dst, false
	}
	first := len(dst)
	if len(k.keys) == 1 {
		for _, b := range branchesOf(d, k.keys[0].path, false) {
			if !b.absent || !k.kind.Sparse {
				dst = append(dst, appendKey(nil, b.v, k.keys[0].desc))
			}
		}
	} else if !newJoin(d, k.paths, false, maxIndexKeys).each(func(t []*branch) {
		if k.kind.Sparse && allAbsent(t) {
			return
		}
		var key []byte
		for i, b := range t {
			key = appendKey(key, b.v, k.keys[i].desc)
		}
		dst = append(dst, key)
	}) {
		dst = append(dst[:first], []byte(overflowKey))
	}
	if len(dst) == first { // what it has lies in elements that go with no other
		var key []byte
		for i := range k.keys {
			key = appendKey(key, ejson.NullValue(), k.keys[i].desc)
		}
		dst = append(dst, key)
	}
	mine := dst[first:]
	slices.SortFunc(mine, bytes.Compare)
	mine = slices.CompactFunc(mine, bytes.Equal)
	return dst[:first+len(mine)], true
}

func allAbsent(t []*branch) bool {
	for _, b := range t {
		if !b.absent {
			return false
		}
	}
	return true
}

// IsOverflow reports whether a key is the one that a compound index has for a
// document with more than 1,000. It says nothing of the document's values: a
// unique index has to refuse such a document.
func (k *IndexKey) IsOverflow(key []byte) bool { return string(key) == overflowKey }

// Text says what d has at the paths, for the error of a unique index:
// room = "x", ts = null.
func (k *IndexKey) Text(d ejson.Doc) string {
	var parts []string
	for _, p := range k.paths {
		var values []string
		for _, b := range branchesOf(d, p, false) {
			if b.v.IsMissing() {
				values = append(values, "[]")
				continue
			}
			values = append(values, b.v.String())
		}
		parts = append(parts, p.text+" = "+strings.Join(values, " | "))
	}
	return strings.Join(parts, ", ")
}
