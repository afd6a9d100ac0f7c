package observe

import (
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// A way is how changes find a result: the first of these that its selector has.
// The zero way is to ask it about every change.
type way struct {
	ids    []ejson.ID // by _id, if byID
	byID   bool
	pin    query.Pin     // by a pinned field, if its path is not empty
	path   string        // by ranges of a field, if there are bounds
	bounds []query.Bound // of the keys at the path
	any    []way         // by each of these: those of the branches of an $or
	exact  bool          // the selector asks for nothing else
}

// A result is not found in more places than this: a selector with many branches
// is asked in about the time that each place costs at the start.
const mostPlaces = 64

// places is the number of values and ranges by which the way finds its result.
func (w *way) places() int {
	n := len(w.ids) + len(w.pin.Values) + len(w.bounds)
	for i := range w.any {
		n += w.any[i].places()
	}
	return n
}

// asks reports whether the way is to ask.
func (w *way) asks() bool { return !w.byID && w.pin.Path == "" && w.path == "" && w.any == nil }

// wayOf chooses the way: by id, by the pin with the fewest values, by ranges, by the
// ways of the branches of an $or.
func wayOf(m *query.Matcher) way { return wayWithin(m, 3) }

// wayWithin is wayOf for a selector that may have so many levels of $or.
func wayWithin(m *query.Matcher, levels int) (w way) {
	if m.None() {
		w.byID = true // by none
		return w
	}
	if w.ids, w.byID = m.IDs(); w.byID {
		w.exact = asksValues(m.Selector())
		return w
	}
	for _, p := range m.Pins() {
		if (w.pin.Path == "" || len(p.Values) < len(w.pin.Values)) && indexable(p.Path) && scalar(p.Values) {
			w.pin = p
		}
	}
	if w.pin.Path != "" {
		w.exact = asksValues(m.Selector())
		return w
	}
	if w.path, w.bounds, w.exact = rangesOf(m); w.path == "" && levels > 0 {
		w.any = branchesOf(m.Selector(), levels-1)
	}
	return w
}

// branchesOf returns the ways of the branches of an $or that a document which
// matches must satisfy: a change that concerns the result concerns one of them.
// It returns nil where there is none, or a branch of each would have to be asked.
func branchesOf(selector ejson.Doc, levels int) []way {
	for name, v := range selector.Fields() {
		if name != "$and" && name != "$or" || v.Kind() != ejson.List || v.Array().Len() > mostPlaces {
			continue
		}
		var all way
		ok := name == "$or"
		for _, part := range v.Array().All() {
			if part.Kind() != ejson.Object {
				return nil
			}
			if name == "$and" {
				if ways := branchesOf(part.Doc(), levels); ways != nil {
					return ways
				}
				continue
			}
			m, err := query.Compile(part.Doc())
			if err != nil {
				ok = false
				break
			}
			w := wayWithin(m, levels)
			if all.any = append(all.any, w); w.asks() || all.places() > mostPlaces {
				ok = false
				break
			}
		}
		if ok {
			return all.any
		}
	}
	return nil
}

// asksValues reports whether a selector asks only for one of some values at a path.
func asksValues(selector ejson.Doc) bool {
	if selector.Len() != 1 {
		return false
	}
	name, v := selector.At(0)
	if v.Kind() == ejson.Object && v.Doc().Len() == 1 {
		name, _ := v.Doc().At(0)
		return name == "$in" || name == "$eq"
	}
	return v.Kind() != ejson.Object && name[0] != '$'
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
// there, lies in a few ranges: those that an index on it would be searched in. They are
// exact where to lie in one of them is to match.
func rangesOf(m *query.Matcher) (path string, best []query.Bound, exact bool) {
	cost := 0
	for _, p := range pathsOf(nil, m.Selector()) {
		key, err := query.CompileIndex(p)
		if err != nil || !indexable(p) {
			continue
		}
		plan := query.Choose(m, nil, 0, []query.Index{{Name: p, Key: key, Size: 1_000_000}})
		if plan.Access == query.ByIndex && len(plan.Bounds) <= 64 && (best == nil || plan.Cost < cost) {
			path, best, cost, exact = p, plan.Bounds, plan.Cost, plan.Exact()
		}
	}
	return path, best, exact
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

// String says the way for people.
func (w way) String() string {
	switch {
	case w.byID && len(w.ids) == 0:
		return "never: the selector selects nothing"
	case w.byID:
		return "by _id, " + plural(len(w.ids), "value")
	case w.pin.Path != "":
		return "by " + w.pin.Path + ", " + plural(len(w.pin.Values), "value")
	case w.path != "":
		return "by " + w.path + ", " + plural(len(w.bounds), "range")
	case w.any != nil:
		var branches []string
		for _, branch := range w.any {
			branches = append(branches, branch.String())
		}
		return strings.Join(branches, ", or ")
	}
	return "asked about every change"
}
