package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

// fieldOperators are the operators that stand under a field.
var fieldOperators = []string{
	"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not", "$exists", "$type",
	"$mod", "$regex", "$options", "$size", "$all", "$elemMatch",
	"$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear",
	"$near", "$nearSphere", "$maxDistance", "$minDistance", "$geoWithin", "$within",
}

func isFieldOperator(op string) bool {
	for _, known := range fieldOperators {
		if op == known {
			return true
		}
	}
	return false
}

func unknownOperator(at, op string, known []string) error {
	return syntaxError(at, op, "unknown operator%s", suggestion(op, known))
}

// operators compiles a document of operators under a field.
func (c *compiler) operators(at string, d ejson.Doc) ([]clause, error) {
	list := make([]clause, 0, d.Len())
	for op, v := range d.Fields() {
		if err := c.count(at); err != nil {
			return nil, err
		}
		cl, err := c.operator(at, op, v, d)
		if err != nil {
			return nil, err
		}
		if cl.pred == nil && len(cl.all) == 0 && !cl.deny {
			continue // $options and its like, heard by their neighbours
		}
		cl.op = op
		list = append(list, cl)
	}
	return list, nil
}

// operator compiles one operator; d holds it and its neighbours.
func (c *compiler) operator(at, op string, v ejson.Value, d ejson.Doc) (clause, error) {
	switch op {
	case "$eq":
		return equality(op, v), nil
	case "$ne":
		if v.Kind() == ejson.RegexpKind {
			return clause{}, syntaxError(at, op, "cannot take a regular expression; use $not")
		}
		cl := equality(op, v)
		cl.deny = true
		return cl, nil
	case "$gt":
		return c.inequality(at, op, greater, v)
	case "$gte":
		return c.inequality(at, op, greater|equal, v)
	case "$lt":
		return c.inequality(at, op, less, v)
	case "$lte":
		return c.inequality(at, op, less|equal, v)
	case "$in", "$nin":
		return c.in(at, op, v)
	case "$not":
		return c.not(at, v)
	case "$exists":
		return clause{pred: present{}, deny: !truthy(v), whole: true, price: 1}, nil
	case "$type":
		set, err := typeSet(at, v)
		return clause{pred: set, price: 1}, err
	case "$mod":
		return modClause(at, v)
	case "$regex":
		return c.regexOperator(at, v, d)
	case "$options":
		if d.Field("$regex").IsMissing() {
			return clause{}, syntaxError(at, op, "stands beside a $regex, and there is none")
		}
		return clause{}, nil
	case "$size":
		n, ok := wholeNumber(v)
		if !ok || n < 0 {
			return clause{}, syntaxError(at, op, "wants a whole number from 0 up, got %s", metNumber(v))
		}
		return clause{pred: sizeIs{int(min(n, math.MaxInt32))}, whole: true, price: 2}, nil
	case "$all":
		return c.all(at, v)
	case "$elemMatch":
		m, err := c.elemMatch(at, v)
		if err != nil {
			return clause{}, err
		}
		return clause{pred: m, whole: true, price: 50}, nil
	case "$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear":
		p, err := bitsPred(at, op, v)
		return clause{pred: p, price: 4}, err
	case "$near", "$nearSphere", "$maxDistance", "$minDistance", "$geoWithin", "$within":
		return c.geo(at, op, v, d)
	case "$comment":
		return clause{}, syntaxError(at, op, `stands at the top of a selector, as in {$comment: "…"}`)
	case "$geoIntersects":
		return clause{}, syntaxError(at, op, "is not available; use $geoWithin with points")
	case "$where", "$text", "$expr", "$jsonSchema", "$and", "$or", "$nor":
		if op[1] == 'a' || op[1] == 'o' || op[1] == 'n' {
			return clause{}, syntaxError(at, op, "stands at the top of a selector, as in {%s: [{…}, {…}]}", op)
		}
		_, err := c.logical(at, op, v)
		return clause{}, err
	}
	return clause{}, unknownOperator(at, op, fieldOperators)
}

func (c *compiler) inequality(at, op string, o order, v ejson.Value) (clause, error) {
	if v.Kind() == ejson.RegexpKind {
		return clause{}, syntaxError(at, op, "cannot compare with a regular expression")
	}
	return clause{pred: orderPred(o, v), price: 3}, nil
}

func (c *compiler) in(at, op string, v ejson.Value) (clause, error) {
	if v.Kind() != ejson.List {
		hint := "$eq"
		if op == "$nin" {
			hint = "$ne"
		}
		return clause{}, syntaxError(at, op, "wants a list, got %s; did you mean %s?", met(v), hint)
	}
	list := v.Array()
	values := make([]ejson.Value, 0, list.Len())
	var regexps []pred
	for i, e := range list.All() {
		switch e.Kind() {
		case ejson.RegexpKind:
			cl, err := c.regexp(under(at, op+"."+strconv.Itoa(i)), op, e, "")
			if err != nil {
				return clause{}, err
			}
			regexps = append(regexps, cl.pred)
			continue
		case ejson.Object:
			if name := operatorIn(e.Doc()); name != "" {
				return clause{}, syntaxError(at, op, "takes values, got the operator %s; use $or", name)
			}
		}
		values = append(values, e)
	}
	var p pred = noValue{}
	if len(values)+len(regexps) > 0 {
		p = newOneOf(values, regexps)
	}
	return clause{pred: p, deny: op == "$nin", price: 12 + min(len(values), 8) + 30*len(regexps)}, nil
}

