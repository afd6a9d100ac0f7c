package ddp

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// line is one line of a recording.
type line struct {
	Conn  int
	Dir   string
	Event string
	Msg   json.RawMessage
	Raw   *string
	Note  string
	file  string
	n     int
}

// frame returns the text that went over the wire, nil if the line is no frame.
func (l line) frame() []byte {
	if l.Raw != nil {
		return []byte(*l.Raw)
	}
	return l.Msg
}

// recordings returns every line of every recording.
func recordings(t testing.TB) (lines []line) {
	t.Helper()
	files, err := filepath.Glob("testdata/transcripts/*.jsonl")
	if err != nil || len(files) < 50 {
		t.Fatal("recordings are missing", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			l := line{file: filepath.Base(file), n: n + 1}
			if err := json.Unmarshal([]byte(s), &l); err != nil {
				t.Fatalf("%s:%d: %v", file, n+1, err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// TestDecodeRecordings decodes every frame of every recording, overwrites the frame
// at once, writes the message and decodes that: nothing may be lost, and what the
// real server sent must come out as it was, but for the order of keys and for the
// keys of client and server that this package does not know.
func TestDecodeRecordings(t *testing.T) {
	var frames, exact int
	var d Decoder
	for _, l := range recordings(t) {
		if strings.Contains(string(l.frame()), `{"$date":"notnumber"}`) || strings.Contains(string(l.frame()), `{"$date":null}`) {
			continue // an invalid date goes out as null, and JavaScript reads that as 1970
		}
		if l.frame() == nil || l.file == "malformed-messages.jsonl" || l.file == "sockjs-framing.jsonl" {
			continue
		}
		frames++
		frame := bytes.Clone(l.frame())
		first, _ := new(Decoder).Decode(frame) // the general way, where d may take the fast one
		m, err := d.Decode(frame)
		if err == nil && !same(m, first) {
			t.Errorf("%s:%d: %s: %#v, or %#v", l.file, l.n, frame, first, m)
		}
		if err != nil {
			if l.Dir == "s>c" || !complaintFollows(l) {
				t.Errorf("%s:%d: %s: %v", l.file, l.n, l.frame(), err)
			}
			continue
		}
		for i := range frame {
			frame[i] = '#'
		}
		text := Append(nil, m)
		if !json.Valid(text) {
			t.Errorf("%s:%d: wrote %s", l.file, l.n, text)
		}
		again, err := Decode(text)
		if err != nil || !bytes.Equal(Append(nil, again), text) {
			t.Errorf("%s:%d: %s became %s and then %s (%v)", l.file, l.n, l.frame(), text, Append(nil, again), err)
		}
		if want := withoutCleared(m, l.frame()); sameJSON(t, want, text) {
			exact++
		} else if l.Dir == "s>c" {
			t.Errorf("%s:%d: %s became %s", l.file, l.n, l.frame(), text)
		}
	}
	t.Logf("%d frames, %d written as they came", frames, exact)
	if frames < 1000 || frames-exact > 40 {
		t.Errorf("%d frames, %d written as they came", frames, exact)
	}
}

// withoutCleared drops the list of cleared fields from an added message, where it
// means nothing.
func withoutCleared(m Message, frame []byte) []byte {
	if _, ok := m.(Added); !ok || !bytes.Contains(frame, []byte(`"cleared"`)) {
		return frame
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(frame, &keys) != nil {
		return frame
	}
	delete(keys, "cleared")
	frame, _ = json.Marshal(keys)
	return frame
}

// complaintFollows says which recordings have malformed calls on purpose.
func complaintFollows(l line) bool {
	return l.file == "sub-errors.jsonl" || l.file == "method-errors.jsonl"
}

func sameJSON(t *testing.T, a, b []byte) bool {
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// TestMalformedRecordings answers, as a server, every malformed frame that the
// recordings have, and compares with what Meteor answered. Frames after which Meteor
// kept silent or answered with something else are messages here, too.
func TestMalformedRecordings(t *testing.T) {
	var asked *line
	answered := 0
	for _, l := range recordings(t) {
		switch l.file {
		case "malformed-messages.jsonl", "sub-errors.jsonl", "method-errors.jsonl":
		default:
			continue
		}
		if l.Dir == "c>s" {
			asked = &l
			continue
		}
		if l.Dir != "s>c" || asked == nil {
			continue
		}
		var complaint struct{ Msg, Reason string }
		json.Unmarshal(l.Msg, &complaint)
		m, err := Decode(asked.frame())
		var answer Message
		switch bad := err.(type) {
		case *MalformedError:
			answer = bad.Answer()
		default:
			switch m.(type) {
			case Unknown, Connected, Result:
				answer = Refuse(BadRequest, asked.frame())
			}
		}
		if complaint.Msg != "error" {
			if answer != nil {
				t.Errorf("%s:%d: %s: we complain: %s", l.file, l.n, asked.frame(), Append(nil, answer))
			}
		} else if answer == nil || !sameJSON(t, Append(nil, answer), l.Msg) {
			t.Errorf("%s:%d: %s: answered %v, want %s", l.file, l.n, asked.frame(), answer, l.Msg)
		} else {
			answered++
		}
		asked = nil
	}
	if answered < 25 {
		t.Error("only", answered, "complaints compared")
	}
}

// TestNegotiateRecordings answers the recorded connects.
func TestNegotiateRecordings(t *testing.T) {
	var asked Connect
	answers := 0
	for _, l := range recordings(t) {
		if l.file != "connect-negotiation.jsonl" || l.frame() == nil {
			continue
		}
		m, err := Decode(l.frame())
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case Connect:
			asked = m
		case Failed:
			answers++
			if pick, agreed := Negotiate(asked.Support, asked.Version); agreed || pick != m.Version {
				t.Errorf("%+v: %q %t, want %q", asked, pick, agreed, m.Version)
			}
		case Connected:
			answers++
			if _, agreed := Negotiate(asked.Support, asked.Version); !agreed {
				t.Errorf("%+v was refused", asked)
			}
		}
	}
	if answers != 12 {
		t.Error(answers, "answers")
	}
}
