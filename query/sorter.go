package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxSortKeys is MongoDB's limit, too.
	maxSortKeys = 32
	// maxSortTuples bounds what is looked at to order one document by several
	// keys that share a list.
	maxSortTuples = 1000
)

var idName = ejson.NameOf("_id")

// Sorter is a total order of documents: ties are broken by _id, in the direction
// of the last key, so that the reverse of a sort gives the reverse order. A nil
// Sorter means the order of insertion.
//
// A document with a list under a key is placed by its least element where the
// key ascends and by its greatest where it descends. A missing field is placed as
// null, and an empty list before it. Where two keys lead through one list, the
// elements are compared by both; where they lead through two, each by its own.
type Sorter struct {
	keys   []sortKey
	paths  []path
	shared bool  // two keys begin alike, and may lead through one list
	desc   bool  // of the tie
	near   *near // instead of keys: by distance
}

type sortKey struct {
	path path
	desc bool
}

// CompileSort takes paths, each with "-" before it to descend. Without keys the
// Sorter is nil: the order of insertion. A path that itself begins with "-" has "+"
// before it: "+-a" is the field "-a", ascending.
func CompileSort(keys ...string) (*Sorter, error) {
	parsed, err := parseKeys("sort", keys)
	if err != nil {
		return nil, err
	}
	return newSorter(parsed)
}

// parseKeys reads paths with "-" before them to descend.
func parseKeys(what string, keys []string) ([]sortKey, error) {
	parsed := make([]sortKey, 0, len(keys))
	for _, k := range keys {
		name, desc := readKey(k)
		key, err := newSortKey(what, name, desc)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, key)
	}
	if len(parsed) > maxSortKeys {
		return nil, syntaxError("", "", "%s: %d keys, and %d are the most", what, len(parsed), maxSortKeys)
	}
	return parsed, nil
}

func newSortKey(what, name string, desc bool) (sortKey, error) {
	switch {
	case name == "":
		return sortKey{}, syntaxError("", "", "%s: a key is empty", what)
	case strings.HasPrefix(name, "$"):
		return sortKey{}, syntaxError("", name, "is no key to sort by; name a field")
	}
	p, err := makePath(name)
	return sortKey{p, desc}, err
}

// CompileSortSpec takes the forms that a sort has on the wire: a document
// {a: 1, b: -1}, a list of names or of pairs [["a", "desc"]], or the strings of
// CompileSort; nil and an empty spec give a nil Sorter.
func CompileSortSpec(spec any) (*Sorter, error) {
	switch x := spec.(type) {
	case nil:
		return nil, nil
	case *Sorter:
		return x, nil
	case []string:
		return CompileSort(x...)
	case string:
		if x == "" {
			return nil, nil
		}
		return CompileSort(x)
	}
	v, err := valueOf("sort", spec)
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case ejson.Null:
		return nil, nil
	case ejson.Bool, ejson.Number:
		if !truthy(v) {
			return nil, nil
		}
	case ejson.String:
		return CompileSortSpec(v.Str())
	}
	keys, err := specKeys("sort", v)
	if err != nil {
		return nil, err
	}
	return newSorter(keys)
}

// specKeys reads {a: 1, b: -1} or a list of what listKey reads.
func specKeys(what string, v ejson.Value) (keys []sortKey, err error) {
	switch v.Kind() {
	case ejson.Object:
		for name, dir := range v.Doc().Fields() {
			key, err := newSortKey(what, name, descends(dir))
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
	case ejson.List:
		for i, e := range v.Array().All() {
			key, err := listKey(what, i, e)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
	default:
		return nil, syntaxError("", "", "%s: wants {field: 1 or -1}, got %s", what, met(v))
	}
	if len(keys) > maxSortKeys {
		return nil, syntaxError("", "", "%s: %d keys, and %d are the most", what, len(keys), maxSortKeys)
	}
	return keys, nil
}

// listKey reads "a", "-a" or ["a", direction].
func listKey(what string, i int, e ejson.Value) (sortKey, error) {
	switch e.Kind() {
	case ejson.String:
		name, desc := readKey(e.Str())
		return newSortKey(what, name, desc)
	case ejson.List:
		pair := e.Array()
		if n := pair.Len(); n == 0 || n > 2 || pair.At(0).Kind() != ejson.String {
			break
		}
		desc := false
		if pair.Len() == 2 {
			dir := pair.At(1)
			desc = dir.Kind() == ejson.String && isDescending(dir.Str()) || dir.Kind() == ejson.Number && dir.Number() < 0
		}
		return newSortKey(what, pair.At(0).Str(), desc)
	}
	return sortKey{}, syntaxError(strconv.Itoa(i), "", "%s: wants a field or [field, direction], got %s", what, met(e))
}

// descends reads a direction of a sort document: the words that drivers take;
// else what JavaScript does not find to be >= 0 descends, as in Meteor.
func descends(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.Null, ejson.Bool:
		return false
	case ejson.Number:
		return !(v.Number() >= 0)
	case ejson.Date:
		return v.Millis() < 0
	case ejson.String:
		if isDescending(v.Str()) {
			return true
		}
		switch strings.ToLower(v.Str()) {
		case "asc", "ascending":
			return false
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v.Str()), 64)
		return strings.TrimSpace(v.Str()) != "" && (err != nil || !(f >= 0))
	}
	return true
}