func operatorIn(d ejson.Doc) string {
	for name := range d.Fields() {
		if strings.HasPrefix(name, "$") {
			return name
		}
	}
	return ""
}

func (c *compiler) not(at string, v ejson.Value) (clause, error) {
	const op = "$not"
	switch v.Kind() {
	case ejson.RegexpKind:
		cl, err := c.regexp(at, op, v, "")
		cl.deny = true
		return cl, err
	case ejson.Object:
		operators, err := isOperators(at, v.Doc())
		if err != nil {
			return clause{}, err
		}
		if operators {
			c.nested++
			defer func() { c.nested-- }()
			if err := c.enter(at); err != nil {
				return clause{}, err
			}
			defer c.leave()
			all, err := c.operators(at, v.Doc())
			if err != nil {
				return clause{}, err
			}
			if len(all) == 1 {
				cl := all[0]
				cl.deny = !cl.deny
				return cl, nil
			}
			return clause{all: all, deny: true, price: sumPrice(all)}, nil
		}
	}
	return clause{}, syntaxError(at, op, "wants operators or a regular expression, got %s; did you mean $ne?", met(v))
}

func sumPrice(all []clause) int {
	sum := 0
	for i := range all {
		sum += all[i].price
	}
	return sum
}

// all compiles $all: each value, or each $elemMatch, has to be found.
func (c *compiler) all(at string, v ejson.Value) (clause, error) {
	const op = "$all"
	if v.Kind() != ejson.List {
		return clause{}, syntaxError(at, op, "wants a list, got %s", met(v))
	}
	list := v.Array()
	if list.Len() == 0 {
		return clause{pred: noValue{}, price: 1}, nil
	}
	out := clause{all: make([]clause, 0, list.Len())}
	matches := 0
	for i, e := range list.All() {
		if err := c.count(at); err != nil {
			return clause{}, err
		}
		in := under(at, op+"."+strconv.Itoa(i))
		switch e.Kind() {
		case ejson.RegexpKind:
			cl, err := c.regexp(in, op, e, "")
			if err != nil {
				return clause{}, err
			}
			out.all = append(out.all, cl)
			continue
		case ejson.Object:
			name := operatorIn(e.Doc())
			if name == "$elemMatch" && e.Doc().Len() == 1 {
				m, err := c.elemMatch(in, e.Doc().Field(name))
				if err != nil {
					return clause{}, err
				}
				matches++
				out.all = append(out.all, clause{op: name, pred: m, whole: true, price: 50})
				continue
			}
			if name != "" {
				return clause{}, syntaxError(in, op, "takes values or $elemMatch, got the operator %s", name)
			}
		}
		out.all = append(out.all, equality("$eq", e))
	}
	if matches > 0 && matches < list.Len() {
		return clause{}, syntaxError(at, op, "takes either values or $elemMatch, not both")
	}
	out.price = sumPrice(out.all)
	return out, nil
}

// elemMatch compiles $elemMatch: conditions on one element as a value where its
// operand holds operators, and on its fields otherwise.
func (c *compiler) elemMatch(at string, v ejson.Value) (*elemMatch, error) {
	const op = "$elemMatch"
	if v.Kind() != ejson.Object {
		return nil, syntaxError(at, op, "wants a document, got %s", met(v))
	}
	c.nested++
	defer func() { c.nested-- }()
	if err := c.enter(at); err != nil {
		return nil, err
	}
	defer c.leave()
	d := v.Doc()
	values := false
	for name := range d.Fields() {
		switch name {
		case "$and", "$or", "$nor", "$where", "$expr", "$text", "$jsonSchema", "$comment":
		default:
			values = values || strings.HasPrefix(name, "$")
		}
	}
	in := under(at, op)
	if values {
		if _, err := isOperators(in, d); err != nil {
			return nil, err
		}
		clauses, err := c.operators(in, d)
		return &elemMatch{clauses: clauses}, err
	}
	n, err := c.document(in, d)
	return &elemMatch{doc: n}, err
}

func modClause(at string, v ejson.Value) (clause, error) {
	const op = "$mod"
	want := func(got string) (clause, error) {
		return clause{}, syntaxError(at, op, "wants [divisor, remainder], got %s", got)
	}
	if v.Kind() != ejson.List {
		return want(met(v))
	}
	list := v.Array()
	if list.Len() != 2 {
		return want("a list of " + strconv.Itoa(list.Len()))
	}
	var n [2]float64
	for i, e := range list.All() {
		if e.Kind() != ejson.Number {
			return want(met(e))
		}
		if n[i] = math.Trunc(e.Number()); !isLong(n[i]) {
			return clause{}, syntaxError(at, op, "wants integers of 64 bits, got %s", metNumber(e))
		}
	}
	if n[0] == 0 {
		return clause{}, syntaxError(at, op, "the divisor is 0")
	}
	return clause{pred: modulo{n[0], n[1]}, price: 4}, nil
}

// truthy is how MongoDB reads the operand of $exists: anything but false, null
// and 0 means yes.
func truthy(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.Missing, ejson.Null:
		return false
	case ejson.Bool:
		return v.Bool()
	case ejson.Number:
		return v.Number() != 0
	}
	return true
}

func metNumber(v ejson.Value) string {
	if v.Kind() == ejson.Number {
		return strconv.FormatFloat(v.Number(), 'g', -1, 64)
	}
	return met(v)
}
