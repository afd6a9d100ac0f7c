package query_test

import (
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// For a programmer who comes from Meteor: what stands in Tasks.find(selector,
// options) and Tasks.update(selector, modifier) is given here, as EJSON or as Go
// values, and means the same, also a bare id, sort: [["a", "desc"]] and fields.
func Example_meteor() {
	tasks := []ejson.Doc{
		must(ejson.Parse([]byte(`{"_id": "t1", "text": "bread", "list": "home", "due": {"$date": 3000}, "tags": ["shop"]}`))),
		must(ejson.Parse([]byte(`{"_id": "t2", "text": "taxes", "list": "home", "due": {"$date": 1000}, "tags": ["paper", "dull"]}`))),
		must(ejson.Parse([]byte(`{"_id": "t3", "text": "paint", "list": "shed", "due": {"$date": 2000}, "tags": []}`))),
	}

	// Tasks.find({list: "home", tags: {$ne: "done"}}, {sort: {due: 1}, limit: 1, fields: {text: 1}})
	selector := []byte(`{"list": "home", "tags": {"$ne": "done"}}`)
	options := must(ejson.Parse([]byte(`{"sort": {"due": 1}, "limit": 1, "fields": {"text": 1}}`)))
	m := must(query.Compile(selector))
	s := must(query.CompileSortSpec(options.Field("sort")))
	f := must(query.CompileFields(options.Field("fields")))
	var found []ejson.Doc
	for _, d := range tasks {
		if m.Match(d) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, s.Compare)
	for _, d := range found[:min(len(found), int(options.Field("limit").Number()))] {
		fmt.Println(f.Apply(d))
	}

	// Tasks.update({_id: "t2", tags: "dull"}, {$set: {"tags.$": "done"}, $inc: {tries: 1}})
	at, _ := must(query.Compile([]byte(`{"_id": "t2", "tags": "dull"}`))).MatchAt(tasks[1])
	mod := must(query.CompileModifier([]byte(`{"$set": {"tags.$": "done"}, "$inc": {"tries": 1}}`)))
	d := must(mod.ApplyAt(tasks[1], query.At{Index: at}))
	fmt.Println(d.Field("tags"), d.Field("tries"), m.Match(d))

	// Tasks.upsert({list: "shed", text: "sweep"}, {$setOnInsert: {due: null}, $addToSet: {tags: "new"}})
	mod = must(query.CompileModifier([]byte(`{"$setOnInsert": {"due": null}, "$addToSet": {"tags": "new"}}`)))
	fmt.Println(must(mod.Upsert(must(query.Compile([]byte(`{"list": "shed", "text": "sweep"}`))), query.At{})))

	// Tasks.findOne("t3")
	byID := must(query.Compile("t3"))
	ids, _ := byID.IDs()
	fmt.Println(byID.Selector(), ids)
	// Output:
	// {"_id":"t2","text":"taxes"}
	// ["paper","done"] 1 false
	// {"list":"shed","text":"sweep","due":null,"tags":["new"]}
	// {"_id":"t3"} [t3]
}
