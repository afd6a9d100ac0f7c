package ejson_test

import (
	"fmt"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
)

func Example() {
	d, err := ejson.Parse([]byte(`{"_id":"t1","text":"Milk","at":{"$date":1700000000000},"tags":["shop"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.ID(), d.Field("text").Str(), d.Field("at").Time().Year())
	fmt.Println(d.With("done", true).Without("at"))
	// Output:
	// t1 Milk 2023
	// {"_id":"t1","text":"Milk","tags":["shop"],"done":true}
}

func ExampleFrom() {
	type todo struct {
		ID   string    `bson:"_id"`
		Text string    `bson:"text"`
		At   time.Time `bson:"at"`
		Note string    `bson:"note,omitempty"`
	}
	d, err := ejson.From(todo{ID: "t1", Text: "Milk", At: time.UnixMilli(5)})
	fmt.Println(d, err)
	d, err = ejson.From(map[string]any{"n": 9007199254740993})
	fmt.Println(d.IsZero(), err)
	// Output:
	// {"_id":"t1","text":"Milk","at":{"$date":5}} <nil>
	// true ejson: n: the integer 9007199254740993 has no exact float64, which all numbers are; pass it as a string or a Decimal
}

func ExampleDecode() {
	type todo struct {
		ID   string `bson:"_id"`
		Text string
		Tags []string
	}
	d := ejson.Make(ejson.Field{"_id", "t1"}, ejson.Field{"text", "Milk"}, ejson.Field{"tags", []string{"shop"}})
	t, err := ejson.Decode[todo](d)
	fmt.Printf("%+v %v\n", t, err)
	_, err = ejson.Decode[todo](d.With("tags", []any{"shop", 5}))
	fmt.Println(err)
	// Output:
	// {ID:t1 Text:Milk Tags:[shop]} <nil>
	// ejson: tags.1: a number does not fit (string)
}

func ExampleDiff() {
	old := ejson.Make(ejson.Field{"_id", "t1"}, ejson.Field{"text", "Milk"}, ejson.Field{"draft", true})
	new := ejson.Make(ejson.Field{"_id", "t1"}, ejson.Field{"text", "Bread"})
	set, unset := ejson.Diff(old, new)
	fmt.Println(set, unset)
	fmt.Println(old.Merge(set, unset))
	// Output:
	// {"text":"Bread"} [draft]
	// {"_id":"t1","text":"Bread"}
}

func ExampleDoc_Lookup() {
	likes := ejson.NameOf("likes") // once
	d := ejson.Make(ejson.Field{"likes", 3})
	if v := d.Lookup(likes); v.Kind() == ejson.Number { // many times
		fmt.Println(v.Number())
	}
	// Output: 3
}

func ExampleRegister() {
	type celsius float64
	ejson.Register("temperature",
		func(c celsius) (any, error) { return float64(c), nil },
		func(v ejson.Value) (celsius, error) { return celsius(v.Number()), nil })
	d := ejson.Make(ejson.Field{"t", celsius(21.5)})
	fmt.Println(d)
	fmt.Printf("%T\n", d.Field("t").Any())
	// Output:
	// {"t":{"$type":"temperature","$value":21.5}}
	// ejson_test.celsius
}

func ExampleStyle() {
	d := ejson.Make(ejson.Field{"b", 1}, ejson.Field{"a", []int{1}})
	fmt.Println(string(ejson.Style{Canonical: true, Indent: "  "}.Append(nil, d.Value())))
	// Output:
	// {
	//   "a": [
	//     1
	//   ],
	//   "b": 1
	// }
}

// An ObjectID as the id of a document, as the server's driver would make it.
func ExampleNewObjectID() {
	task := ejson.Make(ejson.Field{Name: "_id", Value: ejson.NewObjectID()}, ejson.Field{Name: "title", Value: "write"})
	fmt.Println(task.ID().Value().Kind(), len(task.ID().Value().ObjectID().String()))
	// Output: an ObjectID 24
}
