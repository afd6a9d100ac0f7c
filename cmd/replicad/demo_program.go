package main

// demoProgram is what the demo prints at its end: the same in a program of one's own. A
// test holds it to lines that compile.
const demoProgram = `    r, err := replica.Open(ctx, "wss://todos.example",
        replica.Options{Path: "tasks.db"})
    check(err)
    defer r.Close() // keeps all of it for the next start
    user, err := r.Login(ctx, replica.Password{User: "alice", Password: pw})
    sub, err := r.Subscribe("tasks") // now, and after every reconnect
    tasks := r.Store().Collection("tasks")
    err = tasks.Index("list", "-createdAt")
    list, err := tasks.Find(map[string]any{"list": "list-42"}).
        Sort("-createdAt").Limit(20).All()
    // shows at once, on disk; sent when there is a server
    id, call, err := r.Insert(ctx, "tasks", map[string]any{"list": "list-42"})
    _, err = call.Result(ctx) // what the server says, when it is back
`
