package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replicad/replicad/ddp"
	"github.com/replicad/replicad/ddp/internal/wire"
)

// step is one line of a recording.
type step struct {
	Conn     int
	Dir      string
	Event    string
	By       string
	Code     int
	Msg      json.RawMessage
	Raw      *string
	line     int
	frame    []byte
	kind     string
	isClient bool
}

// script reads the steps of each connection of a recording.
func script(t *testing.T, file string) map[int][]step {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conns := map[int][]step{}
	for n, s := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		st := step{line: n + 1}
		if err := json.Unmarshal([]byte(s), &st); err != nil {
			t.Fatalf("%s:%d: %v", file, n+1, err)
		}
		st.frame, st.isClient = st.Msg, st.Dir == "c>s"
		if st.Raw != nil {
			st.frame = []byte(*st.Raw)
		}
		var head struct{ Msg string }
		json.Unmarshal(st.frame, &head)
		st.kind = head.Msg
		if st.Dir != "" || st.Event == "close" {
			conns[st.Conn] = append(conns[st.Conn], st)
		}
	}
	return conns
}

// playable prepares the steps of a connection whose client could be ours: it sends
// connect first, with a list of versions. Our client waits for connected before it
// sends anything, so connected is moved there.
func playable(steps []step) ([]step, ddp.Connect, bool) {
	if len(steps) == 0 || steps[0].kind != "connect" {
		return nil, ddp.Connect{}, false
	}
	m, err := ddp.Decode(steps[0].frame)
	connect, ok := m.(ddp.Connect)
	if err != nil || !ok || !sameJSON(ddp.Append(nil, connect), steps[0].frame) {
		return nil, connect, false
	}
	answer := slices.IndexFunc(steps, func(s step) bool { return s.kind == "connected" || s.kind == "failed" })
	if answer < 0 {
		return nil, connect, false
	}
	steps = slices.Clone(steps)
	moved := steps[answer]
	return slices.Insert(slices.Delete(steps, answer, answer+1), 1, moved), connect, true
}

// theEnd is sent when the client is to close, so that it does not do so earlier.
var theEnd = ddp.Unknown{Raw: []byte(`{"played":true}`)}

// playServer is the recorded server: it expects the client's frames, and sends its
// own.
func playServer(steps []step, t Transport) error {
	for _, s := range steps {
		switch {
		case s.Event == "close" && s.By == "server":
			if s.Code == wire.CodeDropped {
				return t.Close(wire.CodeDrop, "")
			}
			return t.Close(wire.CodeNormal, "recorded")
		case s.Event == "close":
			var closed *CloseError
			say(t, theEnd)
			if err := untilEnd(t); !errors.As(err, &closed) || closed.Code != wire.CodeNormal {
				return fmt.Errorf("line %d: wanted the client's farewell, got %v", s.line, err)
			}
			return nil
		case !s.isClient:
			if err := t.Write(context.Background(), s.frame, false); err != nil {
				return fmt.Errorf("line %d: %v", s.line, err)
			}
		default:
			for {
				frame, err := t.Read()
				if err != nil {
					return fmt.Errorf("line %d: wanted %s: %v", s.line, s.frame, err)
				}
				if string(frame) == string(s.frame) || sameJSON(frame, s.frame) {
					break
				}
				if string(frame) != `{"msg":"pong"}` { // which the recorded client withheld
					return fmt.Errorf("line %d: wanted %s, got %s", s.line, s.frame, frame)
				}
			}
		}
	}
	return nil
}

