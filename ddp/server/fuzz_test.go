package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/ejson"
	"github.com/replicad/replicad/ddp/server"
)

// script is a transport that plays frames and keeps what is answered.
type script struct {
	frames [][]byte
	got    chan []byte
	done   chan struct{}
}

func (s *script) Read() ([]byte, error) {
	if len(s.frames) > 0 {
		f := s.frames[0]
		s.frames = s.frames[1:]
		return f, nil
	}
	<-s.done
	return nil, io.EOF
}

func (s *script) Write(ctx context.Context, frame []byte, _ bool) error {
	select {
	case s.got <- bytes.Clone(frame):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return io.EOF
	}
}

func (s *script) Close(int, string) error {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return nil
}

// FuzzSession feeds a session arbitrary frames, one a line. Whatever comes, it does
// not panic, what it sends is JSON, and it goes on answering or ends.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob("testdata/transcripts/*.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() > 20_000 {
			continue
		}
		var text []byte
		for _, r := range read(f, file) {
			if r.Dir == "c>s" {
				text = append(append(text, r.frame()...), '\n')
			}
		}
		f.Add(text)
	}
	f.Add([]byte(connect + "\n" + `{"msg":"method","method":"set","id":"1","params":["u"]}` + "\n" + `{"msg":"sub","id":"1","name":"given","params":[{"_id":"x","$date":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		srv := quiet()
		srv.MaxSubs, srv.MaxCalls = 20, 20
		srv.Method("echo", func(_ context.Context, c *server.Call) (any, error) { return param(c.Params, 0), nil })
		srv.Method("set", func(_ context.Context, c *server.Call) (any, error) {
			return nil, c.SetUserID(param(c.Params, 0).Str())
		})
		srv.Method("boom", func(context.Context, *server.Call) (any, error) { panic("boom") })
		srv.Publish("given", func(_ context.Context, p *server.Publication) error {
			for i, v := range p.Params.All() {
				d := v.Doc()
				if i%2 == 0 {
					d = d.WithID(ejson.StringID(fmt.Sprint(i % 3)))
				}
				p.Added("c", d)
				p.Changed("c", d.ID(), d, []string{"a"})
			}
			return nil
		})
		s := &script{
			frames: append(bytes.Split(text, []byte("\n")), []byte(connect), []byte(`{"msg":"ping","id":"the end"}`)),
			got:    make(chan []byte), done: make(chan struct{}),
		}
		ended := make(chan struct{})
		go func() { defer close(ended); srv.Serve(context.Background(), s) }()
		for {
			select {
			case frame := <-s.got:
				if _, err := ejson.ParseValue(frame); err != nil {
					t.Errorf("sent %q: %v", frame, err)
				}
				// On a pre1 session a ping is an error, but an answer.
				if bytes.Contains(frame, []byte(`"the end"`)) {
					s.Close(0, "")
				}
			case <-ended:
				return
			case <-time.After(time.Minute):
				t.Fatal("neither an answer nor an end")
			}
		}
	})
}

// FuzzConnect quotes arbitrary sessions and counts, with SESSION standing for one that
// lives and whose client is away. Whatever is asked, the answer is a session or a
// refusal; a resumed one is sent nothing but what followed; and the server is left with
// no more than it should have.
func FuzzConnect(f *testing.F) {
	for _, count := range []string{"1", "2", "3", "4", "5", "0", "-1", "1.5", "1e3", "9223372036854775807", "99999999999999999999", `"3"`, "null", "[]"} {
		f.Add([]byte(`{"msg":"connect","version":"1","support":["1"],"session":"SESSION","receivedCount":` + count + `}`))
	}
	for _, session := range []string{"SESSIO", "SESSIONS", "", "\u0000", "' OR 1=1"} {
		f.Add([]byte(`{"msg":"connect","version":"1","support":["1"],"session":"` + session + `","receivedCount":1}`))
	}
	f.Add([]byte(`{"msg":"connect","version":"pre1","support":["pre1"],"session":"SESSION","receivedCount":2}`))
	f.Add([]byte(`{"msg":"connect","version":"1","support":["1"],"session":{"$ne":null},"receivedCount":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		synctest.Test(t, func(t *testing.T) {
			srv := keeping()
			k := keep(srv, "p")
			c := dial(t, srv)
			id := c.open()
			c.send(sub("s", "p"))
			sent := c.take()
			p := <-k.got
			p.Added("c", must(`{"_id":"1"}`))
			sent = append(sent, c.take()...)
			c.cut()
			p.Added("c", must(`{"_id":"2"}`))
			sent = append(sent, `{"msg":"added","collection":"c","id":"2","fields":{}}`)
			c = dial(t, srv)
			c.send(string(bytes.ReplaceAll(text, []byte("SESSION"), []byte(id))))
			got := c.take()
			if len(got) == 0 {
				t.Fatal("no answer")
			}
			var m struct{ Msg, Session string }
			json.Unmarshal([]byte(got[0]), &m)
			switch {
			case m.Msg == "connected" && m.Session == id:
				if n := len(got) - 1; n > len(sent) || !slices.Equal(got[1:], sent[len(sent)-n:]) {
					t.Errorf("resumed with %q", got)
				}
			case m.Msg == "connected":
				if len(m.Session) != len(id) || len(got) != 1 {
					t.Errorf("%q", got)
				}
			case m.Msg != "failed" && m.Msg != "error":
				t.Errorf("%q", got)
			}
			if n := len(collect(srv)); n > 2 {
				t.Errorf("%d sessions", n)
			}
			c.cut()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := len(collect(srv)); n != 0 {
				t.Errorf("%d sessions after the grace", n)
			}
		})
	})
}
