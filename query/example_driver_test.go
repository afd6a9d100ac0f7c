package query_test

import (
	"fmt"
	"slices"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/query"
)

// The types of the driver's package bson, which are known by their shape.
type (
	M map[string]any
	E struct {
		Key   string
		Value any
	}
	D []E
	A []any
)

// For a programmer who comes from the MongoDB driver: filters, updates, sorts,
// projections and array filters are given as they are to Find and UpdateMany, in
// bson.D, bson.M or plain maps. Here they are compiled once, and run on documents
// at hand; a store runs them on a collection.
func Example_mongoDriver() {
	orders := []ejson.Doc{
		must(ejson.From(M{"_id": "o1", "status": "open", "total": 40, "items": A{M{"sku": "pen", "qty": 12}, M{"sku": "ink", "qty": 1}}})),
		must(ejson.From(M{"_id": "o2", "status": "sent", "total": 15, "items": A{M{"sku": "pen", "qty": 30}}})),
		must(ejson.From(M{"_id": "o3", "status": "open", "total": 75, "items": A{M{"sku": "pad", "qty": 20}}})),
	}

	// collection.Find(ctx, filter, options.Find().SetSort(sort).SetLimit(10).SetProjection(show))
	filter := must(query.Compile(D{{"status", "open"}, {"items", D{{"$elemMatch", D{{"qty", D{{"$gte", 10}}}}}}}}))
	sort := must(query.CompileSortSpec(D{{"total", -1}}))
	show := must(query.CompileFields(D{{"total", 1}, {"items.sku", 1}, {"_id", 0}}))
	var found []ejson.Doc
	for _, d := range orders {
		if filter.Match(d) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, sort.Compare)
	for _, d := range found[:min(10, len(found))] {
		fmt.Println(show.Apply(d))
	}

	// collection.UpdateMany(ctx, filter, update, options.Update().SetArrayFilters(…))
	update := must(query.CompileModifier(
		M{"$inc": M{"items.$[large].qty": -10}, "$set": M{"checked": true}},
		M{"large.qty": M{"$gte": 10}},
	))
	fmt.Println(must(update.Apply(orders[0])).Field("items"))

	// A fault is found when it is compiled, and says what to do.
	_, err := query.Compile(D{{"status", D{{"$in", "open"}}}})
	fmt.Println(err)
	// Output:
	// {"items":[{"sku":"pad"}],"total":75}
	// {"items":[{"sku":"pen"},{"sku":"ink"}],"total":40}
	// [{"qty":2,"sku":"pen"},{"qty":1,"sku":"ink"}]
	// query: status $in: wants a list, got a string; did you mean $eq?
}