func isDescending(word string) bool {
	switch strings.ToLower(word) {
	case "desc", "descending":
		return true
	}
	return false
}

func newSorter(keys []sortKey) (*Sorter, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	s := &Sorter{desc: keys[len(keys)-1].desc}
	for i, k := range keys {
		if k.path.text == "_id" {
			// Nothing is left to decide behind it.
			s.desc, keys = k.desc, keys[:i]
			break
		}
		s.paths = append(s.paths, k.path)
		for _, before := range keys[:i] {
			s.shared = s.shared || before.path.top() == k.path.top()
		}
	}
	s.keys = keys
	return s, nil
}

// Compare returns -1, 0 or +1. It is 0 only for documents of the same _id, and
// allocates nothing unless there is a list under a key.
func (s *Sorter) Compare(a, b ejson.Doc) int {
	if s == nil {
		return 0
	}
	if c := s.compareKeys(a, b); c != 0 {
		return c
	}
	c := ejson.Compare(a.Lookup(idName), b.Lookup(idName))
	if s.desc {
		return -c
	}
	return c
}

// Same reports whether only the _id tells a from b in this order.
func (s *Sorter) Same(a, b ejson.Doc) bool { return s == nil || s.compareKeys(a, b) == 0 }

func (s *Sorter) compareKeys(a, b ejson.Doc) int {
	if s.near != nil {
		return compareFloats(s.near.distance(a), s.near.distance(b))
	}
	for i := range s.keys {
		k := &s.keys[i]
		v, okA := plainValue(a, &k.path)
		w, okB := plainValue(b, &k.path)
		if !okA || !okB {
			if s.shared {
				return s.compareTuples(s.tuple(a), s.tuple(b))
			}
			v, w = k.value(a), k.value(b)
		}
		if c := compareKeys(v, w); c != 0 {
			if k.desc {
				return -c
			}
			return c
		}
	}
	return 0
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// value returns the value that d is placed by under k alone.
func (k *sortKey) value(d ejson.Doc) ejson.Value {
	if v, ok := plainValue(d, &k.path); ok {
		return v
	}
	list := branchesOf(d, k.path, true)
	best := list[0].v
	for _, b := range list[1:] {
		if c := compareKeys(b.v, best); c != 0 && (c > 0) == k.desc {
			best = b.v
		}
	}
	return best
}

// tuple returns the values that d is placed by: the first in this order of the
// tuples that its lists give.
func (s *Sorter) tuple(d ejson.Doc) []ejson.Value {
	var best []ejson.Value
	if s.shared {
		this := make([]ejson.Value, len(s.keys))
		newJoin(d, s.paths, true, maxSortTuples).each(func(t []*branch) {
			for i, b := range t {
				this[i] = b.v
			}
			if best == nil || s.compareTuples(this, best) < 0 {
				best = append(best[:0], this...)
			}
		})
	}
	if best == nil {
		for i := range s.keys {
			best = append(best, s.keys[i].value(d))
		}
	}
	return best
}

func (s *Sorter) compareTuples(a, b []ejson.Value) int {
	for i := range s.keys {
		if c := compareKeys(a[i], b[i]); c != 0 {
			if s.keys[i].desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// AppendKey appends bytes that compare as d does, tie-break included:
// bytes.Compare of two keys equals Compare of the documents.
func (s *Sorter) AppendKey(dst []byte, d ejson.Doc) []byte {
	switch {
	case s == nil:
		return dst
	case s.near != nil:
		dst = ejson.AppendKey(dst, ejson.NumberValue(s.near.distance(d)), false)
	case s.shared:
		for i, v := range s.tuple(d) {
			dst = appendKey(dst, v, s.keys[i].desc)
		}
	default:
		for i := range s.keys {
			dst = appendKey(dst, s.keys[i].value(d), s.keys[i].desc)
		}
	}
	return ejson.AppendKey(dst, d.Lookup(idName), s.desc)
}

// Paths returns the top-level fields that the order depends on, sorted, _id
// aside where it only breaks ties.
func (s *Sorter) Paths() []string {
	if s == nil {
		return nil
	}
	if s.near != nil {
		return []string{s.near.path.top()}
	}
	var paths []string
	for _, p := range s.paths {
		paths = append(paths, p.top())
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Keys returns the sort as CompileSort would take it, and nil for the order of
// a $near.
func (s *Sorter) Keys() []string {
	if s == nil {
		return nil
	}
	return append(keyTexts(s.keys), s.tieText()...)
}

// tieText returns _id as a key, where it is more than the tie-break that the
// other keys imply.
func (s *Sorter) tieText() []string {
	last := len(s.keys) - 1
	switch {
	case last >= 0 && s.keys[last].desc == s.desc || s.near != nil:
		return nil
	case s.desc:
		return []string{"-_id"}
	}
	return []string{"_id"}
}
