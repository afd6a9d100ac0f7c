package main

import (
	"context"
	"os"
	"strings"
	"testing"

	replica "github.com/replicad/replicad/sync"
)

// programOfTheDemo is what the demo prints, as a function. It is not called.
func programOfTheDemo(ctx context.Context, check func(error), use func(...any)) {
	r, err := replica.Open(ctx, "wss://todos.example", replica.Options{Path: "tasks.db"})
	check(err)
	defer r.Close()
	user, err := r.Login(ctx, replica.Password{User: "alice", Password: os.Getenv("PASSWORD")})
	use(user, err)
	sub, err := r.Subscribe("tasks")
	use(sub, err)
	tasks := r.Store().Collection("tasks")
	err = tasks.Index("list", "-createdAt")
	use(err)
	list, err := tasks.Find(map[string]any{"list": "list-42"}).Sort("-createdAt").Limit(20).All()
	use(list, err)
	id, call, err := r.Insert(ctx, "tasks", map[string]any{"list": "list-42"})
	use(id, err)
	_, err = call.Result(ctx)
	use(err)
}

// TestDemoProgram holds what the demo prints to the function that compiles.
func TestDemoProgram(t *testing.T) {
	_ = programOfTheDemo
	text, err := os.ReadFile("demo_program_test.go")
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, line := range demoProgram {
		code, _, _ := strings.Cut(line, " //")
		code = "\t" + strings.TrimSpace(code) + "\n"
		_, after, ok := strings.Cut(rest, code)
		if !ok {
			t.Fatalf("%q is not in the function, or not in its place", code)
		}
		rest = after
	}
}
