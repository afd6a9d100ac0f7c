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

// IndexKey makes the keys that an index has for a document.
type IndexKey struct {
	keys   []sortKey
	paths  []path
	shared bool // two paths begin alike, and may lead through one list
}

// CompileIndex takes paths, each with "-" before it to descend; several make a
// compound index.
func CompileIndex(keys ...string) (*IndexKey, error) {
	if len(keys) == 0 {
		return nil, syntaxError("", "", "index: no keys")
	}
	parsed, err := parseKeys("index", keys)
	if err != nil {
		return nil, err
	}
	k := &IndexKey{keys: parsed}
	for i, key := range parsed {
		for _, before := range parsed[:i] {
			if before.path.text == key.path.text {
				return nil, syntaxError(key.path.text, "", "index: a key stands twice")
			}
			k.shared = k.shared || before.path.top() == key.path.top()
		}
		k.paths = append(k.paths, key.path)
	}
	return k, nil
}

// Keys returns what was compiled.
func (k *IndexKey) Keys() []string { return keyTexts(k.keys) }

// Name returns the canonical name of the index: its keys, joined by commas.
func (k *IndexKey) Name() string { return strings.Join(k.Keys(), ",") }

// Paths returns the top-level fields that the keys depend on, sorted. A change
// that touches none of them changes no key.
func (k *IndexKey) Paths() []string {
	var paths []string
	for _, p := range k.paths {
		paths = append(paths, p.top())
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// AppendOne appends the only key of d to buf. ok is false, and buf as it was,
// where d may have several (a list is on one of the paths, or at its end); then
// use Append. A missing field counts as null.
func (k *IndexKey) AppendOne(buf []byte, d ejson.Doc) (key []byte, ok bool) {
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
// where a list is at one of the paths, and at least one for every document.
// multikey is true for a document with a list on one of the paths, even if it
// has one key only; while such a document is in an index, Index.Multikey must be
// true.
func (k *IndexKey) Append(dst [][]byte, d ejson.Doc) (keys [][]byte, multikey bool) {
	if key, ok := k.AppendOne(nil, d); ok {
		return append(dst, key), false
	}
	first := len(dst)
	if len(k.keys) == 1 {
		for _, b := range branchesOf(d, k.keys[0].path, false) {
			dst = append(dst, appendKey(nil, b.v, k.keys[0].desc))
		}
	} else if !newJoin(d, k.paths, false, maxIndexKeys).each(func(t []ejson.Value) {
		var key []byte
		for i, v := range t {
			key = appendKey(key, v, k.keys[i].desc)
		}
		dst = append(dst, key)
	}) {
		dst = append(dst[:first], []byte(overflowKey))
	}
	mine := dst[first:]
	slices.SortFunc(mine, bytes.Compare)
	mine = slices.CompactFunc(mine, bytes.Equal)
	return dst[:first+len(mine)], true
}
