package query_test

import (
	"fmt"
	"math"
	"strings"

	"pgregory.net/rapid"

	"github.com/replicad/replicad/ddp/ejson"
)

// Generators of small worlds: few names and few values, so that things meet.

func genScalar(t *rapid.T) ejson.Value {
	switch rapid.IntRange(0, 13).Draw(t, "kind") {
	case 0:
		return ejson.NullValue()
	case 1:
		return ejson.BoolValue(rapid.Bool().Draw(t, "bool"))
	case 2, 3, 4:
		return ejson.NumberValue(float64(rapid.IntRange(-1, 4).Draw(t, "n")))
	case 5, 6, 7:
		return ejson.StringValue(rapid.SampledFrom([]string{"", "a", "ab", "abc", "b", "a\x00", "é"}).Draw(t, "s"))
	case 8:
		return ejson.DateValue(int64(rapid.IntRange(-1, 2).Draw(t, "ms")))
	case 9:
		return ejson.NumberValue(rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.5}).Draw(t, "odd"))
	case 10:
		return ejson.RegexpValue(ejson.Regexp{Source: "^ab", Flags: ""})
	case 11:
		return ejson.DecimalValue(ejson.Decimal(rapid.SampledFrom([]string{"1", "1.5", "2.25", "x", "NaN"}).Draw(t, "dec")))
	case 12:
		return ejson.OIDValue(ejson.ObjectID{11: byte(rapid.IntRange(0, 2).Draw(t, "oid"))})
	}
	return ejson.BinaryValue(rapid.SampledFrom([]string{"", "\x01", "\x01\x02"}).Draw(t, "bin"))
}

func genValue(t *rapid.T, depth int) ejson.Value {
	if depth > 0 {
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			var b ejson.ListBuilder
			for range rapid.IntRange(0, 3).Draw(t, "len") {
				b.Append(genValue(t, depth-1))
			}
			return b.Array().Value()
		case 1:
			return genFields(t, depth-1).Value()
		}
	}
	return genScalar(t)
}

func genFields(t *rapid.T, depth int) ejson.Doc {
	var b ejson.Builder
	for _, name := range []string{"a", "b", "0"} {
		if rapid.IntRange(0, 2).Draw(t, name) > 0 {
			b.Add(name, genValue(t, depth))
		}
	}
	return b.Doc()
}

func genDocs(t *rapid.T, n int) []ejson.Doc {
	docs := make([]ejson.Doc, rapid.IntRange(0, n).Draw(t, "docs"))
	for i := range docs {
		docs[i] = genFields(t, 2).WithValue("_id", ejson.StringValue(fmt.Sprintf("%02d", (i*7)%53)))
	}
	return docs
}

var genPaths = []string{"a", "b", "a.b", "a.a", "b.a", "a.0", "b.0.a", "0"}

func genPath(t *rapid.T) string { return rapid.SampledFrom(genPaths).Draw(t, "path") }

func genCondition(t *rapid.T) string {
	v := func() string { return genValue(t, 1).String() }
	s := func() string { return genScalar(t).String() }
	switch rapid.IntRange(0, 14).Draw(t, "op") {
	case 0, 1, 2:
		return s()
	case 3:
		return fmt.Sprintf(`{"$gt":%s}`, noRegexp(s()))
	case 4:
		return fmt.Sprintf(`{"$gte":%s,"$lt":%s}`, noRegexp(s()), noRegexp(s()))
	case 5:
		return fmt.Sprintf(`{"$lte":%s}`, noRegexp(s()))
	case 6, 7:
		return fmt.Sprintf(`{"$in":[%s,%s,%s]}`, s(), s(), s())
	case 8:
		return fmt.Sprintf(`{"$exists":%v}`, rapid.Bool().Draw(t, "exists"))
	case 9:
		return fmt.Sprintf(`{"$ne":%s}`, noRegexp(s()))
	case 10:
		return rapid.SampledFrom([]string{`{"$regex":"^a"}`, `{"$regex":"^ab?"}`, `{"$regex":"^ab$"}`, `{"$regex":"b"}`, `{"$regex":"^a|b"}`}).Draw(t, "re")
	case 11:
		return fmt.Sprintf(`{"$all":[%s,%s]}`, s(), s())
	case 12:
		return fmt.Sprintf(`{"$not":{"$gt":%s}}`, noRegexp(s()))
	case 13:
		return fmt.Sprintf(`{"$elemMatch":{"$gt":%s}}`, noRegexp(s()))
	}
	return v()
}

// noRegexp replaces an operand that $gt and its like refuse.
func noRegexp(s string) string {
	if strings.Contains(s, "$regexp") {
		return "1"
	}
	return s
}

func genSelector(t *rapid.T, depth int) string {
	var parts []string
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		p := genPath(t)
		part := fmt.Sprintf("%q:%s", p, genCondition(t))
		if !strings.Contains(strings.Join(parts, ","), fmt.Sprintf("%q:", p)) {
			parts = append(parts, part)
		}
	}
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "logic") == 0 {
		op := rapid.SampledFrom([]string{"$or", "$and", "$nor"}).Draw(t, "lop")
		parts = append(parts, fmt.Sprintf("%q:[%s,%s]", op, genSelector(t, depth-1), genSelector(t, depth-1)))
	}
	if rapid.IntRange(0, 5).Draw(t, "byid") == 0 {
		parts = append(parts, `"_id":{"$in":["00","07","14","xx"]}`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func genKeys(t *rapid.T, most int) []string {
	var keys []string
	for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(genPaths), 0, most, rapid.ID).Draw(t, "keys") {
		if rapid.Bool().Draw(t, "desc") {
			p = "-" + p
		}
		keys = append(keys, p)
	}
	return keys
}
