package ejson

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Types in the shape of those of the MongoDB driver.
type (
	bsonE struct {
		Key   string
		Value any
	}
	bsonD        []bsonE
	bsonM        map[string]any
	bsonA        []any
	bsonObjectID [12]byte
	bsonDateTime int64
	bsonBinary   struct {
		Subtype byte
		Data    []byte
	}
	bsonRegex      struct{ Pattern, Options string }
	bsonDecimal128 struct{ h, l uint64 }
)

func (id bsonObjectID) MarshalJSON() ([]byte, error) { return json.Marshal("not asked") }
func (d bsonDateTime) Time() time.Time               { return time.UnixMilli(int64(d)) }
func (d bsonDecimal128) GetBytes() (uint64, uint64)  { return d.h, d.l }
func (d bsonDecimal128) String() string              { return "1.50" }

type base struct {
	ID     string `bson:"_id,omitempty"`
	Hidden string `bson:"-"`
}

type everything struct {
	base       `bson:",inline"`
	Named      string `json:"named_by_json"`
	Both       string `json:"no" bson:"both"`
	Plain      int
	Omitted    []string        `bson:"omitted,omitempty"`
	OmitTime   time.Time       `bson:"omittime,omitempty"`
	OmitZero   netip.Addr      `json:"omitzero,omitzero"`
	Pointer    *int            `bson:"pointer"`
	Addr       netip.Addr      `bson:"addr"`
	Raw        json.RawMessage `bson:"raw"`
	unexported int
	Rest       map[string]any `bson:",inline"`
}

type color struct{ r, g, b int }

func init() {
	Register("color",
		func(c color) (any, error) {
			if c.r > 255 {
				return nil, errors.New("too red")
			}
			return []int{c.r, c.g, c.b}, nil
		},
		func(v Value) (c color, err error) {
			rgb := v.Array()
			if rgb.Len() != 3 {
				return c, errors.New("want three numbers")
			}
			return color{int(rgb.At(0).Number()), int(rgb.At(1).Number()), int(rgb.At(2).Number())}, nil
		})
}

