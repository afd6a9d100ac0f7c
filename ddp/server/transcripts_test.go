package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replicad/replicad/ddp/client"
	"github.com/replicad/replicad/ddp/internal/wire"
	"github.com/replicad/replicad/ddp/server"
)

// notPlayed are the recordings that TestConformanceTranscripts leaves out.
var notPlayed = map[string]string{
	"sockjs-framing": "SockJS is not spoken so far",
}

// instead says where the answer knowingly is another than the recorded one. The
// answers recorded between a client's frame and its next are replaced.
var instead = map[string]map[string]struct {
	why    string
	answer []string
}{
	"malformed-messages": {
		`{"msg":"toString"}`: {"138: names are exact, and every frame is answered",
			[]string{`{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"toString"}}`}},
		`{"msg":"sub","id":"1","name":"toString","params":[]}`: {"138: there is no such publication",
			[]string{`{"msg":"nosub","id":"1","error":` + notFound("Subscription 'toString'") + `}`}},
		`{"msg":"method","id":"2","method":"toString","params":[]}`: {"138: there is no such method",
			[]string{`{"msg":"updated","methods":["2"]}`, `{"msg":"result","id":"2","error":` + notFound("Method 'toString'") + `}`}},
	},
	"ejson": {
		`{"msg":"method","id":"15","method":"echo","params":[{"$type":"unknownType","$value":1}]}`: {
			"135: a type that nobody registered is kept",
			[]string{`{"msg":"updated","methods":["15"]}`, `{"msg":"result","id":"15","result":{"$type":"unknownType","$value":1}}`}},
	},
	"sub-errors": {
		`{"msg":"sub","id":"","name":"empty","params":[]}`: {"172: an empty id is refused",
			[]string{`{"msg":"error","reason":"Malformed subscription","offendingMessage":{"msg":"sub","id":"","name":"empty","params":[]}}`}},
	},
	"resume35-refused": {
		`{"msg":"connect","version":"1","support":["1","pre2","pre1"],"session":"vwrYWzYYGwL4EH2XA","receivedCount":1}`: {
			"237: what the client lacks is sent again",
			[]string{`{"msg":"connected","session":"vwrYWzYYGwL4EH2XA"}`, `{"msg":"added","collection":"merge","id":"z","fields":{"a":1}}`, `{"msg":"ready","subs":["A"]}`}},
		`{"msg":"connect","version":"1","support":["1","pre2","pre1"],"session":"4DoTTtzcHrJi47P7q","receivedCount":1}`: {
			"230: a second socket takes the session over",
			[]string{`{"msg":"connected","session":"4DoTTtzcHrJi47P7q"}`}},
	},
	"server-closes": {
		`{"msg":"method","id":"1","method":"dropBeforeResult","params":[]}`: {
			"the recorded server destroyed its own socket; here an unknown method stands in for it",
			[]string{`{"msg":"result","id":"1","error":` + notFound("Method 'dropBeforeResult'") + `}`, `{"msg":"updated","methods":["1"]}`}},
	},
}

func notFound(what string) string {
	return `{"isClientSafe":true,"error":404,"reason":"` + what + ` not found","message":"` + what + ` not found [404]","errorType":"Meteor.Error"}`
}

// recorded is one line of a recording.
type recorded struct {
	Conn  int             `json:"conn"`
	At    int             `json:"t_ms"`
	Dir   string          `json:"dir"`
	Msg   json.RawMessage `json:"msg"`
	Raw   *string         `json:"raw"`
	Event string          `json:"event"`
	By    string          `json:"by"`
	Code  int             `json:"code"`
}

// frame returns the text that went over the wire.
func (r recorded) frame() []byte {
	if r.Raw != nil {
		return []byte(*r.Raw)
	}
	return r.Msg
}

// TestConformanceTranscripts plays the client's side of recordings of a Meteor
// server, at the recorded times, and compares what is answered. Compared are, for
// each connection: all messages but results, in order, where data messages that
// follow each other may change places as long as those of one document do not (no
// order is promised between documents); and the results, in order (line 145: a
// result may come before or after the data of its call and updated).
func TestConformanceTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	if dir := os.Getenv("REPLICAD_VECTORS"); dir != "" {
		more, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		for _, f := range more {
			if slices.ContainsFunc(files, func(g string) bool { return filepath.Base(g) == filepath.Base(f) }) {
				files = append(files, f)
			}
		}
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		return notPlayed[strings.TrimSuffix(filepath.Base(f), ".jsonl")] != ""
	})
	for name, why := range notPlayed {
		t.Logf("%s.jsonl is not played: %s", name, why)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		var n tally
		ok := t.Run(name, func(t *testing.T) {
			lines := read(t, file)
			synctest.Test(t, func(t *testing.T) { play(t, name, lines, &n) })
		})
		if !ok {
			n.failed = max(n.failed, 1)
		}
		line := fmt.Sprintf("%s: %d passed, %d failed, %d quirks", filepath.Base(file), n.passed, n.failed, n.quirks)
		t.Log(line)
		fmt.Println(line)
	}
}

func read(t testing.TB, file string) []recorded {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []recorded
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var r recorded
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
		if r.Conn > 0 {
			// A msg of null is a frame too, which Unmarshal does not tell from none.
			if r.Dir != "" && r.Msg == nil && r.Raw == nil {
				r.Msg = json.RawMessage("null")
			}
			lines = append(lines, r)
		}
	}
	return lines
}

