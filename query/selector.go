package query

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
)

const (
	// maxDepth bounds how deep conditions are nested in a selector.
	maxDepth = 100
	// maxConditions bounds the conditions in a selector, so that a match takes
	// at most so many walks through a document. Values of $in are not counted.
	maxConditions = 10_000
)

// A compiler makes nodes of a selector, and counts what it has made.
type compiler struct {
	depth, conditions int
	nested            int   // $and, $or, $nor, $not, $elemMatch and $all around the place
	near              *near // the one $near, if there is one
}

// document compiles a selector document, or the inner one of an $elemMatch.
func (c *compiler) document(at string, d ejson.Doc) (node, error) {
	if err := c.enter(at); err != nil {
		return nil, err
	}
	defer c.leave()
	var parts []node
	for name, v := range d.Fields() {
		var n node
		var err error
		if strings.HasPrefix(name, "$") {
			n, err = c.logical(at, name, v)
		} else {
			n, err = c.field(at, name, v)
		}
		if err != nil {
			return nil, err
		}
		if n != nil {
			parts = append(parts, n)
		}
	}
	return conjunction(parts), nil
}

func (c *compiler) enter(at string) error {
	if c.depth++; c.depth > maxDepth {
		return syntaxError(clip(at), "", "nested more than %d levels deep", maxDepth)
	}
	return nil
}

func (c *compiler) leave() { c.depth-- }

func (c *compiler) count(at string) error {
	if c.conditions++; c.conditions > maxConditions {
		return syntaxError(clip(at), "", "more than %d conditions", maxConditions)
	}
	return nil
}

// logical compiles a key that stands where a field could.
func (c *compiler) logical(at, op string, v ejson.Value) (node, error) {
	switch op {
	case "$comment":
		return nil, nil
	case "$and", "$or", "$nor":
	case "$where":
		return nil, syntaxError(at, op, "runs JavaScript, which is not available here; use operators, or filter the result in Go")
	case "$text":
		return nil, syntaxError(at, op, "needs a text index on the server; use $regex")
	case "$expr":
		return nil, syntaxError(at, op, "aggregation expressions are not available; compare with a value, or filter the result in Go")
	case "$jsonSchema":
		return nil, syntaxError(at, op, "schemas are not available; use $type, $exists and $elemMatch")
	default:
		if isFieldOperator(op) {
			return nil, syntaxError(at, op, "stands under a field, as in {field: {%s: …}}", op)
		}
		return nil, unknownOperator(at, op, []string{"$and", "$or", "$nor", "$comment"})
	}
	if v.Kind() != ejson.List {
		return nil, syntaxError(at, op, "wants a list of selectors, got %s", met(v))
	}
	list := v.Array()
	if list.Len() == 0 {
		return nil, syntaxError(at, op, "wants at least one selector, got an empty list")
	}
	c.nestIf(op != "$and")
	defer c.unnestIf(op != "$and")
	parts := make([]node, 0, list.Len())
	for i, e := range list.All() {
		in := under(at, op+"."+strconv.Itoa(i))
		if err := c.count(in); err != nil {
			return nil, err
		}
		if e.Kind() != ejson.Object {
			return nil, syntaxError(in, "", "wants a selector, got %s", met(e))
		}
		n, err := c.document(in, e.Doc())
		if err != nil {
			return nil, err
		}
		if inner, ok := n.(*disj); ok && op == "$or" && !inner.deny {
			parts = append(parts, inner.nodes...) // an $or of an $or is one
			continue
		}
		parts = append(parts, n)
	}
	if op == "$and" {
		return conjunction(parts), nil
	}
	sortByCost(parts)
	return &disj{nodes: parts, deny: op == "$nor"}, nil
}

func (c *compiler) nestIf(yes bool) {
	if yes {
		c.nested++
	}
}

func (c *compiler) unnestIf(yes bool) {
	if yes {
		c.nested--
	}
}

// field compiles the conditions on one path.
func (c *compiler) field(at, name string, v ejson.Value) (node, error) {
	where := under(at, name)
	p, err := makePath(name)
	if err != nil {
		return nil, err
	}
	clauses, err := c.value(where, v)
	if err != nil {
		return nil, err
	}
	n := &field{path: p, clauses: clauses}
	for i := range clauses {
		n.price += clauses[i].price
	}
	n.price += 4 * len(p.segs)
	for i := range clauses {
		if g, ok := clauses[i].pred.(*near); ok {
			g.path = p
			c.near = g
		}
	}
	return n, nil
}

// value compiles what stands under a field: a value to be equal to, a regular
// expression, or a document of operators.
func (c *compiler) value(at string, v ejson.Value) ([]clause, error) {
	if err := c.enter(at); err != nil {
		return nil, err
	}
	defer c.leave()
	switch v.Kind() {
	case ejson.RegexpKind:
		cl, err := c.regexp(at, "", v, "")
		return []clause{cl}, err
	case ejson.Object:
		operators, err := isOperators(at, v.Doc())
		if err != nil {
			return nil, err
		}
		if operators {
			return c.operators(at, v.Doc())
		}
	}
	return []clause{equality("$eq", v)}, c.count(at)
}

// isOperators reports whether d is a document of operators. A mixture has no
// meaning.
func isOperators(at string, d ejson.Doc) (bool, error) {
	operators, plain := "", ""
	for name := range d.Fields() {
		if strings.HasPrefix(name, "$") {
			operators = name
		} else {
			plain = name
		}
	}
	switch {
	case operators == "":
		// {a: {&gt: 5}} is a common slip, and would match nothing.
		if plain != "" && strings.HasPrefix(plain, "&") && d.Len() == 1 && isFieldOperator("$"+plain[1:]) {
			return false, syntaxError(at, plain, "is not an operator; did you mean $%s?", plain[1:])
		}
		return false, nil
	case plain != "":
		return false, syntaxError(at, operators, "an operator beside the plain field %q; use {$eq: …} for a whole document, or dotted paths", plain)
	}
	return true, nil
}

func equality(op string, v ejson.Value) clause {
	price := 2
	if k := v.Kind(); k == ejson.Object || k == ejson.List {
		price = 20
	}
	return clause{op: op, pred: equalPred(v), price: price}
}

// conjunction joins conditions, the cheap and choosy ones first: they are
// without effect, so their order does not matter to the answer.
func conjunction(parts []node) node {
	flat := parts[:0:0]
	for _, p := range parts {
		if sub, ok := p.(*conj); ok {
			flat = append(flat, sub.nodes...)
		} else {
			flat = append(flat, p)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	// The positional operator takes the position from the last condition as it
	// was written, so the order is kept for find.
	n := &conj{nodes: flat, quick: append([]node(nil), flat...)}
	sortByCost(n.quick)
	return n
}

func sortByCost(nodes []node) {
	if len(nodes) <= fewValues {
		slices.SortStableFunc(nodes, func(a, b node) int { return cmp.Compare(a.cost(), b.cost()) })
		return
	}
	costs := make(map[node]int, len(nodes))
	for _, n := range nodes {
		costs[n] = n.cost()
	}
	slices.SortStableFunc(nodes, func(a, b node) int { return cmp.Compare(costs[a], costs[b]) })
}

func under(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
