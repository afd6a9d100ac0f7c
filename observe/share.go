package observe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// shareOf returns the same string for queries that have the same result in every
// state of the store.
func shareOf(spec *store.Spec, ordered bool) string {
	var b strings.Builder
	if spec.Matcher.None() {
		b.WriteByte('n') // false and null select nothing, and have the selector of nil
	}
	if ordered {
		b.WriteByte('o')
		if spec.Sorter != nil {
			for _, key := range spec.Sorter.Keys() {
				b.WriteString(strconv.Quote(key))
			}
		}
	}
	b.WriteByte(' ')
	b.WriteString(strconv.Itoa(spec.Skip))
	b.WriteByte(' ')
	b.WriteString(strconv.Itoa(spec.Limit))
	fields := plainFields(spec.Fields.Spec()).Raw()
	b.WriteByte(' ')
	b.WriteString(strconv.Itoa(len(fields)))
	b.WriteString(fields)
	b.WriteString(spec.Matcher.Selector().Raw())
	return b.String()
}

// plainFields returns a projection in the words that it shares with others of the
// same meaning: true and false for whatever says so, the names in one order, and
// no _id where it goes without saying. One that does more than to keep or drop
// fields is returned as it is.
func plainFields(spec ejson.Doc) ejson.Doc {
	var names []string
	keeps := false
	for name, v := range spec.Fields() {
		on, plain := says(v)
		if !plain || strings.Contains(name, "$") {
			return spec
		}
		keeps = keeps || on && name != "_id"
		names = append(names, name)
	}
	slices.Sort(names)
	var b ejson.Builder
	for _, name := range names {
		on, _ := says(spec.Field(name))
		if name != "_id" || !on || !keeps {
			b.Add(name, ejson.BoolValue(on))
		}
	}
	if len(names) == 0 {
		return spec
	}
	return b.Doc()
}

// says reports whether v keeps or drops a field.
func says(v ejson.Value) (on, plain bool) {
	switch v.Kind() {
	case ejson.Bool:
		return v.Bool(), true
	case ejson.Number:
		return v.Number() != 0, true
	}
	return false, false
}
