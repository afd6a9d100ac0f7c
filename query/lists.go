package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

// elementsOf returns the elements of the list that an edit works on. found is
// false where there is nothing.
func elementsOf(v ejson.Value) (list []ejson.Value, found bool, err error) {
	switch v.Kind() {
	case ejson.Missing:
		return nil, false, nil
	case ejson.List:
		a := v.Array()
		list = make([]ejson.Value, 0, a.Len()+1)
		for _, e := range a.All() {
			list = append(list, e)
		}
		return list, true, nil
	}
	return nil, false, badTarget("a list", v)
}

// push is $push and $pushAll.
type push struct {
	values   []ejson.Value
	position int // before the element of this place; negative from the end
	sort     func(a, b ejson.Value) int
	keep     int // how many remain; negative: of the last
}

// newPush reads a value to push, or {$each: [...]} with its modifiers.
func newPush(name string, v ejson.Value, level int) (edit, error) {
	const op = "$push"
	p := &push{position: math.MaxInt32, keep: math.MaxInt32}
	each := v.Doc().Field("$each")
	if each.IsMissing() {
		p.values = []ejson.Value{v}
		return p, checkStored(name, op, v, level+2)
	}
	values, err := listOf(name, op+" $each", each, level)
	if err != nil {
		return nil, err
	}
	p.values = values
	for key, w := range v.Doc().Fields() {
		n, whole := wholeNumber(w)
		n = max(min(n, math.MaxInt32), -math.MaxInt32)
		switch {
		case key == "$each":
		case key == "$sort":
			if p.sort, err = elementOrder(name, w); err != nil {
				return nil, err
			}
		case key != "$position" && key != "$slice":
			return nil, unknownOperator(name, op+" "+key, []string{"$each", "$slice", "$sort", "$position"})
		case !whole:
			return nil, syntaxError(name, op+" "+key, "wants a whole number, got %s", metNumber(w))
		case key == "$position":
			p.position = int(n)
		default:
			p.keep = int(n)
		}
	}
	return p, nil
}

// elementOrder reads $sort: 1 or -1 for the elements themselves, or a sort of
// documents.
func elementOrder(name string, v ejson.Value) (func(a, b ejson.Value) int, error) {
	const op = "$push $sort"
	switch v.Kind() {
	case ejson.Number:
		if n := v.Number(); n == 1 || n == -1 {
			return func(a, b ejson.Value) int { return ejson.Compare(a, b) * int(n) }, nil
		}
	case ejson.Object:
		var keys []sortKey
		for field, dir := range v.Doc().Fields() {
			if n := dir.Number(); dir.Kind() != ejson.Number || n != 1 && n != -1 {
				return nil, syntaxError(name, op, "wants 1 or -1 for %q, got %s", clip(field), metNumber(dir))
			}
			key, err := newSortKey("$sort", field, dir.Number() < 0)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		return func(a, b ejson.Value) int {
			// What is no document has no fields.
			for i := range keys {
				if c := compareKeys(keys[i].value(a.Doc()), keys[i].value(b.Doc())); c != 0 {
					if keys[i].desc {
						return -c
					}
					return c
				}
			}
			return 0
		}, nil
	}
	return nil, syntaxError(name, op, "wants 1, -1 or {field: 1 or -1}, got %s", metNumber(v))
}

func (o *push) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	list, _, err := elementsOf(v)
	if err != nil {
		return v, err
	}
	at := min(o.position, len(list))
	if at < 0 {
		at = max(len(list)+at, 0)
	}
	list = slices.Insert(list, at, o.values...)
	if o.sort != nil {
		slices.SortStableFunc(list, o.sort)
	}
	if o.keep < 0 {
		list = list[max(len(list)+o.keep, 0):]
	} else {
		list = list[:min(o.keep, len(list))]
	}
	return ejson.ArrayOf(list...).Value(), nil
}

// addToSet is $addToSet.
type addToSet struct{ values []ejson.Value }