func TestFrom(t *testing.T) {
	when := time.UnixMilli(5).In(time.FixedZone("x", 3600))
	seven := 7
	for _, c := range []struct {
		in   any
		want string // with this beginning an error
	}{
		{map[string]any{"b": 1, "a": nil, "c": true}, `{"a":null,"b":1,"c":true}`},
		{map[string]any(nil), `{}`},
		{bsonM{"b": bsonA{1, "x"}, "a": bsonD{{"z", 1}, {"y", bsonM{}}}}, `{"a":{"z":1,"y":{}},"b":[1,"x"]}`},
		{bsonD{{"z", 1}, {"a", 2}, {"z", 3}}, `{"z":3,"a":2}`},
		{bsonD(nil), `{}`},
		{map[Kindly]int{"k": 1}, `{"k":1}`},
		{[]byte(`{"a":{"$date":5}}`), `{"a":{"$date":5}}`},
		{json.RawMessage(`{"a":1}`), `{"a":1}`},
		{Make(Field{"a", 1}), `{"a":1}`},
		{Doc{}, `{}`},
		{&map[string]any{"a": &seven}, `{"a":7}`},
		{map[string]any{"d": when, "b": []byte{1, 2}, "o": ObjectID{}, "r": Regexp{"a/b", "ig"}, "n": Decimal("1.5"),
			"c": Custom{"t", when}, "i": StringID("x"), "v": NumberValue(1), "l": MakeArray(1, nil), "j": json.RawMessage(`[1]`)},
			`{"b":{"$binary":"AQI="},"c":{"$type":"t","$value":{"$date":5}},"d":{"$date":5},"i":"x","j":[1],"l":[1,null],` +
				`"n":{"$type":"Decimal","$value":"1.5"},"o":{"$type":"oid","$value":"000000000000000000000000"},"r":{"$regexp":"a\\/b","$flags":"gi"},"v":1}`},
		{map[string]any{"o": bsonObjectID{1}, "d": bsonDateTime(5), "b": bsonBinary{0, []byte{1}}, "r": bsonRegex{"a", "i"}, "n": bsonDecimal128{}},
			`{"b":{"$binary":"AQ=="},"d":{"$date":5},"n":{"$type":"Decimal","$value":"1.50"},"o":{"$type":"oid","$value":"010000000000000000000000"},"r":{"$regexp":"a","$flags":"i"}}`},
		{everything{base: base{ID: "x", Hidden: "h"}, Named: "n", Both: "b", Plain: 1, unexported: 1, Addr: netip.MustParseAddr("::1"),
			Raw: json.RawMessage(`{"$date":1}`), Rest: map[string]any{"zz": 1, "yy": 2}},
			`{"_id":"x","named_by_json":"n","both":"b","plain":1,"pointer":null,"addr":"::1","raw":{"$date":1},"yy":2,"zz":1}`},
		{map[string]any{"u": uint64(1 << 60), "f": float32(0.5), "i8": int8(-3), "j": json.Number("1.5"), "nan": math.NaN()},
			`{"f":0.5,"i8":-3,"j":1.5,"nan":{"$InfNaN":0},"u":1152921504606847000}`},
		{map[string]any{"c": color{1, 2, 3}, "cs": []color{{4, 5, 6}}}, `{"c":{"$type":"color","$value":[1,2,3]},"cs":[{"$type":"color","$value":[4,5,6]}]}`},
		{map[string]any{"$date": 5}, `{"$escape":{"$date":5}}`},
		{map[string]any{"a": [2]int{1, 2}, "b": [2]byte{1, 2}, "e": []string{}, "n": []string(nil)}, `{"a":[1,2],"b":{"$binary":"AQI="},"e":[],"n":null}`},

		{nil, `!want a document, got nil`},
		{5, `!want a document, got a number (int)`},
		{[]int{1}, `!want a document, got a list ([]int)`},
		{map[string]any{"a": []any{0, map[string]any{"b": int64(1<<53 + 1)}}}, `!a.1.b: the integer 9007199254740993 has no exact float64`},
		{map[string]any{"a": uint64(math.MaxUint64)}, `!a: the integer 18446744073709551615 has no exact float64`},
		{map[string]any{"a": int64(math.MaxInt64)}, `!a: the integer 9223372036854775807 has no exact float64`},
		{map[string]any{"a": json.Number("9007199254740993")}, `!a: the integer 9007199254740993 has no exact float64`},
		{map[string]any{"a": json.Number("x")}, `!a: "x" is no number`},
		{map[string]any{"a": make(chan int)}, `!a: a chan is not an EJSON value (chan int)`},
		{map[string]any{"a": map[int]int{}}, `!a: the keys of a map must be strings (map[int]int)`},
		{map[string]any{"a": func() {}}, `!a: a func is not an EJSON value (func())`},
		{map[string]any{"a": complex(1, 2)}, `!a: a complex128 is not`},
		{map[string]any{"a": time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)}, `!a: the year 400000 is beyond the dates of JavaScript`},
		{map[string]any{"a": color{r: 256}}, `!custom type "color": too red`},
		{map[string]any{"a": json.RawMessage(`{"b":x}`)}, `!at byte 5 (a.b): want a value`},
		{struct {
			A int `json:"x"`
			B int `bson:"x"`
		}{}, `!`},
		{cyclic(), `!` + strings.TrimSuffix(strings.Repeat("next.", MaxDepth), ".")},
	} {
		d, err := From(c.in)
		if msg, wantErr := strings.CutPrefix(c.want, "!"); wantErr {
			if err == nil || !strings.HasPrefix(strings.TrimPrefix(err.Error(), "ejson: "), msg) {
				t.Errorf("From(%.80v): %v, want %s", c.in, err, msg)
			}
			continue
		}
		if err != nil {
			t.Errorf("From(%.80v): %v", c.in, err)
		} else if d.String() != c.want {
			t.Errorf("From(%.80v)\n got %s\nwant %s", c.in, d, c.want)
		}
	}
}

type Kindly string

type node struct {
	Next *node
}

func cyclic() *node {
	n := &node{}
	n.Next = n
	return n
}

func TestValueOfPointerToItself(t *testing.T) {
	type p *p
	var x p
	x = &x
	if _, err := ValueOf(x); err == nil {
		t.Error("a pointer to itself is a value")
	}
}
