package ejson

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// row is a document of the data set as a Go program would have it.
type row struct {
	ID     string `bson:"_id"`
	Author string
	Room   string
	Text   string
	TS     time.Time
	Score  float64
	Tags   []string
	N      int
	Nested struct {
		A     struct{ B int }
		Likes int
	}
	Flag bool
}

func TestDecodeRow(t *testing.T) {
	for _, text := range dataset(100) {
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Decode[row](d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := From(r)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Equal(d) {
			t.Fatalf("%s\nbecame %s", d, again)
		}
	}
}

func TestDecodeEverything(t *testing.T) {
	seven := 7
	want := everything{base: base{ID: "x"}, Named: "n", Both: "b", Plain: 1, Pointer: &seven, Addr: netip.MustParseAddr("::1"),
		Raw: json.RawMessage(`{"$date":1}`), Rest: map[string]any{"more": map[string]any{"k": []any{1.0, "s"}}}}
	d, err := From(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode[everything](d)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	p, err := Decode[*everything](d)
	if err != nil || p.Plain != 1 {
		t.Errorf("by pointer: %+v, %v", p, err)
	}
}

func TestDecodeKinds(t *testing.T) {
	type kinds struct {
		S    string
		F    float32
		I    int8
		U    uint16
		B    []byte
		B2   [2]byte
		T    time.Time
		O    ObjectID
		O2   bsonObjectID
		D    bsonDateTime
		R    Regexp
		N    Decimal
		C    Custom
		Col  color
		Cols []color
		Doc  Doc
		Arr  Array
		V    Value
		ID   ID
		Any  any
		Anys []any
		M    map[string]int
		KM   map[Kindly]Doc
		BD   bsonD
		Pair [2]int
		Num  json.Number
		PP   **string
	}
	const text = `{"s":"x","f":0.5,"i":-8,"u":65535,"b":{"$binary":"AQI="},"b2":{"$binary":"AQI="},"t":{"$date":5},` +
		`"o":{"$type":"oid","$value":"010000000000000000000000"},"o2":{"$type":"oid","$value":"010000000000000000000000"},"d":{"$date":5},` +
		`"r":{"$regexp":"a","$flags":"i"},"n":{"$type":"Decimal","$value":"1.50"},"c":{"$type":"t","$value":[1]},` +
		`"col":{"$type":"color","$value":[1,2,3]},"cols":[{"$type":"color","$value":[1,2,3]}],"doc":{"z":1,"a":2},"arr":[1,{"a":2}],"v":null,"id":5,` +
		`"any":{"a":1},"anys":[1,"x",null],"m":{"a":1},"km":{"k":{"d":1}},"bd":{"z":1,"a":"x"},"pair":[1,2],"num":1.5,"pp":"deep"}`
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	k, err := Decode[kinds](d)
	if err != nil {
		t.Fatal(err)
	}
	back, err := From(k)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(text, `"c":{"$type":"t"`, `"c":{"$type":"t"`, 1)
	if back.String() != want {
		t.Errorf("got  %s\nwant %s", back, want)
	}
	if k.Col != (color{1, 2, 3}) || d.Field("col").Any() != (color{1, 2, 3}) {
		t.Errorf("the registered type is %v, by Any %v", k.Col, d.Field("col").Any())
	}
	m, err := Decode[map[string]any](d)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m["doc"].(map[string]any); !ok || m["f"] != 0.5 {
		t.Errorf("as a map: %v", m)
	}
	nulls := Make(Field{"s", nil}, Field{"t", nil}, Field{"m", nil}, Field{"pair", nil}, Field{"col", nil})
	if k, err := Decode[kinds](nulls); err != nil || !reflect.DeepEqual(k, kinds{}) {
		t.Errorf("of nulls: %+v, %v", k, err)
	}
	if same, err := Decode[Doc](d); err != nil || same != d {
		t.Errorf("as a Doc: %v", err)
	}
	if a, err := Decode[any](d); err != nil || a != any(d) {
		t.Errorf("as any: %v", err)
	}
	if bd, err := Decode[bsonD](Make(Field{"z", 1}, Field{"a", 2})); err != nil || len(bd) != 2 || bd[0].Key != "z" {
		t.Errorf("as a bson.D: %v, %v", bd, err)
	}
}

func TestDecodeErrors(t *testing.T) {
	type target struct {
		A struct{ B []int8 }
		U uint
		T time.Time
		P [2]int
		C color
		X chan int
		M map[string]time.Time
		N netip.Addr
	}
	for _, c := range []struct{ text, want string }{
		{`{"a":{"b":[1,"x"]}}`, "ejson: a.b.1: a string does not fit (int8)"},
		{`{"a":{"b":[1,300]}}`, "ejson: a.b.1: the number 300 does not fit (int8)"},
		{`{"a":{"b":[1.5]}}`, "ejson: a.b.0: the number 1.5 does not fit (int8)"},
		{`{"a":5}`, "ejson: a: a number does not fit (struct { B []int8 })"},
		{`{"u":-1}`, "ejson: u: the number -1 does not fit (uint)"},
		{`{"t":5}`, "ejson: t: a number does not fit (time.Time)"},
		{`{"p":[1]}`, "ejson: p: a list of 1 elements does not fit ([2]int)"},
		{`{"c":{"$type":"color","$value":[1]}}`, `ejson: c: custom type "color": want three numbers (ejson.color)`},
		{`{"c":{"$type":"other","$value":[1]}}`, "ejson: c: a custom type does not fit (ejson.color)"},
		{`{"x":1}`, "ejson: x: no EJSON value fits into a chan (chan int)"},
		{`{"m":{"k":1}}`, "ejson: m.k: a number does not fit (time.Time)"},
		{`{"n":"?"}`, `ejson: n: UnmarshalText: ParseAddr("?"): unable to parse IP (netip.Addr)`},
	} {
		d, err := Parse([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Decode[target](d); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
	type twice struct {
		A int `json:"x"`
		B int `bson:"x"`
	}
	if _, err := Decode[twice](Make()); err == nil || !strings.Contains(err.Error(), `two fields have the name "x"`) {
		t.Errorf("two fields of one name: %v", err)
	}
}
