package sync_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/replicad/replicad/store"
	replica "github.com/replicad/replicad/sync"
)

// The outbox of a file is looked at, and taken to another file, without the network.
func ExampleReplica_Export() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	open := func(name string) *replica.Replica {
		r, err := replica.Open(ctx, "", replica.Options{
			Path: filepath.Join(dir, name), Offline: true, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			log.Fatal(err)
		}
		return r
	}

	old := open("old.db")
	defer old.Close()
	for _, id := range []string{"t1", "t2", "t1"} {
		// Of what sets the same thing only the last counts.
		_, err := old.Do(ctx, replica.Method{Name: "todos.finish", Params: []any{id}, Squash: "finish " + id})
		if err != nil {
			log.Fatal(err)
		}
	}
	var calls bytes.Buffer
	n, err := old.Export(&calls)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "exported")

	young := open("new.db")
	defer young.Close()
	if _, err := young.Import(ctx, &calls); err != nil {
		log.Fatal(err)
	}
	for e, err := range store.Of[replica.Entry](young.Store(), replica.OutboxCollection).Find(nil).Each() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Method, e.Params, e.State)
	}
	// Output:
	// 2 exported
	// todos.finish ["t2"] queued
	// todos.finish ["t1"] queued
}
