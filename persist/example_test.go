package persist_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/persist"
	"github.com/replicad/replicad/store"
)

// A store that is kept in a file: load it, journal to it, and wait for the disk
// where it matters.
func Example() {
	dir, err := os.MkdirTemp("", "persist")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "todos.db")

	for range 2 { // the second time is after a restart
		db, err := persist.Open(context.Background(), path, persist.Options{})
		if err != nil {
			log.Fatal(err)
		}
		s := store.New(store.Options{Journal: db})
		if err := s.Load(db.Seq(), db.Records()); err != nil {
			log.Fatal(err)
		}
		todos := s.Collection("todos")
		n, _ := todos.Find(nil).Count()
		fmt.Printf("commit %d, %d todos\n", db.Seq(), n)

		if _, err := todos.InsertOne(ejson.Make(ejson.Field{Name: "text", Value: "water the plants"})); err != nil {
			log.Fatal(err)
		}
		if err := db.Flush(context.Background(), s.Snapshot().Seq()); err != nil {
			log.Fatal(err) // the disk's error; the writer goes on trying
		}
		if err := db.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// commit 0, 0 todos
	// commit 1, 1 todos
}

func ExampleCheck() {
	dir, err := os.MkdirTemp("", "persist")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "todos.db")
	db, err := persist.Open(context.Background(), path, persist.Options{Label: "the office"})
	if err != nil {
		log.Fatal(err)
	}
	db.Close()

	report, err := persist.Check(context.Background(), path)
	fmt.Println(report.Label, report.Documents, err)
	// Output: the office 0 <nil>
}
