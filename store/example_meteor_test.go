package store_test

import (
	"fmt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// For a programmer who comes from Meteor: a collection of documents without a Go
// type is minimongo's. Selectors, modifiers, sort and fields are what they are
// there; a bare id is a selector; limit and skip are methods.
func Example_meteor() {
	s := store.New(store.Options{})
	tasks := store.Of[ejson.Doc](s, "tasks") // new Mongo.Collection("tasks")
	doc := func(text string) ejson.Doc {
		d, err := ejson.Parse([]byte(text))
		if err != nil {
			panic(err)
		}
		return d
	}
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}

	// Tasks.insert({...})
	for _, text := range []string{
		`{"_id":"t1","text":"bread","list":"home","due":{"$date":3000}}`,
		`{"_id":"t2","text":"taxes","list":"home","due":{"$date":1000},"tags":["dull"]}`,
	} {
		_, err := tasks.InsertOne(doc(text))
		check(err)
	}
	// Tasks.find({list: "home"}, {sort: {due: 1}, limit: 1, fields: {text: 1}}).fetch()
	found, err := tasks.Find(doc(`{"list":"home"}`)).SortSpec(doc(`{"due":1}`)).Limit(1).FieldsSpec(doc(`{"text":1}`)).All()
	check(err)
	fmt.Println(found)
	// Tasks.update({_id: "t2", tags: "dull"}, {$set: {"tags.$": "done"}, $inc: {tries: 1}})
	_, err = tasks.UpdateOne(doc(`{"_id":"t2","tags":"dull"}`), doc(`{"$set":{"tags.$":"done"},"$inc":{"tries":1}}`))
	check(err)
	// Tasks.findOne("t2")
	d, err := tasks.FindOne("t2")
	check(err)
	fmt.Println(d.Field("tags"), d.Field("tries"))
	// Tasks.upsert({list: "shed"}, {$setOnInsert: {text: "sweep"}})
	_, inserted, err := tasks.UpsertOne(doc(`{"_id":"t3","list":"shed"}`), doc(`{"$setOnInsert":{"text":"sweep"}}`))
	check(err)
	// Tasks.remove({list: "home"}); Tasks.find().count()
	removed, err := tasks.DeleteMany(doc(`{"list":"home"}`))
	check(err)
	n, err := tasks.Find(nil).Count()
	check(err)
	fmt.Println(inserted, removed, n)
	// Output:
	// [{"_id":"t2","text":"taxes"}]
	// ["done"] 1
	// true 2 1
}
