package wire

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

type recorded struct {
	Dir, Raw, Event string
	Msg             []string
}

func recording(t *testing.T) (all []recorded) {
	text, err := os.ReadFile("../../testdata/transcripts/sockjs-framing.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r recorded
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestSockJSRecording plays the recording of a SockJS session from either side, and
// compares every frame byte by byte.
func TestSockJSRecording(t *testing.T) {
	steps := recording(t)
	messages := func(raw string) (list []string) {
		if raw[0] == 'a' {
			if err := json.Unmarshal([]byte(raw[1:]), &list); err != nil {
				t.Fatal(err)
			}
		}
		return list
	}
	t.Run("server", func(t *testing.T) {
		srv := accept(t, UpgradeOptions{}, func(tr Transport) {
			for _, s := range steps {
				switch {
				case s.Dir == "c>s":
					for _, want := range s.Msg {
						if got, err := tr.Read(); err != nil || string(got) != want {
							t.Errorf("got %s, %v, want %s", got, err, want)
						}
					}
				case s.Raw != "":
					for _, m := range messages(s.Raw) {
						tr.Write(context.Background(), []byte(m), false)
					}
				case s.Event == "close":
					tr.Close(CodeNormal, "")
				}
			}
		})
		ws := rawClient(t, wsURL(srv, "/sockjs/123/abcdefgh/websocket"))
		for _, s := range steps {
			if s.Dir == "c>s" {
				if err := ws.WriteJSON(s.Msg); err != nil {
					t.Fatal(err)
				}
			} else if s.Raw != "" {
				if _, got, err := ws.ReadMessage(); err != nil || string(got) != s.Raw {
					t.Fatalf("got %s, %v, want %s", got, err, s.Raw)
				}
			}
		}
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, CodeNormal) {
			t.Error(err)
		}
	})
	t.Run("client", func(t *testing.T) {
		url := serve(t, UpgradeOptions{}, func(s *Socket) {
			for _, step := range steps {
				if step.Dir == "c>s" {
					for _, m := range step.Msg { // ours come one in a frame
						want, _ := json.Marshal([]string{m})
						if got, err := s.Read(); err != nil || string(got) != string(want) {
							t.Errorf("got %s, %v, want %s", got, err, want)
						}
					}
				} else if step.Raw != "" {
					s.Write(context.Background(), []byte(step.Raw), false)
				}
			}
		})
		s, err := DialSockJS(t.Context(), url, DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(CodeNormal, "")
		for _, step := range steps {
			if step.Dir == "c>s" {
				for _, m := range step.Msg {
					s.Write(t.Context(), []byte(m), false)
				}
			} else if step.Raw != "" {
				for _, want := range messages(step.Raw) {
					if got, err := s.Read(); err != nil || string(got) != want {
						t.Fatalf("got %s, %v, want %s", got, err, want)
					}
				}
			}
		}
		for range 2 {
			var closed *CloseError
			if _, err := s.Read(); !errors.As(err, &closed) || *closed != (CloseError{1000, "Normal closure"}) {
				t.Fatal(err)
			}
		}
	})
}