func newAddToSet(name string, v ejson.Value, level int) (edit, error) {
	const op = "$addToSet"
	each := v.Doc().Field("$each")
	if each.IsMissing() {
		return addToSet{[]ejson.Value{v}}, checkStored(name, op, v, level+2)
	}
	if v.Doc().Len() > 1 {
		return nil, syntaxError(name, op, "knows $each and nothing beside it")
	}
	values, err := listOf(name, op+" $each", each, level)
	return addToSet{values}, err
}

func (o addToSet) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	list, found, err := elementsOf(v)
	if err != nil {
		return v, err
	}
	before := len(list)
	// A short list is searched; beside a long one a search of each value would
	// take the square of its length.
	var keys map[string]bool
	if len(o.values) > fewValues {
		keys = make(map[string]bool, len(list)+len(o.values))
		for _, e := range list {
			keys[setKey(e)] = true
		}
	}
	for _, w := range o.values {
		if keys != nil {
			if k := setKey(w); !keys[k] {
				keys[k] = true
				list = append(list, w)
			}
			continue
		}
		if !slices.ContainsFunc(list, func(e ejson.Value) bool { return equalElements(e, w) }) {
			list = append(list, w)
		}
	}
	if found && len(list) == before {
		return v, nil
	}
	return ejson.ArrayOf(list...).Value(), nil
}

// equalElements is the equality of $addToSet and $pullAll.
func equalElements(a, b ejson.Value) bool { return ejson.Compare(a, b) == 0 }

// setKey returns a string that equal elements share.
func setKey(v ejson.Value) string { return string(ejson.AppendKey(nil, v, false)) }

type pop struct{ first bool }

func (o pop) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	list, _, err := elementsOf(v)
	switch {
	case err != nil || len(list) == 0:
		return v, err
	case o.first:
		list = list[1:]
	default:
		list = list[:len(list)-1]
	}
	return ejson.ArrayOf(list...).Value(), nil
}

// pull is $pull: elements that are equal to a value, or meet conditions.
type pull struct {
	doc     node     // on the fields of elements that are documents
	clauses []clause // on elements
}

func newPull(name string, v ejson.Value) (edit, error) {
	var c compiler
	if v.Kind() == ejson.Object {
		operators, err := isOperators(name, v.Doc())
		switch {
		case err != nil:
			// {p: 1, $or: [...]} is a selector of documents.
		case operators && isFieldOperator(firstName(v.Doc())):
			clauses, err := c.operators(name, v.Doc())
			return pull{clauses: clauses}, err
		}
		n, err := c.document(name, v.Doc())
		return pull{doc: n}, err
	}
	if v.Kind() == ejson.RegexpKind {
		cl, err := c.regexp(name, "$pull", v, "")
		return pull{clauses: []clause{cl}}, err
	}
	// A list equals an element, and not the elements of an element.
	cl := equality("$eq", v)
	cl.whole = true
	return pull{clauses: []clause{cl}}, nil
}

func firstName(d ejson.Doc) string {
	name, _ := d.At(0)
	return name
}

func (o pull) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	list, _, err := elementsOf(v)
	if err != nil {
		return v, err
	}
	kept := slices.DeleteFunc(list, o.takes)
	if v.IsMissing() || len(kept) == v.Array().Len() {
		return v, nil
	}
	return ejson.ArrayOf(kept...).Value(), nil
}

func (o pull) takes(v ejson.Value) bool {
	if o.clauses == nil {
		return v.Kind() == ejson.Object && o.doc.match(v)
	}
	for i := range o.clauses {
		if _, ok := o.clauses[i].leaf(v); !ok {
			return false
		}
	}
	return true
}

type pullAll struct{ values []ejson.Value }

func (o pullAll) apply(_ *edition, v ejson.Value) (ejson.Value, error) {
	list, found, err := elementsOf(v)
	if err != nil || !found {
		return v, err
	}
	gone := make(map[string]bool, len(o.values))
	for _, w := range o.values {
		gone[setKey(w)] = true
	}
	kept := slices.DeleteFunc(list, func(e ejson.Value) bool { return gone[setKey(e)] })
	if len(kept) == v.Array().Len() {
		return v, nil
	}
	return ejson.ArrayOf(kept...).Value(), nil
}