// conn is one connection that is played.
type conn struct {
	end     *client.PipeEnd
	got     []json.RawMessage
	want    []json.RawMessage
	failure error // what reading ended with
	closed  recorded
	asked   bool // something was sent after the last recorded answer
	done    chan struct{}
}

// play plays a recording.
func play(t *testing.T, name string, lines []recorded, n *tally) {
	items := 20
	if strings.HasPrefix(name, "client-") {
		items = 6
	}
	a := newApp(items)
	a.Logger = slog.New(slog.DiscardHandler)
	a.types()
	if strings.HasPrefix(name, "heartbeat-") {
		a.Heartbeat, a.Timeout = 300*time.Millisecond, 300*time.Millisecond
	}
	if strings.HasPrefix(name, "meteor-client-") || name == "universal-publication" {
		a.universal()
	}
	switch name {
	case "meteor-client-login", "client-gopackage_ddp":
		a.accounts()
	case "resume35-refused":
		a.Grace, a.MaxTailMessages = 2*time.Second, 50
	case "method-results":
		a.inserts = 1 // the recorded server had made one before
	}
	for i, r := range lines {
		if id := insertedID(r, lines[i:]); id != "" {
			a.newIDs = append(a.newIDs, id)
		}
	}
	start := time.Now()
	conns := make(map[int]*conn)
	replaced := make(map[int]bool)
	for _, r := range lines {
		c := conns[r.Conn]
		if r.Dir != "s>c" && r.Event != "close" || r.By == "client" {
			time.Sleep(time.Until(start.Add(time.Duration(r.At) * time.Millisecond)))
		}
		switch {
		case r.Event == "open":
			conns[r.Conn] = open(t, a.Server)
		case r.Dir == "c>s":
			replaced[r.Conn] = false
			if err := c.end.Write(t.Context(), translate(r.frame(), conns), false); err != nil {
				t.Errorf("conn %d: %s: %v", r.Conn, r.frame(), err)
			}
			c.asked = true
			if q, ok := instead[name][string(r.frame())]; ok {
				t.Logf("knowingly another answer to %s: %s", r.frame(), q.why)
				replaced[r.Conn], c.asked = true, false
				n.quirks++
				for _, m := range q.answer {
					c.want = append(c.want, json.RawMessage(m))
				}
			}
		case r.Dir == "s>c":
			if !replaced[r.Conn] {
				c.want, c.asked = append(c.want, r.Msg), false
			}
		case r.Event == "close":
			c.closed = r
			if r.By == "client" {
				synctest.Wait()
				c.end.Close(cmpCode(r.Code), "")
			}
		}
	}
	time.Sleep(time.Second)
	got, want := make(map[string]string), make(map[string]string)
	for i := 1; i <= len(conns); i++ {
		c := conns[i]
		c.end.Close(wire.CodeNormal, "")
		<-c.done
		c.check(t, i, n, got, want)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// sessionOf returns the session that the server named first.
func sessionOf(frames []json.RawMessage) string {
	for _, frame := range frames {
		var m struct{ Msg, Session string }
		if json.Unmarshal(frame, &m); m.Msg == "connected" {
			return m.Session
		}
	}
	return ""
}

// translate puts our session's id in the place of the recorded one.
func translate(frame []byte, conns map[int]*conn) []byte {
	if !bytes.Contains(frame, []byte(`"session":"`)) {
		return frame
	}
	synctest.Wait()
	for _, c := range conns {
		if id := sessionOf(c.want); id != "" {
			frame = bytes.ReplaceAll(frame, []byte(id), []byte(sessionOf(c.got)))
		}
	}
	return frame
}

// insertedID returns the id that the recorded server drew for an insert without a
// seed.
func insertedID(r recorded, rest []recorded) string {
	var m struct {
		Method, ID, RandomSeed string
		Params                 []map[string]any
	}
	if json.Unmarshal(r.Msg, &m); r.Dir != "c>s" || m.Method != "insert" || m.RandomSeed != "" || m.Params[0]["_id"] != nil {
		return ""
	}
	for _, r := range rest {
		var res struct{ Msg, ID, Result string }
		if json.Unmarshal(r.Msg, &res); res.Msg == "result" && res.ID == m.ID {
			return res.Result
		}
	}
	return ""
}

// open connects a client to the server.
func open(t *testing.T, srv *server.Server) *conn {
	a, b := client.Pipe(client.PipeOptions{})
	c := &conn{end: a, done: make(chan struct{})}
	go srv.Serve(t.Context(), b)
	go func() {
		defer close(c.done)
		for {
			frame, err := a.Read()
			if err != nil {
				c.failure = err
				return
			}
			c.got = append(c.got, bytes.Clone(frame))
		}
	}()
	return c
}

// check compares what a connection got with what was recorded. The last two are the
// sessions of the connections before it.
func (c *conn) check(t *testing.T, n int, sum *tally, gotIDs, wantIDs map[string]string) {
	if c.closed.By == "server" && c.closed.Code == wire.CodeNormal {
		var closed *wire.CloseError
		if !errors.As(c.failure, &closed) || closed.Code != wire.CodeNormal {
			t.Errorf("conn %d: ended with %v, want code 1000", n, c.failure)
		}
	}
	order, results := normal(t, c.got, gotIDs)
	wantOrder, wantResults := normal(t, c.want, wantIDs)
	if c.asked {
		// The client left without waiting for the last answer.
		order = order[:min(len(order), len(wantOrder))]
		results = results[:min(len(results), len(wantResults))]
	}
	compare(t, n, "messages", order, wantOrder, sum)
	compare(t, n, "results", results, wantResults, sum)
}