// playClient walks the same steps with our client: it sends what the recorded client
// sent, and must get what that one got.
func playClient(steps []step, c *Conn) error {
	var got []ddp.Message
	pings := 0
	for _, s := range steps {
		if s.Event == "close" {
			if s.By == "server" {
				break
			}
			s.frame = theEnd.Raw
		}
		if s.isClient {
			if s.kind == "pong" && pings > 0 {
				pings-- // the Conn has answered by itself
				continue
			}
			m, err := ddp.Decode(s.frame)
			if err != nil || !sameJSON(ddp.Append(nil, m), s.frame) {
				m = ddp.Unknown{Raw: s.frame} // as only others would write it
			}
			if err := c.Send(context.Background(), m); err != nil {
				return fmt.Errorf("line %d: %v", s.line, err)
			}
			continue
		}
		switch s.kind {
		case "ping":
			pings++
			continue
		case "pong":
			continue
		}
		for len(got) == 0 {
			<-c.Ready()
			if got = c.Take(); got == nil && c.Err() != nil {
				return fmt.Errorf("line %d: wanted %s: %v", s.line, s.frame, c.Err())
			}
		}
		want, err := ddp.Decode(s.frame)
		if err != nil {
			return fmt.Errorf("line %d: %v", s.line, err)
		}
		if dump(got[0]) != dump(want) {
			return fmt.Errorf("line %d: wanted %s, got %s", s.line, dump(want), dump(got[0]))
		}
		got = got[1:]
	}
	if len(got) > 0 {
		return fmt.Errorf("got more: %s", dump(got...))
	}
	return nil
}

// replay plays one connection against our client and checks how it ends.
func replay(t *testing.T, steps []step, connect ddp.Connect, dial func(handle func(Transport)) (Transport, error)) {
	served := make(chan error, 1)
	tr, err := dial(func(tr Transport) { served <- playServer(steps, tr) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), tr, Options{
		Versions: connect.Support, Version: connect.Version,
		Session: connect.Session, ReceivedCount: connect.ReceivedCount,
		Heartbeat: -1, Logger: silent,
	})
	if steps[1].kind == "failed" {
		var version *VersionError
		if !errors.As(err, &version) || !errors.Is(err, ErrVersion) {
			t.Errorf("failed gave %v", err)
		}
	} else if err != nil {
		t.Error(err)
	} else {
		if err := playClient(steps[2:], c); err != nil {
			t.Error(err)
		}
		last := steps[len(steps)-1]
		var closed *CloseError
		if last.Event == "close" && last.By == "server" {
			<-c.Done()
			if want := last.Code; !errors.As(c.Err(), &closed) || want != 0 && closed.Code != want {
				t.Errorf("ended with %v, want code %d", c.Err(), want)
			}
		}
		c.Close()
		if last.By == "client" && c.Err() != ErrClosed {
			t.Error(c.Err())
		}
	}
	if err := <-served; err != nil {
		t.Error("server:", err)
	}
}

// TestReplay plays the server's side of every recording against our client, over a
// WebSocket and over a pipe, and checks every frame of both.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("../testdata/transcripts/*.jsonl")
	if err != nil || len(files) < 50 {
		t.Fatal("recordings are missing", err)
	}
	played, messages := 0, 0
	for _, file := range files {
		for conn, all := range script(t, file) {
			steps, connect, ok := playable(all)
			if !ok {
				continue
			}
			played++
			messages += len(steps)
			name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
			t.Run(fmt.Sprintf("%s/%d/pipe", name, conn), func(t *testing.T) {
				replay(t, steps, connect, func(handle func(Transport)) (Transport, error) {
					a, b := Pipe(PipeOptions{})
					go func() {
						handle(b)
						b.Close(wire.CodeNormal, "")
					}()
					return a, nil
				})
			})
			t.Run(fmt.Sprintf("%s/%d/socket", name, conn), func(t *testing.T) {
				replay(t, steps, connect, func(handle func(Transport)) (Transport, error) {
					url := serveSocket(t, handle)
					return wire.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http"), wire.DialOptions{})
				})
			})
		}
	}
	t.Logf("%d connections, %d steps", played, messages)
	if played < 75 || messages < 1500 {
		t.Errorf("only %d connections, %d steps", played, messages)
	}
}
