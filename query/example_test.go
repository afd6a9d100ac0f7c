package query_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var todos = []ejson.Doc{
	must(ejson.From(map[string]any{"_id": "t1", "text": "bread", "done": true, "tags": []string{"shop"}})),
	must(ejson.From(map[string]any{"_id": "t2", "text": "taxes", "done": false, "tags": []string{"home", "paper"}})),
	must(ejson.From(map[string]any{"_id": "t3", "text": "apples", "done": false, "tags": []string{"shop"}})),
}

func ExampleCompile() {
	m, err := query.Compile(map[string]any{"done": false, "tags": map[string]any{"$in": []string{"home", "garden"}}})
	if err != nil {
		panic(err)
	}
	for _, d := range todos {
		if m.Match(d) {
			fmt.Println(d.Field("text").Str())
		}
	}
	// Output: taxes
}

// A selector from the MongoDB driver is known by its shape: a bson.D is a list
// of keys and values.
func ExampleCompile_driver() {
	type E struct {
		Key   string
		Value any
	}
	type D []E
	m := must(query.Compile(D{{"text", D{{"$gte", "b"}}}, {"done", true}}))
	fmt.Println(m.Match(todos[0]), m.Selector())
	// Output: true {"text":{"$gte":"b"},"done":true}
}

func ExampleSyntaxError() {
	_, err := query.Compile([]byte(`{"$or": [{"done": true}, {"tags": {"$in": "shop"}}]}`))
	fmt.Println(err)
	var fault *query.SyntaxError
	if errors.As(err, &fault) {
		fmt.Println(fault.Path)
	}
	// Output:
	// query: $or.1.tags $in: wants a list, got a string; did you mean $eq?
	// $or.1.tags
}

func ExampleCompileSort() {
	s := must(query.CompileSort("done", "-text"))
	sorted := slices.SortedFunc(slices.Values(todos), s.Compare)
	for _, d := range sorted {
		fmt.Println(d.Field("done"), d.Field("text").Str())
	}
	// Output:
	// false taxes
	// false apples
	// true bread
}

func ExampleCompileFields() {
	f := must(query.CompileFields([]string{"text"}))
	fmt.Println(f.Apply(todos[0]))
	// Output: {"_id":"t1","text":"bread"}
}

func ExampleCompileModifier() {
	m := must(query.CompileModifier([]byte(`{"$set": {"done": true}, "$push": {"tags": "late"}}`)))
	d := must(m.Apply(todos[1]))
	fmt.Println(d.Field("done"), d.Field("tags"))
	// Output: true ["home","paper","late"]
}

// The positional operator stands for the element that the selector found.
func ExampleModifier_ApplyAt() {
	m := must(query.Compile([]byte(`{"tags": "paper"}`)))
	mod := must(query.CompileModifier([]byte(`{"$set": {"tags.$": "desk"}}`)))
	at, _ := m.MatchAt(todos[1])
	d := must(mod.ApplyAt(todos[1], query.At{Index: at}))
	fmt.Println(d.Field("tags"))
	// Output: ["home","desk"]
}

func ExampleChoose() {
	byRoom := must(query.CompileIndex("room", "ts"))
	have := []query.Index{{Name: "room,ts", Key: byRoom, Size: 100_000, Distinct: 99_000}}
	m := must(query.Compile([]byte(`{"room": "x"}`)))
	fmt.Println(query.Choose(m, must(query.CompileSort("-ts")), 20, have))
	// Output: by index room,ts: room = "x"; backwards; in order; about 20
}

// Only rows that have an address are in the index, so only a selector that asks
// for one can use it.
func ExampleCompileIndexWith() {
	byMail := must(query.CompileIndexWith([]string{"mail"}, query.IndexOptions{Unique: true, Sparse: true}))
	have := []query.Index{{Name: "mail", Key: byMail, Size: 500, Distinct: 500}}
	for _, sel := range []string{`{"mail": "ann@example.org"}`, `{"mail": null}`} {
		m := must(query.Compile([]byte(sel)))
		fmt.Println(must(query.ChooseWith(m, nil, 0, have, query.Options{Docs: 1000})))
	}
	// Output:
	// by index mail: mail = "ann@example.org"; in order; about 1
	// by scan; filter; in order; about 1000
}

func ExampleChooseWith() {
	byRoom := must(query.CompileIndex("room"))
	byAuthor := must(query.CompileIndex("author"))
	have := []query.Index{{Name: "room", Key: byRoom, Size: 9000, Distinct: 300}, {Name: "author", Key: byAuthor, Size: 9000, Distinct: 900}}
	m := must(query.Compile([]byte(`{"$or": [{"room": "x"}, {"author": "ann"}]}`)))
	fmt.Println(must(query.ChooseWith(m, nil, 0, have, query.Options{Docs: 9000})))
	_, err := query.ChooseWith(m, nil, 0, have, query.Options{Docs: 9000, Hint: "mail"})
	fmt.Println(err)
	// Output:
	// by union (index room: room = "x") or (index author: author = "ann"); with repeats; to be sorted; about 40
	// query: hint mail: no such index; there are room; author
}

func ExamplePath_Distinct() {
	p := must(query.CompilePath("tags"))
	for _, v := range p.Distinct(slices.Values(todos)) {
		fmt.Println(v)
	}
	// Output:
	// "shop"
	// "home"
	// "paper"
}
