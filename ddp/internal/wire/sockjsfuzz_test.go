package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzSockJSMessages compares the reader of lists with the standard library's, and
// shows that what is written is read again.
func FuzzSockJSMessages(f *testing.F) {
	for _, s := range []string{`["a","b"]`, `"x"`, `[]`, ` [ "\u00e9\ud83d\ude00\ud800" ] `, `["\q"]`, `["a",]`, `[[]]`, `["\u12`, `"`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b batch
		ok := b.messages(text)
		var want []string
		var one string
		valid := json.Unmarshal(text, &want) == nil && want != nil
		if !valid && json.Unmarshal(text, &one) == nil && len(bytes.TrimLeft(text, " \t\r\n")) > 0 &&
			bytes.TrimLeft(text, " \t\r\n")[0] == '"' {
			valid, want = true, []string{one}
		}
		if valid && bytes.Contains(text, []byte("null")) {
			t.Skip() // the library takes it for a text
		}
		if ok != valid {
			t.Fatalf("%q: %v, the library says %v", text, ok, valid)
		}
		if !ok {
			if len(b.ends) > 0 || len(b.bytes) > 0 {
				t.Fatal("something is left")
			}
			return
		}
		if len(want) != len(b.ends) {
			t.Fatalf("%q: %d messages, want %d", text, len(b.ends), len(want))
		}
		i := 0
		b.each(func(m []byte) error {
			exact := !bytes.Contains(m, []byte(`\u`)) && strings.ToValidUTF8(string(m), "\ufffd") == string(m)
			if exact && string(m) != want[i] {
				t.Fatalf("%q: got %q, want %q", text, m, want[i])
			}
			again := append(appendEscaped([]byte(`["`), m), `"]`...)
			var c batch
			if !c.messages(again) || string(c.bytes) != string(m) {
				t.Fatalf("%q was written as %q, read as %q", m, again, c.bytes)
			}
			i++
			return nil
		})
	})
}

// FuzzSockJSFrames gives a client any frame of a server.
func FuzzSockJSFrames(f *testing.F) {
	for _, s := range []string{"o", "h", `a["x"]`, `m"x"`, `m[]`, `c[1000,"x"]`, `c[1,2]`, "hello", "a", "c[]", `c["1"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var s SockJS
		s.unpack(frame)
		quiet := len(frame) == 0 || string(frame) == "o" || string(frame) == "h" || len(frame) > 1 && (frame[0] == 'a')
		if n := len(s.in.ends); n == 0 && s.ended == nil && !quiet {
			t.Fatalf("%q is lost", frame)
		}
		var closed *CloseError
		if s.ended != nil && (!errors.As(s.ended, &closed) || frame[0] != 'c') {
			t.Fatalf("%q ends with %v", frame, s.ended)
		}
	})
}

// BenchmarkSockJSRead is BenchmarkSocketRead with the framing of SockJS.
func BenchmarkSockJSRead(b *testing.B) {
	frame := bytes.Repeat([]byte(`{"msg":"added",12345`), 17)
	srv := accept(b, UpgradeOptions{}, func(t Transport) {
		for t.Write(context.Background(), frame, false) == nil {
		}
	})
	s, err := DialSockJS(b.Context(), wsURL(srv, SockJSPath("/sockjs")), DialOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Read(); err != nil {
			b.Fatal(err)
		}
	}
	s.Close(CodeNormal, "")
}
