package query_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// mingoGen makes small worlds and questions about them: few names and few
// values, so that things meet. It keeps to what both engines are meant to know:
// each field of a document is of a sort, so that an operator in which mingo is
// lenient (see TestMingoAgrees) meets what it is for.
type mingoGen struct{ r *rand.Rand }

func newMingoGen(seed uint64) mingoGen { return mingoGen{rand.New(rand.NewPCG(seed, seed))} }

func (g mingoGen) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g mingoGen) list(one func() string, low, high int) string {
	var list []string
	for range low + g.r.IntN(high-low+1) {
		if v := one(); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return strings.Join(list, ",")
}

func (g mingoGen) scalar() string {
	return g.pick("null", "true", "false", "-1", "0", "1", "2", "3", "1.5", `""`, `"a"`, `"ab"`, `"b"`, `{"$date":1}`, `{"$date":2}`)
}

func (g mingoGen) plain() string { return g.pick("-1", "0", "1", "2", "1.5", `""`, `"a"`, `"ab"`) }

func (g mingoGen) whole() string { return g.pick("-2", "-1", "0", "1", "2", "3", "7") }

func (g mingoGen) number() string { return g.pick("-1", "0", "1", "2", "1.5") }

// any makes a scalar, a list of scalars and documents, or a document.
func (g mingoGen) any() string {
	switch g.r.IntN(4) {
	case 0:
		return "[" + g.list(func() string { return g.pick(g.scalar(), g.small()) }, 0, 3) + "]"
	case 1:
		return g.small()
	}
	return g.scalar()
}

func (g mingoGen) small() string {
	return "{" + g.list(func() string { return g.pick(`"b":`+g.plain(), `"c":`+g.scalar()) }, 1, 1) + "}"
}

// document makes one with the fields
//
//	k scalar · n whole number or list of them · w whole number
//	l list of plain scalars · m list of documents · d document {k, n, e: {k}}
//	a anything
//
// of which w and l are always there.
func (g mingoGen) document() string {
	fields := []string{`"w":` + g.whole(), `"l":[` + g.list(g.plain, 0, 4) + `]`}
	for _, f := range []func() string{
		func() string { return `"k":` + g.scalar() },
		func() string { return `"n":` + g.pick(g.whole(), "["+g.list(g.whole, 0, 3)+"]") },
		func() string { return `"m":[` + g.list(g.small, 0, 3) + `]` },
		func() string {
			return fmt.Sprintf(`"d":{"k":%s,"n":%s,"e":{"k":%s}}`, g.scalar(), g.whole(), g.scalar())
		},
		func() string { return `"a":` + g.any() },
	} {
		if g.r.IntN(4) > 0 {
			fields = append(fields, f())
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// condition makes a path and a condition on it.
func (g mingoGen) condition() (path, cond string) {
	path = g.pick("k", "n", "l", "m", "d", "a", "k", "d.k", "d.e.k", "m.b", "m.c", "a.b", "a.c", "l.0", "m.0.b")
	switch g.r.IntN(16) {
	case 0:
		return path, fmt.Sprintf(`{"$eq":%s}`, g.operand(path))
	case 1:
		return path, fmt.Sprintf(`{"$ne":%s}`, g.scalar())
	case 2, 3:
		return path, fmt.Sprintf(`{%q:%s}`, g.pick("$gt", "$gte", "$lt", "$lte"), g.pick(g.plain(), `{"$date":1}`, "true"))
	case 4:
		return path, fmt.Sprintf(`{"$gte":%s,"$lt":%s}`, g.number(), g.number())
	case 5:
		return path, fmt.Sprintf(`{"$in":[%s]}`, g.list(g.scalar, 0, 3))
	case 6:
		return path, fmt.Sprintf(`{"$nin":[%s]}`, g.list(g.scalar, 0, 3))
	case 7:
		return path, fmt.Sprintf(`{"$exists":%s}`, g.pick("true", "false"))
	case 8:
		return g.pick("k", "d.k", "d.e.k"), fmt.Sprintf(`{"$type":%s}`, g.pick(`"string"`, `"bool"`, `"null"`, `"date"`, `"number"`, "2", `["string","date"]`))
	case 9:
		return g.pick("w", "d.n"), fmt.Sprintf(`{"$mod":[%s,%s]}`, g.pick("1", "2", "3"), g.pick("0", "1", "2"))
	case 10:
		return path, fmt.Sprintf(`{"$regex":%s}`, g.pick(`"^a"`, `"b$"`, `"a|b"`, `"^$"`, `"[^a]"`))
	case 11:
		return g.pick("l", "m", "n", "a"), fmt.Sprintf(`{"$size":%s}`, g.pick("0", "1", "2"))
	case 12:
		return "l", fmt.Sprintf(`{"$all":[%s]}`, g.list(g.plain, 0, 2))
	case 13:
		return g.pick("l", "n"), fmt.Sprintf(`{"$elemMatch":{%q:%s,%q:%s}}`, g.pick("$gt", "$gte"), g.number(), g.pick("$lt", "$lte", "$ne"), g.number())
	case 14:
		return "m", fmt.Sprintf(`{"$elemMatch":{%q:%s}}`, g.pick("b", "c"), g.pick(g.scalar(), `{"$gt":0}`, `{"$exists":true}`, `{"$ne":1}`))
	}
	return "w", fmt.Sprintf(`{%q:%s}`, g.pick("$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear"), g.pick("1", "2", "3", "[0,1]", "[1]"))
}

// operand makes what a path may be equal to: no list where mingo has gathered
// one of what lies beyond a list.
func (g mingoGen) operand(path string) string {
	if strings.Contains(path, ".") {
		return g.scalar()
	}
	return g.any()
}

func (g mingoGen) selector(depth int) string {
	var parts []string
	for range 1 + g.r.IntN(2) {
		path, cond := g.condition()
		if strings.Contains(path, ".0") {
			// To us a number is a name of the documents in a list, too, and null
			// is what does not have it.
			cond = strings.ReplaceAll(cond, "null", "1")
		}
		switch g.r.IntN(6) {
		case 0:
			path = g.pick("k", "a", "l", "d.k", "m.b", "n")
			cond = g.operand(path)
		case 1:
			cond = `{"$not":` + cond + `}`
		}
		parts = append(parts, fmt.Sprintf(`{%q:%s}`, path, cond))
	}
	if depth > 0 && g.r.IntN(4) == 0 {
		parts = append(parts, fmt.Sprintf(`{%q:[%s,%s]}`, g.pick("$and", "$or", "$nor"), g.selector(depth-1), g.selector(depth-1)))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return `{"$and":[` + strings.Join(parts, ",") + `]}`
}

// sort ends with _id, for mingo leaves ties as they are.
func (g mingoGen) sort() string {
	return fmt.Sprintf(`{%q:%s,%q:%s,"_id":1}`, g.pick("k", "d.n"), g.pick("1", "-1"), g.pick("d.k", "d.e.k"), g.pick("1", "-1"))
}

func (g mingoGen) fields() string {
	on := g.pick("0", "1")
	var fields []string
	for _, p := range [][]string{{"k"}, {"l"}, {"d", "d.k", "d.e", "d.e.k"}, {"m", "m.b"}, {"a", "a.b"}} {
		if g.r.IntN(2) == 0 {
			fields = append(fields, fmt.Sprintf("%q:%s", g.pick(p...), on))
		}
	}
	if g.r.IntN(3) == 0 && len(fields) > 0 {
		fields = append(fields, `"_id":0`)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func (g mingoGen) modifier() (mod, filters string) {
	whole := g.pick("d.n", "d.x", "x", "d.e.x")
	switch p := g.pick("k", "x", "d.k", "d.e.x", "l.0", "l.5", "m.0.b", "d"); g.r.IntN(14) {
	case 0, 1:
		return fmt.Sprintf(`{"$set":{%q:%s}}`, g.pick(p, p, p, "w.x"), g.any()), ""
	case 2:
		return fmt.Sprintf(`{"$unset":{%q:1}}`, p), ""
	case 3:
		return fmt.Sprintf(`{"$inc":{%q:%s}}`, whole, g.number()), ""
	case 4:
		return fmt.Sprintf(`{"$mul":{%q:%s}}`, whole, g.number()), ""
	case 5:
		return fmt.Sprintf(`{%q:{%q:%s}}`, g.pick("$min", "$max"), g.pick("k", "x", "d.k", "d.e.k"), g.scalar()), ""
	case 6:
		return fmt.Sprintf(`{"$rename":{%q:%q}}`, g.pick("k", "a", "d.k", "d.e", "x"), g.pick("z", "y.z", "d.z")), ""
	case 7:
		return fmt.Sprintf(`{"$push":{%q:%s}}`, g.pick("l", "x", "d.x"), g.any()), ""
	case 8:
		return fmt.Sprintf(`{"$push":{"l":{"$each":[%s],"$position":%s}}}`, g.list(g.scalar, 0, 3), g.pick("0", "1", "-1", "5")), ""
	case 9:
		return fmt.Sprintf(`{"$push":{"l":{"$each":[%s],"$sort":%s,"$slice":%s}}}`, g.list(g.plain, 0, 3), g.pick("1", "-1"), g.pick("0", "2", "-2", "5")), ""
	case 10:
		return fmt.Sprintf(`{"$addToSet":{%q:%s}}`, g.pick("l", "m", "x"), g.pick(g.plain(), g.small(), `{"$each":[`+g.list(g.plain, 0, 3)+`]}`)), ""
	case 11:
		return fmt.Sprintf(`{"$pop":{%q:%s}}`, g.pick("l", "m", "x"), g.pick("1", "-1")), ""
	case 12:
		if g.r.IntN(2) == 0 {
			return fmt.Sprintf(`{"$pull":{"m":%s}}`, g.pick(g.small(), `{"b":{"$exists":true}}`, `{"b":{"$gt":0}}`, `{"b":{"$in":[1,"a"]}}`)), ""
		}
		return fmt.Sprintf(`{"$pull":{"l":%s}}`, g.pick(g.plain(), `{"$gt":0}`, `{"$in":[1,"a"]}`, `{"$ne":1}`)), ""
	}
	if g.r.IntN(2) == 0 {
		return fmt.Sprintf(`{"$pullAll":{%q:[%s]}}`, g.pick("l", "x"), g.list(g.plain, 0, 3)), ""
	}
	return fmt.Sprintf(`{"$set":{"l.$[x]":%s}}`, g.scalar()), `[{"x":` + g.pick(`{"$gt":0}`, `1`, `{"$in":["a",2]}`) + `}]`
}

// world appends the questions about some documents.
func (g mingoGen) world(list []question) []question {
	docs := make([]ejson.Doc, 8)
	for i := range docs {
		d, err := ejson.Parse([]byte(g.document()))
		if err != nil {
			panic(err)
		}
		docs[i] = d.WithID(ejson.StringID(fmt.Sprint(i)))
	}
	for range 12 {
		list = append(list, question{docs: docs, find: g.selector(1)})
	}
	for range 4 {
		list = append(list, question{docs: docs, sort: g.sort(), skip: g.r.IntN(3), limit: g.r.IntN(8)})
		list = append(list, question{docs: docs, fields: g.fields()})
	}
	for _, d := range docs {
		mod, filters := g.modifier()
		list = append(list, question{doc: d, update: mod, filters: filters})
	}
	return list
}

// runQuery answers a question by hand.
func runQuery(q question, m *query.Matcher, s *query.Sorter, f *query.Fields) []ejson.Doc {
	var out []ejson.Doc
	for _, d := range q.docs {
		if m.Match(d) {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, s.Compare)
	out = out[min(q.skip, len(out)):]
	if q.limit > 0 {
		out = out[:min(q.limit, len(out))]
	}
	for i, d := range out {
		out[i] = f.Apply(d)
	}
	return out
}
