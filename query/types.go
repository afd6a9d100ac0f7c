package query

import (
	"math"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
)

func kinds(of ...ejson.Kind) kindSet {
	var s kindSet
	for _, k := range of {
		s |= 1 << k
	}
	return s
}

// bsonTypes are the types of $type. All our numbers are doubles, so int, long
// and the types that EJSON does not know are there and match nothing.
var bsonTypes = []struct {
	alias string
	code  float64
	kinds kindSet
}{
	{"double", 1, kinds(ejson.Number)},
	{"string", 2, kinds(ejson.String)},
	{"object", 3, kinds(ejson.Object, ejson.CustomKind)},
	{"array", 4, kinds(ejson.List)},
	{"binData", 5, kinds(ejson.Binary)},
	{"undefined", 6, 0},
	{"objectId", 7, kinds(ejson.OID)},
	{"bool", 8, kinds(ejson.Bool)},
	{"date", 9, kinds(ejson.Date)},
	{"null", 10, kinds(ejson.Null)},
	{"regex", 11, kinds(ejson.RegexpKind)},
	{"dbPointer", 12, 0},
	{"javascript", 13, 0},
	{"symbol", 14, 0},
	{"javascriptWithScope", 15, 0},
	{"int", 16, 0},
	{"timestamp", 17, 0},
	{"long", 18, 0},
	{"decimal", 19, kinds(ejson.DecimalKind)},
	{"minKey", -1, 0},
	{"maxKey", 127, 0},
	{"number", math.NaN(), kinds(ejson.Number, ejson.DecimalKind)}, // an alias without a code
}

// typeSet reads the operand of $type: a code, an alias, or a list of them.
func typeSet(at string, v ejson.Value) (kindSet, error) {
	const op = "$type"
	switch v.Kind() {
	case ejson.Number:
		code := v.Number()
		for _, t := range bsonTypes {
			if t.code == code {
				return t.kinds, nil
			}
		}
		switch {
		case code == 0:
			return 0, syntaxError(at, op, "no type has the code 0; did you mean {$exists: false}?")
		case code < -1 || code > 19:
			return 0, syntaxError(at, op, "no type has the code %s", metNumber(v))
		}
		return 0, nil // a fraction or NaN, as in Meteor: the code of no type
	case ejson.String:
		for _, t := range bsonTypes {
			if t.alias == v.Str() {
				return t.kinds, nil
			}
		}
		var names []string
		for _, t := range bsonTypes {
			names = append(names, " "+t.alias)
		}
		return 0, syntaxError(at, op, "no type is called %q%s", clip(v.Str()), suggestion(v.Str(), names))
	case ejson.List:
		if v.Array().Len() == 0 {
			return 0, syntaxError(at, op, "wants at least one type, got an empty list")
		}
		var all kindSet
		for _, e := range v.Array().All() {
			if e.Kind() == ejson.List {
				return 0, syntaxError(at, op, "wants types, got a list inside the list")
			}
			s, err := typeSet(at, e)
			if err != nil {
				return 0, err
			}
			all |= s
		}
		return all, nil
	}
	return 0, syntaxError(at, op, "wants the code or name of a type, got %s", met(v))
}

// maxBit bounds the positions in a list of bits.
const maxBit = math.MaxInt32

// bits is $bitsAllSet and its relatives. Numbers count as 64-bit integers in
// two's complement, with the sign going on for ever; binary data has zeros
// beyond its end.
type bits struct {
	set  bool // ask for ones, not zeros
	any  bool // one suffices
	low  uint64
	high bool     // there are positions from 64 up
	list []uint32 // all positions, ascending
}

func bitsPred(at, op string, v ejson.Value) (pred, error) {
	p := &bits{set: op == "$bitsAllSet" || op == "$bitsAnySet", any: op == "$bitsAnySet" || op == "$bitsAnyClear"}
	switch v.Kind() {
	case ejson.Number:
		f := v.Number()
		if f < 0 || f != math.Trunc(f) || f >= 1<<63 || math.IsNaN(f) {
			return nil, syntaxError(at, op, "wants a whole number from 0 up, got %s", metNumber(v))
		}
		for i, m := uint32(0), uint64(f); m != 0; i, m = i+1, m>>1 {
			if m&1 != 0 {
				p.list = append(p.list, i)
			}
		}
	case ejson.Binary:
		for i, b := range []byte(v.Binary()) {
			for j := range 8 {
				if b>>j&1 != 0 {
					p.list = append(p.list, uint32(i*8+j))
				}
			}
		}
	case ejson.List:
		for _, e := range v.Array().All() {
			if f := e.Number(); e.Kind() != ejson.Number || f < 0 || f > maxBit || f != math.Trunc(f) {
				return nil, syntaxError(at, op, "wants positions from 0 up, got %s", metNumber(e))
			}
			p.list = append(p.list, uint32(e.Number()))
		}
		slices.Sort(p.list)
		p.list = slices.Compact(p.list)
	default:
		return nil, syntaxError(at, op, "wants a bit mask (a number, binary data or a list of positions), got %s", met(v))
	}
	for _, i := range p.list {
		if i < 64 {
			p.low |= 1 << i
		} else {
			p.high = true
		}
	}
	return p, nil
}

func (p *bits) test(v ejson.Value) bool {
	switch v.Kind() {
	case ejson.Number:
		f := v.Number()
		if f != math.Trunc(f) || !isLong(f) {
			return false
		}
		n := uint64(int64(f))
		if !p.set {
			n = ^n
		}
		sign := int64(n) < 0
		if p.any {
			return n&p.low != 0 || p.high && sign
		}
		return n&p.low == p.low && (!p.high || sign)
	case ejson.Binary:
		data := v.Binary()
		for _, i := range p.list {
			one := int(i/8) < len(data) && data[i/8]>>(i%8)&1 != 0
			if (one == p.set) == p.any {
				return p.any
			}
		}
		return !p.any
	}
	return false
}
