package server_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// packed is a codec whose frames nobody else reads: text, but no JSON.
type packed struct{}

func (packed) Append(b []byte, m ddp.Message) []byte {
	return append(b, base64.StdEncoding.EncodeToString(ddp.Append(nil, m))...)
}
func (packed) NewDecoder() ddp.FrameDecoder { return packed{} }
func (packed) Decode(frame []byte) (ddp.Message, error) {
	text, err := base64.StdEncoding.DecodeString(string(frame))
	if err != nil {
		return nil, &ddp.MalformedError{Reason: ddp.BadRequest, Err: err}
	}
	return ddp.Decode(text)
}

// TestCodec: client and server of this module speak with frames of another kind, and
// hide secrets in them as well.
func TestCodec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv := keeping()
		srv.Codec = packed{}
		var mu sync.Mutex
		var seen []string
		note := func(frame []byte) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, string(frame))
		}
		srv.Tap = func(s server.Sighting) { note(s.Frame) }
		k := keep(srv, "p")
		srv.Method("login", func(context.Context, *server.Call) (any, error) { return "in", nil })
		var docs []ddp.Message
		a, b := client.Pipe(client.PipeOptions{})
		go srv.Serve(t.Context(), b)
		c, err := client.New(t.Context(), a, client.Options{
			Codec:  packed{},
			Logger: slog.New(slog.DiscardHandler),
			Tap:    func(_ bool, frame []byte) { note(frame) },
			Events: &client.Events{
				Added:   func(m ddp.Added) { docs = append(docs, m) },
				Changed: func(m ddp.Changed) { docs = append(docs, m) },
				Removed: func(m ddp.Removed) { docs = append(docs, m) },
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Subscribe(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		p := <-k.got
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		id := ejson.StringID("x")
		p.Added("c", must(`{"_id":"x","a":1,"b":{"$date":5},"$odd":2}`))
		p.Changed("c", id, must(`{"a":2}`), []string{"b"})
		p.Changed("c", id, ejson.Make(), []string{"$odd"})
		p.Removed("c", id)
		v, err := c.Call(t.Context(), "login", "my-token")
		if err != nil || v.Str() != "in" {
			t.Error(v, err)
		}
		var text []string
		for _, m := range docs {
			text = append(text, string(ddp.Append(nil, m)))
		}
		want := `{"msg":"added","collection":"c","id":"x","fields":{"a":1,"b":{"$date":5},"$odd":2}}
{"msg":"changed","collection":"c","id":"x","fields":{"a":2},"cleared":["b"]}
{"msg":"changed","collection":"c","id":"x","cleared":["$odd"]}
{"msg":"removed","collection":"c","id":"x"}`
		if got := strings.Join(text, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		// A frame that is none is complained of, and the session goes on.
		if err := a.Write(t.Context(), []byte("!"), false); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		session := c.Session()
		c.Disconnect()
		finish(t, srv)
		all := strings.Join(seen, "\n")
		for _, secret := range []string{"my-token", session, base64.StdEncoding.EncodeToString([]byte("my-token"))} {
			if strings.Contains(all, secret) {
				t.Errorf("%q was seen", secret)
			}
		}
		if !strings.Contains(all, `"msg":"added"`) {
			t.Error("the tap shows no text:", all)
		}
	})
}
