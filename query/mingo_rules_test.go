package query_test

import (
	"regexp"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// Why mingo's answers may differ, where both are asked what they know. In each
// case MongoDB's manual is on our side.
const (
	// A modifier that cannot be applied (a path through a scalar, a list operator
	// on something else) is an error; mingo leaves the document as it is.
	lenientUpdate = "mingo has no errors of updates"
	// A path through a list of documents leads to null in those that lack the
	// field, and to nothing in an empty list. mingo gathers what is there into a
	// list, and tests that: {"m.b": null} misses {m: [{c: 1}]}.
	throughList = "mingo forgets what is missing beyond a list"
)

// excuse says why mingo's answer may differ from ours: one of the above, or "".
func (q question) excuse(ours, mingo answer) string {
	switch {
	case q.update != "":
		if ours.Error != "" && mingo.Error == "" && len(mingo.Docs) == 1 && mingo.Docs[0].Same(q.doc) {
			return lenientUpdate
		}
	case q.find != "" && ours.Error == "" && mingo.Error == "":
		for _, d := range q.docs {
			if ours.has(d) != mingo.has(d) && !lacksBeyondList(q.find, d) {
				return ""
			}
		}
		return throughList
	}
	return ""
}

func (a answer) has(d ejson.Doc) bool {
	return slices.ContainsFunc(a.Docs, func(e ejson.Doc) bool { return e.ID() == d.ID() })
}

var dottedPath = regexp.MustCompile(`"([a-z])\.(?:\d\.)?([a-z])"`)

// lacksBeyondList reports whether a dotted path of the selector leads through a
// list of d in which something lacks the field.
func lacksBeyondList(selector string, d ejson.Doc) bool {
	for _, m := range dottedPath.FindAllStringSubmatch(selector, -1) {
		list := d.Field(m[1])
		if list.Kind() != ejson.List {
			continue
		}
		if list.Array().Len() == 0 {
			return true
		}
		for _, e := range list.Array().All() {
			if e.Kind() != ejson.Object || e.Doc().Field(m[2]).IsMissing() {
				return true
			}
		}
	}
	return false
}
