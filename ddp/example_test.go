package ddp_test

import (
	"errors"
	"fmt"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/ejson"
)

func ExampleDecode() {
	m, err := ddp.Decode([]byte(`{"msg":"added","collection":"todos","id":"t1","fields":{"text":"milk","done":false}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	switch m := m.(type) {
	case ddp.Added:
		fmt.Println(m.Collection, m.ID, m.Fields.Field("text").Str())
	case ddp.Unknown:
		fmt.Println("skipped", m.Type)
	}
	// Output: todos t1 milk
}

func ExampleAppend() {
	text := ddp.Append(nil, ddp.Method{ID: "1", Name: "todos.finish", Params: ejson.MakeArray("t1")})
	fmt.Println(string(text))
	// Output: {"msg":"method","id":"1","method":"todos.finish","params":["t1"]}
}

// A frame that cannot be taken comes back with what a server answers.
func ExampleMalformedError() {
	_, err := ddp.Decode([]byte(`{"msg":"method","id":"1","method":"m","params":{}}`))
	var bad *ddp.MalformedError
	if errors.As(err, &bad) {
		fmt.Println(bad)
		fmt.Println(string(ddp.Append(nil, bad.Answer())))
	}
	// Output:
	// ddp: malformed method: params wants a list
	// {"msg":"error","reason":"Malformed method invocation","offendingMessage":{"msg":"method","id":"1","method":"m","params":{}}}
}

// Client and server give a new document the same id.
func ExampleStreams() {
	seed := "abc" // sent with the method as randomSeed
	client, server := ddp.NewStreams(seed), ddp.NewStreams(seed)
	fmt.Println(client.DocumentID("items"))
	fmt.Println(server.DocumentID("items"))
	// Output:
	// wCGMdTzSTuS8vssnY
	// wCGMdTzSTuS8vssnY
}

func ExampleError_Is() {
	err := fmt.Errorf("finish: %w", ddp.NumericError(403, "Not yours"))
	fmt.Println(errors.Is(err, &ddp.Error{Code: "403"}), err)
	// Output: true finish: ddp: Not yours [403]
}
