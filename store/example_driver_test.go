package store_test

import (
	"fmt"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/store"
)

// For a programmer who comes from the MongoDB driver: a collection is typed, its
// methods carry the driver's names, and filters and updates are given as they are,
// as bson.M, bson.D, maps or EJSON. There is no context and no cursor, for nothing
// here waits for a network.
func Example_mongoDriver() {
	type M map[string]any // as bson.M
	type Order struct {
		ID     string `bson:"_id"`
		Status string `bson:"status"`
		Total  int    `bson:"total"`
	}
	s := store.New(store.Options{})
	orders := store.Of[Order](s, "orders")
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}

	// collection.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{"status", 1}, {"total", -1}}})
	check(orders.Index("status", "-total"))
	// collection.InsertMany(ctx, documents)
	_, err := orders.InsertMany([]Order{{"o1", "open", 40}, {"o2", "sent", 15}, {"o3", "open", 75}})
	check(err)
	// collection.Find(ctx, filter, options.Find().SetSort(bson.D{{"total", -1}}).SetLimit(2))
	found, err := orders.Find(M{"status": "open", "total": M{"$gte": 10}}).Sort("-total").Limit(2).All()
	check(err)
	fmt.Println(found)
	// collection.UpdateMany(ctx, filter, bson.M{"$inc": …}) and UpdateOne with SetUpsert(true)
	changed, err := orders.UpdateMany(M{"status": "open"}, M{"$inc": M{"total": 5}})
	check(err)
	id, inserted, err := orders.UpsertOne(M{"_id": "o4"}, M{"$set": M{"status": "open"}, "$max": M{"total": 1}})
	check(err)
	fmt.Println(changed, id, inserted)
	// collection.CountDocuments, collection.Distinct
	n, err := orders.Find(M{"status": "open"}).Count()
	check(err)
	states, err := orders.Find(nil).Distinct("status")
	check(err)
	fmt.Println(n, states)
	// Several writes at once, all or nothing, without a session.
	_, err = s.Update(func(tx *store.Tx) error {
		if !tx.Delete("orders", ejson.StringID("o2")) || !tx.Delete("orders", ejson.StringID("o1")) {
			return fmt.Errorf("an order is gone already")
		}
		return nil
	})
	check(err)
	// Output:
	// [{o3 open 75} {o1 open 40}]
	// 2 o4 true
	// 3 ["open" "sent"]
}
